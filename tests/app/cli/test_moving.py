"""An exported district imports elsewhere with the same books (decision 8)."""

from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from app.lab.digest import digest
from app.lab.seed import phone_of, seed
from app.tasks import audit_in_full
from config.database import Database, now_of
from migrations import run
from tests.app.cli.conftest import Plaza


@pytest.fixture(scope="session")
def lively(database: Database, owner_url: str) -> str:
    run.create_district(owner_url, "lively", name="热闹商圈", sandbox=True)
    seed(database, "lively", baskets=40)
    return "lively"


def digest_of(database: Database, district: str) -> str:
    with database.transaction(district, repeatable_read=True) as session:
        assert audit_in_full(session) == []
        return digest(session)


def test_a_copy_has_the_same_digest_and_lives_on(
    plaza: Plaza, database: Database, lively: str, tmp_path: Path
) -> None:
    file = tmp_path / "lively.tar"
    plaza("district", "export", lively, str(file))

    plaza("district", "import", str(file), "--as", "copy")

    assert digest_of(database, "copy") == digest_of(database, lively)
    copy = Plaza(environ=plaza.environ, district="copy")
    before = copy.json("member", "statement", phone_of(1))["balance"]["spendable_points"]
    sold = copy.json(
        "sell", "--store", "longjing-1", "--member", phone_of(1), "--line", "50", "--as", "lin"
    )
    after = copy.json("member", "statement", phone_of(1))["balance"]["spendable_points"]
    assert after - before == sold["earned_points"] == 50
    assert copy.json("audit", "--quick")["audit"] == "ok"
    assert digest_of(database, "copy") != digest_of(database, lively)


def test_a_copy_of_a_sandbox_keeps_its_clock(
    plaza: Plaza, database: Database, owner_url: str, tmp_path: Path
) -> None:
    run.create_district(owner_url, "timed", name="沙盒", sandbox=True)
    with psycopg.connect(owner_url) as connection:
        connection.execute(
            "UPDATE public.district SET clock = '2018-01-05 12:00+08' WHERE id = 'timed'"
        )
    file = tmp_path / "timed.tar"

    plaza("district", "export", "timed", str(file))
    plaza("district", "import", str(file), "--as", "timed-too")

    assert database.run("timed-too", now_of) == datetime(2018, 1, 5, 4, tzinfo=UTC)
    assert [each.name for each in tmp_path.iterdir()] == ["timed.tar"]


def test_a_district_of_an_older_revision_is_refused(
    plaza: Plaza, owner_url: str, tmp_path: Path
) -> None:
    run.create_district(owner_url, "aged", name="旧版", sandbox=True)
    with psycopg.connect(owner_url) as connection:
        connection.execute("UPDATE d_aged.alembic_version SET version_num = 'points'")
    file = tmp_path / "aged.tar"
    plaza("district", "export", "aged", str(file))

    printed = plaza.refused("district", "import", str(file), "--as", "aged-too")
    run.drop_district(owner_url, "aged")

    assert "migrate, then export again" in printed
    assert "aged-too" not in plaza("district", "list")


def test_an_id_that_is_taken_is_refused(plaza: Plaza, lively: str, tmp_path: Path) -> None:
    file = tmp_path / "again.tar"
    plaza("district", "export", lively, str(file))

    assert lively in plaza.refused("district", "import", str(file))


@pytest.mark.parametrize("damage", ["cut", "flip", "nonsense"])
def test_a_torn_file_is_refused_and_leaves_nothing(
    plaza: Plaza, lively: str, tmp_path: Path, damage: str
) -> None:
    file = tmp_path / "torn.tar"
    plaza("district", "export", lively, str(file))
    whole = file.read_bytes()
    spot = whole.index(b"longjing")
    torn = {
        "cut": whole[: len(whole) // 2],
        "flip": whole[:spot] + b"X" + whole[spot + 1 :],
        "nonsense": b"nothing of the kind",
    }[damage]
    file.write_bytes(torn)

    printed = plaza.refused("district", "import", str(file), "--as", f"torn-{damage}")

    assert "This export cannot be used" in printed
    assert f"torn-{damage}" not in plaza("district", "list")


def test_a_district_that_is_not_there_cannot_be_exported(plaza: Plaza, tmp_path: Path) -> None:
    assert "mars" in plaza.refused("district", "export", "mars", str(tmp_path / "x.tar"))
