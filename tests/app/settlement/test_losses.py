"""Semantics 50: what a merchant that left cannot pay is borne in the order declared before."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app.approvals import SamePerson
from app.clock import business_date
from app.errors import Invalid, NotFound, StateConflict
from app.points.expiry import Place, expire_some
from app.settlement import dues, loss_policy, losses, runoff, statements, vouchers
from app.settlement.errors import NothingOwed, NothingToRecover
from app.settlement.loss_policy import LossPolicy
from app.settlement.losses import Borne
from app.settlement.models import Period
from app.settlement.periods import next_period
from app.settlement.spans import Every, Span
from app.settlement.vouchers import Subject
from config.database import now_of
from config.settings import PROJECT
from tests.app.checkout.shops import Shop, open_shop
from tests.app.settlement.months import FEBRUARY, JANUARY, at, close, lines
from tests.app.settlement.test_exits import leave, pay_deposit
from tests.app.settlement.test_spans import agree
from tests.factories import make_member, make_terms

DOCUMENT = PROJECT / "docs/settlement.md"
MARCH = Span.parse("2017-03")


def declare(session: Session, *, fund: int = 60, months: int = 12) -> None:
    policy = LossPolicy(fund_limit_fen=fund, redeemer_months=months)
    request = loss_policy.LOSSES.propose(session, policy, begins=None, by="mei", reason="年度")
    loss_policy.LOSSES.approve(session, request.public_id, by="li")


def bear(session: Session, shop: Shop) -> Borne:
    request = losses.propose(session, shop.merchant.code, by="mei", reason="破产")
    return losses.approve(session, request.public_id, by="li")


def leave_unpaid(
    session: Session, *, deposit: int = 100, halves: bool = False
) -> tuple[Shop, Shop, Shop]:
    """A issues 240 points, 140 are taken by B and C, and leaves owing all but ¥0.40 of it."""
    at(session, 1, 10)
    a, b, c = (open_shop(session, terms=make_terms()) for _ in range(3))
    member = make_member(session)
    a.sell(session, member, 200_00)
    b.sell(session, member, 50, burn=50)
    at(session, 2, 3)
    january = close_whole(session, JANUARY, halves=halves)
    dues_paid(session, a, january, 40)
    a.sell(session, member, 40_00, at=at(session, 2, 5))
    leave(session, a)
    if deposit:
        pay_deposit(session, a, deposit, "D1", date(2017, 2, 5))
    b.sell(session, member, 30, burn=30, at=at(session, 2, 6))
    c.sell(session, member, 60, burn=60, at=at(session, 2, 7))
    at(session, 3, 3)
    close_whole(session, FEBRUARY, halves=halves)
    return a, b, c


def close_whole(session: Session, month: Span, *, halves: bool) -> Period:
    """Close a month, or both its halves, and return the last period."""
    codes = [f"{month.code}-H1", f"{month.code}-H2"] if halves else [month.code]
    return [close(session, Span.parse(code)) for code in codes][-1]


def dues_paid(session: Session, shop: Shop, period: Period, fen: int) -> None:
    dues.pay(
        session, period, merchant=shop.merchant.code, fen=fen, reference="B1",
        paid_on=date(2017, 2, 3), by="mei",
    )  # fmt: skip


def test_the_example_of_a_merchant_that_leaves_is_true(books: Session) -> None:
    """The tables of docs/settlement.md: called, run off, lost, come back, and left."""
    at(books, 1, 9)
    declare(books)
    a, b, c = leave_unpaid(books)
    names = {shop.merchant.code: name for shop, name in ((a, "A"), (b, "B"), (c, "C"))}
    begun = runoff.run_off(books, a.merchant.code)
    borne = bear(books, a)
    after = {(names.get(who, who), row): fen for (who, row), (_, fen) in march(books).items()}
    expire_all(books)
    back = losses.recover(books, a.merchant.code, by="mei")
    close_until(books, Span.parse("2018-04"))

    called = begun.leaving
    assert _table("what", "fen") == {
        "its points out had cost": called.out_fen,
        "less what should expire": -called.breakage_fen,
        "exit balance": called.out_fen - called.breakage_fen,
        "less what is paid for": called.unpaid_fen - called.out_fen,
        "deposit": called.deposit_fen,
    }
    assert _table("who", "fen borne", "fen back") == {
        "deposit": (borne.deposit_fen, 0),
        "fund": (borne.fund_fen, back.fund_fen),
        "B": (share(borne, b), share(back, b)),
        "C": (share(borne, c), share(back, c)),
    }
    assert after == {
        ("A", "deposit_used"): 100,
        ("A", "loss"): 100,
        ("deposits", "deposit_used"): -100,
        ("fund", "loss"): -60,
        ("B", "loss"): -23,
        ("C", "loss"): -17,
    }
    told = statements.statement(
        books, statements.get_period(books, "2018-04"), merchant=a.merchant.code
    )
    assert told.closing_fen == 0
    assert runoff.finish(books, a.merchant.code, by="mei") == []
    assert losses.borne_so_far(books, called).total_fen == 100


def share(borne: Borne, shop: Shop) -> int:
    return borne.shares[shop.merchant.public_id]


def march(session: Session) -> Mapping[tuple[str, str], tuple[int, int]]:
    at(session, 4, 3)
    return lines(session, close(session, MARCH))


def expire_all(session: Session) -> None:
    """Let the year pass, book what expired, and close the months through it."""
    session.info["now"] = at(session, 4, 3).replace(year=2018, month=3)
    expire_some(session, day=business_date(now_of(session)), place=Place(), most=1_000)
    session.info["now"] = now_of(session).replace(month=4)
    close_until(session, Span.parse("2018-03"))


def close_until(session: Session, last: Span) -> None:
    while (month := next_period(session)).starts_on <= last.starts_on:
        session.info["now"] = max(now_of(session), month.closable_at)
        close(session, month)


def test_nothing_declared_leaves_the_debt_where_it_is(books: Session) -> None:
    a, b, _ = leave_unpaid(books)
    at(books, 3, 4)
    declare(books)  # After it had left: too late for this one.

    borne = bear(books, a)

    assert (borne.deposit_fen, borne.fund_fen, borne.shares) == (100, 0, {})
    assert borne.left_fen == 100
    with pytest.raises(NothingToRecover):
        losses.recover(books, a.merchant.code, by="mei")
    assert b.merchant.id != a.merchant.id


def test_a_redeemer_never_bears_more_than_it_was_paid(books: Session) -> None:
    """B got 45 + 27, C got 54: their most is 126 of the 200."""
    at(books, 1, 9)
    declare(books, fund=0)
    a, b, c = leave_unpaid(books, deposit=0)

    borne = bear(books, a)

    assert (share(borne, b), share(borne, c), borne.left_fen) == (72, 54, 74)
    again = bear(books, a)
    assert (again.total_fen, again.left_fen) == (0, 74)


@given(
    owed=st.integers(0, 10**6),
    deposit=st.integers(0, 10**6),
    fund=st.integers(0, 10**6),
    most=st.lists(st.integers(0, 10**6), max_size=8),
)
def test_a_debt_is_borne_to_the_fen_in_its_order_and_by_nobody_beyond_his_most(
    owed: int, deposit: int, fund: int, most: list[int]
) -> None:
    redeemers = {f"mch_{place}": fen for place, fen in enumerate(most)}

    borne = losses.in_order(owed, deposit_fen=deposit, fund_fen=fund, redeemers=redeemers)

    assert borne.total_fen + borne.left_fen == owed
    assert all(0 < fen <= redeemers[who] for who, fen in borne.shares.items())
    assert borne.fund_fen == 0 or borne.deposit_fen == deposit
    assert not borne.shares or borne.fund_fen == fund
    assert borne.left_fen == 0 or borne.total_fen == deposit + fund + sum(most)


def test_vouchers_of_a_loss_balance_and_stand_at_what_is_carried_forward(books: Session) -> None:
    """A's deposit pays its debt; B's share is its own loss."""
    at(books, 1, 9)
    declare(books)
    a, b, _ = leave_unpaid(books)
    bear(books, a)
    march(books)

    for shop, subject, fen in ((a, Subject.DEPOSIT, -100), (b, Subject.LOSS, 23)):
        balances: Counter[Subject] = Counter()
        for month in (JANUARY, FEBRUARY, MARCH):
            period = statements.get_period(books, month.code)
            for voucher in vouchers.make(books, period, merchant=shop.merchant.code):
                for entry in voucher.entries:
                    balances[entry.subject] += entry.fen if entry.debit else -entry.fen
            closing = statements.statement(books, period, merchant=shop.merchant.code).closing_fen
            assert balances[Subject.RECEIVABLE] == max(closing, 0)
            assert balances[Subject.PAYABLE] == min(closing, 0)
        assert balances[subject] == fen


@pytest.mark.parametrize("halves", [False, True])
def test_redeemers_share_by_the_months_that_were_declared(books: Session, halves: bool) -> None:
    """February alone: 27 to 54, in the first of its halves if there are two."""
    at(books, 1, 9)
    declare(books, fund=140, months=1)
    if halves:
        agree(books, Every.HALF_MONTH, begins=datetime(2016, 12, 1, tzinfo=UTC))
    a, b, c = leave_unpaid(books, deposit=0, halves=halves)

    borne = bear(books, a)

    assert (borne.fund_fen, share(borne, b), share(borne, c)) == (140, 20, 40)


def test_a_loss_takes_two_people_and_a_debt(books: Session) -> None:
    """G1: what was paid meanwhile is not borne by anybody."""
    a, b, _ = leave_unpaid(books)
    request = losses.propose(books, a.merchant.code, by="mei", reason="破产")
    with pytest.raises(SamePerson):
        losses.approve(books, request.public_id, by="mei")
    losses.reject(books, request.public_id, by="mei", reason="已付")
    request = losses.propose(books, a.merchant.code, by="mei", reason="破产")
    dues_paid_again(books, a)

    with pytest.raises(NothingOwed):
        losses.approve(books, request.public_id, by="li")

    with pytest.raises(NotFound):
        losses.propose(books, b.merchant.code, by="mei", reason="x")


def dues_paid_again(session: Session, shop: Shop) -> None:
    dues.pay(
        session, statements.get_period(session, "2017-02"), merchant=shop.merchant.code, fen=200,
        reference="B2", paid_on=date(2017, 3, 3), by="mei",
    )  # fmt: skip


def test_the_policy_is_agreed_by_two_and_has_its_limits(books: Session) -> None:
    at(books, 1, 9)
    with pytest.raises(Invalid):
        LossPolicy(fund_limit_fen=-1)
    with pytest.raises(Invalid):
        replace(LossPolicy(), redeemer_months=61)
    request = loss_policy.LOSSES.propose(
        books, LossPolicy(fund_limit_fen=5), begins=None, by="mei", reason="x"
    )
    with pytest.raises(SamePerson):
        loss_policy.LOSSES.approve(books, request.public_id, by="mei")
    loss_policy.LOSSES.reject(books, request.public_id, by="li", reason="x")
    with pytest.raises(StateConflict):
        loss_policy.LOSSES.approve(books, request.public_id, by="li")
    assert loss_policy.LOSSES.at(books, now_of(books)) == LossPolicy()


def _table(*head: str) -> dict[str, int | tuple[int, ...]]:
    """Return the rows of the document's table with this head, its figures in fen."""
    found: dict[str, int | tuple[int, ...]] = {}
    inside = False
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip().strip("*`") for cell in line.strip("|").split("|")]
        if tuple(cells[: len(head)]) == head:
            inside = True
        elif not line.startswith("|"):
            inside = False
        elif inside and not set(cells[0]) <= set("-"):
            figures = tuple(int(cell) for cell in cells[1 : len(head)])
            found[cells[0]] = figures[0] if len(figures) == 1 else figures
    return found
