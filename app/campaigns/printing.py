"""Runs of codes that somebody has asked for over HTTP, made by the worker portion by portion (C5).

What is missing of a run is told by its rows, so a worker that is killed leaves nothing half-done,
and the next one goes on. A run that is being made by command gets help.
"""

from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeVar

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.members.sealing import coupon_keys
from config.database import district_of
from coupons import listing, runs
from coupons.listing import KeptRun

T = TypeVar("T")


class Portions(Protocol):
    """Runs work in a transaction of its own in the district."""

    def __call__(self, work: Callable[[Session], T], /) -> T: ...


def print_waiting(run: Portions) -> int:
    """Make the codes of every run that lacks some; return how many runs are whole now."""
    whole = 0
    for kept in run(listing.waiting_runs):
        made: int | None = kept.made
        while made is not None and made < (kept.wanted or 0):
            made = run(partial(_print_some, kept=kept))
        whole += made is not None
    return whole


def _print_some(session: Session, *, kept: KeptRun) -> int | None:
    """Make the next codes of a run; None where another worker is at it."""
    name = f"print:{district_of(session).id}:{kept.public_id}"
    if not session.scalar(_ONE_AT_A_TIME, {"name": name}):
        return None
    keys = coupon_keys(session)
    opened = runs.get_run(session, batch=kept.batch, name=kept.name, keys=keys)
    return runs.fill(session, opened, keys=keys)


_ONE_AT_A_TIME = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))")
