"""L10: tills = books = bill + breaks, to the fen; breaks are aged, owned, closed with a reason."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from app import audit
from app.checkout import orders, totals
from app.checkout.baskets import Tender
from app.checkout.returns import RefundAmount
from app.clock import business_date
from app.errors import Invalid, NotFound, StateConflict
from app.settlement import bills, breaks, reconciling
from app.settlement.bill_files import Gateway
from app.settlement.breaks import Day, Listed
from config.database import new_id, now_of
from tests.app.checkout.shops import Shop, open_shop
from tests.app.checkout.test_coupons import give, off
from tests.app.checkout.test_roll_backs import roll_back
from tests.app.settlement.gateway_files import Money, alipay, wechat
from tests.factories import make_member

WECHAT = Gateway.WECHAT


@pytest.fixture
def shop(session: Session) -> Shop:
    return open_shop(session)


@pytest.fixture
def session(books: Session) -> Session:
    """A transaction in a district where nobody else has sold."""
    return books


@pytest.fixture
def day(session: Session) -> date:
    return business_date(now_of(session))


def sell(
    session: Session, shop: Shop, fen: int, *, tender: str = "wechat", at: datetime | None = None
) -> str:
    basket = shop.basket(session, None, fen, at=at)
    return orders.sell(session, basket, [Tender(name=tender, fen=fen)]).public_id


def bill(session: Session, day: date, *rows: Money, gateway: Gateway = WECHAT) -> None:
    make = wechat if gateway is WECHAT else alipay
    bills.take_in(session, make(rows, day=day), gateway=gateway, day=day, by="stf_1")


def paid(order: str, fen: int) -> Money:
    return Money(transaction=new_id("txn"), order=order, fen=fen)


def back(order: str, refund: str, fen: int) -> Money:
    return Money(
        transaction=new_id("txn"), order=order, fen=fen, refund=new_id("wxr"), refund_number=refund
    )


def run(session: Session, day: date, gateway: Gateway = WECHAT) -> Day:
    return reconciling.run(session, gateway=gateway, day=day)


def open_breaks(session: Session, day: date) -> list[Listed]:
    return breaks.list_breaks(session, gateway=WECHAT, day=day)


@pytest.mark.parametrize("gateway", Gateway)
def test_a_day_that_agrees_is_reconciled(
    session: Session, shop: Shop, day: date, gateway: Gateway
) -> None:
    order = sell(session, shop, 1999, tender=gateway)
    by_number = shop.basket(session, None, 500)
    orders.sell(session, by_number, [Tender(name=gateway, fen=500)])
    sell(session, shop, 700, tender="cash")
    refund = shop.refund(session, order, RefundAmount(line=1, fen=300))
    rows = [paid(order, 1999), paid(by_number.number, 500), back(order, refund.public_id, 300)]
    bill(session, day, *rows, gateway=gateway)

    done = run(session, day, gateway)

    assert (done.pos_fen, done.ledger_fen, done.bill_fen, done.break_fen) == (2199, 2199, 2199, 0)
    assert done.reconciled


def test_what_was_paid_for_a_coupon_stands_in_the_bill_too(
    session: Session, shop: Shop, day: date
) -> None:
    """C14: a roll back is money taken, by its own number, and its refund gives it back."""
    member = make_member(session)
    coupon = give(session, member, off(300))
    basket = replace(shop.basket(session, member, 2_000), coupons=[coupon])
    order = orders.sell(session, basket, [Tender(name="wechat", fen=1_700)]).public_id
    rolled = roll_back(session, shop, order, coupon, fen=300, tender="wechat")
    refund = shop.refund(session, order).public_id
    bill(session, day, paid(order, 1_700), paid(rolled.public_id, 300), back(order, refund, 2_000))

    found = run(session, day)

    assert found.reconciled
    assert (found.pos_fen, found.ledger_fen, found.bill_fen) == (0, 0, 0)


def test_what_tills_took_is_what_their_totals_say(session: Session, shop: Shop, day: date) -> None:
    """P6: the first of the three sums is that of the tills' own reports."""
    order = sell(session, shop, 1999)
    shop.refund(session, order, RefundAmount(line=1, fen=300))
    bill(session, day)

    done = run(session, day)

    (cashier,) = totals.on_day(session, shop.till, day).by_cashier()
    (tender,) = cashier["tenders"]
    assert done.pos_fen == tender["taken_fen"] - tender["given_fen"] == 1699


def test_every_kind_of_break_is_found_and_the_sums_hold(
    session: Session, shop: Shop, day: date
) -> None:
    right, missing, other = [sell(session, shop, fen) for fen in (100, 200, 300)]
    refund = shop.refund(session, right, RefundAmount(line=1, fen=40))
    bill(
        session, day, paid(right, 100), paid(right, 100), paid(other, 290), paid("nobody", 7),
        back("nobody", "none", 3),
    )  # fmt: skip

    done = run(session, day)

    found = {(each.kind, each.fen) for each in open_breaks(session, day)}
    assert found == {
        ("missing_at_gateway", 200),
        ("amount_differs", 10),
        ("duplicate", -100),
        ("missing_here", -7),
        ("refund_missing_here", 3),
        ("refund_missing_at_gateway", -40),
    }
    assert done.open_breaks == 6
    assert done.pos_fen == done.ledger_fen == done.bill_fen + done.break_fen == 560
    listed = {each.kind: each for each in open_breaks(session, day)}
    assert listed["missing_at_gateway"].order == missing
    assert listed["refund_missing_at_gateway"].refund == refund.public_id
    assert listed["missing_here"].order_number == "nobody"


def test_a_day_without_a_bill_is_not_run(session: Session, day: date) -> None:
    with pytest.raises(NotFound):
        run(session, day)


def test_a_run_again_finds_the_same_breaks(session: Session, shop: Shop, day: date) -> None:
    sell(session, shop, 100)
    bill(session, day, paid("nobody", 7))
    first = run(session, day)
    before = open_breaks(session, day)
    breaks.own(session, before[0].public_id, owner="stf_2", by="stf_1")

    again = run(session, day)

    assert again == first
    after = open_breaks(session, day)
    assert [each.public_id for each in after] == [each.public_id for each in before]
    assert after[0].owner == "stf_2"


def test_what_the_next_bill_brings_is_the_wrong_day_on_both(
    session: Session, shop: Shop, day: date
) -> None:
    yesterday = day - timedelta(days=1)
    order = sell(session, shop, 100, at=now_of(session) - timedelta(days=1))
    bill(session, yesterday)
    assert run(session, yesterday).break_fen == 100
    bill(session, day, paid(order, 100))

    late = run(session, day)
    early = run(session, yesterday)
    late_again = run(session, day)

    assert [each.kind for each in open_breaks(session, yesterday)] == ["wrong_day"]
    assert [each.kind for each in open_breaks(session, day)] == ["wrong_day"]
    assert (early.break_fen, late.break_fen, late_again.break_fen) == (100, -100, -100)
    assert breaks.open_days(session, gateway=WECHAT, since=yesterday) == [yesterday, day]


def test_a_refund_of_another_day_is_the_wrong_day_too(
    session: Session, shop: Shop, day: date
) -> None:
    yesterday, then = day - timedelta(days=1), now_of(session) - timedelta(days=1)
    order = sell(session, shop, 100, at=then)
    refund = shop.refund(session, order, RefundAmount(line=1, fen=40), at=then)
    bill(session, yesterday, paid(order, 100))
    assert run(session, yesterday).break_fen == -40
    bill(session, day, back(order, refund.public_id, 40))

    run(session, day)
    run(session, yesterday)

    assert [(each.kind, each.fen) for each in open_breaks(session, yesterday)] == [
        ("wrong_day", -40)
    ]
    assert [(each.kind, each.fen) for each in open_breaks(session, day)] == [("wrong_day", 40)]


def test_what_a_later_run_does_not_find_is_gone(session: Session, shop: Shop, day: date) -> None:
    order = sell(session, shop, 100)
    bill(session, day)
    assert run(session, day).open_breaks == 1
    (missing,) = open_breaks(session, day)
    bill(session, day, paid(order, 100))

    assert run(session, day).reconciled

    with pytest.raises(StateConflict):
        breaks.own(session, missing.public_id, owner="stf_1", by="stf_1")


def test_a_sale_that_comes_late_is_found_by_the_next_run(
    session: Session, shop: Shop, day: date
) -> None:
    """Semantics 40: captured offline, uploaded after the bill."""
    bill(session, day)
    assert run(session, day).reconciled

    sell(session, shop, 100)

    assert run(session, day).pos_fen == 100


def test_a_break_is_closed_by_who_owns_it_with_a_reason(
    session: Session, shop: Shop, day: date
) -> None:
    sell(session, shop, 100)
    bill(session, day)
    run(session, day)
    (found,) = open_breaks(session, day)
    name = found.public_id

    with pytest.raises(StateConflict):
        breaks.close(session, name, by="stf_2", reason="x")
    breaks.own(session, name, owner="stf_2", by="stf_1")
    with pytest.raises(Invalid):
        breaks.close(session, name, by="stf_2", reason="  ")
    breaks.close(session, name, by="stf_2", reason="渠道已补单 13800138000")
    with pytest.raises(StateConflict):
        breaks.close(session, name, by="stf_2", reason="x")
    with pytest.raises(NotFound):
        breaks.own(session, "brk_0", owner="stf_2", by="stf_1")

    done = run(session, day)
    assert done.reconciled
    assert done.pos_fen == done.bill_fen + done.break_fen == 100
    assert open_breaks(session, day) == []
    (listed,) = breaks.list_breaks(session, gateway=WECHAT, day=day, closed=True)
    assert (listed.closed, listed.reason) == (True, "渠道已补单 138****8000")
    assert [row.action for row in audit.list_records(session, about=name)] == [
        "break.close", "break.own",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("days", "age"), [(0, "0-1"), (1, "0-1"), (2, "2-3"), (3, "2-3"), (4, "4-7"), (7, "4-7"),
                      (8, ">7")]
)  # fmt: skip
def test_a_break_grows_old(session: Session, shop: Shop, day: date, days: int, age: str) -> None:
    sell(session, shop, 100)
    bill(session, day)
    run(session, day)
    session.info["now"] = now_of(session) + timedelta(days=days)

    (found,) = open_breaks(session, day)

    assert (found.age_days, found.age) == (days, age)


def test_where_the_books_say_other_than_the_till_it_is_a_break(
    session: Session, shop: Shop, day: date
) -> None:
    """L10: the second sum is that of the slices, by which refunds go."""
    order = sell(session, shop, 100)
    session.execute(_ODD, {"order": order})
    bill(session, day, paid(order, 100), paid("ord_odd", 105))

    done = run(session, day)

    assert (done.pos_fen, done.ledger_fen, done.books_fen, done.break_fen) == (205, 200, 5, 0)
    assert [(each.kind, each.fen) for each in open_breaks(session, day)] == [("books_differ", 5)]


def test_where_the_books_say_other_than_a_refund_it_is_a_break_too(
    session: Session, shop: Shop, day: date
) -> None:
    """L10: a refund's money in the books is what lies on the slices where it moved them."""
    order = sell(session, shop, 100)
    first = shop.refund(session, order, RefundAmount(line=1, fen=40))
    session.execute(_ODD_REFUND, {"refund": first.public_id})
    bill(
        session, day, paid(order, 100), back(order, first.public_id, 40), back(order, "ref_odd", 35)
    )

    done = run(session, day)

    assert (done.pos_fen, done.ledger_fen, done.bill_fen) == (25, 30, 25)
    assert (done.books_fen, done.break_fen) == (-5, 0)
    (found,) = open_breaks(session, day)
    assert (found.kind, found.refund, found.fen) == ("books_differ", "ref_odd", -5)


@given(parts=st.lists(st.integers(1, 400), max_size=4), rolled=st.integers(0, 3))
@settings(max_examples=10)
def test_the_books_agree_with_refunds_of_mixed_tenders_points_and_coupons(
    session: Session, shop: Shop, parts: list[int], rolled: int
) -> None:
    """Roll backs before, between and after the refunds change nothing of what had gone back."""
    day, undone = business_date(now_of(session)), session.begin_nested()
    member = make_member(session)
    shop.sell(session, member, 50_00)
    coupon = give(session, member, off(300))
    basket = replace(shop.basket(session, member, 1_001, 999, burn=17), coupons=[coupon])
    tenders = [Tender(name="cash", fen=83), Tender(name="wechat", fen=1_600)]
    order = orders.sell(session, basket, tenders).public_id
    taken = 1_600
    for turn, fen in enumerate(parts):
        if turn == rolled:
            amount = RefundAmount(fen=90)
            roll_back(session, shop, order, coupon, amount, fen=90, tender="wechat")
            taken += 90
        refund = shop.refund(session, order, RefundAmount(fen=fen))
        taken -= refund.money_fen.get("wechat", 0)
    bill(session, day)

    done = run(session, day)
    differ = [each for each in open_breaks(session, day) if each.kind == "books_differ"]
    undone.rollback()

    assert differ == []
    assert (done.books_fen, done.pos_fen, done.ledger_fen) == (0, taken, taken)


@given(
    ours=st.lists(st.tuples(st.integers(1, 500), st.integers(-1, 3)), max_size=4),
    strangers=st.lists(st.integers(1, 500), max_size=2),
)
@settings(max_examples=10)
def test_the_three_sums_hold_whatever_the_bill_says(
    session: Session, shop: Shop, ours: list[tuple[int, int]], strangers: list[int]
) -> None:
    """Each order stands in the bill never, once, twice or for another amount."""
    day = business_date(now_of(session))
    undone = session.begin_nested()
    rows = [paid(new_id("str"), fen) for fen in strangers]
    for fen, times in ours:
        order = sell(session, shop, fen)
        if times < 0:
            rows.append(paid(order, fen + 1))
        rows += [paid(order, fen) for _ in range(times)]
    bill(session, day, *rows)

    done = run(session, day)

    assert done.pos_fen == done.ledger_fen == sum(fen for fen, _ in ours)
    assert done.bill_fen == sum(row.fen for row in rows)
    assert done.pos_fen == done.bill_fen + sum(each.fen for each in open_breaks(session, day))
    undone.rollback()


# A sale whose money is not what its slices say, as no till can leave it.
_ODD = text(
    """
    INSERT INTO "order" (public_id, store_id, terminal_id, number, kind, state, occurred_at,
        business_date, recorded_at, fingerprint, total_fen, burned_points, burned_fen, due_fen,
        earned_points, slices, homes, earnings, money)
    SELECT 'ord_odd', store_id, terminal_id, 'odd', kind, state, occurred_at, business_date,
        recorded_at, fingerprint, total_fen, burned_points, burned_fen, due_fen, earned_points,
        slices, homes, earnings, '{"wechat": 105}'
    FROM "order" WHERE public_id = :order
    """
)
# A refund of 30 fen more that says it gave 35, as no refund can leave it.
_ODD_REFUND = text(
    """
    INSERT INTO refund (public_id, order_id, ordinal, store_id, terminal_id, number, fingerprint,
        occurred_at, recorded_at, fen, points_fen, money, restored_points, clawed_points,
        debt_points, written_off_points, lines)
    SELECT 'ref_odd', order_id, ordinal + 1, store_id, terminal_id, 'odd', fingerprint,
        occurred_at, recorded_at, 30, 0, '{"wechat": 35}', 0, 0, 0, 0, '[[1, 0, 30]]'
    FROM refund WHERE public_id = :refund
    """
)
