"""A till by hand: `plaza quote`, `sell`, `refund`, `member statement`."""

from collections.abc import Callable

import psycopg
import pytest

from app.merchants.models import Staff
from app.merchants.staff import Role
from config.database import Database
from coupons import issuing
from tests.app.campaigns.test_pay_gifts import open_gift
from tests.app.checkout.shops import Shop, open_shop
from tests.app.checkout.test_coupons import off, open_batch
from tests.app.cli.conftest import Plaza
from tests.coupons.makers import make_batch
from tests.factories import make_member, new_phone, unique


@pytest.fixture
def shop(database: Database, district: str) -> Shop:
    with database.transaction(district) as session:
        return open_shop(session)


@pytest.fixture
def lin(hire: Callable[..., Staff]) -> str:
    return hire(Role.SUPPORT).login


def test_an_order_a_burn_and_a_partial_refund_show_in_the_statement(
    plaza: Plaza, shop: Shop, lin: str
) -> None:
    phone = new_phone()
    plaza("member", "enrol", "--phone", phone, "--as", lin)
    at_till = ["--store", shop.till.store.code, "--member", phone, "--as", lin]

    first = plaza.json("sell", *at_till, "--line", "64.25x2:food:拉面")
    second = plaza.json("sell", *at_till, "--line", "20", "--burn", "20")
    refund = plaza.json("refund", first["public_id"], "--line", "1", "--quantity", "1", "--as", lin)
    statement = plaza.json("member", "statement", phone)

    assert first["earned_points"] == 128
    assert (second["burned_fen"], second["due_fen"]) == (20, 1980)
    assert (refund["fen"], refund["clawed_points"]) == (6425, 64)
    assert statement["balance"]["spendable_points"] == 128 + 19 - 20 - 64
    assert [(each["kind"], each["points"]) for each in statement["movements"]] == [
        ("refund", -64), ("earn", 19), ("burn", -20), ("earn", 128)]  # fmt: skip
    text = plaza("member", "statement", phone)
    assert shop.merchant.name_zh in text
    assert "有效至" in text


def test_a_repeated_number_is_a_repeat_and_another_basket_is_refused(
    plaza: Plaza, shop: Shop, lin: str
) -> None:
    number = unique("T")
    words = ["sell", "--store", shop.till.store.code, "--number", number, "--as", lin]

    first = plaza.json(*words, "--line", "10")
    again = plaza.json(*words, "--line", "10")

    assert again["public_id"] == first["public_id"]
    assert again["replayed"]
    assert number in plaza.refused(*words, "--line", "11")


def test_a_coupon_is_named_at_the_till_or_the_best_is_chosen(
    plaza: Plaza, shop: Shop, lin: str, database: Database, district: str
) -> None:
    with database.transaction(district) as session:
        member = make_member(session)
        batch = open_batch(session, off(500, 2_000), limits={"per_member": 2}).code
        named, other = [
            issuing.claim(session, batch=batch, holder=member.public_id, n=n)[0].coupon
            for n in (1, 2)
        ]
    words = ["--store", shop.till.store.code, "--member", member.public_id, "--line", "30"]

    quoted = plaza("quote", *words, "--coupon", "best")
    sold = plaza.json("sell", *words, "--coupon", named, "--as", lin)
    again = plaza("sell", *words, "--coupon", "best", "--as", lin)

    assert "用券 coupon" in quoted
    assert (sold["discount_fen"], sold["due_fen"]) == (500, 2_500)
    assert [each["coupon"] for each in sold["coupons"]] == [named]
    assert other in again
    assert "there is no such coupon" in plaza.refused(
        "sell", *words, "--coupon", "C-NOTHING", "--as", lin
    )


def test_the_coupon_that_a_sale_gives_is_told(
    plaza: Plaza, shop: Shop, lin: str, database: Database, district: str
) -> None:
    """C7"""
    with database.transaction(district) as session:
        member = make_member(session)
        batch = make_batch(session, limits={"per_member": 1}).code
        open_gift(
            session,
            batch=batch,
            conditions={"scope": {"include": {"merchants": [shop.merchant.code]}}},
        )
    words = ["sell", "--store", shop.till.store.code, "--member", member.public_id, "--as", lin]

    first, second = [plaza(*words, "--line", "30") for _ in range(2)]

    assert "赠券 gift" in first
    assert "（cpn_" in first
    assert "（claim-limit）" in second


def test_who_pays_by_a_known_channel_is_a_member_at_once(
    plaza: Plaza, shop: Shop, lin: str
) -> None:
    """Decision 14, semantics 48: pseudonymous, without consent, and the points are there."""
    payer = f"wechat:wx1:{unique('o')}"
    words = ["sell", "--store", shop.till.store.code, "--payer", payer, "--as", lin]

    earned = [plaza.json(*words, "--line", "30")["earned_points"] for _ in range(2)]

    assert earned == [30, 30]


def test_a_quote_shows_what_a_sale_would_do_and_is_honoured(
    plaza: Plaza, shop: Shop, lin: str
) -> None:
    phone = new_phone()
    plaza("member", "enrol", "--phone", phone, "--as", lin)
    words = ["--store", shop.till.store.code, "--member", phone, "--line", "99.99"]

    quoted = plaza.json("quote", *words)
    sale = plaza.json("sell", *words, "--quote", quoted["quote"], "--as", lin)

    assert quoted["earn_points"] == sale["earned_points"] == 99
    assert "可得 would earn 99" in plaza("quote", *words)


def test_a_repeat_after_the_quote_has_ended_is_still_a_repeat(
    plaza: Plaza, shop: Shop, lin: str, owner_url: str
) -> None:
    """The number is looked up before the quote, and before the points that it has burned."""
    phone, number = new_phone(), unique("T")
    plaza("member", "enrol", "--phone", phone, "--as", lin)
    words = ["--store", shop.till.store.code, "--member", phone]
    plaza("sell", *words, "--line", "100", "--as", lin)
    burning = [*words, "--line", "20", "--burn", "100"]
    quoted = plaza.json("quote", *burning)["quote"]
    again = ["sell", *burning, "--quote", quoted, "--number", number, "--as", lin]

    first = plaza.json(*again)
    with psycopg.connect(owner_url) as owner:
        owner.execute("SET search_path = d_test")
        owner.execute("UPDATE quote SET until = now() WHERE public_id = %s", (quoted,))
    second = plaza.json(*again)

    assert (second["public_id"], second["replayed"]) == (first["public_id"], True)
    assert first["burned_points"] == 100


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sell", "--line", "abc"], "单价"),
        (["sell", "--line", "-5"], "amount_fen"),
        (["sell", "--line", "90071992547410.00"], "amount_fen"),
        (["sell", "--line", "5", "--pay", "cash=4"], "应付"),
        (["sell", "--line", "5", "--at", "2026-11-23T12:00:00"], "+08:00"),
        (["sell", "--line", "5", "--burn", "1"], "会员"),
        (["sell", "--line", "5", "--member", "13900000000"], "phone"),
        (["sell", "--line", "5", "--store", "nowhere"], "nowhere"),
        (["refund", "ord_NOTHING"], "ord_NOTHING"),
    ],
)
def test_bad_input_is_refused_in_words_that_say_what_to_do(
    plaza: Plaza, shop: Shop, lin: str, words: list[str], said: str
) -> None:
    where = [] if "--store" in words or words[0] == "refund" else ["--store", shop.till.store.code]

    assert said in plaza.refused(*words, *where, "--as", lin)


def test_a_district_that_is_not_there_is_named(plaza: Plaza) -> None:
    status, printed = Plaza(environ=plaza.environ, district="mars").run("member", "find", "x1")

    assert status == 1
    assert "mars" in printed


def test_somebody_without_the_right_cannot_sell(
    plaza: Plaza, shop: Shop, hire: Callable[..., Staff]
) -> None:
    auditor = hire(Role.AUDITOR).login

    plaza.refused("sell", "--store", shop.till.store.code, "--line", "5", "--as", auditor)


def test_one_coupon_of_an_order_is_taken_back_by_command(
    plaza: Plaza, shop: Shop, lin: str, database: Database, district: str
) -> None:
    """C14; semantics 7: tried, done, and repeated under its number."""
    with database.transaction(district) as session:
        member = make_member(session)
        batch = open_batch(session, off(500, 2_000)).code
        coupon = issuing.claim(session, batch=batch, holder=member.public_id)[0].coupon
    words = ["--store", shop.till.store.code, "--member", member.public_id, "--line", "30"]
    order = plaza.json("sell", *words, "--coupon", coupon, "--as", lin)["public_id"]
    rollback = ["rollback", order, coupon, "--as", lin]

    tried = plaza("rollback", order, coupon, "--try", "--as", lin)
    tried_fields = plaza.json(*rollback, "--try", "--amount", "2")
    part = plaza.json(*rollback, "--amount", "2", "--pay", "wechat=2")
    number = unique("K")
    rest = plaza(*rollback, "--number", number)
    again = plaza.json(*rollback, "--number", number)

    assert "¥5.00" in tried
    assert tried_fields == {"fen": 200, "remaining_fen": 300}
    assert (part["fen"], part["money_fen"]) == (200, {"wechat": 200})
    assert "补付 cash  ¥3.00" in rest
    assert "券已退回" in rest
    assert (again["fen"], again["replayed"]) == (300, True)
    assert "0 分" in plaza.refused(*rollback)
