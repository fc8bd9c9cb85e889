"""The moment a sale is paid: points change hands in one posting call, and the slices are fixed.

Lock order: the order's row (the caller's), the wallet, then the accounts inside `ledger.post`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from sqlalchemy.orm import Session

import ledger
from app.books import Kind, rates
from app.checkout import discounts
from app.checkout.baskets import Tender, check_tenders
from app.checkout.errors import PaymentMismatch
from app.checkout.pricing import Priced, allot, earn_points, gives_none
from app.checkout.returns import difference, sold
from app.checkout.sharing import Shared, allocate
from app.checkout.slices import Allocation
from app.merchants.directory import ListedMerchant
from app.points import burns
from app.points.accruals import Accrual, Given, Home, accrue
from app.points.caps import Used
from app.points.definitions import Pending
from app.points.earning import Earned
from app.points.explaining import Silent
from app.points.lots import Meaning, Wallet
from ledger import Journal


@dataclass(frozen=True, kw_only=True)
class GaveNone:
    """A rule (its code) that gave a sale nothing, since a merchant may give no points, and why."""

    rule: str
    why: str
    zh: str
    en: str


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What a paid sale leaves for ever."""

    allocation: Allocation
    shared: Shared
    earned: Earned
    homes: Sequence[Home]
    silent: Sequence[GaveNone] = ()

    @property
    def line_points(self) -> Sequence[int]:
        """Points that the sale gave on every line."""
        return self.earned.line_points

    @property
    def earned_points(self) -> int:
        """Points that the sale gave."""
        return self.earned.total_points

    @property
    def line_burned_fen(self) -> list[int]:
        """Worth of the points on every line."""
        tenders = len(self.shared.tenders)
        funded = tenders + len(self.shared.lots)
        return [
            sum([piece.fen for piece in slices if tenders <= piece.source < funded])
            for slices in self.shared.parts
        ]

    @property
    def money_fen(self) -> dict[str, int]:
        """What each tender paid of the sale; those that paid nothing are left out."""
        money: dict[str, int] = {}
        for paid in self.shared.paid_fen():
            for name, fen in paid.items():
                money[name] = money.get(name, 0) + fen
        return {name: fen for name, fen in money.items() if fen}

    def earnings(self) -> list[Any]:
        """Return what each rule gave, for the order (E10), then the rules that had to be silent."""
        return [*earnings(self.earned), *map(vars, self.silent)]


def settle(
    session: Session,
    priced: Priced,
    wallet: Wallet | None,
    tenders: Sequence[Tender],
    *,
    order: str,
    hold: str | None = None,
    before: Sequence[Journal] = (),
) -> Settled:
    """Burn, earn and share a priced sale in one posting call; at most two round trips.

    A third where others fund its coupons, whose share is posted with it (L7).

    `hold` names what the order has held: it is captured. `before` are journals of the same
    transaction that go with it, such as those of the refund in an exchange. A prepaid merchant
    whose points have run out gives none, and the sale goes on (L6).

    Raises:
        PaymentMismatch: the tenders are not what is due.
        InsufficientBalance, HoldEnded: the points are not there any more.
    """
    shared, earned = agree(session, priced, tenders)
    burn = _burn_journal(priced, order, shared, hold)
    if wallet is not None and burn:
        wallet = wallet.after(
            [posting for journal in burn for posting in journal.postings],
            freed=priced.parts if hold else (),
        )
    funded = discounts.journals(
        session,
        priced.directory,
        priced.stack.given(priced.lines),
        key=f"{order}:coupons",
        order=order,
        occurred_at=priced.basket.occurred_at,
    )
    fixed = [*before, *burn, *funded]
    homes: Sequence[Home] = []
    while True:
        given = given_by(priced, earned)
        accrual = accrual_of(session, priced, wallet, given, order=order)
        homes = accrual.homes
        try:
            ledger.post(session, [*fixed, *earn_journal(priced, order, accrual, earned)])
            break
        except ledger.InsufficientBalance as refusal:
            dry = _prepaid_owner(given, refusal.account_id)
            if dry is None:
                raise
            earned = earned.on([owner.id != dry.id for owner in priced.merchants])
    return settled_of(shared, earned, homes, silent=gives_none(session, priced, shared))


def agree(
    session: Session, priced: Priced, tenders: Sequence[Tender], *, used: Used | None = None
) -> tuple[Shared, Earned]:
    """Return how the money and points of a priced sale lie on its lines, and what it earns.

    `used` is what sales that are written with it have taken of the caps of rules.

    Raises:
        PaymentMismatch: the tenders are not what is due.
    """
    check_tenders(tenders)
    paid = sum([tender.fen for tender in tenders])
    if paid != priced.due_fen:
        raise PaymentMismatch(due_fen=priced.due_fen, paid_fen=paid)
    shared = allot(priced, tenders)
    return shared, earn_points(session, priced, shared, used=used)


def settled_of(
    shared: Shared, earned: Earned, homes: Sequence[Home], *, silent: Sequence[Silent]
) -> Settled:
    """Return what a sale leaves once its points are posted."""
    return Settled(
        allocation=allocate(shared, earned_points=earned.line_points),
        shared=shared,
        earned=earned,
        homes=homes,
        silent=[
            GaveNone(rule=each.rule.code, why=each.why.value, zh=each.zh, en=each.en)
            for each in silent
        ],
    )


def accrual_of(
    session: Session,
    priced: Priced,
    wallet: Wallet | None,
    given: Sequence[Given],
    *,
    order: str,
) -> Accrual:
    """Plan how what is given for an order reaches the wallet: without one, nothing does."""
    if wallet is None or not given:
        return Accrual(postings=[], homes=[])
    return accrue(
        session,
        wallet,
        given,
        programme=priced.programme,
        order=order,
        occurred_at=priced.basket.occurred_at,
    )


def earnings(earned: Earned) -> list[Any]:
    """Return what each rule gave as JSON: rule, version, points, base in fen.

    A rule that a cap has cut says how many points it would have given.
    """
    cut = {each.rule.version_id: each for each in earned.cuts}
    given = {each.rule.version_id: each for each in earned.rules}
    told: list[Any] = [
        {
            "rule": each.rule.public_id,
            "code": each.rule.code,
            "version": each.rule.version,
            "points": each.points,
            "base_fen": each.base_fen,
        }
        | ({"desired_points": cut[version].desired} if version in cut else {})
        for version, each in given.items()
    ]
    return told


def load_silent(stored: Sequence[Any] | None) -> list[GaveNone]:
    """Return the rules of an order's earnings that had to give nothing."""
    return [GaveNone(**each) for each in stored or () if "why" in each]


def dump_homes(homes: Sequence[Home]) -> list[Any]:
    """Return homes as short lists, for a jsonb column."""
    return [
        [
            home.merchant_id,
            home.issue_account_id,
            home.lot_account_id,
            home.meaning.cost.numerator,
            home.meaning.cost.denominator,
            *([home.points, home.pending] if home.points is not None or home.pending else []),
        ]
        for home in homes
    ]


def load_homes(stored: Sequence[Any]) -> list[Home]:
    """Return the homes that `dump_homes` stored."""
    return [
        Home(
            merchant_id=merchant,
            issue_account_id=issue,
            lot_account_id=lot,
            meaning=Meaning(
                issuer_id=merchant, cost=Fraction(num, den), redemption=Fraction(num, den)
            ),
            points=rest[0] if rest else None,
            pending=rest[1] if rest else False,
        )
        for merchant, issue, lot, num, den, *rest in stored
    ]


def _burn_journal(priced: Priced, order: str, shared: Shared, hold: str | None) -> list[Journal]:
    if not priced.parts:
        return []
    allocation = allocate(shared)
    burned = difference(allocation, {}, sold(allocation)).points
    postings = burns.spend(burned, priced.directory)
    if not postings:
        return []
    return [
        Journal(
            key=f"{order}:burn",
            kind=Kind.BURN,
            occurred_at=priced.basket.occurred_at,
            postings=postings,
            hold=hold,
            details={"order": order},
        )
    ]


def earn_journal(priced: Priced, order: str, accrual: Accrual, earned: Earned) -> list[Journal]:
    """Return the journal of an earn, if anything is given."""
    if not accrual.postings:
        return []
    return [
        Journal(
            key=f"{order}:earn",
            kind=Kind.EARN,
            occurred_at=priced.basket.occurred_at,
            postings=accrual.postings,
            details={"order": order, "rules": earnings(earned), **rates(accrual.postings)},
        )
    ]


def given_by(priced: Priced, earned: Earned) -> list[Given]:
    """Return what each merchant gives for a sale, apart for each time at which it may be spent."""
    given: dict[tuple[int, Pending | None], int] = {}
    day = priced.basket.business_date
    for rule in earned.rules:
        pending = rule.rule.definition.pending
        if pending is not None and pending.over(day):
            pending = None
        for merchant, points in zip(priced.merchants, rule.line_points, strict=True):
            if points:
                key = (merchant.id, pending)
                given[key] = given.get(key, 0) + points
    return [
        Given(merchant=priced.directory.merchants[merchant], points=points, pending=pending)
        for (merchant, pending), points in given.items()
    ]


def _prepaid_owner(given: Sequence[Given], account_id: int) -> ListedMerchant | None:
    merchants = (each.merchant for each in given)
    return next((each for each in merchants if each.prepaid_account_id == account_id), None)
