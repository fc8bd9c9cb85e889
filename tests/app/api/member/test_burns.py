"""Decision 24: the member's side of a burn that needs a tap."""

from flask.testing import FlaskClient

from app.clock import server_now
from app.members import confirming
from app.members.confirming import AskedBurn
from config.database import Database
from tests.app.api.phones import Phone, new_member, told
from tests.factories import make_till


def asked(database: Database, phone: Phone) -> AskedBurn:
    member = phone.member(database)
    with database.transaction("test") as session:
        return confirming.ask(
            session, member=member, terminal_id=make_till(session).id, points=12_000,
            worth_fen=12_000, now=server_now(session),
        )  # fmt: skip


def test_a_member_sees_and_confirms_a_burn(phone: Phone, database: Database) -> None:
    burn = asked(database, phone)

    (shown,) = told(phone.get("burns"))["burns"]
    confirmed = told(phone.post(f"burns/{burn.public_id}/confirm"))

    assert shown == confirmed
    assert (shown["points"], shown["worth_fen"], shown["store"]) == (12_000, 12_000, "一店")
    assert told(phone.get("burns")) == {"burns": []}


def test_nobody_else_sees_or_confirms_it(
    phone: Phone, client: FlaskClient, database: Database
) -> None:
    burn, other = asked(database, phone), new_member(client)

    assert told(other.get("burns")) == {"burns": []}
    assert other.post(f"burns/{burn.public_id}/confirm").status_code == 404
