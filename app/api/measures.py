"""What `/metrics` shows of every request, summed over all web processes."""

from prometheus_client import Counter, Gauge, Histogram

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
