"""L11: a member takes the proof of a line along, and a program without our books believes it."""

import io
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from app import sealing
from app.clock import business_date
from config.database import Database, now_of
from config.embedded import wait_until
from config.settings import Settings
from ledger import upkeep, verifying
from migrations.run import create_district, drop_district
from tests.app.api.phones import Phone, new_member, told
from tests.app.checkout.shops import open_shop

YESTERDAY = timedelta(days=1)


@pytest.fixture
def earner(client: FlaskClient, database: Database, owner_url: str) -> Iterator[Phone]:
    """A member who earned yesterday and burned, in a district where that day is still open."""
    create_district(owner_url, "proving", name="证明", sandbox=True)
    with database.transaction("proving") as session:
        today = business_date(now_of(session))
        upkeep.open_books(session, start=today - YESTERDAY, through=today)
    phone = new_member(client, district="proving")
    member = phone.member(database)
    with database.transaction("proving") as session:
        then = now_of(session) - YESTERDAY
        shop = open_shop(session)
        shop.sell(session, member, 50_000, at=then)
        shop.sell(session, member, 10_000, burn=200, at=then)
    yield phone
    drop_district(owner_url, "proving")


def seal_yesterday(database: Database) -> None:
    with database.transaction("proving") as session:
        upkeep.close_days(session, through=business_date(now_of(session)) - YESTERDAY)

    def sealed() -> bool:
        with database.transaction("proving") as session:
            return sealing.seal(session) is not None

    assert wait_until(sealed, seconds=60)


def test_every_line_of_the_statement_has_a_proof_that_stands_alone(
    earner: Phone, database: Database, settings: Settings
) -> None:
    seal_yesterday(database)
    public_key = sealing.keys_of(settings).public.hex()

    movements = told(earner.get("statement"))["movements"]
    answers = [earner.get(f"statement/proof?line={each['line']}") for each in movements]

    assert len(answers) == 3
    for movement, answer in zip(movements, answers, strict=True):
        verdict = verifying.verify(io.BytesIO(answer.data), verifying.trusted([public_key]))
        assert verdict.kind == "transfer"
        assert told(answer)["transfer"]["amount"] == abs(movement["points"])
        assert len(answer.data) <= 2_048


def test_a_line_of_today_has_no_proof_yet(earner: Phone) -> None:
    line = told(earner.get("statement"))["movements"][0]["line"]

    refused = told(earner.get(f"statement/proof?line={line}"), 409)

    assert refused["code"] == "not-sealed-yet"
    assert "尚未封账" in refused["detail"]
    assert "not sealed yet" in refused["detail"]


def test_somebody_elses_line_is_none(
    earner: Phone, client: FlaskClient, database: Database
) -> None:
    """Also with the name of a line that is his own; nothing tells whether it exists."""
    seal_yesterday(database)
    line = told(earner.get("statement"))["movements"][0]["line"]
    other = new_member(client, district="proving")

    answers = [
        other.get(f"statement/proof?line={line}"),
        other.get("statement/proof?line=nonsense"),
        earner.get("statement/proof?line=%E7%A7%AF"),
    ]

    assert [told(each, 404)["code"] for each in answers] == ["not-found"] * 3
    assert earner.get("statement/proof").status_code == 400
    assert earner.get(f"statement?cursor={line}").status_code == 400
