"""A connection to PostgreSQL together with the session that is always used with it."""

import time
from typing import Any, cast

import psycopg
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, SessionTransaction

_DRIVER = "driver"  # under this name a session's `info` has the driver's own connection


def driver_of(session: Session) -> "psycopg.Connection[tuple[Any, ...]]":
    """Return the driver's connection, for as long as the session's transaction lasts."""
    return cast("psycopg.Connection[tuple[Any, ...]]", session.info[_DRIVER])


class LaneSession(Session):
    """A session whose transaction began before SQLAlchemy knew of it, and ends with it."""

    def begin_nested(self) -> SessionTransaction:
        """Set a savepoint now; SQLAlchemy would wait for its own first statement."""
        nested = super().begin_nested()
        self.connection()
        return nested

    def rollback(self) -> None:
        """Take back all that was sent, by SQLAlchemy or past it."""
        super().rollback()
        driver_of(self).rollback()


class Lane:
    """A connection and the session that is always used with it.

    Execution options are given to a statement, never to the connection: they would stay on it.
    What begins and ends every transaction goes to libpq itself: the driver's way there, made for
    any statement in any mode, took a sixth of the client's time for a posting.
    """

    def __init__(self, engine: Engine) -> None:
        self.connection = engine.connect()
        self.driver = cast(
            "psycopg.Connection[tuple[Any, ...]]", self.connection.connection.driver_connection
        )
        self.session = LaneSession(self.connection, expire_on_commit=False)
        self.entered: tuple[Any, ...] | None = None
        self._reader = Transformer(self.driver)
        self.opened = time.monotonic()

    def enter(self, statements: bytes) -> None:
        """Send BEGIN and what comes with it; keep the answer of the last statement."""
        self.session.info[_DRIVER] = self.driver
        result = self.send(statements)
        self._reader.set_pgresult(result)
        self.entered = self._reader.load_row(0, tuple) if result.ntuples else None

    @property
    def is_open(self) -> bool:
        """Whether a transaction has begun and not ended."""
        return self.driver.pgconn.transaction_status != TransactionStatus.IDLE

    def send(self, statements: bytes) -> PGresult:
        """Send statements in one text; return what the last of them answered."""
        wire = self.driver.pgconn
        result = wire.exec_(statements)
        if result.status in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
            return result
        if wire.status is ConnStatus.BAD:
            raise psycopg.OperationalError(wire.get_error_message())
        raise psycopg.errors.error_from_result(result)

    def reset(self) -> bool:
        """Roll back what is open, forget what was loaded; tell whether the lane is still good."""
        try:
            if self.session.in_transaction() or self.session.identity_map:
                self.session.close()
            self.session.info.clear()
            if self.connection.get_transaction() is not None:
                self.connection.rollback()  # One that failed at COMMIT is not active, but there.
            self.driver.rollback()
        except (DBAPIError, psycopg.Error):
            return False
        return not (self.driver.closed or self.connection.invalidated)

    def close(self) -> None:
        """Close the connection, whatever state it is in."""
        self.connection.invalidate()
        self.connection.close()
