"""The application as a demonstration runs it, and a phone that is signed in."""

import dataclasses
from collections.abc import Iterator

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from app.factory import create_app
from config.settings import Settings
from tests.app.api.phones import Phone, new_member


@pytest.fixture
def app(settings: Settings, district: str) -> Iterator[APIFlask]:
    """The application, which shows sign-in codes."""
    made = create_app(dataclasses.replace(settings, shows_codes=True))
    yield made
    made.extensions["plaza"].close()


@pytest.fixture
def phone(client: FlaskClient) -> Phone:
    """The phone of a new member, signed in."""
    return new_member(client)
