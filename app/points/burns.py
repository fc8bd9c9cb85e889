"""Taking points from a member's lots and giving them back (B1, B4, B5)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction

from sqlalchemy.orm import Session

from app.books import move
from app.merchants.directory import Directory
from app.points.errors import InsufficientPoints
from app.points.lots import HeldLot, Meaning, Wallet, open_lots
from app.points.policy import Programme
from ledger import Posting


@dataclass(frozen=True, kw_only=True, slots=True)
class Borne:
    """Points that an issuer still bears for a member who had spent them, by the write-off's key."""

    id: int
    issue_account_id: int
    points: int
    cost: Fraction


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenBack:
    """How burned points return: what each lot gets, and what is made good by write-off.

    `costs` are the fen that a point of each of those lots costs its issuer.
    """

    postings: list[Posting]
    restored: Mapping[int, int]
    costs: Mapping[int, Fraction]
    made_good: Mapping[int, int]


def draw(usable: Iterable[tuple[int, int]], points: int) -> list[tuple[int, int]]:
    """Return (lot account, points) that make up a burn, from what is usable in the order of B4.

    Raises:
        InsufficientPoints: they hold less.
    """
    parts = []
    left = points
    for account, most in usable:
        part = min(left, most)
        if part > 0:
            parts.append((account, part))
            left -= part
    if left:
        raise InsufficientPoints(needed=points, spendable=points - left)
    return parts


def spend(points: Mapping[tuple[int, int], int], directory: Directory) -> list[Posting]:
    """Return the postings of a burn from points by (redeeming merchant, lot)."""
    return [
        move(lot, directory.merchants[merchant].redeemed_account_id, part)
        for (merchant, lot), part in points.items()
        if part
    ]


def give_back(
    session: Session,
    wallet: Wallet,
    points: Mapping[tuple[int, int], int],
    directory: Directory,
    *,
    borne: Sequence[Borne],
    programme: Programme,
    day: date,
    occurred_at: datetime,
) -> GivenBack:
    """Plan how burned points return to the lots they came from; at most one round trip.

    `points` are by (redeeming merchant, lot). They first make good what issuers have `borne` for
    the member, oldest first: those were these points. A lot that has expired meanwhile is replaced
    by a courtesy lot of the same issuer, cost and restriction (B5, semantics 8).
    """
    known = {lot.account_id: lot for lot in wallet.lots}
    in_order = sorted(points.items(), key=lambda each: known[each[0][1]].consumption_order())
    postings, rest, made_good = _make_good(in_order, known, borne, directory)
    stand_ins = {
        lot: _courtesy(known[lot].meaning, programme, day)
        for _, lot in rest
        if known[lot].ended(day)
    }
    accounts = open_lots(session, wallet, set(stand_ins.values()), earned_at=occurred_at)
    restored: dict[int, int] = {}
    costs: dict[int, Fraction] = {}
    for (merchant, lot), part in rest.items():
        target = accounts[stand_ins[lot]] if lot in stand_ins else lot
        postings.append(move(directory.merchants[merchant].redeemed_account_id, target, part))
        restored[target] = restored.get(target, 0) + part
        costs[target] = known[lot].meaning.cost
    return GivenBack(postings=postings, restored=restored, costs=costs, made_good=made_good)


def _make_good(
    points: Iterable[tuple[tuple[int, int], int]],
    known: Mapping[int, HeldLot],
    borne: Sequence[Borne],
    directory: Directory,
) -> tuple[list[Posting], dict[tuple[int, int], int], dict[int, int]]:
    """Let returning points pay issuers first; return postings, what is left, and paid by key."""
    postings: list[Posting] = []
    rest: dict[tuple[int, int], int] = {}
    paid: dict[int, int] = {}
    for (merchant, lot), part in points:
        left = part
        for each in borne:
            good = min(left, each.points - paid.get(each.id, 0))
            if good:
                redeemed = directory.merchants[merchant].redeemed_account_id
                worth = (known[lot].meaning.pays(merchant), each.cost)
                postings.append(move(redeemed, each.issue_account_id, good, worth=worth))
                paid[each.id] = paid.get(each.id, 0) + good
                left -= good
        if left:
            rest[merchant, lot] = left
    return postings, rest, paid


def _courtesy(meaning: Meaning, programme: Programme, day: date) -> Meaning:
    return Meaning(
        issuer_id=meaning.issuer_id,
        cost=meaning.cost,
        redemption=meaning.redemption,
        restriction_merchant_id=meaning.restriction_merchant_id,
        expires_on=day + timedelta(days=programme.courtesy_days),
        courtesy=True,
    )
