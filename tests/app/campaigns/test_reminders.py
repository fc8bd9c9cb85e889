"""C3: members are reminded of coupons that end in thirty days and in seven, once each."""

from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.campaigns import reminders
from app.campaigns.coupon_news import Topic
from app.clock import business_date
from app.outbox import Message
from config.database import now_of
from coupons import issuing
from tests.coupons.makers import make_batch, use_up
from tests.factories import unique


def _claim(session: Session, *, days: int) -> str:
    batch = make_batch(session, validity={"days": days}).code
    return issuing.claim(session, batch=batch, holder=unique("mem_"))[0].coupon


def _remind(session: Session, *, lead: int, most: int = 1_000) -> int:
    """Remind of all, in portions; return of how many."""
    told, after, day = 0, 0, business_date(now_of(session))
    while True:
        done = reminders.remind_some(session, day=day, lead=lead, after=after, most=most)
        told += done.coupons
        if done.after is None:
            return told
        after = done.after


def _said(session: Session, coupon: str) -> list[dict[str, Any]]:
    rows = session.scalars(select(Message).where(Message.aggregate == f"{coupon}/calendar"))
    return [{"topic": row.topic, **row.payload} for row in rows]


def test_a_coupon_is_told_once_of_each_lead(session: Session) -> None:
    coupon = _claim(session, days=40)
    end = business_date(now_of(session)) + timedelta(days=40)
    start = now_of(session)

    for days in range(40):
        session.info["now"] = start + timedelta(days=days)
        for lead in reminders.LEADS * 2:
            _remind(session, lead=lead)

    assert [(each["days_ahead"], each["last_day"]) for each in _said(session, coupon)] == [
        (30, end.isoformat()),
        (7, end.isoformat()),
    ]
    assert {each["topic"] for each in _said(session, coupon)} == {Topic.EXPIRING}


def test_what_is_used_void_or_short_lived_is_left_out(session: Session) -> None:
    used, void, short, lasting = [_claim(session, days=days) for days in (8, 8, 7, 8)]
    use_up(session, used)
    issuing.void(session, [void], why="test")
    today = _claim(session, days=6)

    session.info["now"] = now_of(session) + timedelta(days=1)
    _remind(session, lead=7)
    session.info["now"] = now_of(session) - timedelta(days=1)
    _remind(session, lead=7)

    assert [len(_said(session, each)) for each in (used, void, short, today, lasting)] == [
        0, 0, 1, 0, 1,
    ]  # fmt: skip


def test_portions_tell_of_all(session: Session) -> None:
    mine = [_claim(session, days=20) for _ in range(5)]
    session.info["now"] = now_of(session) + timedelta(days=13)

    _remind(session, lead=7, most=2)

    assert [len(_said(session, each)) for each in mine] == [1] * 5


def test_a_day_that_is_over_is_not_told_any_more(session: Session) -> None:
    coupon = _claim(session, days=20)
    day = business_date(now_of(session)) + timedelta(days=13)
    session.info["now"] = now_of(session) + timedelta(days=21)

    done = reminders.remind_some(session, day=day, lead=7, after=0, most=9)

    assert (done.coupons, done.after, _said(session, coupon)) == (0, None, [])
