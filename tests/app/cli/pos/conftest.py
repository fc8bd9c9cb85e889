"""A till in the terminal that was set up at a shop, over a line that fails at will."""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from config.database import Database
from config.settings import Settings
from tests.app.cli.conftest import Plaza
from tests.clients.python.network import Network, network
from tests.clients.python.worlds import World, open_world
from tests.serving import served


@dataclass(frozen=True, kw_only=True)
class Terminal:
    """`plaza pos` with a profile of its own."""

    plaza: Plaza
    profile: Path

    def __call__(self, *words: str) -> str:
        return self.plaza("pos", "--profile", str(self.profile), *words)

    def json(self, *words: str) -> Any:
        return self.plaza.json("pos", "--profile", str(self.profile), *words)

    def run(self, *words: str) -> tuple[int, str]:
        return self.plaza.run("pos", "--profile", str(self.profile), *words)

    def refused(self, *words: str) -> str:
        return self.plaza.refused("pos", "--profile", str(self.profile), *words)

    def arguments(self, *words: str) -> list[str]:
        """Return the words of a process of its own."""
        return ["pos", "--profile", str(self.profile), *words]

    def beside(self, name: str) -> Path:
        return self.profile.with_name(f"{self.profile.stem}.{name}")

    def verdicts(self) -> list[dict[str, Any]]:
        path = self.beside("verdicts.jsonl")
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


SetUp = Callable[[str], Terminal]


@pytest.fixture(scope="session")
def base_url(settings: Settings, district: str) -> Iterator[str]:
    with served(settings) as address:
        yield address


@pytest.fixture
def world(database: Database, district: str) -> World:
    return open_world(database, district)


@pytest.fixture
def line(base_url: str) -> Iterator[Network]:
    with network(base_url) as made:
        yield made


@pytest.fixture
def set_up(plaza: Plaza, world: World, tmp_path: Path) -> SetUp:
    """Sets a till of the shop up at an address."""

    def at(address: str) -> Terminal:
        secret = tmp_path / "secret.txt"
        secret.write_text(base64.b64encode(world.key.secret).decode() + "\n", encoding="utf-8")
        made = Terminal(plaza=plaza, profile=tmp_path / "till.json")
        made(
            "setup", "--url", address, "--key-id", world.key.key_id, "--secret-file", str(secret),
            "--cashier", "007", "--shop", "湖滨茶馆", "--patience", "2",
        )  # fmt: skip
        return made

    return at


@pytest.fixture
def till(set_up: SetUp, base_url: str) -> Terminal:
    """A till on a sound line."""
    return set_up(base_url)
