"""Is it alive, is it ready, and how does it do: for supervisors, load balancers and Prometheus."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import redis
from apiflask import APIBlueprint
from flask import Response, jsonify
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from psycopg.sql import SQL, Identifier
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from app import outbox
from app.api.auth import Role, requires
from app.api.context import services
from app.wiring import HEARTBEAT, Services
from config.database import now_of
from config.errors import ConfigError
from migrations.run import head_revision

log = logging.getLogger(__name__)

_SPARE_CONNECTIONS = 10
_newest_migration = cache(head_revision)

health = APIBlueprint("health", __name__, enable_openapi=False)


@dataclass(frozen=True, kw_only=True)
class Missing:
    """Something that must be there before requests can be answered."""

    what: str
    zh: str
    en: str


@health.get("/healthz")
@requires(Role.SUPERVISOR)
def alive() -> Response:
    """Answer as long as the process can answer at all; asks nobody else."""
    return jsonify({"alive": True})


@health.get("/readyz")
@requires(Role.SUPERVISOR)
def ready() -> tuple[Response, int]:
    """Answer 200 when every part is there, else 503 with the names of those that are not."""
    missing = [*_database_lacks(services()), *_redis_lacks(services())]
    body = {"ready": not missing, "missing": [vars(each) for each in missing]}
    return jsonify(body), 503 if missing else 200


@health.get("/metrics")
@requires(Role.SUPERVISOR)
def metrics() -> Response:
    """Return the figures of all web processes in the format of Prometheus."""
    registry = REGISTRY
    if services().settings.web.metrics_folder is not None:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    outbox_only = CollectorRegistry()
    outbox_only.register(_OutboxAge(services()))
    body = generate_latest(registry) + generate_latest(outbox_only)
    return Response(body, content_type=CONTENT_TYPE_LATEST)


def _database_lacks(given: Services) -> Iterator[Missing]:
    try:
        with given.database.connection() as connection:
            yield from _connections_lack(connection, wanted=given.settings.connections)
            yield from _migrations_lack(connection)
    except (SQLAlchemyError, ConfigError) as error:
        log.warning("database_not_ready", extra={"reason": str(error)})
        yield Missing(what="database", zh="数据库无应答", en="the database does not answer")


def _connections_lack(connection: Connection, *, wanted: int) -> Iterator[Missing]:
    allowed = int(connection.scalar(text("SHOW max_connections")) or 0) - _SPARE_CONNECTIONS
    if wanted > allowed:
        yield Missing(
            what="connections",
            zh=f"需要 {wanted} 个数据库连接，只允许 {allowed} 个；"
            "请减少 PLAZA_WORKERS 或 PLAZA_THREADS",
            en=f"{wanted} database connections are needed, {allowed} allowed; "
            "lower PLAZA_WORKERS or PLAZA_THREADS",
        )


def _migrations_lack(connection: Connection) -> Iterator[Missing]:
    if connection.scalar(text("SELECT to_regclass('public.district')")) is None:
        yield Missing(
            what="migrations",
            zh="数据库尚未迁移，请运行 plaza migrate",
            en="the database is not migrated; run plaza migrate",
        )
        return
    for district, schema in connection.execute(text("SELECT id, schema FROM public.district")):
        query = SQL("SELECT version_num FROM {}").format(Identifier(schema, "alembic_version"))
        if connection.scalar(text(query.as_string())) != _newest_migration():
            yield Missing(
                what="migrations",
                zh=f"商圈 {district} 的数据库结构不是最新，请运行 plaza migrate",
                en=f"district {district} is not at the newest migration; run plaza migrate",
            )


def _redis_lacks(given: Services) -> Iterator[Missing]:
    try:
        if given.redis.exists(HEARTBEAT):
            return
    except redis.RedisError as error:
        log.warning("redis_not_ready", extra={"reason": str(error)})
        yield Missing(what="redis", zh="Redis 无应答", en="Redis does not answer")
        return
    yield Missing(what="worker", zh="后台任务进程没有心跳", en="the worker has no heartbeat")


class _OutboxAge(Collector):
    """Seconds that the oldest unsent news of each district has waited, read at each scrape."""

    def __init__(self, given: Services) -> None:
        self._services = given

    def collect(self) -> Iterator[Metric]:
        age = GaugeMetricFamily(
            "plaza_outbox_age_seconds", "Age of the oldest news not yet sent", labels=["district"]
        )
        database = self._services.database
        try:
            with database.connection() as connection:
                districts = connection.scalars(text("SELECT id FROM public.district")).all()
            for district in districts:
                with database.transaction(district, read_only=True) as session:
                    oldest = outbox.oldest_pending(session)
                    waited = (now_of(session) - oldest).total_seconds() if oldest else 0.0
                    age.add_metric([district], max(waited, 0.0))
        except (SQLAlchemyError, ConfigError) as error:
            log.warning("outbox_age_unknown", extra={"reason": str(error)})
        yield age
