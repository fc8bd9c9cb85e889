"""Counts the texts that leave for the server, whoever sends them: BEGIN travels with the first."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import psycopg
from psycopg.pq.abc import PGresult
from sqlalchemy import event
from sqlalchemy.orm import Session

from config.database import Database
from config.lanes import Lane


@contextmanager
def sent_by(session: Session) -> Iterator[list[object]]:
    """Gather what one session sends while the block runs."""
    raw = cast("psycopg.Connection[Any]", session.connection().connection.driver_connection)
    usual = raw.cursor_factory
    statements: list[object] = []
    raw.cursor_factory = _counting(statements)
    try:
        yield statements
    finally:
        raw.cursor_factory = usual


@contextmanager
def sent_by_all(database: Database) -> Iterator[list[object]]:
    """Gather what every transaction that begins in the block sends; COMMIT is not among it."""
    statements: list[object] = []
    counting = _counting(statements)

    def watch(connection: "psycopg.Connection[Any]", *_: object) -> None:
        connection.cursor_factory = counting

    usual = Lane.send

    def send(lane: Lane, text: bytes) -> PGresult:
        if text != b"COMMIT":
            statements.append(text)
        return usual(lane, text)

    database.dispose()
    event.listen(database.engine, "connect", watch)
    Lane.send = send  # type: ignore[method-assign, assignment]
    try:
        yield statements
    finally:
        Lane.send = usual  # type: ignore[method-assign]
        event.remove(database.engine, "connect", watch)
        database.dispose()


def _counting(statements: list[object]) -> "type[psycopg.Cursor[Any]]":
    class Counting(psycopg.Cursor[Any]):
        def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:
            statements.append(query)
            return super().execute(query, *arguments, **options)

    return Counting
