"""E8: staff give a member the order that he paid unknown, with a reason."""

from collections.abc import Callable

from app.clock import business_date
from app.merchants.models import Staff
from app.merchants.staff import Role
from config.database import Database, now_of
from tests.app.checkout.shops import open_shop, points_of
from tests.app.cli.conftest import Plaza
from tests.factories import make_member

Hire = Callable[..., Staff]


def test_an_order_is_claimed_by_command(plaza: Plaza, hire: Hire, database: Database) -> None:
    login = hire(Role.SUPPORT).login
    with database.transaction(plaza.district) as session:
        shop, member = open_shop(session), make_member(session)
        sale = shop.sell(session, None, 5_000)
        day = business_date(now_of(session)).isoformat()
    words = ("member", "claim", member.public_id, "--store", shop.till.store.code, "--number",
             sale.number, "--day", day, "--reason", "忘带手机", "--as", login)  # fmt: skip

    assert "没有可补登的订单" in plaza.refused(*words, "--amount-fen", "4999")
    said = plaza(*words, "--amount-fen", "5000")

    assert f"{sale.public_id} · {member.public_id}" in said
    with database.transaction(plaza.district) as session:
        assert points_of(session, member) == 50
