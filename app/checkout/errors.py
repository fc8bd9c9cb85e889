"""What checkout refuses."""

from collections.abc import Sequence

from app.errors import AppError, StateConflict
from app.members.identification import KnownMember
from app.money import yuan
from app.points.burning import Limit


class RefundExceedsRemaining(AppError):
    """A refund asks for more than is left; `remaining` says how much is (semantics 11).

    `unit` is "fen" or "quantity"; `line` is None where the whole order was asked.
    """

    def __init__(self, *, line: int | None, unit: str, asked: int, remaining: int) -> None:
        where_zh = "订单" if line is None else f"第 {line} 行"
        where_en = "order" if line is None else f"line {line}"
        unit_zh, unit_en = ("分", "fen") if unit == "fen" else ("件", "units")
        super().__init__(
            f"退款超出可退范围：{where_zh}申请 {asked} {unit_zh}，还可退 {remaining} {unit_zh} / "
            f"Refund exceeds what remains: {where_en} asks for {asked} {unit_en}, "
            f"{remaining} {unit_en} remain"
        )
        self.line = line
        self.unit = unit
        self.asked = asked
        self.remaining = remaining


class NotRefundable(AppError):
    """The line was sold as not refundable."""

    def __init__(self, line: int) -> None:
        super().__init__(f"第 {line} 行不可退款 / Line {line} is not refundable")
        self.line = line


class BusinessKeyConflict(AppError):
    """The till's own number names another sale or refund already (semantics 38)."""

    def __init__(self, kind: str, number: str, known: str) -> None:
        super().__init__(
            f"收银单号 {number} 已用于另一笔（{known}），内容不同 / "
            f"The till's number {number} already names another {kind} ({known})"
        )
        self.kind = kind
        self.number = number
        self.known = known


class CouponNotUsable(AppError):
    """Coupons that an order names cannot be used in it; `reasons` are all: (coupon, zh, en)."""

    def __init__(self, reasons: Sequence[tuple[str, str, str]]) -> None:
        super().__init__(
            "；".join(f"{coupon}：{zh}" for coupon, zh, _ in reasons)
            + " / "
            + "; ".join(f"{coupon}: {en}" for coupon, _, en in reasons)
        )
        self.reasons = tuple(reasons)


class OfflineTooLate(AppError):
    """A sale with an offline coupon came after its 72 hours; a break says what it gave."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"离线单已超过 72 小时，未入账；其离线券记为差异 {found} / "
            f"More than 72 hours ago, so it was not sold; what its coupon gave is break {found}"
        )
        self.found = found


class PaymentMismatch(AppError):
    """The tenders do not add up to what is due."""

    def __init__(self, *, due_fen: int, paid_fen: int) -> None:
        super().__init__(
            f"应付 {yuan(due_fen)}，实付 {yuan(paid_fen)} / "
            f"{yuan(due_fen)} is due, {yuan(paid_fen)} was paid"
        )
        self.due_fen = due_fen
        self.paid_fen = paid_fen


class OrderNotPayable(StateConflict):
    """The order is cancelled."""

    def __init__(self, order: str, state: str) -> None:
        super().__init__("order", order, state, "订单已不能支付", "the order cannot be paid")


class PaidOtherwise(StateConflict):
    """The order is paid already, and not by the tenders that are told now."""

    def __init__(self, order: str, state: str) -> None:
        super().__init__(
            "order", order, state,
            "订单已用其他支付方式付清", "it was paid by other tenders",
        )  # fmt: skip


class LockExpired(StateConflict):
    """The order's points were held until an instant; now they are not there any more (decision 20).

    Semantics 35: a late payment is judged anew, and takes all that was promised or nothing.
    """

    def __init__(self, order: str) -> None:
        super().__init__(
            "order", order, "expired",
            "积分冻结已过期，且积分已不能再用于此单，请取消后重新下单",
            "its hold has ended and its points can no longer be used: cancel it and place another",
        )  # fmt: skip


class BurnExpired(StateConflict):
    """The points of a burn were held until an instant, which is over (decision 20)."""

    def __init__(self, burn: str) -> None:
        super().__init__(
            "burn", burn, "expired",
            "积分冻结已过期，请重新授权", "its hold has ended: authorise another",
        )  # fmt: skip


class BurnEnded(StateConflict):
    """The burn was captured, or given up: it cannot become the other, nor another amount."""

    def __init__(self, burn: str, state: str) -> None:
        super().__init__(
            "burn", burn, state,
            "已完成或已撤销，退还请按其订单退款", "it has ended: to give back, refund its order",
        )  # fmt: skip


class NothingToBurn(AppError):
    """The terms of the store, or what the member burned today, let no point be burned."""

    def __init__(self, limits: Sequence[Limit]) -> None:
        zh, en = (limits[-1].zh, limits[-1].en) if limits else ("价值不足 1 分", "worth no fen")
        super().__init__(f"按规则不能抵扣：{zh} / By its terms nothing can be burned: {en}")
        self.limits = limits


class TapNeeded(AppError):
    """The member has to be asked on the phone before so much is burned (reliability §9)."""

    def __init__(
        self, *, member: KnownMember, terminal_id: int, points: int, worth_fen: int
    ) -> None:
        super().__init__(
            "本次抵扣须会员在手机上确认 / The member has to confirm this burn on the phone"
        )
        self.member = member
        self.terminal_id = terminal_id
        self.points = points
        self.worth_fen = worth_fen


class OrderNotExtendable(StateConflict):
    """Only an order that waits for payment, within its time, can be given more of it."""

    def __init__(self, order: str, state: str) -> None:
        super().__init__(
            "order", order, state,
            "订单不在待付时限内，不能延长", "it does not wait for payment within its time",
        )  # fmt: skip


class OrderNotRefundable(StateConflict):
    """Only a paid order can be refunded, and only a waiting one cancelled."""

    def __init__(self, order: str, state: str) -> None:
        super().__init__("order", order, state, "订单当前状态不允许", "not in this state")


class NothingToClaim(AppError):
    """A receipt names no order that may be claimed; nobody is told why (E8, semantics 44)."""

    def __init__(self) -> None:
        super().__init__(
            "没有可补登的订单，请核对门店、单号、日期与金额 / "
            "No order can be claimed by this: check the store, number, day and amount"
        )


class QuoteExpired(AppError):
    """The quote's minutes are over, or it was made for another basket."""

    def __init__(self, quote: str) -> None:
        super().__init__(
            f"报价 {quote} 已过期或与订单不符，请重新报价 / "
            f"Quote {quote} has expired or is for another basket: ask for a new one"
        )
        self.quote = quote


class RewardNotOffered(StateConflict):
    """The item of the mall has not begun, or is over."""

    def __init__(self, item: str, why: str) -> None:
        super().__init__("mall-item", item, why, "现在不能换购", "it is not offered now")


class PriceChanged(StateConflict):
    """The item costs the member another number of points than he was shown."""

    def __init__(self, item: str, points: int) -> None:
        super().__init__(
            "mall-item", item, f"{points}", "价格已变，请按现价确认",
            "its price has changed: confirm the new one",
        )  # fmt: skip
        self.points = points


class RewardSoldOut(AppError):
    """The item of the mall has no stock left."""

    def __init__(self, item: str) -> None:
        super().__init__(f"{item} 已换完 / {item} is sold out")
        self.item = item


class RewardLimit(AppError):
    """The member has as many of the item as anybody may."""

    def __init__(self, item: str) -> None:
        super().__init__(f"{item} 已达换购上限 / nobody may have more of {item} than this")
        self.item = item
