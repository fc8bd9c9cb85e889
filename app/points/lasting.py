"""Points that a member's activity has kept go to a lot of the later day (ADR 0021, semantics 34).

What may be spent goes by the promises, whether or not this was ever run (semantics 27). Here it is
only booked: so that books, and whoever reads the day off a lot, say what the dates say already.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

import ledger
from app.books import Kind, move
from app.clock import day_start
from app.members.identification import list_by_public_ids
from app.merchants.directory import get_directory
from app.points import lots
from app.points.expiry import keys_of
from app.points.lots import HeldLot, NewLot, Wallet
from ledger import Journal


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """What one step booked: lots and their points. `place` is where the next one goes on, or None.

    A place is the last own day and member looked at.
    """

    lots: int = 0
    points: int = 0
    place: tuple[date, int] | None = None


def keep_some(session: Session, *, day: date, place: tuple[date, int], most: int) -> Kept:
    """Move what would have ended before `day` and was kept, of about `most` lots; post once.

    Each member's all at once, each lot in a journal of its own. Locks the wallets, by id. What a
    hold keeps goes when the hold has ended. Run again from the beginning it finds nothing.
    """
    rows = session.execute(
        _NEXT, {"day": day, "after_day": place[0], "after_member": place[1], "most": most}
    ).all()
    if not rows:
        return Kept()
    members = list_by_public_ids(session, sorted({row.member for row in rows}))
    wallets = lots.lock_many(session, members.values(), day=day)
    kept = [(wallet, lot) for wallet in wallets.values() for lot in _kept(wallet, day)]
    journals = _journals(session, kept)
    ledger.post(session, journals)
    return Kept(
        lots=len(journals),
        points=sum(lot.free for _, lot in kept),
        place=(rows[-1].expires_on, rows[-1].member_id),
    )


def _kept(wallet: Wallet, day: date) -> Sequence[HeldLot]:
    """Return the lots that hold points of which the own last day is over and theirs is not."""
    return [
        lot
        for lot in wallet.lots
        if lot.free > 0
        and lot.meaning.expires_on is not None
        and lot.meaning.expires_on < day
        and not lot.ended(day)
    ]


def _journals(session: Session, kept: Sequence[tuple[Wallet, HeldLot]]) -> list[Journal]:
    missing = [
        NewLot(member=wallet.member, meaning=lot.lasting, earned_at=lot.first_earned_at)
        for wallet, lot in kept
        if wallet.find(lot.lasting) is None
    ]
    opened = lots.open_many(session, missing)
    keys = keys_of(session, [lot.account_id for _, lot in kept], kind=Kind.EXTEND)
    journals = []
    for wallet, lot in kept:
        own = lot.meaning.expires_on
        home = wallet.find(lot.lasting) or opened[wallet.member.id, lot.lasting]
        if own is None:
            raise ValueError(f"lot {lot.account_id} never expires")
        journals.append(
            Journal(
                key=keys[lot.account_id],
                kind=Kind.EXTEND,
                occurred_at=day_start(own + timedelta(days=1)),
                postings=[move(lot.account_id, home.account_id, lot.free)],
            )
        )
    return journals


@dataclass(frozen=True, kw_only=True)
class Lasting:
    """Points of a lot and why they last: what was promised, by which activity, when.

    `issuer` is a merchant's code. `own_day` is the lot's last day by itself, `last_day` the one as
    things stand; None: never. They are one without a promise, and once the points have moved.
    """

    issuer: str
    points: int
    own_day: date | None
    last_day: date | None
    activity: str | None
    source: str | None
    promised_on: date | None


def list_lasting(session: Session, *, member_id: int, today: date) -> list[Lasting]:
    """Return a member's lots that have not ended, soonest first, and why each lasts so long."""
    merchants = get_directory(session).merchants
    rows: Sequence[Any] = session.execute(_WHY, {"member": member_id, "today": today}).all()
    return [
        Lasting(
            issuer=merchants[row.issuer_id].code,
            points=row.posted,
            own_day=row.expires_on,
            last_day=row.last_day,
            activity=row.activity,
            source=row.source,
            promised_on=row.day,
        )
        for row in rows
    ]


_NEXT = text(
    """
    SELECT l.expires_on, l.member_id, m.public_id AS member
    FROM lot l
    JOIN account_balance b ON b.account_id = l.account_id
    JOIN member m ON m.id = l.member_id
    WHERE EXISTS (SELECT FROM points_promise)
        AND l.expires_on < :day AND (l.expires_on, l.member_id) > (:after_day, :after_member)
        AND b.posted > b.held
        AND EXISTS (
            SELECT FROM points_promise p WHERE p.member_id = l.member_id AND p.until >= :day)
        AND (points_days(l, :day))[2] >= :day
    ORDER BY l.expires_on, l.member_id LIMIT :most
    """
)
# A promise is the reason though its source was refunded after it had decided, and though the points
# have moved to a lot of its day.
_WHY = text(
    """
    SELECT f.*, p.activity, p.source, p.day
    FROM (
        SELECT l.issuer_id, l.account_id, l.member_id, l.expires_on, b.posted,
               (points_days(l, :today))[2] AS last_day,
               EXISTS (SELECT FROM transfer t JOIN journal j ON j.id = t.journal_id
                       WHERE t.credit_id = l.account_id AND j.kind = 'extend') AS moved
        FROM lot l JOIN account_balance b ON b.account_id = l.account_id
        WHERE l.member_id = :member AND l.kind = 'lot' AND b.posted > 0 OFFSET 0) f
    LEFT JOIN LATERAL (
        SELECT p.activity, p.source, p.day FROM points_promise p
        WHERE p.member_id = f.member_id AND p.until = f.last_day AND p.day <= :today
            AND (f.moved OR f.last_day > f.expires_on)
        ORDER BY EXISTS (SELECT FROM points_promise r
                         WHERE r.source = p.source AND r.activity = 'refund'),
            p.day DESC, p.id DESC LIMIT 1) p ON true
    WHERE f.last_day IS NULL OR f.last_day >= :today
    ORDER BY f.last_day NULLS LAST, f.expires_on, f.account_id
    """
)
