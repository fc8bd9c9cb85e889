"""What a district's tables hold, so that "changes nothing" is proven and not believed."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

import psycopg
from sqlalchemy import text

from config.database import Database, lock_of
from ledger import upkeep
from migrations.models import metadata

State = Mapping[str, tuple[int, str]]


def state_of(database: Database, district: str) -> State:
    """Return for each table how many rows it has, and a sum over what they hold."""
    with database.transaction(district, read_only=True) as session:
        rows = session.execute(text(_STATE)).all()
    return {row.name: (row.rows, row.sum) for row in rows}


def moved(before: State, after: State, *, but: Collection[str] = ()) -> list[str]:
    """Return the tables that differ, but for those that may."""
    return [name for name in before if before[name] != after[name] and name not in but]


def roll_up(database: Database, district: str) -> None:
    """Fold what was posted, so that a later fold changes no balance."""
    with database.transaction(district) as session:
        upkeep.roll_up(session)


@contextmanager
def left_alone(owner_url: str, district: str) -> Iterator[None]:
    """Keep the clock's jobs out of a district, as whoever drops it does: they change rows too."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [lock_of(district)])
        yield


_STATE = " UNION ALL ".join(
    f"SELECT '{table.name}' AS name, count(*) AS rows,"  # noqa: S608  (names of our own tables)
    f" coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text AS sum"
    f' FROM "{table.name}" t'
    for table in metadata.sorted_tables
)
