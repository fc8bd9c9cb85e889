"""The application on this worker's district, and tills that sign."""

from collections.abc import Iterator

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from app.factory import create_app
from config.database import Database
from config.settings import Settings
from tests.app.api.tills import Till, open_till


@pytest.fixture
def app(settings: Settings, district: str) -> Iterator[APIFlask]:
    """The application as gunicorn would load it."""
    made = create_app(settings)
    yield made
    made.extensions["plaza"].close()


@pytest.fixture
def client(app: APIFlask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def till(client: FlaskClient, database: Database, district: str) -> Till:
    """A till of a shop of its own."""
    return open_till(client, database, district)
