"""Taking points from a member's lots and giving them back (B1, B4, B5)."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from app.books import move
from app.merchants.directory import Directory
from app.points.errors import InsufficientPoints
from app.points.lots import HeldLot, Meaning, Wallet, open_lots
from app.points.policy import Programme
from ledger import Posting


def draw(lots: Iterable[HeldLot], points: int) -> list[tuple[int, int]]:
    """Return (lot account, points) that make up a burn, from lots in the order of B4.

    Raises:
        InsufficientPoints: they hold less.
    """
    parts = []
    left = points
    for lot in lots:
        part = min(left, lot.free)
        if part > 0:
            parts.append((lot.account_id, part))
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
    programme: Programme,
    day: date,
    occurred_at: datetime,
) -> tuple[list[Posting], dict[int, int]]:
    """Plan how burned points return to the lots they came from; at most one round trip.

    A lot that has expired meanwhile is replaced by a courtesy lot of the same issuer, cost and
    restriction (B5, semantics 8). `points` are by (redeeming merchant, lot). Returns the postings
    and what each account gets.
    """
    known = {lot.account_id: lot for lot in wallet.lots}
    stand_ins = {
        lot: _courtesy(known[lot].meaning, programme, day)
        for _, lot in points
        if _expired(known[lot].meaning, day)
    }
    accounts = open_lots(session, wallet, set(stand_ins.values()), earned_at=occurred_at)
    postings = []
    restored: dict[int, int] = {}
    for (merchant, lot), part in points.items():
        if not part:
            continue
        target = accounts[stand_ins[lot]] if lot in stand_ins else lot
        postings.append(move(directory.merchants[merchant].redeemed_account_id, target, part))
        restored[target] = restored.get(target, 0) + part
    return postings, restored


def _expired(meaning: Meaning, day: date) -> bool:
    return meaning.expires_on is not None and meaning.expires_on < day


def _courtesy(meaning: Meaning, programme: Programme, day: date) -> Meaning:
    return Meaning(
        issuer_id=meaning.issuer_id,
        cost=meaning.cost,
        restriction_merchant_id=meaning.restriction_merchant_id,
        expires_on=day + timedelta(days=programme.courtesy_days),
        courtesy=True,
    )
