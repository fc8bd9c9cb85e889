"""`plaza member balance`: what a member had at an instant, by command (L12)."""

from datetime import timedelta

from app.clock import business_date
from config.database import Database, now_of
from tests.app.checkout.shops import give_points, open_shop
from tests.app.cli.conftest import Plaza
from tests.factories import make_member, new_phone


def test_a_member_had_at_an_instant_what_there_was_by_then(
    plaza: Plaza, database: Database, district: str
) -> None:
    phone = new_phone()
    with database.transaction(district) as session:
        shop, member = open_shop(session), make_member(session, phone=phone)
        give_points(session, shop, member, 30)
    with database.transaction(district) as session:
        between = now_of(session)
    with database.transaction(district) as session:
        give_points(session, shop, member, 12)

    then = plaza.json("member", "balance", phone, "--as-of", between.isoformat())
    today = plaza.json("member", "balance", member.public_id)
    shown = plaza("member", "balance", phone, "--as-of", business_date(between).isoformat())

    assert (then["member"], then["tier"]) == (member.public_id, "basic")
    assert then["balance"]["spendable_points"] == 30
    assert [bucket["points"] for bucket in then["balance"]["buckets"]] == [30]
    assert today["balance"]["spendable_points"] == 42
    assert "spendable 42" in shown
    assert "valid to" in shown


def test_an_instant_before_or_after_everything_is_refused(
    plaza: Plaza, database: Database, district: str
) -> None:
    with database.transaction(district) as session:
        member, now = make_member(session).public_id, now_of(session)

    tomorrow = (now + timedelta(days=2)).date().isoformat()
    assert "尚未到来" in plaza.refused("member", "balance", member, "--as-of", tomorrow)
    assert "not a member yet" in plaza.refused("member", "balance", member, "--as-of", "2020-01-01")
    assert "offset" in plaza.refused("member", "balance", member, "--as-of", "2026-11-01T10:00")
