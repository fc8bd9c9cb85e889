"""`plaza seal`, `proof` and `verify`: from a replayed day to a verdict without a database (L11)."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.lab.seed import seed
from app.tasks import audit_in_full
from config.database import Database
from migrations import run
from tests.app.cli.conftest import Plaza

BEGIN = datetime.now(UTC).date() - timedelta(days=30)
DAYS = [str(BEGIN + timedelta(days=n)) for n in range(10)]
SALE = ("--store", "longjing-1", "--line", "50:tea:龙井", "--as", "lin")


@pytest.fixture(scope="module")
def sold(database: Database, owner_url: str) -> str:
    """A sandbox in which days long gone may see sales."""
    run.create_district(owner_url, "proofs", name="证明", sandbox=True)
    seed(database, "proofs", baskets=0)
    return "proofs"


@pytest.fixture
def there(plaza: Plaza, sold: str) -> Plaza:
    return Plaza(environ=plaza.environ, district=sold)


def sell(there: Plaza, day: str) -> str:
    """Sell to a member on a day; return the order's id."""
    phone = "13800138000"
    there("member", "enrol", "--phone", phone, "--as", "lin")
    at = ("--at", f"{day}T12:00+08:00")
    return str(there.json("sell", *SALE, "--member", phone, *at)["public_id"])


def sealed(there: Plaza, through: str) -> str:
    """Seal; another test's transaction may hold it back a while."""
    for _ in range(30):
        status, printed = there.run("seal", "--through", through)
        if "older transaction" not in printed:
            break
    assert status == 0, printed
    return printed


def test_from_a_sale_to_a_verdict_without_the_books(there: Plaza, tmp_path: Path) -> None:
    order = sell(there, DAYS[0])
    sell(there, DAYS[1])
    day, one, days, keys = (str(tmp_path / name) for name in ("day", "one", "days", "keys"))

    printed = sealed(there, DAYS[3])
    assert f"{DAYS[0]} → {DAYS[3]}" in printed
    assert "✔ 0 日 days" in sealed(there, DAYS[3])

    there("proof", "export", "--day", DAYS[0], day)
    there("proof", "of", f"{order}:earn/1", one)
    there("proof", "days", "--from", DAYS[0], "--to", DAYS[3], days)
    Path(keys).write_text(there("proof", "key"))
    nowhere = Plaza(environ={"PLAZA_FOLDER": str(tmp_path)}, district="none")

    for file, says in ((day, DAYS[0]), (one, f"{order}:earn/1"), (days, DAYS[3])):
        assert says in there("verify", file)
        assert says in nowhere("verify", file, "--public-key", keys)
    assert there("proof", "of", f"{order}:earn/1") == Path(one).read_text()
    assert Path(one).stat().st_size <= 2_048
    assert json.loads(Path(one).read_text())["transfer"]["kind"] == "earn"
    assert there.json("audit")["audit"] == "ok"
    assert [each.name for each in tmp_path.iterdir() if each.suffix == ".part"] == []


def test_what_proves_nothing_ends_with_one_and_says_what_is_wrong(
    there: Plaza, tmp_path: Path
) -> None:
    sell(there, DAYS[0])
    sealed(there, DAYS[3])
    file = tmp_path / "day.proof"
    there("proof", "export", "--day", DAYS[0], str(file))
    file.write_bytes(file.read_bytes().replace(b'"amount":', b'"amount":9'))

    assert "entry 0" in there.refused("verify", str(file))
    assert "not trusted" in there.refused("verify", str(file), "--public-key", "00" * 32)
    assert "no public key" in there.refused("verify", str(file), "--public-key", "nonsense")
    nobody = Plaza(environ={"PLAZA_FOLDER": str(tmp_path)}, district="none")
    assert "--public-key" in nobody.refused("verify", str(file))


def test_what_cannot_be_proven_is_refused_in_words(there: Plaza, tmp_path: Path) -> None:
    file = str(tmp_path / "x.proof")

    assert "not sealed yet" in there.refused(
        "proof", "export", "--day", str(BEGIN + timedelta(days=29)), file
    )
    sell(there, DAYS[0])
    sealed(there, DAYS[3])
    before = str(BEGIN - timedelta(days=1))
    assert f"the first day with a booking is {DAYS[0]}" in there.refused(
        "proof", "export", "--day", before, file
    )
    assert "the first day with a booking" in there.refused(
        "proof", "days", "--from", before, "--to", DAYS[0]
    )
    assert "no journal" in there.refused("proof", "of", "ord_x:earn/1")
    assert "key/line" in there.refused("proof", "of", "ord_x:earn")
    assert "later than" in there.refused("proof", "days", "--from", DAYS[1], "--to", DAYS[0])
    assert list(tmp_path.iterdir()) == []


def test_a_copy_elsewhere_carries_its_seals_and_still_verifies(
    there: Plaza, database: Database, tmp_path: Path
) -> None:
    """Decision 8: also under another name, and its next day stands on the days before."""
    sell(there, DAYS[0])
    sealed(there, DAYS[3])
    before, after = str(tmp_path / "before"), str(tmp_path / "after")
    there("proof", "export", "--day", DAYS[0], before)
    archive = str(tmp_path / "district")
    there("district", "export", "proofs", archive)

    there("district", "import", archive, "--as", "proofs-copy")

    copy = Plaza(environ=there.environ, district="proofs-copy")
    copy("proof", "export", "--day", DAYS[0], after)
    assert Path(before).read_bytes() == Path(after).read_bytes()
    sealed(copy, DAYS[5])
    days = str(tmp_path / "days")
    copy("proof", "days", "--from", DAYS[0], "--to", DAYS[5], days)
    assert DAYS[5] in copy("verify", days)
    with database.transaction("proofs-copy", repeatable_read=True) as session:
        assert audit_in_full(session) == []


def test_an_open_day_of_a_real_district_is_not_sealed(plaza: Plaza) -> None:
    printed = plaza.refused("seal", "--through", "2999-01-01")

    assert "still open" in printed
