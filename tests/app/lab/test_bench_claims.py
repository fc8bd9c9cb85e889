"""What `plaza bench coupons` sends over HTTP is what members would send, each claim a new one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from app.factory import create_app
from app.lab import bench_claims, bench_wrk
from app.lab.bench_claims import Bench
from config.database import Database
from config.settings import Settings
from tests.app.lab.test_bench_http import ADDRESS, read, send


@pytest.fixture
def bench(settings: Settings, tmp_path: Path) -> Iterator[Bench]:
    claims = bench_claims.open_district(settings, members=3)
    yield Bench(
        wrk="", address=ADDRESS, folder=tmp_path, seconds=1, settings=settings, claims=claims,
        tell=lambda _: None,
    )  # fmt: skip
    bench_claims.drop_district(settings)


@pytest.mark.parametrize("name", ["hot", "spread"])
def test_claims_written_down_are_answered_like_a_members(
    settings: Settings, database: Database, bench: Bench, name: str
) -> None:
    app = create_app(settings)
    bench_wrk.write(bench.folder / "eight", bench.requests_of(name, 8))

    answers = [send(app.test_client(), each) for each in read(bench.folder / "eight")]

    assert [status for status, _ in answers] == [201] * 8
    with database.transaction(bench_claims.DISTRICT) as session:
        of_batches = session.scalars(
            text("SELECT count(*) FROM coupon GROUP BY batch_id ORDER BY batch_id")
        ).all()
    assert of_batches == ([8] if name == "hot" else [1] * 8)
    assert bench_claims.prove(settings)
    app.extensions["plaza"].close()
