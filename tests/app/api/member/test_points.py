"""X2, X3, P6, U2: the member's points through the door."""

from datetime import timedelta

from flask.testing import FlaskClient

import ledger
from app.checkout.returns import RefundWhole
from app.clock import business_date
from config.database import Database, now_of
from tests.app.api.phones import Phone, new_member, told
from tests.app.checkout.shops import Shop, give_points, open_shop


def shop_of(database: Database) -> Shop:
    with database.transaction("test") as session:
        return open_shop(session)


def test_every_day_on_which_points_expire_is_told(phone: Phone, database: Database) -> None:
    """X3: not only the next one."""
    shop, member = shop_of(database), phone.member(database)
    with database.transaction("test") as session:
        now = now_of(session)
        # What is sold in a month that was never made would lie outside the partitions.
        start = business_date(now - timedelta(days=300))
        ledger.upkeep.make_partitions(session, start=start, through=business_date(now))
        for days in (300, 200, 0):
            shop.sell(session, member, 10_000, at=now - timedelta(days=days))

    said = told(phone.get("balance"))

    assert (said["spendable_points"], said["held_points"], said["debt_points"]) == (300, 0, 0)
    assert [bucket["points"] for bucket in said["buckets"]] == [100, 100, 100]
    dates = [bucket["expires_on"] for bucket in said["buckets"]]
    assert dates == sorted(set(dates))


def test_every_movement_says_where_by_which_rule_and_why(phone: Phone, database: Database) -> None:
    """X2"""
    shop, member = shop_of(database), phone.member(database)
    with database.transaction("test") as session:
        give_points(session, shop, member, 500)
        sale = shop.sell(session, member, 10_000, burn=200)
        shop.refund(session, sale.public_id, RefundWhole())

    shown = told(phone.get("statement"))["movements"]

    assert [(each["points"], each["reason_zh"], each["reason_en"]) for each in shown] == [
        (-98, "退款收回积分", "Taken back by a refund"),
        (200, "退款退回积分", "Returned by a refund"),
        (98, "消费得积分", "Earned by a purchase"),
        (-200, "积分抵扣", "Paid with points"),
        (500, "消费得积分", "Earned by a purchase"),
    ]
    assert {each["issuer"] for each in shown} == {shop.merchant.name_zh}
    assert {each["at"]["merchant_en"] for each in shown} == {shop.merchant.name_en}
    earned = [each for each in shown if each["kind"] == "earn"]
    assert all(each["rules"][0].endswith(" v1") for each in earned)
    assert sale.public_id in {each["order_id"] for each in shown}


def test_pages_hold_while_new_movements_come_in(phone: Phone, database: Database) -> None:
    """P6: nothing comes twice and nothing is left out."""
    shop, member = shop_of(database), phone.member(database)
    with database.transaction("test") as session:
        for points in range(1, 8):
            give_points(session, shop, member, points)

    first = told(phone.get("statement?limit=3"))
    with database.transaction("test") as session:
        give_points(session, shop, member, 99)
    second = told(phone.get(f"statement?limit=3&cursor={first['next_cursor']}"))
    third = told(phone.get(f"statement?limit=3&cursor={second['next_cursor']}"))

    pages = [[each["points"] for each in page["movements"]] for page in (first, second, third)]
    assert pages == [[7, 6, 5], [4, 3, 2], [1]]
    assert third["next_cursor"] is None


def test_a_cursor_is_good_for_its_member_and_list_alone(
    phone: Phone, client: FlaskClient, database: Database
) -> None:
    shop, member = shop_of(database), phone.member(database)
    with database.transaction("test") as session:
        give_points(session, shop, member, 1)
        give_points(session, shop, member, 2)
    cursor = told(phone.get("statement?limit=1"))["next_cursor"]

    answers = [
        new_member(client).get(f"statement?cursor={cursor}"),
        phone.get(f"orders?cursor={cursor}"),
        phone.get("statement?cursor=nonsense"),
        phone.get("statement?cursor=%E7%A7%AF"),
        phone.get("statement?limit=0"),
        phone.get("statement?limit=101"),
        phone.get("statement?limit=x"),
        phone.get("statement?from=2026-01-01&to=2026-01-01"),
        phone.get("statement?from=2020-01-01&to=2026-01-01"),
        phone.get("statement?colour=red"),
    ]

    assert [answer.status_code for answer in answers] == [400] * 10


def test_a_period_may_be_named(phone: Phone, database: Database) -> None:
    shop, member = shop_of(database), phone.member(database)
    with database.transaction("test") as session:
        give_points(session, shop, member, 1)

    assert told(phone.get("statement?from=2026-01-01&to=2026-02-01"))["movements"] == []
