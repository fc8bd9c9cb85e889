"""The running service, a line to it that fails at will, and somebody who buys."""

from collections.abc import Iterator

import pytest

from config.database import Database
from config.settings import Settings
from tests.clients.python.network import Network, network
from tests.clients.python.worlds import World, open_world
from tests.serving import served


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
