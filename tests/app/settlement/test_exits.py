"""L9, semantics 50: a merchant leaves, its points stay good, and what it owes is secured."""

from dataclasses import replace
from datetime import date
from fractions import Fraction

import pytest
from sqlalchemy.orm import Session

from app import audit
from app.approvals import SamePerson
from app.checkout import orders
from app.errors import Invalid, NotFound, StateConflict
from app.merchants import freezing
from app.merchants.directory import get_directory
from app.merchants.errors import Leaving
from app.merchants.locking import lock_merchant
from app.merchants.models import Funding, MerchantStatus
from app.merchants.prepaying import buy_points
from app.points import adjusting, openings
from app.points.opening_rows import OpeningLine, Verdict, read
from app.settlement import deposits, disputes, dues, exits, runoff, statements
from app.settlement.captions import Caption
from app.settlement.errors import DepositNeeded, DisputesOpen, OrdersWaiting
from app.settlement.models import Exit
from tests.app.checkout.shops import Shop, open_shop, points_of
from tests.app.settlement.months import FEBRUARY, JANUARY, at, close, lines
from tests.factories import make_member, make_terms, unique


def leave(session: Session, shop: Shop, *, breakage: str = "1/10") -> Exit:
    request = exits.propose(
        session, shop.merchant.code, breakage=Fraction(breakage), by="mei", reason="租约到期"
    )
    return exits.approve(session, request.public_id, by="li")


def status_of(session: Session, shop: Shop) -> MerchantStatus:
    return get_directory(session).get_merchant(shop.merchant.code).status


def pay_deposit(session: Session, shop: Shop, fen: int, reference: str, day: date) -> str:
    return deposits.pay(
        session, shop.merchant.code, fen=fen, reference=reference, paid_on=day, by="mei"
    ).public_id


def test_a_leaving_merchant_gives_no_points_and_its_own_stay_good_everywhere(
    books: Session,
) -> None:
    at(books, 1, 10)
    shop, other, member = open_shop(books), open_shop(books), make_member(books)
    first = shop.sell(books, member, 100_00)

    leave(books, shop)

    assert shop.sell(books, member, 10_00).earned_points == 0
    other.sell(books, member, 20, burn=20)
    shop.sell(books, member, 30, burn=30)
    assert points_of(books, member) == 50
    shop.refund(books, first.public_id)
    assert points_of(books, member) == -50
    assert status_of(books, shop) is MerchantStatus.EXITING
    acts = [each.action for each in audit.list_records(books, about=shop.merchant.public_id)]
    assert acts[:2] == ["exit.approve", "exit.propose"]


def test_nothing_new_is_promised_in_the_name_of_a_leaving_merchant(books: Session) -> None:
    """No points bought ahead, none by hand, none of an older programme, none of a late sale."""
    at(books, 1, 10)
    shop, member = open_shop(books), make_member(books)
    code = shop.merchant.code
    before = at(books, 1, 9)
    at(books, 1, 10)
    leave(books, shop)

    with pytest.raises(Leaving):
        buy_points(books, code, 5, reference="B-1", by="mei")
    with pytest.raises(StateConflict, match="it is leaving"):
        adjusting.adjust(books, member, points=5, issuer=code, reason="补发", by="mei")
    head, row = b"row,card_number,issuer,points,expires_on", f"1,{unique('C')},{code},50,never"
    given = [each for each in read([head, row.encode()]) if isinstance(each, OpeningLine)]
    (judged,) = openings.take_over(books, given, source=unique("src"), by="mei", seen={})
    assert judged.verdict is Verdict.REFUSED
    assert shop.sell(books, member, 10_00, at=before).earned_points == 0


def test_it_takes_two_people_and_a_share(books: Session) -> None:
    """G1."""
    at(books, 1, 10)
    shop = open_shop(books)
    code = shop.merchant.code
    with pytest.raises(Invalid):
        exits.propose(books, code, breakage=Fraction(11, 10), by="mei", reason="x")
    with pytest.raises(NotFound):
        exits.propose(books, "nobody", breakage=Fraction(0), by="mei", reason="x")
    with pytest.raises(NotFound):
        runoff.run_off(books, code)
    first = exits.propose(books, code, breakage=Fraction(0), by="mei", reason="x")
    with pytest.raises(SamePerson):
        exits.approve(books, first.public_id, by="mei")

    exits.reject(books, first.public_id, by="li", reason="续约")

    assert status_of(books, shop) is MerchantStatus.ACTIVE
    leave(books, shop)
    with pytest.raises(StateConflict, match="only an active merchant"):
        leave(books, shop)


def test_a_frozen_merchant_is_let_go_first(books: Session) -> None:
    at(books, 1, 10)
    shop = open_shop(books)
    freezing.freeze(books, lock_merchant(books, shop.merchant.code), by="mei", reason="x")

    with pytest.raises(StateConflict, match="unfreeze it first"):
        leave(books, shop)


def test_orders_that_wait_for_payment_are_named(books: Session) -> None:
    at(books, 1, 10)
    shop, other, member = open_shop(books), open_shop(books), make_member(books)
    line = replace(shop.basket(books, None, 10_00).lines[0], merchant=shop.merchant.public_id)
    waiting = orders.place(books, other.basket(books, member, 5_00, others=[line]))

    with pytest.raises(OrdersWaiting, match=waiting.public_id) as refused:
        leave(books, shop)

    assert refused.value.orders == [waiting.public_id]
    orders.cancel(books, order=waiting.public_id)
    leave(books, shop)


def test_disputed_figures_are_named(books: Session) -> None:
    at(books, 1, 10)
    shop = open_shop(books)
    shop.sell(books, make_member(books), 100_00)
    at(books, 2, 3)
    opened = disputes.open_dispute(
        books, close(books, JANUARY), merchant=shop.merchant.code, caption=Caption.ISSUED, fen=-30,
        reason="重复", by="mei",
    )  # fmt: skip

    with pytest.raises(DisputesOpen, match=opened):
        leave(books, shop)

    disputes.resolve(books, opened, adjust_fen=0, resolution="无误", by="li")
    leave(books, shop)


def test_who_never_paid_leaves_what_its_points_are_expected_to_cost(books: Session) -> None:
    """Semantics 50 to the letter: outstanding × rate, less what should expire."""
    at(books, 1, 10)
    shop = open_shop(books, terms=make_terms(cost="3/2"))
    shop.sell(books, make_member(books), 101_00)

    left = leave(books, shop, breakage="1/5")

    assert (left.out_points, left.out_fen, left.unpaid_fen) == (101, 152, 152)
    assert (left.breakage_fen, left.deposit_fen) == (30, 122)


def test_who_has_paid_leaves_nothing_for_the_float_has_it(books: Session) -> None:
    """ADR 0013: a point is paid for when it is issued."""
    at(books, 1, 10)
    shop = open_shop(books)
    shop.sell(books, make_member(books), 100_00)
    at(books, 2, 3)
    january = close(books, JANUARY)
    dues.pay(
        books, january, merchant=shop.merchant.code, fen=100, reference="B1",
        paid_on=date(2017, 2, 3), by="mei",
    )  # fmt: skip

    left = leave(books, shop)

    assert (left.out_fen, left.unpaid_fen, left.deposit_fen) == (100, 0, 0)


def test_what_members_owe_of_its_points_is_secured_too(books: Session) -> None:
    """A refund gave it back what had been spent; it bears that if the members never pay."""
    at(books, 1, 10)
    shop, other, member = open_shop(books), open_shop(books), make_member(books)
    sale = shop.sell(books, member, 100_00)
    other.sell(books, member, 60, burn=60)
    shop.refund(books, sale.public_id)

    left = leave(books, shop)

    assert (left.out_points, left.owed_points, left.owed_fen) == (0, 60, 60)
    assert (left.unpaid_fen, left.deposit_fen) == (0, 60)


def test_points_bought_ahead_are_taken_back_and_paid_for(books: Session) -> None:
    at(books, 1, 10)
    shop = open_shop(books, terms=make_terms(cost="3/2", funding=Funding.PREPAID))
    code = shop.merchant.code
    buy_points(books, code, 100, reference="B-1", by="mei")
    member = make_member(books)
    sale = shop.sell(books, member, 30_00)

    left = leave(books, shop)
    shop.refund(books, sale.public_id)
    assert [en for _, en in runoff.finish(books, code, by="mei")] == [
        "something is not closed yet: wait for the next close"
    ]
    at(books, 2, 3)
    january = close(books, JANUARY)

    assert (left.out_fen, left.unpaid_fen, left.deposit_fen) == (45, 45, 41)
    found = lines(books, january)
    assert found[code, "bought_ahead"] == (100, -150)
    assert found[code, "ahead_returned"] == (-100, 150)
    assert found["advances", "ahead_returned"] == (100, -105 - 45)
    assert sum(fen for _, fen in found.values()) == 0
    assert statements.statement(books, january, merchant=code).closing_fen == 0
    assert runoff.finish(books, code, by="mei") == []
    assert status_of(books, shop) is MerchantStatus.EXITED
    assert runoff.finish(books, code, by="mei") == []


def test_a_deposit_is_counted_once_and_goes_back_as_far_as_it_is_not_needed(
    books: Session,
) -> None:
    at(books, 1, 10)
    shop, member = open_shop(books), make_member(books)
    shop.sell(books, member, 100_00)
    leave(books, shop)
    day = date(2017, 1, 10)

    first = pay_deposit(books, shop, 95, "D1", day)
    assert pay_deposit(books, shop, 95, " D1 ", day) == first
    with pytest.raises(StateConflict, match="D1"):
        pay_deposit(books, shop, 96, "D1", day)
    with pytest.raises(DepositNeeded, match=r"at most ¥0\.05 go back"):
        pay_deposit(books, shop, -6, "D2", day)
    pay_deposit(books, shop, -5, "D2", day)

    found = runoff.run_off(books, shop.merchant.code)
    assert (found.held_fen, found.to_pay_fen, found.free_fen) == (90, 0, 0)
    at(books, 2, 3)
    january = close(books, JANUARY)
    assert lines(books, january)["deposits", "deposit"] == (0, 90)
    assert lines(books, january)["bank", "deposit"] == (0, -90)
    dues.pay(
        books, january, merchant=shop.merchant.code, fen=100, reference="B1",
        paid_on=date(2017, 2, 3), by="mei",
    )  # fmt: skip
    assert runoff.run_off(books, shop.merchant.code).free_fen == 90


def test_it_has_not_left_while_anything_is_out_and_each_thing_is_named(books: Session) -> None:
    at(books, 1, 10)
    shop, member = open_shop(books), make_member(books)
    code = shop.merchant.code
    shop.sell(books, member, 100_00)
    leave(books, shop)
    pay_deposit(books, shop, 90, "D1", date(2017, 1, 10))
    at(books, 2, 3)
    close(books, JANUARY)

    assert [en for _, en in runoff.finish(books, code, by="mei")] == [
        "100 points are in members' hands",
        "its account stands at -¥1.00: pay it",
        "its deposit of ¥0.90 is not paid back",
    ]

    at(books, 2, 5)
    open_shop(books).sell(books, member, 100, burn=100)
    at(books, 3, 3)
    close(books, FEBRUARY)
    assert status_of(books, shop) is MerchantStatus.EXITING
    january = statements.get_period(books, "2017-01")
    dues.pay(
        books, january, merchant=code, fen=100, reference="B1", paid_on=date(2017, 3, 3), by="mei"
    )
    pay_deposit(books, shop, -90, "D2", date(2017, 3, 3))
    assert runoff.finish(books, code, by="mei") == []
    steps = runoff.run_off(books, code).steps
    assert [(each.period, each.redeemed_points, each.out_points) for each in steps] == [
        ("2017-01", 0, 100), ("2017-02", 100, 0),
    ]  # fmt: skip
