"""Staff at their consoles: one who writes coupons, one who approves."""

import pytest
from flask.testing import FlaskClient

from app.merchants.staff import Role
from config.database import Database
from tests.app.api.consoles import Console, signed_in


@pytest.fixture
def marketer(client: FlaskClient, database: Database) -> Console:
    return signed_in(client, database, Role.MARKETER)


@pytest.fixture
def finance(client: FlaskClient, database: Database) -> Console:
    return signed_in(client, database, Role.FINANCE)
