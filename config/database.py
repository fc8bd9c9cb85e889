"""The database as every room meets it: base class, public ids, and the one place that commits.

A district is a PostgreSQL schema (ADR 0001). `Database.transaction` names it once: its first
statement sets the local `search_path`, reads the clock and the state of the district, and travels
in the same round trip as BEGIN. Rooms then use unqualified names and never a clock of their own.

That round trip is why the engine is in SQLAlchemy's autocommit mode: BEGIN is ours, sent as one
text with the first statement (measured: 0.4 of the time of the driver's pipeline, which
docs/performance.md explains). SQLAlchemy hears of the transaction only when somebody uses it: what
sends its statements by `fetch` alone pays for none of it.
"""

import random
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, ClassVar, LiteralString, TypeVar, cast

import psycopg
from psycopg import sql
from psycopg.rows import namedtuple_row
from sqlalchemy import (
    BigInteger,
    Connection,
    Date,
    Dialect,
    Engine,
    LargeBinary,
    MetaData,
    NullPool,
    Select,
    Text,
    create_engine,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import UserDefinedType

from config.errors import (
    Collision,
    DiskFull,
    DistrictStopped,
    NotASandbox,
    OutcomeUnknown,
    Overloaded,
    UnknownDistrict,
)
from config.lanes import Lane, driver_of

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

T = TypeVar("T")

_DIALECT = cast("Callable[[], Dialect]", PGDialect_psycopg)()
_RETRIED = ("40001", "40P01", "55P03")  # serialization, deadlock, lock not available
_DISK_FULL = "53100"
_READ_ONLY = "25006"
_TRIES = 5
_PATIENCE_SECONDS = 2  # for a free connection
_LIFE_SECONDS = 1800  # of a connection: what balances loads before the server sees all of us again


class Xid8(UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id, which never wraps."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


ischema_names["xid8"] = Xid8  # So that comparisons of tables know it.


class Base(DeclarativeBase):
    """Base of all tables: bigint keys, aware instants, text without length."""

    metadata = MetaData(
        naming_convention={
            "pk": "%(table_name)s_pkey",
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "ck": "%(table_name)s_%(constraint_name)s_check",
            "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        int: BigInteger,
        str: Text,
        bytes: LargeBinary,
        date: Date,
        datetime: TIMESTAMP(timezone=True),
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
    }


def new_id(prefix: str) -> str:
    """Return a public id: prefix, then 26 base32 characters that sort by time (48 bits of ms).

    The other 80 bits are random, so an id tells nothing of how many there are.
    """
    number = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return f"{prefix}_" + "".join(CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


@dataclass(frozen=True, kw_only=True)
class District:
    """One row of the registry as a transaction sees it."""

    id: str
    schema: str
    name: str
    sandbox: bool
    revision: int
    stopped: str | None
    created_at: datetime


def schema_of(district: str) -> str:
    """Return the name of the district's schema."""
    return f"d_{district.replace('-', '_')}"


def lock_of(district: str) -> str:
    """Return the name of the advisory lock that jobs share and whoever drops a district takes."""
    return f"district:{district}"


class Database:
    """At most `pool_size` connections to one PostgreSQL, and the transactions on them.

    `info` is handed on to every session (`session.info`), for what rooms need and the process
    owns, such as the key ring. `lending` hears +1 and -1 as a connection is taken and given back.
    `after_commit` is called with each session that has committed; it must not wait and must not
    fail. Open it after a fork, never before. Threads share it.

    A connection stays together with its session and both are used again: taking a connection from
    SQLAlchemy's pool and making a session took a quarter of the client's time for a posting.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 8,
        statement_timeout_seconds: int = 5,
        info: Mapping[str, object] | None = None,
        lending: Callable[[int], None] = lambda _: None,
        after_commit: Callable[[Session], None] = lambda _: None,
    ) -> None:
        self._info = dict(info or {})
        self._lending = lending
        self._after_commit = after_commit
        self._permits = threading.BoundedSemaphore(pool_size)
        self._idle: deque[Lane] = deque()
        self._memory: dict[str, tuple[tuple[datetime, int], dict[str, object]]] = {}
        self.engine: Engine = create_engine(
            _psycopg(url),
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={
                "connect_timeout": 5,
                "options": (
                    f"-c timezone=UTC -c lock_timeout=2s "
                    f"-c statement_timeout={statement_timeout_seconds}s "
                    "-c idle_in_transaction_session_timeout=10s"
                ),
            },
        )

    def dispose(self) -> None:
        """Close every connection that is not in use."""
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Lend a connection outside of any district: each statement commits by itself.

        Raises:
            Overloaded: none became free within two seconds.
        """
        with self._lane() as lane:
            yield lane.connection

    @contextmanager
    def transaction(
        self,
        district: str,
        *,
        read_only: bool = False,
        even_stopped: bool = False,
        repeatable_read: bool = False,
        at: datetime | None = None,
    ) -> Iterator[Session]:
        """Open one transaction in a district; commit at the end, roll back on any error.

        `session.info` then holds `district` (District) and `now` (the database's instant, or the
        sandbox's own clock). In a district whose writes are stopped the transaction is read-only,
        by PostgreSQL itself, unless `even_stopped`. `repeatable_read` keeps one snapshot for all
        statements, for the auditor and for exports. `at` is the instant that this transaction
        takes for now, in a sandbox alone: so several processes replay history side by side
        without moving the sandbox's one clock at each sale (decision 2).

        Raises:
            UnknownDistrict: the registry has no such district.
            NotASandbox: `at` was given in a district that lives by the real clock.
            DistrictStopped: something was written in a stopped district.
            DiskFull: the server has no room; nothing was written.
            OutcomeUnknown: the connection was lost at COMMIT.
            Overloaded: no connection became free within two seconds.
        """
        statements = _entering(
            district,
            isolation="REPEATABLE READ" if repeatable_read else "READ COMMITTED",
            read_only=read_only,
            even_stopped=even_stopped,
        )
        with self._lane(statements) as lane:
            if lane.entered is None:
                raise UnknownDistrict(district)
            session = lane.session
            found = self._inform(session, district, lane.entered, at=at)
            try:
                yield session
                session.flush()
                _commit(lane)
            except DBAPIError as error:
                if found.stopped is not None and _sqlstate(error) == _READ_ONLY:
                    raise DistrictStopped(district, found.stopped) from error
                if is_disk_full(error):
                    raise DiskFull from error
                raise
            self._after_commit(session)

    def run(
        self,
        district: str,
        work: Callable[[Session], T],
        *,
        read_only: bool = False,
        at: datetime | None = None,
    ) -> T:
        """Run `work` in a transaction, and again from its first read if PostgreSQL asks for it.

        Deadlock, serialization failure, lock time-out and `Collision` are tried five times with 10
        to 200 ms of full jitter (reliability rule: the whole transaction, outermost only).
        """
        for attempt in range(1, _TRIES + 1):
            try:
                with self.transaction(district, read_only=read_only, at=at) as session:
                    return work(session)
            except Collision:
                if attempt == _TRIES:
                    raise
            except DBAPIError as error:
                if _sqlstate(error) not in _RETRIED or attempt == _TRIES:
                    raise
            time.sleep(random.uniform(0.01, 0.2))
        raise AssertionError("unreachable: the last try returns or raises")

    @contextmanager
    def _lane(self, statements: bytes | None = None) -> Iterator[Lane]:
        """Lend a lane on which `statements` have been sent; take it back clean, or close it."""
        if not self._permits.acquire(timeout=_PATIENCE_SECONDS):
            raise Overloaded("数据库连接池已满 / database pool exhausted")
        try:
            self._lending(1)
            lane = self._taken(statements)
            try:
                yield lane
            finally:
                if lane.reset():
                    self._idle.append(lane)
                else:
                    lane.close()
        finally:
            self._lending(-1)
            self._permits.release()

    def _taken(self, statements: bytes | None) -> Lane:
        """Send the first statements in one round trip, on a lane that is alive.

        A connection may have died with its server since its last use: then, nothing having been
        sent yet, the idle ones are closed and the statements are sent once more on a new one.
        """
        for last_try in (False, True):
            lane = self._idle_or_new()
            try:
                if statements is not None:
                    lane.enter(statements)
            except psycopg.OperationalError:
                lane.close()
                if last_try:
                    raise
                self.dispose()
            except psycopg.Error:
                lane.close()
                raise
            else:
                return lane
        raise AssertionError("unreachable: the last try returns or raises")

    def _idle_or_new(self) -> Lane:
        while True:
            try:
                lane = self._idle.pop()
            except IndexError:
                return Lane(self.engine)
            if time.monotonic() - lane.opened < _LIFE_SECONDS:
                return lane
            lane.close()

    def _inform(
        self, session: Session, district: str, row: tuple[Any, ...], *, at: datetime | None
    ) -> District:
        schema, name, sandbox, revision, stopped, now, _, _, created_at, server_now = row
        if at is not None and not sandbox:
            raise NotASandbox(district)
        found = District(
            id=district, schema=schema, name=name, sandbox=sandbox, revision=revision,
            stopped=stopped, created_at=created_at,
        )  # fmt: skip
        session.info.update(self._info, district=found, now=at or now, server_now=server_now)
        session.info["memory"] = self._remembered(found)
        return found

    def _remembered(self, district: District) -> dict[str, object]:
        # A sandbox that was dropped and made anew counts its revisions from one again.
        as_of = (district.created_at, district.revision)
        known = self._memory.get(district.id)
        if known is None or known[0] != as_of:
            known = self._memory[district.id] = (as_of, {})
        return known[1]


def fetch(
    session: Session, statement: LiteralString, parameters: Mapping[str, object]
) -> list[Any]:
    """Send one statement of the hot path straight to the driver; return its rows, named.

    For what every sale runs: SQLAlchemy's own way takes the client twice as long (measured: 135
    against 61 microseconds of processor time for a look-up). Same connection, same transaction,
    same errors; nothing that the session holds back is flushed before it.
    """
    try:
        cursor = driver_of(session).cursor(row_factory=namedtuple_row)
        return cursor.execute(statement, parameters).fetchall()
    except psycopg.Error as error:
        raise _translated(statement, error) from error


def written(statement: Select[Any]) -> LiteralString:
    """Return a query as the text that `fetch` sends; its parameters are `bindparam` names."""
    return statement.compile(dialect=_DIALECT).string


def remember(session: Session, name: str, load: Callable[[Session], T]) -> T:
    """Return what `load` read, kept until the district's `revision` moves.

    For slow-changing tables (merchants, terms, rules): a trigger on each raises the revision in
    the registry, and every transaction reads it in its first statement, so a stale value lives no
    longer than the transactions that began before the change.
    """
    memory = cast("dict[str, object]", session.info["memory"])
    if name not in memory:
        memory[name] = load(session)
    return cast("T", memory[name])


def forget(session: Session) -> None:
    """Read remembered tables anew for the rest of this transaction, which has changed one.

    The transaction leaves the shared memory, so what it reads before its commit stays its own.
    """
    session.info["memory"] = {}


def is_disk_full(error: DBAPIError) -> bool:
    """Whether PostgreSQL refused because it has no room left."""
    return _sqlstate(error) == _DISK_FULL


def now_of(session: Session) -> datetime:
    """Return the transaction's instant: the database's, or the sandbox's own."""
    return cast("datetime", session.info["now"]).astimezone(UTC)


def server_now_of(session: Session) -> datetime:
    """Return the database's own instant of the transaction, in a sandbox too."""
    return cast("datetime", session.info["server_now"]).astimezone(UTC)


def district_of(session: Session) -> District:
    """Return the district that the transaction is in."""
    return cast("District", session.info["district"])


def _commit(lane: Lane) -> None:
    """End a lane's transaction for good; SQLAlchemy is asked only where it has heard of it.

    Raises:
        OutcomeUnknown: the connection was lost meanwhile.
    """
    try:
        if lane.session.in_transaction():
            lane.session.commit()
        if lane.is_open:  # SQLAlchemy ends what it has sent something in.
            lane.send(b"COMMIT")
    except (DBAPIError, psycopg.Error) as error:
        known = error if isinstance(error, DBAPIError) else _translated("COMMIT", error)
        if lane.driver.closed or _sqlstate(known) is None:
            raise OutcomeUnknown("连接在提交时中断 / connection lost at commit") from error
        raise known from error


def _translated(statement: str, error: psycopg.Error) -> DBAPIError:
    """Return the driver's error as SQLAlchemy raises it."""
    return cast(
        "DBAPIError",
        DBAPIError.instance(
            statement, None, error, psycopg.Error, hide_parameters=True, dialect=_DIALECT
        ),
    )


def _psycopg(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


def _sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


@lru_cache(maxsize=1024)
def _entering(district: str, *, isolation: str, read_only: bool, even_stopped: bool) -> bytes:
    return (
        sql.SQL(_ENTER)
        .format(
            isolation=sql.SQL(isolation),
            read_only=sql.Literal(read_only),
            even_stopped=sql.Literal(even_stopped),
            district=sql.Literal(district),
        )
        .as_bytes()
    )


_ENTER: LiteralString = """
BEGIN ISOLATION LEVEL {isolation};
SELECT schema, name, sandbox, revision, stopped,
       CASE WHEN sandbox THEN coalesce(clock, now()) ELSE now() END,
       set_config('search_path', quote_ident(schema), true),
       set_config('transaction_read_only',
                  CASE WHEN {read_only} OR (stopped IS NOT NULL AND NOT {even_stopped})
                       THEN 'on' ELSE 'off' END, true),
       created_at, now()
FROM public.district WHERE id = {district}
"""
