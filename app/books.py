"""The chart of accounts: which accounts there are, and what each business event posts.

For an accountant to read; `docs/books.md` tabulates it and a test holds the two together. All
amounts here are points. `posted` = credits less debits: what the district owes its members stands
in credit, what merchants owe for points they gave stands in debit.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any

from sqlalchemy.orm import Session

import ledger
from ledger import NewAccount, Posting, Unit


class Code(StrEnum):
    """Kinds of account."""

    LOT = "lot"
    DEBT = "debt"
    ISSUED = "issued"
    PREPAID = "prepaid"
    REDEEMED = "redeemed"
    BREAKAGE = "breakage"
    PREPAID_SOLD = "prepaid_sold"
    DONATED = "donated"
    GRANTED = "granted"
    DUE = "due"
    FLOAT = "float"
    MEMBER_DEBT = "member_debt"
    ADVANCES = "advances"
    SPREAD = "spread"
    BREAKAGE_KEPT = "breakage_kept"
    DONATIONS = "donations"
    CHARITY = "charity"
    ROUNDING = "rounding"
    CLEARING = "clearing"
    BANK = "bank"
    SUBSIDIES = "subsidies"
    ADJUSTMENTS = "adjustments"
    DEPOSITS = "deposits"
    FUND = "fund"
    OPENING = "opening"
    ADJUSTED = "adjusted"
    COUPONS = "coupons"
    BRAND = "brand"


class Kind(StrEnum):
    """Kinds of journal: the business events that move points."""

    EARN = "earn"
    BURN = "burn"
    REFUND = "refund"
    PREPAY = "prepay"
    PREPAY_RETURN = "prepay_return"
    LAPSE = "lapse"
    SETTLE = "settle"
    PAYMENT = "payment"
    SUBSIDY = "subsidy"
    ADJUSTMENT = "adjustment"
    MERGE = "merge"
    OPENING = "opening"
    EXPIRE = "expire"
    ACTIVATE = "activate"
    EXTEND = "extend"
    ADJUST = "adjust"
    GIFT = "gift"
    COUPON = "coupon"
    CHECK_IN = "check_in"
    REFERRAL = "referral"
    REWARD = "reward"
    REWARD_RETURN = "reward_return"
    GRANT = "grant"
    CHARITY_PAID = "charity_paid"
    DEPOSIT = "deposit"
    DEPOSIT_USED = "deposit_used"
    LOSS = "loss"
    RECOVERY = "recovery"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One row of the posting rules: what a debit and a credit mean in an event."""

    event: str
    debit: Code
    credit: Code


#: Every posting that the product makes, in the order of `docs/books.md`.
RULES: tuple[Line, ...] = (
    Line(event="earn at a postpaid merchant", debit=Code.ISSUED, credit=Code.LOT),
    Line(event="earn at a prepaid merchant", debit=Code.PREPAID, credit=Code.LOT),
    Line(event="earn while in debt, postpaid", debit=Code.ISSUED, credit=Code.DEBT),
    Line(event="earn while in debt, prepaid", debit=Code.PREPAID, credit=Code.DEBT),
    Line(event="expired points net against debt", debit=Code.LOT, credit=Code.DEBT),
    Line(event="burn", debit=Code.LOT, credit=Code.REDEEMED),
    Line(event="refund of a burn", debit=Code.REDEEMED, credit=Code.LOT),
    Line(event="refund of a burn, borne, postpaid", debit=Code.REDEEMED, credit=Code.ISSUED),
    Line(event="refund of a burn, borne, prepaid", debit=Code.REDEEMED, credit=Code.PREPAID),
    Line(event="refund of an earn, postpaid", debit=Code.LOT, credit=Code.ISSUED),
    Line(event="refund of an earn, prepaid", debit=Code.LOT, credit=Code.PREPAID),
    Line(event="refund of an earn already spent, postpaid", debit=Code.DEBT, credit=Code.ISSUED),
    Line(event="refund of an earn already spent, prepaid", debit=Code.DEBT, credit=Code.PREPAID),
    Line(event="merchant buys points ahead", debit=Code.PREPAID_SOLD, credit=Code.PREPAID),
    Line(event="points bought ahead are taken back", debit=Code.PREPAID, credit=Code.PREPAID_SOLD),
    Line(event="points of an erased member pay a debt", debit=Code.LOT, credit=Code.DEBT),
    Line(event="debt of an erased member, borne", debit=Code.BREAKAGE, credit=Code.DEBT),
    Line(event="points of an erased member lapse", debit=Code.LOT, credit=Code.BREAKAGE),
    Line(event="points of an erased member are donated", debit=Code.LOT, credit=Code.DONATED),
    Line(event="donated points go back to their issuer", debit=Code.DONATED, credit=Code.BREAKAGE),
    Line(event="donated points go to charity", debit=Code.DONATED, credit=Code.GRANTED),
    Line(event="points of a merged member", debit=Code.LOT, credit=Code.LOT),
    Line(event="debt of a merged member", debit=Code.DEBT, credit=Code.DEBT),
    Line(event="points of an older programme", debit=Code.OPENING, credit=Code.LOT),
    Line(event="points expire", debit=Code.LOT, credit=Code.BREAKAGE),
    Line(event="expiry taken back by a refund", debit=Code.BREAKAGE, credit=Code.LOT),
    Line(event="pending points become active", debit=Code.LOT, credit=Code.LOT),
    Line(event="points are kept longer", debit=Code.LOT, credit=Code.LOT),
    Line(event="adjustment upwards", debit=Code.ADJUSTED, credit=Code.LOT),
    Line(event="adjustment upwards while in debt", debit=Code.ADJUSTED, credit=Code.DEBT),
    Line(event="adjustment downwards", debit=Code.LOT, credit=Code.ADJUSTED),
    Line(event="gift to another member", debit=Code.LOT, credit=Code.LOT),
    Line(event="check-in, issuer postpaid", debit=Code.ISSUED, credit=Code.LOT),
    Line(event="check-in, issuer prepaid", debit=Code.PREPAID, credit=Code.LOT),
    Line(event="referral, issuer postpaid", debit=Code.ISSUED, credit=Code.LOT),
    Line(event="referral, issuer prepaid", debit=Code.PREPAID, credit=Code.LOT),
    Line(event="points pay for a reward", debit=Code.LOT, credit=Code.REDEEMED),
    Line(event="a reward is given up", debit=Code.REDEEMED, credit=Code.LOT),
    Line(event="a reward is given up, borne, postpaid", debit=Code.REDEEMED, credit=Code.ISSUED),
    Line(event="a reward is given up, borne, prepaid", debit=Code.REDEEMED, credit=Code.PREPAID),
)


#: Accounts in fen: each party's own, and the one through which a close goes, which ends at zero.
PARTIES = (
    Code.DUE,
    Code.FLOAT,
    Code.MEMBER_DEBT,
    Code.ADVANCES,
    Code.SPREAD,
    Code.BREAKAGE_KEPT,
    Code.DONATIONS,
    Code.CHARITY,
    Code.ROUNDING,
)

#: Every posting of fen, in the order of `docs/books.md`.
FEN_RULES: tuple[Line, ...] = (
    *(Line(event=f"close: {party} is credited", debit=Code.CLEARING, credit=party)
      for party in PARTIES),
    *(Line(event=f"close: {party} is charged", debit=party, credit=Code.CLEARING)
      for party in PARTIES),
    Line(event="a merchant pays the district", debit=Code.BANK, credit=Code.DUE),
    Line(event="the district pays a merchant", debit=Code.DUE, credit=Code.BANK),
    Line(event="the district subsidises a merchant", debit=Code.SUBSIDIES, credit=Code.DUE),
    Line(event="a subsidy is taken back", debit=Code.DUE, credit=Code.SUBSIDIES),
    Line(event="a due is adjusted for the merchant", debit=Code.ADJUSTMENTS, credit=Code.DUE),
    Line(event="a due is adjusted against the merchant", debit=Code.DUE, credit=Code.ADJUSTMENTS),
    Line(event="a coupon that the district funds", debit=Code.COUPONS, credit=Code.DUE),
    Line(event="a coupon that another merchant funds", debit=Code.DUE, credit=Code.DUE),
    Line(event="a coupon that a brand funds", debit=Code.BRAND, credit=Code.DUE),
    Line(event="refund of a coupon that the district funds", debit=Code.DUE, credit=Code.COUPONS),
    Line(event="refund of a coupon that a brand funds", debit=Code.DUE, credit=Code.BRAND),
    Line(event="the district pays a cause out of charity", debit=Code.CHARITY, credit=Code.BANK),
    Line(event="a leaving merchant pays its deposit", debit=Code.BANK, credit=Code.DEPOSITS),
    Line(event="a deposit is paid back", debit=Code.DEPOSITS, credit=Code.BANK),
    Line(event="a deposit pays what its merchant owes", debit=Code.DEPOSITS, credit=Code.DUE),
    Line(event="the fund bears what a merchant owes", debit=Code.FUND, credit=Code.DUE),
    Line(event="a redeemer bears it, or gets it back", debit=Code.DUE, credit=Code.DUE),
    Line(event="the fund gets back what it bore", debit=Code.DUE, credit=Code.FUND),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class MerchantAccounts:
    """The accounts of one merchant, opened when it is registered."""

    issued: int
    prepaid: int
    redeemed: int
    breakage: int


def open_merchant_accounts(session: Session, merchants: Sequence[str]) -> list[MerchantAccounts]:
    """Open the accounts of merchants (by public id), in their order. One round trip.

    What a postpaid merchant gave (`issued`) and took (`redeemed`) is summed later, for nobody
    checks a floor there; prepaid points stop exactly at zero, so that account is guarded at each
    sale. Funding is a choice of account: a merchant that changes it simply uses the other one.
    """
    wanted = [
        NewAccount(
            name=f"{code}:{merchant}",
            code=code,
            unit=Unit.POINTS,
            exact=code is Code.PREPAID,
            floor=0 if code is Code.PREPAID else None,
        )
        for merchant in merchants
        for code in (Code.ISSUED, Code.PREPAID, Code.REDEEMED, Code.BREAKAGE)
    ]
    ids = ledger.open_accounts(session, wanted)
    return [
        MerchantAccounts(
            issued=ids[f"issued:{merchant}"],
            prepaid=ids[f"prepaid:{merchant}"],
            redeemed=ids[f"redeemed:{merchant}"],
            breakage=ids[f"breakage:{merchant}"],
        )
        for merchant in merchants
    ]


def open_wallets(session: Session, members: Sequence[str]) -> list[int]:
    """Open the wallets of members (by public id), in their order. One round trip."""
    ids = ledger.open_wallets(session, members)
    return [ids[member] for member in members]


def prepaid_sold_account(session: Session) -> int:
    """Return the district's account against which merchants buy points ahead."""
    account = NewAccount(
        name=Code.PREPAID_SOLD, code=Code.PREPAID_SOLD, unit=Unit.POINTS, exact=False
    )
    return ledger.open_accounts(session, [account])[Code.PREPAID_SOLD]


def donated_account(session: Session) -> int:
    """Return the district's account of points that were given away by who left."""
    account = NewAccount(name=Code.DONATED, code=Code.DONATED, unit=Unit.POINTS, exact=False)
    return ledger.open_accounts(session, [account])[Code.DONATED]


def granted_account(session: Session) -> int:
    """Return the district's account of donated points that went to its charity."""
    account = NewAccount(name=Code.GRANTED, code=Code.GRANTED, unit=Unit.POINTS, exact=False)
    return ledger.open_accounts(session, [account])[Code.GRANTED]


def opening_accounts(session: Session, merchants: Collection[str]) -> Mapping[str, int]:
    """Return merchants' accounts of what an older programme had promised, by public id."""
    accounts = [
        NewAccount(
            name=f"{Code.OPENING}:{merchant}", code=Code.OPENING, unit=Unit.POINTS, exact=False
        )
        for merchant in sorted(merchants)
    ]
    ids = ledger.open_accounts(session, accounts)
    return {merchant: ids[f"{Code.OPENING}:{merchant}"] for merchant in merchants}


def adjusted_account(session: Session, merchant: str) -> int:
    """Return the account of points that staff gave or took by hand for a merchant (public id)."""
    name = f"{Code.ADJUSTED}:{merchant}"
    account = NewAccount(name=name, code=Code.ADJUSTED, unit=Unit.POINTS, exact=False)
    return ledger.open_accounts(session, [account])[name]


@dataclass(frozen=True, kw_only=True, slots=True)
class RatedPosting(Posting):
    """A posting whose sides are worth other fen per point than the rates of its lot say."""

    debit_fen: Fraction
    credit_fen: Fraction


def fen_accounts(session: Session, merchants: Sequence[str]) -> dict[str, int]:
    """Return the accounts in fen by name: `due:<merchant>` of each, and the district's by code.

    None of them has a floor, so none is locked. Those not there yet are opened; one round trip.
    """
    names = [f"{Code.DUE}:{merchant}" for merchant in merchants]
    house = (*PARTIES, Code.CLEARING, Code.BANK, Code.SUBSIDIES, Code.ADJUSTMENTS, Code.FUND)
    names += [code.value for code in house if code is not Code.DUE]
    return ledger.open_accounts(
        session,
        [
            NewAccount(name=name, code=name.partition(":")[0], unit=Unit.FEN, exact=False)
            for name in names
        ],
    )


def funding_accounts(session: Session, names: Collection[str]) -> dict[str, int]:
    """Return accounts in fen that coupons are settled by: `coupons`, `due:…` or `brand:…`.

    None has a floor, so none is locked. Those not there yet are opened; one round trip.
    """
    return ledger.open_accounts(
        session,
        [
            NewAccount(name=name, code=name.partition(":")[0], unit=Unit.FEN, exact=False)
            for name in sorted(names)
        ],
    )


def deposit_account(session: Session, merchant: str) -> int:
    """Return the account of what a leaving merchant (public id) has paid as its deposit."""
    name = f"{Code.DEPOSITS}:{merchant}"
    account = NewAccount(name=name, code=Code.DEPOSITS, unit=Unit.FEN, exact=False)
    return ledger.open_accounts(session, [account])[name]


def move(
    debit_id: int, credit_id: int, points: int, *, worth: tuple[Fraction, Fraction] | None = None
) -> Posting:
    """Return one posting of a rule above.

    In fen it is worth what the rates frozen in its lot say, at the close of the period. Where
    those do not tell, since no lot is in it or a lot of other rates, `worth` says what a point is
    worth to the debited and to the credited side, in fen.
    """
    if worth is None:
        return Posting(debit_id=debit_id, credit_id=credit_id, amount=points)
    debit_fen, credit_fen = worth
    return RatedPosting(
        debit_id=debit_id,
        credit_id=credit_id,
        amount=points,
        debit_fen=debit_fen,
        credit_fen=credit_fen,
    )


def rates(postings: Sequence[Posting]) -> dict[str, Any]:
    """Return what a journal's details say of rates: by line the fen of each side, `3/2`."""
    rated = {
        str(line): [str(posting.debit_fen), str(posting.credit_fen)]
        for line, posting in enumerate(postings, start=1)
        if isinstance(posting, RatedPosting)
    }
    return {"rates": rated} if rated else {}
