"""The documents are true: their commands run and answer as written, their names exist.

Commands in ```console blocks are run in order on a district with the life that `make run` gives it.
`ord_…` and `chg_…` stand for the id that the last answer named. `make` is never called.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click
import pytest

from app.cli import main
from app.lab import seed
from config.database import Database
from config.settings import PROJECT, setting_names
from migrations.run import create_district
from tests.app.cli.conftest import Plaza
from tests.app.cli.conftest import plaza as plaza_fixture

plaza = plaza_fixture

DOCUMENTS = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md")])
READMES = {"readme-en": "README.md", "readme-zh": "README.zh.md"}

_PUBLIC_ID = re.compile(r"\b([a-z]{3})_[0-9A-Z]{26}\b")
_VARYING = re.compile(r"\b[a-z]{3}_[0-9A-Z]{26}\b|\d{4}-\d\d-\d\d( \d\d:\d\d)?")


@dataclass
class Step:
    """A command of a document and the lines that it shows as the answer."""

    command: str
    answer: list[str] = field(default_factory=list)


def _name(path: Path) -> str:
    return str(path.relative_to(PROJECT))


@pytest.mark.parametrize("place", READMES)
def test_the_readme_takes_a_newcomer_to_a_sale(
    plaza: Plaza, database: Database, owner_url: str, place: str
) -> None:
    create_district(owner_url, place, name="湖滨商圈", sandbox=False)
    seed.seed(database, place, baskets=0)
    newcomer = Plaza(environ=plaza.environ, district=place)
    named: dict[str, str] = {}

    for step in _steps((PROJECT / READMES[place]).read_text(encoding="utf-8")):
        words = [named.get(word, word) for word in shlex.split(step.command)]
        if words[0] == "alias":
            continue
        answer = newcomer(*words[1:])
        named |= {f"{found[1]}_…": found[0] for found in _PUBLIC_ID.finditer(answer)}
        if step.answer:
            assert _masked(answer) == _masked("\n".join(step.answer)), step.command


def test_both_readmes_show_the_same_commands_and_answers() -> None:
    english, chinese = [
        list(_steps((PROJECT / name).read_text(encoding="utf-8"))) for name in READMES.values()
    ]

    assert english == chinese
    assert len(english) > 10


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_links_and_files_that_a_document_names_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    files = re.findall(r"`((?:app|config|coupons|ledger|migrations|tests)/[\w./]+)`", text)

    assert [link for link in links if not (path.parent / link).exists()] == []
    assert [file for file in files if not (PROJECT / file).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_commands_targets_and_settings_that_a_document_names_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"`(?:PLAZA_PORT=\d+ )?make (\w+)", text)
    settings = re.findall(r"\bPLAZA_[A-Z_]+[A-Z]\b", text)
    known = {*setting_names(), "PLAZA_TEST_DATABASE_URL", "PLAZA_TEST_REDIS_URL"}

    assert [target for target in targets if not re.search(rf"^{target}:", makefile, re.M)] == []
    assert [setting for setting in settings if setting not in known] == []
    for words in re.findall(r"`plaza ([^`…]+)", text):
        _assert_command_exists(shlex.split(words))


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_a_document_keeps_to_its_lines(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()

    prose = [line for line in lines if not line.startswith(("|", "$", "  "))]
    assert [line for line in prose if len(line) > 140] == []


def test_every_decision_says_its_context_decision_consequences_and_alternatives() -> None:
    """One page, one quotable line, numbered without a gap."""
    decisions = sorted((PROJECT / "docs/adr").glob("*.md"))

    assert [int(path.name[:4]) for path in decisions] == list(range(1, len(decisions) + 1))
    for path in decisions:
        text = path.read_text(encoding="utf-8")
        heads = re.findall(r"^## (.+)$", text, re.M)
        assert heads == ["Context", "Decision", "Consequences", "Alternatives"], path.name
        assert re.search(r"^## Decision\n\n> ", text, re.M), path.name
        assert len(text.splitlines()) < 80, path.name


def _steps(text: str) -> Iterator[Step]:
    for block in re.findall(r"```console\n(.*?)```", text, re.S):
        step: Step | None = None
        for line in block.splitlines():
            if line.startswith("$ "):
                if step is not None:
                    yield step
                step = Step(command=line[2:])
            elif step is not None:
                step.answer.append(line)
        if step is not None:
            yield step


def _masked(answer: str) -> list[str]:
    """Return an answer's lines without what differs from run to run: ids, days and hours."""
    lines = [_VARYING.sub("…", line).rstrip() for line in answer.splitlines()]
    return [line for line in lines if line]


def _assert_command_exists(words: list[str]) -> None:
    if words[0] == "--district":
        words = words[2:]
    found: click.Command = main
    for word in words:
        if not isinstance(found, click.Group) or word.startswith("-"):
            return
        assert word in found.commands, f"plaza {' '.join(words)}"
        found = found.commands[word]
