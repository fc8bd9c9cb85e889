"""Rate limits and nonces, in one round trip to Redis (reliability §6, §8, §12).

Without Redis each process keeps limits of its own at a quarter, and nonces are not remembered:
what a request does is keyed in the database. After a failure Redis is left alone for some seconds,
so that a dead server costs one request its time-out and not every request.

Own script and not flask-limiter: that one counts in a round trip per limit, knows no nonces, and
decides before anybody is proven.
"""

import logging
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import redis
from redis.commands.core import Script

from app.api.errors import BadSignature, RateLimited

log = logging.getLogger(__name__)

NONCE_SECONDS = 660

_PATIENCE_SECONDS = 5.0
_MOST_BUCKETS = 20_000
_SHARE_WITHOUT_REDIS = 4


@dataclass(frozen=True, kw_only=True)
class Limit:
    """So many requests in so many seconds, of which `burst` may come at once."""

    requests: int
    seconds: int
    burst: int

    @property
    def interval_microseconds(self) -> int:
        """Time between two requests at the highest steady rate."""
        return self.seconds * 1_000_000 // self.requests

    def times(self, pace: int) -> "Limit":
        """Return the limit of a store that may send so many times as much."""
        return Limit(requests=self.requests * pace, seconds=self.seconds, burst=self.burst * pace)


STORE = Limit(requests=50, seconds=1, burst=50)
DISTRICT = Limit(requests=2_000, seconds=1, burst=2_000)
ADDRESS = Limit(requests=1_000, seconds=1, burst=1_000)
IDENTIFY = Limit(requests=120, seconds=60, burst=30)
UPLOAD = Limit(requests=30, seconds=60, burst=10)
MEMBER = Limit(requests=600, seconds=60, burst=100)
CODES = Limit(requests=10, seconds=3600, burst=10)  # With its burst at most 20 in any hour.
ANYONE = Limit(requests=60, seconds=60, burst=60)
READER = Limit(requests=240, seconds=60, burst=120)
DEBUGGER = Limit(requests=30, seconds=60, burst=30)
CLAIMS = Limit(requests=5, seconds=1, burst=5)
RUSH = Limit(requests=200, seconds=1, burst=200)  # Of a batch with a gate, where Redis is gone.
STAFF = Limit(requests=600, seconds=60, burst=120)
STAFF_EXPORTS = Limit(requests=5, seconds=3600, burst=5)
COUPON_CODES = Limit(requests=10, seconds=60, burst=10)
FORGERS = Limit(requests=60, seconds=60, burst=60)


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """Whose requests are counted, and how many he may send."""

    name: str
    limit: Limit


class Limiter:
    """The limits of one process: in Redis, else in memory."""

    def __init__(self, connection: "redis.Redis") -> None:
        script = resources.files(__package__).joinpath("limits.lua").read_text(encoding="utf-8")
        self._script = connection.register_script(script)
        self._down_until = 0.0
        self._lock = threading.Lock()
        self._empty_at: dict[str, float] = {}

    def pass_through(self, buckets: Sequence[Bucket], *, nonce: str | None = None) -> None:
        """Count a request in each bucket, or in none; with `nonce` only once in eleven minutes.

        Raises:
            RateLimited: a bucket is full.
            BadSignature: the nonce was seen before.
        """
        waited = self._ask_redis(buckets, nonce)
        if waited is None:
            waited = self._ask_memory(buckets)
        if waited < 0:
            raise BadSignature
        _require_none(waited, buckets)

    def pass_without_redis(self, buckets: Sequence[Bucket]) -> None:
        """Count a request in this process alone, at a quarter of each limit.

        Raises:
            RateLimited: a bucket is full.
        """
        _require_none(self._ask_memory(buckets), buckets)

    def ask(self, script: Script, *, keys: Sequence[str], arguments: Sequence[str | int]) -> Any:
        """Run a script in Redis; None where it does not answer, and for some seconds after."""
        if time.monotonic() < self._down_until:
            return None
        try:
            return script(keys=keys, args=arguments)
        except redis.RedisError as error:
            self._down_until = time.monotonic() + _PATIENCE_SECONDS
            log.warning("limits_without_redis", extra={"reason": str(error)})
            return None

    def _ask_redis(self, buckets: Sequence[Bucket], nonce: str | None) -> int | None:
        names = [f"plaza:limit:{bucket.name}" for bucket in buckets]
        figures = [
            number
            for bucket in buckets
            for number in (bucket.limit.interval_microseconds, bucket.limit.burst)
        ]
        remembered = f"plaza:nonce:{nonce}" if nonce else ""
        answer = self.ask(
            self._script, keys=[remembered, *names], arguments=[NONCE_SECONDS, *figures]
        )
        return None if answer is None else int(answer)

    def _ask_memory(self, buckets: Sequence[Bucket]) -> int:
        now = time.monotonic() * 1_000_000
        with self._lock:
            if len(self._empty_at) > _MOST_BUCKETS:
                self._empty_at = {name: at for name, at in self._empty_at.items() if at > now}
            empty, wait = {}, 0.0
            for bucket in buckets:
                interval = bucket.limit.interval_microseconds * _SHARE_WITHOUT_REDIS
                burst = max(bucket.limit.burst // _SHARE_WITHOUT_REDIS, 1)
                empty[bucket.name] = max(self._empty_at.get(bucket.name, now), now) + interval
                wait = max(wait, empty[bucket.name] - now - interval * burst)
            if wait <= 0:
                self._empty_at |= empty
        return math.ceil(max(wait, 0.0))


def _require_none(waited: int, buckets: Sequence[Bucket]) -> None:
    """Refuse who would have to wait, in whole seconds."""
    if waited > 0:
        seconds = max(math.ceil(waited / 1_000_000), 1)
        log.warning("rate_limited", extra={"bucket": buckets[0].name, "seconds": seconds})
        raise RateLimited(seconds=seconds)
