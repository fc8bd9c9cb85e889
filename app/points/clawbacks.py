"""Taking back points that a refunded sale had earned (semantics 1, 2; L3)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction

from sqlalchemy.orm import Session

from app.books import move
from app.points.accruals import Home
from app.points.errors import InsufficientPoints
from app.points.lots import HeldLot, Meaning, Wallet, open_lots
from app.points.models import LotKind
from app.points.policy import NegativePolicy, Programme
from app.points.reviving import Past
from ledger import Posting


@dataclass(frozen=True, kw_only=True, slots=True)
class Clawback:
    """The postings that take points back, and what of them the wallet did not hold any more.

    `written_off` is by the account that had issued the points.
    """

    postings: list[Posting]
    taken_points: int
    debt_points: int
    written_off: Mapping[int, int]

    @property
    def written_off_points(self) -> int:
        """Points that their issuers bear."""
        return sum(self.written_off.values())


Claims = Mapping[Home, int]
"""Points that are claimed of each home."""


def shared_claims(
    claims: Mapping[int, int], homes: Sequence[Home], *, before: Mapping[int, int]
) -> Claims:
    """Share points that are claimed by merchant over the homes of a sale, pending ones first.

    `before` is what earlier refunds have claimed. So the way in which a sale is brought back does
    not matter, and nothing active is touched while some of it is pending (semantics 14).
    """
    shared: dict[Home, int] = {}
    for merchant, claim in claims.items():
        gone, left = before.get(merchant, 0), claim
        own = [home for home in homes if home.merchant_id == merchant]
        for home in sorted(own, key=lambda each: not each.pending):
            here = min(gone, home.points or 0)
            gone -= here
            part = left if home.points is None else min(left, home.points - here)
            left -= part
            if part:
                shared[home] = part
    return shared


def claw_back(
    session: Session,
    wallet: Wallet,
    claims: Claims,
    *,
    homes: Sequence[Home],
    restored: Mapping[int, int],
    costs: Mapping[int, Fraction],
    programme: Programme,
    day: date,
    occurred_at: datetime,
) -> Clawback:
    """Plan how a locked wallet gives back points by merchant; at most two round trips.

    They are taken from the lot they were put in, then from the others in the order of a burn, with
    what the same refund gives back (`restored` and its `costs`, by account) counted in. If that lot
    has expired and this was booked, the booking is taken back (semantics 8). What is short follows
    the programme: the refund is refused, the merchant bears it, or it becomes the member's debt,
    which in all goes down to the programme's floor and no further; what other lots had let expire
    pays for it first (semantics 33). A merchant bears what has been spent; what the member has but
    cannot give now, since a waiting order holds it, is owed.

    Raises:
        InsufficientPoints: the programme refuses what is short, or so much of it.
    """
    past = Past(session=session, member=wallet.member, day=day)
    postings, short = _take(wallet, claims, restored=restored, costs=costs, past=past)
    missing = sum(short.values())
    taken = sum(claims.values()) - missing
    policy, floor = programme.negative_policy, programme.debt_floor_points
    if missing and policy is NegativePolicy.REFUSE:
        raise InsufficientPoints(needed=taken + missing, spendable=taken)
    owed = short
    if missing and policy is NegativePolicy.WRITE_OFF:
        owed = _first(short, max(_kept_back(wallet, homes, day) - wallet.debt_points(day), 0))
    paid, left = _pay_by_expired(owed, past)
    postings += paid
    debt = sum(left.values())
    if debt:
        deeper = wallet.after(postings).debt_points(day, more=debt) + (floor or 0)
        if floor is not None and deeper > 0:
            raise InsufficientPoints(needed=taken + missing, spendable=taken + missing - deeper)
        postings += _debts(session, wallet, left, occurred_at)
    return Clawback(
        postings=postings,
        taken_points=sum(claims.values()) - missing + sum(owed.values()) - debt,
        debt_points=debt,
        written_off={
            home.issue_account_id: points - owed.get(home, 0)
            for home, points in short.items()
            if points > owed.get(home, 0)
        },
    )


def _pay_by_expired(owed: Mapping[Home, int], past: Past) -> tuple[list[Posting], dict[Home, int]]:
    """Let expired points pay what is owed, before it becomes a debt; return what is left of it."""
    postings: list[Posting] = []
    left: dict[Home, int] = {}
    for home, points in owed.items():
        rest = points
        for account, lot in past.lots.items():
            for revived in past.revive(account, rest):
                rest -= revived.amount
                postings += [revived, _taken(account, home, revived.amount, lot.meaning.cost)]
        if rest:
            left[home] = rest
    return postings, left


def _first(short: Mapping[Home, int], points: int) -> dict[Home, int]:
    """Return the first so many of the points that are short."""
    first: dict[Home, int] = {}
    for home, missing in short.items():
        part = min(missing, points - sum(first.values()))
        if part:
            first[home] = part
    return first


def _kept_back(wallet: Wallet, homes: Sequence[Home], day: date) -> int:
    """Return the points in valid lots that nobody could take: held, or not active yet."""
    open_to_all = {*_other_lots(wallet, day), *(home.lot_account_id for home in homes)}
    return sum(
        lot.held if lot.account_id in open_to_all else lot.posted
        for lot in wallet.lots
        if _holds(lot.meaning) and not lot.ended(day)
    )


def _take(
    wallet: Wallet,
    claims: Claims,
    *,
    restored: Mapping[int, int],
    costs: Mapping[int, Fraction],
    past: Past,
) -> tuple[list[Posting], dict[Home, int]]:
    """Take what the lots hold; return the postings, and what is short of each home."""
    cost = {lot.account_id: lot.meaning.cost for lot in wallet.lots} | dict(costs)
    free = {lot.account_id: max(lot.free, 0) for lot in wallet.lots if _holds(lot.meaning)}
    for account, points in restored.items():
        free[account] = free.get(account, 0) + points
    others = _other_lots(wallet, past.day)
    ended = {lot.account_id for lot in wallet.lots if lot.ended(past.day)}
    postings: list[Posting] = []
    short: dict[Home, int] = {}
    for target, claim in claims.items():
        left, own = claim, [lot.account_id for lot in _own(wallet, target)]
        if target.lot_account_id in ended:
            own += [each for each in _booked(wallet, target, past) if each not in own]
            for account, revived in _revive(own, past, left, free=free):
                postings.append(revived)
                cost[account] = past.lots[account].meaning.cost
        for account in (*own, *others, *restored):
            part = min(left, free.get(account, 0))
            if part:
                postings.append(_taken(account, target, part, cost[account]))
                free[account] -= part
                left -= part
        if left:
            short[target] = left
    return postings, short


def _revive(
    own: Sequence[int], past: Past, wanted: int, *, free: dict[int, int]
) -> Iterator[tuple[int, Posting]]:
    """Yield what puts expired points back into lots that hold less than is wanted of them."""
    for account in own:
        missing = wanted - sum(free.get(each, 0) for each in own)
        for revived in past.revive(account, missing) if missing > 0 else ():
            free[account] = free.get(account, 0) + revived.amount
            yield account, revived


def _own(wallet: Wallet, target: Home) -> list[HeldLot]:
    """Return the lot that points were put in, and those they went to since.

    They go on when they become active, and to a later last day when activity has kept them.
    """
    own = next(lot for lot in wallet.lots if lot.account_id == target.lot_account_id)
    went = wallet.find(own.meaning.activated()) if own.meaning.awaits else None
    before = [own] if went is None else [own, went]
    kept = [lot for lot in wallet.lots if any(each.went_to(lot.meaning) for each in before)]
    # The latest first: there they are, once all is booked.
    return [*before, *sorted(kept, key=HeldLot.consumption_order, reverse=True)]


def _booked(wallet: Wallet, target: Home, past: Past) -> list[int]:
    """Return the lots, empty by now, that points had gone to before they expired."""
    own = _own(wallet, target)
    return [
        account
        for account, lot in past.lots.items()
        if any(each.went_to(lot.meaning) for each in own)
    ]


def _taken(account: int, target: Home, points: int, cost: Fraction) -> Posting:
    """Return a posting that takes points back: their issuer gets what it had paid for its own."""
    own = target.meaning.cost
    worth = None if cost == own else (cost, own)
    return move(account, target.issue_account_id, points, worth=worth)


def _holds(meaning: Meaning) -> bool:
    return meaning.kind is LotKind.LOT


def _other_lots(wallet: Wallet, day: date) -> list[int]:
    alive = [
        lot
        for lot in wallet.lots
        if _holds(lot.meaning) and not lot.ended(day) and lot.meaning.active(day)
    ]
    return [lot.account_id for lot in sorted(alive, key=lambda lot: lot.consumption_order())]


def _debts(
    session: Session,
    wallet: Wallet,
    short: Mapping[Home, int],
    occurred_at: datetime,
) -> list[Posting]:
    meanings = {target: target.meaning.debt() for target in short}
    accounts = open_lots(session, wallet, meanings.values(), earned_at=occurred_at)
    return [
        move(accounts[meanings[target]], target.issue_account_id, points)
        for target, points in short.items()
    ]
