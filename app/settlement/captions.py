"""What a movement of points is called on a statement, by the codes of its two accounts."""

from collections.abc import Mapping
from enum import StrEnum

from app.books import Code


class Caption(StrEnum):
    """A row of a statement. Points and fen are what it adds to the party's own."""

    ISSUED = "issued"
    BOUGHT_AHEAD = "bought_ahead"
    AHEAD_RETURNED = "ahead_returned"
    REDEEMED = "redeemed"
    REDEEMED_OWN = "redeemed_own"
    REDEEMED_OTHERS = "redeemed_others"
    RETURNED = "returned"
    REVERSED = "reversed"
    BORNE = "borne"
    EXPIRED = "expired"
    REVIVED = "revived"
    DEBT_BORNE = "debt_borne"
    DONATED = "donated"
    DONATION_RETURNED = "donation_returned"
    GRANTED = "granted"
    ADJUSTED = "adjusted"
    MOVED = "moved"
    REVALUED = "revalued"
    SPREAD = "spread"
    ROUNDING = "rounding"
    SUBSIDY = "subsidy"
    ADJUSTMENT = "adjustment"
    PAYMENT = "payment"
    COUPON = "coupon"
    CHARITY_PAID = "charity_paid"
    DEPOSIT = "deposit"
    DEPOSIT_USED = "deposit_used"
    LOSS = "loss"
    RECOVERY = "recovery"


#: Caption of each posting of `app/books.py:RULES`; `redeemed` becomes `redeemed_own` where a
#: merchant takes points that it had issued. A test holds it complete.
CAPTIONS: Mapping[tuple[Code, Code], Caption] = {
    (Code.ISSUED, Code.LOT): Caption.ISSUED,
    (Code.PREPAID, Code.LOT): Caption.ISSUED,
    (Code.ISSUED, Code.DEBT): Caption.ISSUED,
    (Code.PREPAID, Code.DEBT): Caption.ISSUED,
    (Code.LOT, Code.DEBT): Caption.MOVED,
    (Code.LOT, Code.REDEEMED): Caption.REDEEMED,
    (Code.REDEEMED, Code.LOT): Caption.RETURNED,
    (Code.REDEEMED, Code.ISSUED): Caption.BORNE,
    (Code.REDEEMED, Code.PREPAID): Caption.BORNE,
    (Code.LOT, Code.ISSUED): Caption.REVERSED,
    (Code.LOT, Code.PREPAID): Caption.REVERSED,
    (Code.DEBT, Code.ISSUED): Caption.REVERSED,
    (Code.DEBT, Code.PREPAID): Caption.REVERSED,
    (Code.PREPAID_SOLD, Code.PREPAID): Caption.BOUGHT_AHEAD,
    (Code.PREPAID, Code.PREPAID_SOLD): Caption.AHEAD_RETURNED,
    (Code.BREAKAGE, Code.DEBT): Caption.DEBT_BORNE,
    (Code.LOT, Code.BREAKAGE): Caption.EXPIRED,
    (Code.BREAKAGE, Code.LOT): Caption.REVIVED,
    (Code.LOT, Code.LOT): Caption.MOVED,
    (Code.LOT, Code.DONATED): Caption.DONATED,
    (Code.DONATED, Code.BREAKAGE): Caption.DONATION_RETURNED,
    (Code.DONATED, Code.GRANTED): Caption.GRANTED,
    (Code.DEBT, Code.DEBT): Caption.MOVED,
    (Code.OPENING, Code.LOT): Caption.ISSUED,
    (Code.ADJUSTED, Code.LOT): Caption.ADJUSTED,
    (Code.ADJUSTED, Code.DEBT): Caption.ADJUSTED,
    (Code.LOT, Code.ADJUSTED): Caption.ADJUSTED,
}

NAMES: Mapping[Caption, tuple[str, str]] = {
    Caption.ISSUED: ("发放", "Issued"),
    Caption.BOUGHT_AHEAD: ("预购", "Bought ahead"),
    Caption.AHEAD_RETURNED: ("预购退款", "Bought ahead, returned"),
    Caption.REDEEMED: ("核销", "Redeemed here"),
    Caption.REDEEMED_OWN: ("核销本店积分", "Redeemed here, own points"),
    Caption.REDEEMED_OTHERS: ("核销他店积分", "Redeemed here, others' points"),
    Caption.RETURNED: ("核销退回", "Redemptions returned"),
    Caption.REVERSED: ("发放冲回", "Issues reversed"),
    Caption.BORNE: ("核销退回抵承担", "Returned points made good"),
    Caption.EXPIRED: ("过期", "Expired"),
    Caption.REVIVED: ("过期冲回", "Expiry taken back"),
    Caption.DEBT_BORNE: ("承担注销会员欠分", "Debt of erased members borne"),
    Caption.DONATED: ("捐赠", "Donated"),
    Caption.DONATION_RETURNED: ("捐赠积分退回", "Donated points returned"),
    Caption.GRANTED: ("捐赠积分转公益", "Donated points to charity"),
    Caption.ADJUSTED: ("人工调整", "Adjusted by hand"),
    Caption.MOVED: ("流通积分变动", "Points out, moved"),
    Caption.REVALUED: ("预购重估", "Bought ahead, revalued"),
    Caption.SPREAD: ("发放与核销价差", "Spread of cost and redemption"),
    Caption.ROUNDING: ("尾差", "Rounding"),
    Caption.SUBSIDY: ("补贴", "Subsidy"),
    Caption.ADJUSTMENT: ("调整", "Adjustment"),
    Caption.PAYMENT: ("收付款", "Payment"),
    Caption.COUPON: ("优惠券", "Coupons"),
    Caption.CHARITY_PAID: ("公益支出", "Paid to a cause"),
    Caption.DEPOSIT: ("退出押金收付", "Deposit, in or out"),
    Caption.DEPOSIT_USED: ("押金抵欠款", "Deposit used"),
    Caption.LOSS: ("退出商户损失分担", "Loss of a leaving merchant"),
    Caption.RECOVERY: ("损失追回", "Loss recovered"),
}

#: Rows that are posted when they happen; the close only shows them.
POSTED = frozenset(
    {
        Caption.SUBSIDY,
        Caption.ADJUSTMENT,
        Caption.PAYMENT,
        Caption.COUPON,
        Caption.CHARITY_PAID,
        Caption.DEPOSIT,
        Caption.DEPOSIT_USED,
        Caption.LOSS,
        Caption.RECOVERY,
    }
)
