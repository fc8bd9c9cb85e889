"""O1: an older programme by command: foreseen, taken over, told row by row, run again."""

import csv
from collections.abc import Callable
from pathlib import Path

from app.merchants.models import Staff
from app.merchants.staff import Role
from config.database import Database
from tests.app.checkout.shops import open_shop
from tests.app.cli.conftest import Plaza
from tests.factories import unique

Hire = Callable[..., Staff]


def _verdicts(path: str) -> list[tuple[str, str]]:
    with Path(path).open(encoding="utf-8", newline="") as lines:
        return [(row["line"], row["verdict"]) for row in csv.DictReader(lines)]


def test_a_file_is_foreseen_taken_over_and_run_again(
    plaza: Plaza, hire: Hire, database: Database, tmp_path: Path
) -> None:
    login, source, prefix = hire(Role.FINANCE).login, unique("src"), unique("C")
    with database.transaction(plaza.district) as session:
        code = open_shop(session).merchant.code
    file = tmp_path / "old.csv"
    lines = ["row,card_number,issuer,points,expires_on"]
    lines += [f"{n},{prefix}{n % 700},{code},{n},never" for n in range(1, 1201)]
    lines += [f"1201,{prefix},{code}", f"1202,{prefix},nobody,5,never"]
    file.write_text("\n".join(lines), encoding="utf-8")
    words = ("import", "opening", str(file), "--source", source, "--as", login)

    dry = plaza.json(*words, "--dry-run")
    foreseen = _verdicts(dry["verdicts"])
    done = plaza.json(*words)
    said = _verdicts(done["verdicts"])
    again = plaza.json(*words)

    assert (dry["imported"], dry["refused"], dry["points"]) == (1200, 2, 720_600)
    assert dry["before"] == dry["after"]
    assert said == foreseen
    assert foreseen[-2:] == [("1202", "refused"), ("1203", "refused")]
    assert done["after"]["points"] - done["before"]["points"] == 720_600
    assert done["after"]["members"] - done["before"]["members"] == 700
    assert (again["imported"], again["already"], again["refused"]) == (0, 1200, 2)
    assert again["before"] == again["after"]
    assert "已导入" in plaza(*words)


def test_who_may_not_import_is_refused_and_a_file_without_columns_too(
    plaza: Plaza, hire: Hire, tmp_path: Path
) -> None:
    file = tmp_path / "old.csv"
    file.write_text("phone,points\n13800138000,5\n", encoding="utf-8")

    support = plaza.refused("import", "opening", str(file), "--as", hire(Role.SUPPORT).login)
    columns = plaza.refused("import", "opening", str(file), "--as", hire().login)

    assert "没有权限" in support
    assert "expires_on" in columns
