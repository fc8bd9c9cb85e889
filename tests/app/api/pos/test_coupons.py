"""C8, C10, C13, C14, C17: a till sells with coupons, hears why not, and refunds tell of them."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.api.pos import asking
from app.members.identification import KnownMember
from app.members.sealing import coupon_keys
from config.database import Database, now_of
from coupons import codes, issuing
from tests.app.api.member.test_coupons import printed
from tests.app.api.pos.test_orders import AT, cash, identified, order, told
from tests.app.api.pos.test_refunds import refund
from tests.app.api.tills import Till
from tests.app.checkout.test_coupons import give, off, open_batch
from tests.counting import sent_by_all
from tests.factories import make_member

TEA = {"sku": "S1", "name": "龙井", "category": "food", "amount_fen": 8_000}
CUP = {"sku": "S2", "name": "茶杯", "category": "food", "amount_fen": 4_000, "quantity": 2}


@pytest.fixture
def member(database: Database, district: str, till: Till) -> KnownMember:
    with database.transaction(district) as session:
        return make_member(session)


@pytest.fixture
def known(database: Database, till: Till, member: KnownMember) -> str:
    return identified(database, till, member)


@pytest.fixture
def coupon(database: Database, district: str, member: KnownMember) -> str:
    """20 off 100, of the member."""
    with database.transaction(district) as session:
        return give(session, member, off(2_000, 10_000))


def test_an_order_lists_its_coupons_and_its_refund_says_which_came_back(
    till: Till, known: str, coupon: str
) -> None:
    wish = order(lines=[TEA, CUP], identification_id=known, coupons=[coupon], tenders=cash(10_000))

    sold = told(till.post("/v1/pos/orders", wish))
    read = told(till.get(f"/v1/pos/orders/{sold['order_id']}"), 200)
    again = told(till.post("/v1/pos/orders", wish), 200)
    path = f"/v1/pos/orders/{sold['order_id']}/refunds"
    part = told(till.post(path, refund({"line": 2, "quantity": 1})))
    rest = told(till.post(path, refund()))

    assert (sold["discount_fen"], sold["due_fen"]) == (2_000, 10_000)
    assert [(each["coupon_id"], each["fen"]) for each in sold["coupons"]] == [(coupon, 2_000)]
    use = sold["coupons"][0]
    assert use["zh"] == "测试券"
    assert use["funders"] == [{"funder": "district", "fen": 2_000}]
    assert sum(use["shares"]) == 2_000
    assert sold["receipt"]["zh"][0] == "用券 测试券 -¥20.00"
    assert sold["receipt"]["en"][0].endswith("-¥20.00")
    assert sold["coupons"] == read["coupons"] == again["coupons"]
    back = [*part["coupons"], *rest["coupons"]]
    assert sum(each["fen"] for each in back) == 2_000
    assert [each["returned"] for each in back] == [False, True]
    assert part["fen"] + rest["fen"] == 10_000


def test_a_quote_finds_the_best_and_says_why_another_is_left_out(
    till: Till, database: Database, member: KnownMember, known: str, coupon: str
) -> None:
    with database.transaction("test") as session:
        far = give(session, member, off(9_000, 50_000))
    basket = {**AT, "lines": [TEA, CUP], "identification_id": known, "best_coupons": True}

    quoted = told(till.post("/v1/pos/quotes", basket))
    sold = told(
        till.post(
            "/v1/pos/orders",
            order(lines=[TEA, CUP], identification_id=known, best_coupons=True,
                  quote_id=quoted["quote_id"], tenders=cash(quoted["due_fen"])),
        )
    )  # fmt: skip

    (used,) = quoted["coupons"]
    assert (used["coupon_id"], sum(used["shares"])) == (coupon, 2_000)
    assert used["funders"] == [{"funder": "district", "fen": 2_000}]
    (left,) = quoted["left_out"]
    assert (left["coupon_id"], left["why"]) == (far, "conditions")
    (unmet,) = left["unmet"]
    assert (unmet["code"], unmet["gap_fen"], unmet["lines"]) == ("below-amount", 38_000, [1, 2])
    assert quoted["proof"]["proved"] is True
    assert (sold["discount_fen"], sold["due_fen"]) == (2_000, 10_000)


def test_an_order_that_names_what_it_cannot_use_hears_every_reason(
    till: Till, database: Database, member: KnownMember, known: str, coupon: str
) -> None:
    """C8, C17: a coupon of somebody else is as good as none."""
    with database.transaction("test") as session:
        foreign = give(session, make_member(session), off(100), personal=True)
        unknown = "cpn_00000000000000000000000000"
    named = [coupon, foreign, unknown]
    wish = order(lines=[TEA], identification_id=known, coupons=named, tenders=cash(8_000))

    refused = told(till.post("/v1/pos/orders", wish), 422)

    assert refused["code"] == "rule-not-met"
    why = {each["coupon_id"]: each["zh"] for each in refused["reasons"]}
    assert "再买 ¥20.00" in why[coupon]
    assert why[foreign] == why[unknown] == "没有这张券，或不属于该会员"
    assert told(till.get(f"/v1/pos/orders?terminal_id=T1&number={wish['number']}"), 404)


@pytest.mark.parametrize("minutes", [0, 9, 11, 24 * 60])
def test_a_sale_that_is_told_late_uses_no_coupon_but_by_its_token(
    till: Till, database: Database, member: KnownMember, known: str, minutes: int
) -> None:
    """Semantics 40: as no points are burned; yesterday's member day is not had today."""
    with database.transaction("test") as session:
        at = (now_of(session) - timedelta(minutes=minutes)).isoformat()
        coupon = give(session, member, off(2_000, 10_000))
    late = {"lines": [TEA, CUP], "identification_id": known, "occurred_at": at}
    wishes: list[dict[str, Any]] = [{"coupons": [coupon]}, {"best_coupons": True}]

    asked = [
        *[("quotes", {**AT, **late, **wish}) for wish in wishes],
        *[("coupons/validate", {**AT, **late, **wish}) for wish in wishes],
        ("orders", order(**late, coupons=[coupon])),
        ("orders", order(**late, best_coupons=True)),
    ]
    answers = [till.post(f"/v1/pos/{path}", body) for path, body in asked]
    plain = till.post("/v1/pos/orders", order(**late, tenders=cash(12_000)))

    for answer, (_, body) in zip(answers, asked, strict=True):
        if minutes <= asking.ONLINE_MINUTES:
            assert answer.status_code in (200, 201), answer.text
            continue
        problem = told(answer, 400)
        field = "best_coupons" if body.get("best_coupons") else "coupons"
        assert problem["errors"] == [{"pointer": f"/{field}", "code": "invalid"}]
    assert told(plain)["total_fen"] == 12_000


def test_two_orders_placed_with_one_coupon_leave_it_to_the_first(
    till: Till, known: str, coupon: str
) -> None:
    """C12: placing sets it aside, cancelling frees it."""
    wish = {"lines": [TEA, CUP], "identification_id": known, "coupons": [coupon]}

    first = told(till.post("/v1/pos/orders", order(**wish)))
    second = told(till.post("/v1/pos/orders", order(**wish)), 422)
    told(till.post(f"/v1/pos/orders/{first['order_id']}/cancellation", AT), 200)
    third = told(till.post("/v1/pos/orders", order(**wish)))

    assert first["state"] == "awaiting_payment"
    assert second["reasons"][0]["zh"] == "券被另一笔订单占用"
    assert third["discount_fen"] == 2_000


def test_an_order_with_a_coupon_costs_few_round_trips_more(
    till: Till, known: str, coupon: str
) -> None:
    told(till.post("/v1/pos/orders", order(lines=[TEA], tenders=cash(8_000))))
    wish = order(lines=[TEA, CUP], identification_id=known, coupons=[coupon], tenders=cash(10_000))

    inside = till.client.application.extensions["plaza"].database
    with sent_by_all(inside) as statements:
        told(till.post("/v1/pos/orders", wish))

    assert 2 < len(statements) + 1 <= 18  # and COMMIT


def shown_code(database: Database, member: KnownMember, coupon: str) -> str:
    """Return the code that the holder's phone shows."""
    with database.transaction("test") as session:
        return codes.show(
            session, coupon=coupon, holders=(member.public_id,), keys=coupon_keys(session)
        )


def test_validation_tells_every_condition_and_gap_and_writes_nothing(
    till: Till, database: Database, member: KnownMember, known: str, coupon: str
) -> None:
    """C8: another ¥20.00 at this line, and only on its tender."""
    with database.transaction("test") as session:
        by_card = give(session, member, off(1_000, 9_000) | {"tenders": ["card"]})
    asked = {**AT, "lines": [TEA], "identification_id": known, "coupons": [coupon, by_card]}
    quotes_before = count(database, "quote")

    told_all = told(till.post("/v1/pos/coupons/validate", {**asked, "tenders": cash(8_000)}), 200)
    enough = {**asked, "lines": [TEA, CUP], "coupons": [coupon]}
    fits = told(till.post("/v1/pos/coupons/validate", enough), 200)

    left = {each["coupon_id"]: each for each in told_all["left_out"]}
    assert (told_all["total_fen"], told_all["discount_fen"]) == (8_000, 0)
    assert [(each["code"], each["gap_fen"]) for each in left[coupon]["unmet"]] == [
        ("below-amount", 2_000)
    ]
    assert [each["code"] for each in left[by_card]["unmet"]] == ["wrong-tender", "below-amount"]
    assert (fits["discount_fen"], fits["left_out"]) == (2_000, [])
    assert count(database, "quote") == quotes_before


def test_a_code_is_looked_up_and_sells_without_its_member(
    till: Till, database: Database, member: KnownMember, coupon: str
) -> None:
    """C13: who shows the code may use it; the code is not told again in an order."""
    code = shown_code(database, member, coupon)

    found = told(till.post("/v1/pos/coupons/look-up", {**AT, "code": code}), 200)
    wish = order(lines=[TEA, CUP], coupons=[code], tenders=cash(10_000))
    sold = told(till.post("/v1/pos/orders", wish))
    after = told(till.post("/v1/pos/coupons/look-up", {**AT, "code": code}), 200)

    assert (found["coupon_id"], found["standing"]) == (coupon, "usable")
    assert (found["terms"]["min_fen"], found["terms"]["funders"]) == (10_000, ["district"])
    assert [each["coupon_id"] for each in sold["coupons"]] == [coupon]
    assert after["standing"] == "used"


def test_unknown_foreign_and_void_codes_have_one_answer(
    till: Till, database: Database, member: KnownMember, known: str
) -> None:
    """C17, C19, semantics 44: detail is for the holder."""
    with database.transaction("test") as session:
        personal = give(session, member, off(100), personal=True)
        gone = give(session, member, off(100))
        issuing.void(session, [gone], why="测试")
    mine, void = (shown_code(database, member, each) for each in (personal, gone))
    look_up = "/v1/pos/coupons/look-up"

    answers = [
        told(till.post(look_up, {**AT, "code": code}), 404)
        for code in (codes.new_code(), mine, void)
    ]
    holder = {**AT, "identification_id": known}
    seen = [told(till.post(look_up, {**holder, "code": code}), 200) for code in (mine, void)]

    assert len({str({**each, "instance": ""}) for each in answers}) == 1
    assert [each["standing"] for each in seen] == ["usable", "void"]


def test_a_short_code_is_looked_up_with_a_member_at_the_till_alone(
    till: Till, database: Database, member: KnownMember, known: str
) -> None:
    """Reliability 10: it could be guessed; a sale without the member is not told of it either."""
    with database.transaction("test") as session:
        coupon = give(session, member, off(100), code="short")
    asked = {**AT, "code": shown_code(database, member, coupon)}
    look_up = "/v1/pos/coupons/look-up"

    alone = told(till.post(look_up, asked), 404)
    unknown = told(till.post(look_up, {**AT, "code": codes.new_code()}), 404)
    present = told(till.post(look_up, {**asked, "identification_id": known}), 200)

    assert {**alone, "instance": ""} == {**unknown, "instance": ""}
    assert (present["coupon_id"], present["standing"]) == (coupon, "usable")


def test_a_terminal_that_guesses_waits_in_whatever_call(
    till: Till, database: Database, member: KnownMember, coupon: str
) -> None:
    """C17, reliability 12: misses count in quotes, orders, validations and look-ups alike."""
    code = shown_code(database, member, coupon)
    basket = {**AT, "lines": [TEA]}
    unknown = [codes.new_code() for _ in range(5)]

    told(till.post("/v1/pos/quotes", {**basket, "coupons": unknown[:2]}))
    told(till.post("/v1/pos/coupons/validate", {**basket, "coupons": unknown[2:3]}), 200)
    refused = told(till.post("/v1/pos/orders", order(coupons=unknown[3:4], tenders=[])), 422)
    told(till.post("/v1/pos/coupons/look-up", {**AT, "code": unknown[4]}), 404)

    assert refused["code"] == "rule-not-met"
    for path, body in (
        ("quotes", {**basket, "coupons": [code]}),
        ("coupons/validate", {**basket, "coupons": [code]}),
        ("coupons/look-up", {**AT, "code": code}),
        ("orders", order(coupons=[code])),
    ):
        assert told(till.post(f"/v1/pos/{path}", body), 429)["code"] == "rate-limited"
    assert told(till.post("/v1/pos/quotes", basket))["total_fen"] == 8_000


def count(database: Database, table: str) -> int:
    with database.transaction("test") as session:
        return int(session.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


def test_a_printed_code_becomes_a_coupon_at_the_till_and_sells(
    till: Till, database: Database, known: str
) -> None:
    """C7, C13: without a member it is of whoever shows it; once, and told again."""
    with database.transaction("test") as session:
        batch = open_batch(session, off(2_000, 10_000)).code
    code, taken = printed(database, batch), printed(database, batch)
    exchange = "/v1/pos/coupons/exchanges"

    got = told(till.post(exchange, {**AT, "code": code}), 200)
    again = told(till.post(exchange, {**AT, "code": code}), 200)
    mine = told(till.post(exchange, {**AT, "code": taken, "identification_id": known}), 200)
    foreign = told(till.post(exchange, {**AT, "code": taken}), 404)
    unknown = told(till.post(exchange, {**AT, "code": codes.new_code()}), 404)
    short = codes.code_of(bytes(32), 1, short=True)
    without = told(till.post(exchange, {**AT, "code": short}), 400)
    sold = told(till.post("/v1/pos/orders", order(lines=[TEA, CUP], coupons=[code],
                                                  tenders=cash(10_000))))  # fmt: skip

    assert got == again
    assert mine["standing"] == "usable"
    assert {**foreign, "instance": ""} == {**unknown, "instance": ""}
    assert without["errors"][0]["pointer"] == "/identification_id"
    assert [each["coupon_id"] for each in sold["coupons"]] == [got["coupon_id"]]


def test_one_coupon_is_taken_back_alone_and_paid(till: Till, known: str, coupon: str) -> None:
    """C14; semantics 7: tried first, then done; told again under the till's number."""
    wish = order(lines=[TEA, CUP], identification_id=known, coupons=[coupon], tenders=cash(10_000))
    sold = told(till.post("/v1/pos/orders", wish))
    path = f"/v1/pos/orders/{sold['order_id']}/coupons/{coupon}/roll-backs"
    part = [{"line": 2, "quantity": 1}]

    tried = told(till.post(f"{path}/try", {**AT, "parts": part}), 200)
    body = {**AT, "number": "K-1", "parts": part, "tenders": cash(tried["fen"])}
    done = told(till.post(path, body))
    again = told(till.post(path, body), 200)
    short = told(till.post(path, {**AT, "number": "K-2", "tenders": cash(1)}), 409)
    much = {**AT, "number": "K-3", "parts": [{"amount_fen": 9_999}], "tenders": cash(9_999)}
    read = told(till.get(f"/v1/pos/orders/{sold['order_id']}"), 200)

    assert (tried["fen"], tried["remaining_fen"]) == (334, 1_666)
    assert (done["fen"], done["remaining_fen"], done["returned"]) == (334, 1_666, False)
    assert done["tenders"] == cash(334)
    assert again == done
    assert "¥16.66" in short["detail"]
    assert told(till.post(path, much), 422)["code"] == "refund-exceeds-remaining"
    assert (read["discount_fen"], read["rolled_back_fen"]) == (2_000, 334)
    paid = told(till.get(f"/v1/pos/orders/{done['roll_back_id']}"), 200)
    assert (paid["total_fen"], paid["due_fen"], paid["earned_points"]) == (334, 334, 0)
    back = told(till.post(f"/v1/pos/orders/{sold['order_id']}/refunds", refund()))
    assert back["tenders"] == cash(10_334)


def test_a_refund_is_shown_before_it_is_confirmed_with_what_it_takes_back(
    till: Till, database: Database, member: KnownMember, known: str
) -> None:
    """Semantics 5: and a try leaves nothing behind."""
    with database.transaction("test") as session:
        strict = give(session, member, off(2_000, 10_000), returns={"claw_back": True})
    wish = order(lines=[TEA, CUP], identification_id=known, coupons=[strict], tenders=cash(10_000))
    sold = told(till.post("/v1/pos/orders", wish))
    path = f"/v1/pos/orders/{sold['order_id']}/refunds"

    tried = told(till.post(f"{path}/try", {**AT, "parts": [{"line": 2}]}), 200)
    untouched = told(till.get(f"/v1/pos/orders/{sold['order_id']}"), 200)
    done = told(till.post(path, refund({"line": 2})))
    rest = told(till.post(f"{path}/try", AT), 200)

    assert (tried["fen"], tried["unearned_fen"]) == (3_333 - 1_333, 1_333)
    assert untouched["refunded_fen"] == untouched["rolled_back_fen"] == 0
    for name in tried:
        assert done[name] == tried[name], name
    (back,) = done["coupons"]
    assert (back["fen"], back["returned"]) == (2_000, True)
    assert (rest["fen"], rest["unearned_fen"]) == (8_000, 0)
