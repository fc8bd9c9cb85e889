"""A policy that lets points last longer, and the jobs that book it."""

import itertools
from datetime import date, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.clock import business_date
from app.members.identification import KnownMember
from app.points import statements
from app.points.expiry import Place, expire_some
from app.points.lasting import keep_some
from app.points.policy import NegativePolicy
from config.database import forget, now_of
from tests.app.checkout.shops import Shop, give_points

_numbers = itertools.count(1)


def allow(
    session: Session,
    *activities: str,
    months: int = 3,
    expiry_months: int = 2,
    negative: NegativePolicy = NegativePolicy.DEBT,
) -> None:
    """A programme in force from a second ago on, as an approved change would leave it."""
    session.execute(
        text(
            "INSERT INTO programme (effective_from, expiry_months, point_value_num, "
            "point_value_den, combine, negative_policy, courtesy_days, return_first, "
            "hold_minutes, quote_minutes, extend_months, extended_by, created_at) "
            "VALUES (:at, :expiry, 1, 1, 'max', :negative, 7, 'money_first', 15, 5, "
            ":months, :activities, now())"
        ),
        {
            "at": now_of(session) - timedelta(seconds=1) + timedelta(microseconds=next(_numbers)),
            "expiry": expiry_months,
            "negative": negative,
            "months": months if activities else None,
            "activities": list(activities),
        },
    )
    forget(session)


def days(session: Session, member: KnownMember) -> dict[date | None, int]:
    """Return the points of each last day, as the balance lists them."""
    return {each.expires_on: each.points for each in statements.balance(session, member).buckets}


def keep(session: Session, *, most: int = 100) -> int:
    """Move what activity has kept; return how many points."""
    place: tuple[date, int] | None = (date.min, 0)
    moved = 0
    while place is not None:
        found = keep_some(session, day=business_date(now_of(session)), place=place, most=most)
        place, moved = found.place, moved + found.points
    return moved


def expire(session: Session) -> int:
    """Book what has expired; return how many points."""
    place: Place | None = Place()
    gone = 0
    while place is not None:
        found = expire_some(session, day=business_date(now_of(session)), place=place, most=100)
        place, gone = found.place, gone + found.points
    return gone


def night(session: Session) -> None:
    """Change the day, as far as points go."""
    keep(session)
    expire(session)


def twice(session: Session) -> None:
    """Change it again."""
    night(session)
    night(session)


def old_points(session: Session, shop: Shop, member: KnownMember, points: int) -> None:
    """Give points that promise nothing, of a time before activity counted."""
    allow(session)
    give_points(session, shop, member, points)
    session.info["now"] = now_of(session) + timedelta(seconds=10)
    allow(session, "purchase")
    session.info["now"] = now_of(session) + timedelta(seconds=10)


__all__ = ["allow", "days", "expire", "keep", "night", "old_points", "twice"]
