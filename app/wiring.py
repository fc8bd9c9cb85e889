"""Settings become the long-lived things of a process, built once after the fork."""

from collections.abc import Callable
from dataclasses import dataclass

import redis
from sqlalchemy.orm import Session

from app import outbox, sealing
from app.nudging import Nudge
from config.database import Database, district_of
from config.settings import Settings

HEARTBEAT = "plaza:heartbeat:worker"  # a Redis key that the worker renews, for /readyz

_REDIS_TIMEOUT_SECONDS = 1


@dataclass(frozen=True, kw_only=True)
class Services:
    """What a process keeps open; every door hands it down, no room reaches for it."""

    settings: Settings
    database: Database
    redis: "redis.Redis"
    nudge: Nudge

    def close(self) -> None:
        """Close every connection."""
        self.nudge.close()
        self.database.dispose()
        self.redis.close()


def build(
    settings: Settings,
    *,
    pool_size: int | None = None,
    statement_timeout_seconds: int = 5,
    lending: Callable[[int], None] = lambda _: None,
) -> Services:
    """Return the services of a web process; a worker asks for its own pool and time-out.

    Nothing is connected yet: the first use does that. `lending` hears +1 and -1 as a database
    connection is taken and given back. A transaction that wrote news nudges the worker after its
    commit, whichever door opened it (decisions 26).
    """
    nudge = Nudge(settings.broker_url)

    def tell(session: Session) -> None:
        if outbox.has_news(session):
            nudge.tell(district_of(session).id)

    return Services(
        settings=settings,
        database=Database(
            settings.database.url,
            pool_size=pool_size or settings.web.threads,
            statement_timeout_seconds=statement_timeout_seconds,
            info={"key_ring": settings.key_ring, "proof_keys": sealing.keys_of(settings)},
            lending=lending,
            after_commit=tell,
        ),
        redis=redis.Redis.from_url(
            settings.redis_url,
            socket_timeout=_REDIS_TIMEOUT_SECONDS,
            socket_connect_timeout=_REDIS_TIMEOUT_SECONDS,
        ),
        nudge=nudge,
    )
