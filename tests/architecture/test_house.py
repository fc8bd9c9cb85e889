"""The house rules that no linter knows (STYLE.md; decisions 5, 31)."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import PROJECT

ROOMS = ("app", "clients", "config", "coupons", "integrations", "ledger", "migrations", "tests")


def _sources() -> Iterator[tuple[str, str]]:
    for room in ROOMS:
        for path in (PROJECT / room).rglob("*.py"):
            yield str(path.relative_to(PROJECT)), path.read_text(encoding="utf-8")


def test_only_the_database_module_commits() -> None:
    commits = {
        name
        for name, source in _sources()
        if re.search(r"\.commit\(", source) and not name.startswith(("tests/", "migrations/"))
    }

    assert commits <= {"config/database.py"}


def test_no_test_pretends_with_mocks() -> None:
    pattern = r"unittest\.mock|MagicMock|\bmocker\b|monkeypatch"
    this = "tests/architecture/test_house.py"

    assert [name for name, source in _sources() if re.search(pattern, source)] in ([], [this])


def test_nothing_is_left_open() -> None:
    pattern = r"\b(TODO|FIXME|XXX)\b|NotImplementedError|pytest\.mark\.(skip|xfail)"
    this = "tests/architecture/test_house.py"

    assert [name for name, source in _sources() if re.search(pattern, source)] in ([], [this])


def test_a_module_is_a_chapter() -> None:
    long = {name: len(source.splitlines()) for name, source in _sources()}

    assert {name: lines for name, lines in long.items() if lines > 500} == {}


@pytest.mark.parametrize("lock", ["base", "lab", "dev"])
def test_locks_name_hashes_and_no_package_index(lock: str) -> None:
    text = (PROJECT / f"requirements/{lock}.txt").read_text()
    pinned = re.findall(r"^[\w.\[\]-]+==\S+", text, re.MULTILINE)

    assert "://" not in text
    assert not re.search(r"^\s*-", re.sub(r"--hash=", "", text), re.MULTILINE)
    assert len(pinned) > 5
    assert all(
        re.search(rf"^{re.escape(each)}[^\n]*\\\n\s+--hash=sha256:", text, re.MULTILINE)
        for each in pinned
    )


def test_secrets_and_data_are_never_committed() -> None:
    ignored = (".env", ".plaza", ".venv/x", "reports/x.html")

    asked = subprocess.run(
        ["git", "check-ignore", *ignored], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    has_history = Path(PROJECT, ".git").exists()

    assert not has_history or asked.stdout.split() == list(ignored)
