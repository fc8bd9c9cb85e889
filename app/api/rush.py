"""The gate for a rush: it may say no before the database, and never yes (reliability §6, §12).

A batch that asks for it (`terms.rush`) lets in twice as many members a second as it has coupons
left; others are told to come again. That there is no more is said only where the database says so,
and not to those who have one, nor to those who were let in before: their repeat gets its own
answer. What Redis forgets is read anew from the rows. Without Redis everybody is let through, as
many a second as a process allows by itself.
"""

import time
from importlib import resources
from typing import cast

import redis
from flask import current_app
from redis.commands.core import Script

from app.api import auth, limits
from app.api.errors import RateLimited
from app.api.limits import Bucket, Limiter
from app.api.tokens import MemberClaim
from app.wiring import Services
from coupons import rushes
from coupons.errors import SoldOut
from coupons.rushes import Stock

TIMES_STOCK = 2

_WINDOW_MILLISECONDS = 1_000
_PAUSE_SECONDS = 1  # after which who was told to come again finds another count
_KEPT_SECONDS = 3_600
_MOST_REMEMBERED = 50_000  # members of one gate
_MISSING_SECONDS = 5.0
_KNOWN_SECONDS = 300.0
_MOST_BATCHES = 10_000


class RushGate:
    """The gates of the batches that ask for one, as a process meets them."""

    def __init__(self, given: Services) -> None:
        self._database = given.database
        self._limiter = Limiter(given.redis)
        self._enter = _script(given.redis, "rush_enter.lua")
        self._build = _script(given.redis, "rush_build.lua")
        self._known: dict[tuple[str, str], tuple[float, str | None]] = {}

    def admit(self, claim: MemberClaim, batch: str) -> None:
        """Let a member go on to claim from a batch, or say early that he would come in vain.

        Reads the database where it or Redis does not know the batch yet, or its count is over.

        Raises:
            SoldOut: there is no more, and he has none.
            RateLimited: as many as may are let in for this second.
            Unauthenticated: the district that the token names is no more.
        """
        with auth.in_its_district(claim):
            gate = self._gate_of(claim.district, batch)
            if gate is None:
                return
            said = self._ask(gate, claim.member)
            if said == b"unknown":
                self._rebuild(gate, claim.district, batch)
                said = self._ask(gate, claim.member)
        if said is None:
            self._limiter.pass_without_redis([Bucket(name=gate, limit=limits.RUSH)])
        elif said == b"sold":
            raise SoldOut(batch)
        elif said == b"full":
            raise RateLimited(seconds=_PAUSE_SECONDS)

    def _ask(self, gate: str, member: str) -> bytes | None:
        return cast("bytes | None", self._limiter.ask(self._enter, keys=[gate], arguments=[member]))

    def _rebuild(self, gate: str, district: str, batch: str) -> None:
        stock = self._read(district, batch)
        if stock is None or stock.left is None:
            return
        left = stock.left * TIMES_STOCK if stock.left else "sold"
        self._limiter.ask(
            self._build,
            keys=[gate],
            arguments=[
                left, _WINDOW_MILLISECONDS, _KEPT_SECONDS, _MOST_REMEMBERED, *stock.takers
            ],
        )  # fmt: skip

    def _gate_of(self, district: str, batch: str) -> str | None:
        """Return the name of a batch's gate; None: it has none.

        That a batch has one is written down for good, and believed for long: a sandbox alone may be
        made anew with other batches. That there is no such batch is believed for some seconds.
        """
        now = time.monotonic()
        until, gate = self._known.get((district, batch), (0.0, None))
        if until > now:
            return gate
        stock = self._read(district, batch)
        gate = None
        if stock is not None and stock.left is not None:
            gate = f"plaza:rush:{district}:{stock.batch}"
        if len(self._known) >= _MOST_BATCHES:
            self._known = {}
        believed = _MISSING_SECONDS if stock is None else _KNOWN_SECONDS
        self._known[district, batch] = (now + believed, gate)
        return gate

    def _read(self, district: str, batch: str) -> Stock | None:
        with self._database.transaction(district, read_only=True) as session:
            return rushes.find_stock(session, batch)


def gate() -> RushGate:
    """Return the gates of this process, inside a request."""
    return cast("RushGate", current_app.extensions["plaza_rush"])


def _script(connection: "redis.Redis", name: str) -> Script:
    written = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    return connection.register_script(written)
