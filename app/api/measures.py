"""What `/metrics` shows of every request, summed over all web processes."""

from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy import Engine, event

REQUEST_SECONDS = Histogram(
    "plaza_request_seconds",
    "Time to answer a request, by route",
    ["route", "method", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5),
)
REFUSALS = Counter("plaza_refusals_total", "Refusals by their code", ["root", "code"])
POOL_USED = Gauge(
    "plaza_database_pool_used", "Database connections in use", multiprocess_mode="livesum"
)
POOL_SIZE = Gauge(
    "plaza_database_pool_size", "Database connections allowed", multiprocess_mode="livesum"
)


def watch_pool(engine: Engine, *, size: int) -> None:
    """Count the pool's connections as they are taken and given back."""
    POOL_SIZE.set(size)
    POOL_USED.set(0)
    event.listen(engine, "checkout", lambda *_: POOL_USED.inc())
    event.listen(engine, "checkin", lambda *_: POOL_USED.dec())
