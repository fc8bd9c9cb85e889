"""The measured books are real ones: proved, or there is no figure (docs/performance.md)."""

from collections.abc import Iterator

import psycopg
import pytest

from app.errors import StateConflict
from app.lab import bench_books
from app.lab.bench_books import BENCH, Size
from config.database import Database, schema_of
from config.settings import Settings
from ledger import upkeep


@pytest.fixture
def books(settings: Settings) -> Iterator[Settings]:
    """Small books, loaded with a hundred transfers a month."""
    size = Size(savers=20, burners=10, merchants=10)
    bench_books.open_books(settings, size)
    bench_books.load(settings, size, transfers=1_200)
    yield settings
    bench_books.drop_books(settings)


def test_loaded_books_are_sound_until_somebody_alters_them(
    books: Settings, database: Database
) -> None:
    bench_books.prove(books)
    with database.transaction(BENCH, repeatable_read=True) as session:
        assert upkeep.audit_recent(session) == []

    with psycopg.connect(books.database.owner_url) as owner:
        owner.execute(f"SET search_path = {schema_of(BENCH)}".encode())
        owner.execute("UPDATE account_balance SET posted = posted + 1 WHERE account_id = 24")

    with pytest.raises(StateConflict, match="账目有误"):
        bench_books.prove(books)
