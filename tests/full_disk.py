"""A district whose disk is full: every write is refused as PostgreSQL does it, by SQLSTATE 53100.

A real full disk needs a file system of one's own, which not every machine lends to a test. The
server's own words and code come from a trigger instead, through the real driver.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString

import psycopg
from psycopg import sql

from config.database import schema_of


@contextmanager
def full_disk(owner_url: str, district: str, *, at_commit: bool = False) -> Iterator[None]:
    """Let no row be written while the block runs; `at_commit` refuses only then."""
    timing: LiteralString = "BEFORE INSERT OR UPDATE ON {} FOR EACH ROW"
    if at_commit:
        timing = "AFTER INSERT OR UPDATE ON {} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
    kind: LiteralString = "CONSTRAINT TRIGGER" if at_commit else "TRIGGER"
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(schema_of(district))))
        owner.execute(_FULL)
        for table in _TABLES:
            owner.execute(
                sql.SQL(
                    "CREATE " + kind + " no_room " + timing + " EXECUTE FUNCTION no_room()"
                ).format(sql.Identifier(table))
            )
        try:
            yield
        finally:
            owner.execute("DROP FUNCTION no_room() CASCADE")


_TABLES = ("order", "refund", "journal", "idempotency", "member", "staff")
_FULL = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'disk_full',
        MESSAGE = 'could not extend file "base/16384/16999": No space left on device',
        HINT = 'Check free disk space.';
END $$
"""
