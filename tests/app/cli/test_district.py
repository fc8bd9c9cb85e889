"""`plaza district …`: open, list, and let a stopped district write again (decisions 9)."""

import dataclasses

import pytest
from sqlalchemy import text

from app.merchants.staff import Role
from config.database import Database, new_id
from tests.app.cli.conftest import Plaza
from tests.factories import make_staff


@pytest.fixture
def stopped(plaza: Plaza, database: Database) -> Plaza:
    """A district of its own whose writes are stopped, with one admin."""
    name = new_id("t")[-12:].lower().replace("_", "-")
    own = dataclasses.replace(plaza, district=f"s{name}")
    plaza("district", "create", own.district, "--name", "已停")
    with database.transaction(own.district) as session:
        make_staff(session, login="boss", roles=[Role.ADMIN])
    with database.transaction(own.district) as session:
        session.execute(
            text("UPDATE public.district SET stopped = 'A1: 7' WHERE id = :id"),
            {"id": own.district},
        )
    return own


def test_a_stopped_district_is_resumed_by_an_admin_with_a_reason(
    stopped: Plaza, database: Database
) -> None:
    listed = stopped("district", "list")

    stopped("district", "resume", "--as", "boss", "--reason", "核对无误 / checked")

    with database.transaction(stopped.district) as session:
        record = session.execute(
            text("SELECT action, reason FROM audit_record WHERE action = 'district.resumed'")
        ).one()
    assert f"{stopped.district} 已停 A1: 7" in listed
    assert tuple(record) == ("district.resumed", "核对无误 / checked")
    assert f"{stopped.district} 已停\n" in stopped("district", "list")


def test_a_stopped_district_is_not_resumed_by_a_stranger(stopped: Plaza) -> None:
    assert "nobody" in stopped.refused("district", "resume", "--as", "nobody", "--reason", "x")
    assert f"{stopped.district} 已停 A1: 7" in stopped("district", "list")


def test_an_open_district_has_nothing_to_resume(stopped: Plaza) -> None:
    stopped("district", "resume", "--as", "boss", "--reason", "checked")

    assert "not stopped" in stopped.refused("district", "resume", "--as", "boss", "--reason", "x")


def test_a_district_is_opened_once(stopped: Plaza) -> None:
    refused = stopped.refused("district", "create", stopped.district, "--name", "再来")

    assert "已存在" in refused
