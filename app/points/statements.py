"""What a member sees of the points: balance by expiry, each movement with its why (U2, X3).

And what was seen at any instant of the past (L12).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.clock import business_date
from app.errors import NotFound
from app.members.identification import KnownMember, same_person
from app.merchants.directory import get_directory
from app.points.models import Lot, LotKind
from config.database import now_of
from ledger import statements
from ledger.statements import Place


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """Points that expire on one day (None: never)."""

    expires_on: date | None
    points: int


@dataclass(frozen=True, kw_only=True)
class PendingPoints:
    """Points that may be spent from a day on, or (None) once an event of an order has come."""

    activates_on: date | None
    event: str | None
    order: str | None
    expires_on: date | None
    points: int


@dataclass(frozen=True, kw_only=True)
class Balance:
    """A member's points now: what may be spent, what is held, what is owed, when it expires.

    What is `pending` is in none of the other figures.
    """

    spendable_points: int
    held_points: int
    debt_points: int
    buckets: Sequence[Bucket]
    pending: Sequence[PendingPoints] = ()

    @property
    def pending_points(self) -> int:
        """Points that are to become active."""
        return sum(each.points for each in self.pending)


@dataclass(frozen=True, kw_only=True, slots=True)
class _PastLot:
    """A lot as it stood at an instant, with the columns of `_BALANCE`."""

    kind: str
    expires_on: date | None
    expired: bool
    posted: int
    held: int
    activates_on: date | None
    awaits: str | None
    awaits_for: str | None
    waits: bool


@dataclass(frozen=True, kw_only=True)
class Movement:
    """One line of a member's statement: points in or out of one lot, by whom and why.

    `reason` is what staff said of points that they gave or took by hand.
    """

    place: Place
    kind: str
    occurred_at: datetime
    points: int
    issuer: str
    expires_on: date | None
    owed: bool
    order: str | None
    rules: Sequence[str]
    reason: str | None = None


def balance(session: Session, member: KnownMember) -> Balance:
    """Return a member's balance at this moment; every expiry is listed, soonest first (X3).

    Read without a lock. Dead holds are not counted, whether or not a job has ended them.
    """
    today = business_date(now_of(session))
    return _balance_of(
        session.execute(
            _BALANCE, {"member": member.id, "today": today, "now": now_of(session)}
        ).all()
    )


def balance_at(session: Session, member: KnownMember, *, at: datetime) -> Balance:
    """Return the balance that `balance` answered at an instant, from the journals (L12).

    `member` is who it was then, as `merges.person_at` says. By the instants of recording, so what
    came late is left out; expiry and activation go by the day of that instant. Reads all entries
    of the member: for a look by staff.
    """
    today = business_date(at)
    lots = session.execute(_LOTS_AT, {"member": member.id, "today": today, "at": at}).all()
    found = statements.balances_at(session, [lot.account_id for lot in lots], at=at)
    return _balance_of(
        [
            _PastLot(
                kind=lot.kind,
                expires_on=lot.last_day,
                expired=lot.last_day is not None and lot.last_day < today,
                posted=found[lot.account_id].posted,
                held=found[lot.account_id].held,
                activates_on=lot.activates_on,
                awaits=lot.awaits,
                awaits_for=lot.awaits_for,
                waits=lot.awaits is not None
                or (lot.activates_on is not None and lot.activates_on > today),
            )
            for lot in lots
            if lot.account_id in found and found[lot.account_id].posted
        ]
    )


def movements(
    session: Session,
    member: KnownMember,
    *,
    start: date,
    end: date,
    limit: int = 50,
    before: Place | None = None,
) -> list[Movement]:
    """Return a member's movements booked in [start, end), newest first; a page of `limit`.

    `before` is the place of the last one of the page before.
    """
    lots = {
        lot.account_id: lot
        for lot in session.scalars(select(Lot).where(Lot.member_id.in_(same_person(member.id))))
    }
    entries = statements.statement(
        session, list(lots), start=start, end=end, limit=limit, before=before
    )
    merchants = get_directory(session).merchants
    return [
        Movement(
            place=entry.place,
            kind=entry.kind,
            occurred_at=entry.occurred_at,
            points=entry.amount,
            issuer=merchants[lots[entry.account_id].issuer_id].name_zh,
            expires_on=lots[entry.account_id].expires_on,
            owed=lots[entry.account_id].kind == LotKind.DEBT,
            order=entry.details.get("order"),
            rules=[_rule(each) for each in entry.details.get("rules", [])],
            reason=entry.details.get("reason"),
        )
        for entry in entries
    ]


def _balance_of(rows: Sequence[Any]) -> Balance:
    """Return what lots with something in them come to, the rows of `_BALANCE` or `_PastLot`."""
    lots = [row for row in rows if row.kind == LotKind.LOT and not row.expired and not row.waits]
    owed = -sum(row.posted for row in rows if row.kind == LotKind.DEBT)
    debt = max(owed - sum(row.posted - row.held for row in rows if row.expired), 0)
    buckets: dict[date | None, int] = {}
    for row in lots:
        if row.posted - row.held:
            buckets[row.expires_on] = buckets.get(row.expires_on, 0) + row.posted - row.held
    return Balance(
        spendable_points=sum(buckets.values()) - debt,
        held_points=sum(row.held for row in lots),
        debt_points=debt,
        buckets=[
            Bucket(expires_on=day, points=points)
            for day, points in sorted(buckets.items(), key=lambda each: each[0] or date.max)
        ],
        pending=_pending(rows),
    )


def _pending(rows: Sequence[Any]) -> list[PendingPoints]:
    """Return what is not active yet, soonest first, what awaits an event last."""
    waiting: dict[tuple[date | None, str | None, str | None, date | None], int] = {}
    for row in rows:
        if row.waits and not row.expired and row.posted > 0:
            key = (row.activates_on, row.awaits, row.awaits_for, row.expires_on)
            waiting[key] = waiting.get(key, 0) + row.posted
    found = [
        PendingPoints(
            activates_on=on, event=event, order=order, expires_on=expires_on, points=points
        )
        for (on, event, order, expires_on), points in waiting.items()
    ]
    return sorted(found, key=lambda each: (each.activates_on or date.max, each.order or ""))


def journal_of(session: Session, member: KnownMember, *, place: Place) -> str:
    """Return the key of the journal that a movement of this member stands in.

    Raises:
        NotFound: no movement of this member has this place.
    """
    journal, line, account = place
    named = {"journal": journal, "line": line, "account": account, "member": member.id}
    key: str | None = session.scalar(_JOURNAL, named)
    if key is None:
        raise NotFound("movement", f"{journal}/{line}")
    return key


def _rule(cited: dict[str, Any]) -> str:
    return f"{cited['code']} v{cited['version']}"


_JOURNAL = text(
    """
    SELECT j.key FROM journal j
    JOIN transfer t ON t.journal_id = j.id AND t.booked_on = j.booked_on AND t.line = :line
    JOIN lot l ON l.account_id = :account
    JOIN member m ON m.id = l.member_id AND :member IN (m.id, m.merged_into_id)
    WHERE j.id = :journal AND l.account_id IN (t.debit_id, t.credit_id)
    """
)
_BALANCE = text(
    """
    SELECT l.kind, d.last_day AS expires_on, coalesce(d.last_day < :today, false) AS expired,
        b.posted, l.activates_on, l.awaits, l.awaits_for,
        l.awaits IS NOT NULL OR coalesce(l.activates_on > :today, false) AS waits,
        b.held - coalesce((
        SELECT sum(h.amount)::bigint FROM hold_line h JOIN hold o ON o.id = h.hold_id
        WHERE h.account_id = l.account_id AND o.state = 'open' AND o.until <= :now), 0) AS held
    FROM lot l JOIN account_balance b ON b.account_id = l.account_id,
    LATERAL (SELECT CASE WHEN EXISTS (SELECT FROM points_promise WHERE member_id = :member)
                         THEN (points_days(l, :today))[2] ELSE l.expires_on END AS last_day
             OFFSET 0) d
    WHERE l.member_id = :member AND b.posted <> 0
    """
)
_LOTS_AT = text(
    """
    SELECT l.account_id, l.kind, l.activates_on, l.awaits, l.awaits_for,
        (points_days(l, :today, :at))[2] AS last_day
    FROM lot l WHERE l.member_id = :member
    """
)
