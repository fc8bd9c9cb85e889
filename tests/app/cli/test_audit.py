"""`plaza audit` proves the books, names what is broken and stops its district (decision 9)."""

from collections.abc import Iterator

import psycopg
import pytest

from config.database import Database
from migrations import run
from tests.app.checkout.shops import open_shop
from tests.app.cli.conftest import Plaza
from tests.factories import make_member


@pytest.fixture
def annex(plaza: Plaza, owner_url: str, database: Database) -> Iterator[Plaza]:
    """A district of its own, with a sale in it: what is broken here hurts nobody else."""
    run.create_district(owner_url, "annex", name="别馆", sandbox=True)
    with database.transaction("annex") as session:
        shop, member = open_shop(session), make_member(session)
        shop.sell(session, member, 1_000)
        shop.refund(session, shop.sell(session, member, 500).public_id)
    yield Plaza(environ=plaza.environ, district="annex")
    run.drop_district(owner_url, "annex")


def test_sound_books_are_ok_quick_and_in_full(annex: Plaza) -> None:
    assert annex.json("audit")["trial_balance"] == {"points": 0}
    assert "✔ ok" in annex("audit")
    assert annex.json("audit", "--quick")["audit"] == "ok"


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ("UPDATE account_balance SET posted = posted + 1 WHERE posted > 0",
         "a balance is the sum of its transfers"),
        ('UPDATE "order" SET earned_points = earned_points + 1 WHERE earned_points = 10',
         "an order earned what its journal gave"),
        ("UPDATE order_line SET refunded_fen = 1 WHERE refunded_fen = 0",
         "what went back of an order is what went back of its lines"),
    ],
)  # fmt: skip
def test_what_is_broken_is_named_and_stops_the_district_until_it_is_resumed(
    annex: Plaza, owner_url: str, damage: str, named: str
) -> None:
    with psycopg.connect(owner_url) as owner:
        owner.execute("SET search_path = d_annex")
        owner.execute('ALTER TABLE "order" DISABLE TRIGGER paid_for_good')
        owner.execute(damage.encode())

    status, printed = annex.run("audit")

    assert status == 1
    assert named in printed
    assert "已停止写入" in annex.refused("staff", "add", "lin", "--name", "林", "--role", "admin")
