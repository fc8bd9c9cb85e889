"""News of the calendar: points that are about to expire, points that have become active (E3).

Each member hears once of each day and lead, however often this runs: `points_notice` says of what.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app import outbox
from app.clock import business_date
from app.outbox import News
from config.database import now_of

LEADS = (30, 7)
"""Days before the last one on which members are reminded."""


class Topic(StrEnum):
    """What members are told."""

    EXPIRING = "points.expiring"
    ACTIVATED = "points.activated"


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """How many members were told in one step, and the member to go on from; None: all were."""

    members: int
    after: int | None


def remind_some(session: Session, *, day: date, lead: int, after: int, most: int) -> Told:
    """Tell members, in their order, what ends so many days after a day, if it has not by now.

    Read without locks: what is spent meanwhile is not counted off.
    """
    ends = day + timedelta(days=lead)
    if ends < business_date(now_of(session)):
        return Told(members=0, after=None)
    return _tell(session, Topic.EXPIRING, on=ends, lead=lead, after=after, most=most)


def tell_some_active(session: Session, *, day: date, after: int, most: int) -> Told:
    """Tell members, in their order, which of their points may be spent from a day on."""
    return _tell(session, Topic.ACTIVATED, on=day, lead=0, after=after, most=most)


def _tell(session: Session, topic: Topic, *, on: date, lead: int, after: int, most: int) -> Told:
    query = _EXPIRING if topic is Topic.EXPIRING else _ACTIVATED
    rows = session.execute(
        query,
        {
            "topic": topic.value,
            "on": on,
            "lead": lead,
            "after": after,
            "most": most,
            "now": now_of(session),
            **({"today": business_date(now_of(session))} if topic is Topic.EXPIRING else {}),
        },
    ).all()
    told = [row for row in rows if row.fresh]
    outbox.add_many(session, [_news(topic, row, on=on, lead=lead) for row in told])
    return Told(members=len(told), after=rows[-1].member_id if len(rows) == most else None)


def _news(topic: Topic, row: Any, *, on: date, lead: int) -> News:
    said: dict[str, object] = {"member": row.member, "points": row.points}
    if topic is Topic.EXPIRING:
        said |= {"expires_on": on.isoformat(), "days_ahead": lead}
    else:
        said |= {"activates_on": on.isoformat()}
    # An aggregate of its own: news of the wallet is numbered under the wallet's lock.
    return News(topic=topic.value, aggregate=f"{row.member}/calendar", payload=said)


_TELL = """
    WITH due AS MATERIALIZED (
        SELECT l.member_id, m.public_id AS member, sum(b.posted - b.held)::bigint AS points
        FROM ($LOTS) l
        JOIN account_balance b ON b.account_id = l.account_id
        JOIN member m ON m.id = l.member_id
        WHERE b.posted > b.held AND m.status <> 'closed'
        GROUP BY l.member_id, m.public_id ORDER BY l.member_id LIMIT :most
    ), told AS (
        INSERT INTO points_notice (member_id, topic, day, days_ahead, points, told_at)
        SELECT d.member_id, :topic, :on, :lead, d.points, :now FROM due d
        ON CONFLICT DO NOTHING RETURNING member_id
    )
    SELECT d.*, t.member_id IS NOT NULL AS fresh
    FROM due d LEFT JOIN told t ON t.member_id = d.member_id ORDER BY d.member_id
    """

# A lot ends on its own day, or on one that a promise names (lasting.sql).
_ENDING = """
    SELECT l.member_id, l.account_id FROM lot l
    WHERE l.expires_on = :on AND l.member_id > :after AND l.awaits IS NULL
        AND (NOT EXISTS (SELECT FROM points_promise p WHERE p.member_id = l.member_id)
             OR (points_days(l, :today))[2] = :on)
    UNION ALL
    SELECT l.member_id, l.account_id
    FROM (SELECT DISTINCT p.member_id FROM points_promise p
          WHERE p.until = :on AND p.member_id > :after) p
    JOIN lot l ON l.member_id = p.member_id
    WHERE l.expires_on < :on AND l.awaits IS NULL AND (points_days(l, :today))[2] = :on
    """
_STARTING = """
    SELECT l.member_id, l.account_id FROM lot l
    WHERE l.activates_on = :on AND l.member_id > :after AND l.awaits IS NULL
    """
_EXPIRING = text(_TELL.replace("$LOTS", _ENDING))
_ACTIVATED = text(_TELL.replace("$LOTS", _STARTING))
