"""Payments, adjustments and disputes follow a close and never change it (semantics 9, 53)."""

from datetime import date

import pytest
from sqlalchemy.orm import Session

from app.approvals import SamePerson
from app.errors import Invalid, StateConflict
from app.settlement import disputes, dues, statements
from app.settlement.captions import Caption
from app.settlement.dues import Adjustment
from app.settlement.models import Period
from app.settlement.papers.paper import gather
from app.settlement.spans import Span
from app.settlement.statements import Statement
from tests.app.checkout.shops import Shop, open_shop
from tests.app.settlement.months import FEBRUARY, JANUARY, at, close, lines
from tests.factories import make_member, make_terms


@pytest.fixture
def closed(books: Session) -> tuple[Shop, Period]:
    """A merchant that owes ¥1.00 for January."""
    at(books, 1, 10)
    shop = open_shop(books)
    shop.sell(books, make_member(books), 100_00)
    at(books, 2, 3)
    return shop, close(books, JANUARY)


def test_a_payment_settles_a_period_and_is_carried_into_the_next(
    books: Session, closed: tuple[Shop, Period]
) -> None:
    shop, _ = closed
    assert _told(books, closed).state == "unpaid"

    _pay(books, closed, 40, "B1")
    assert (_told(books, closed).state, _told(books, closed).payable_fen) == ("part_paid", -60)
    _pay(books, closed, 60, "B2")
    assert (_told(books, closed).state, _told(books, closed).payable_fen) == ("paid", 0)

    at(books, 3, 5)
    february = close(books, FEBRUARY)
    assert lines(books, february) == {
        (shop.merchant.code, "payment"): (0, 100),
        ("bank", "payment"): (0, -100),
    }
    told = statements.statement(books, february, merchant=shop.merchant.code)
    assert (told.opening_fen, told.net_fen, told.closing_fen) == (-100, 0, 0)
    assert (february.gross_fen, february.net_fen) == (0, 0)
    assert _told(books, closed).closing_fen == -100


def test_a_bank_reference_counts_once(books: Session, closed: tuple[Shop, Period]) -> None:
    first = _pay(books, closed, 40, "B1")

    assert _pay(books, closed, 40, " B1 ") == first
    with pytest.raises(StateConflict, match="B1"):
        _pay(books, closed, 41, "B1")
    with pytest.raises(Invalid):
        _pay(books, closed, 0, "B2")
    assert _told(books, closed).payable_fen == -60


def test_an_adjustment_needs_two_people_and_shows_in_the_next_period(
    books: Session, closed: tuple[Shop, Period]
) -> None:
    """G1."""
    shop, _ = closed
    code = shop.merchant.code
    wanted = Adjustment(merchant=code, fen=25, subsidy=True, reason="周年庆")
    request = dues.propose(books, wanted, by="mei")
    with pytest.raises(SamePerson):
        dues.approve(books, request.public_id, by="mei")

    dues.approve(books, request.public_id, by="li")

    at(books, 3, 5)
    found = lines(books, close(books, FEBRUARY))
    assert found == {(code, "subsidy"): (0, 25), ("subsidies", "subsidy"): (0, -25)}


def test_a_dispute_is_not_payable_and_ends_by_an_adjustment(
    books: Session, closed: tuple[Shop, Period]
) -> None:
    """Semantics 53."""
    shop, january = closed
    code = shop.merchant.code

    opened = disputes.open_dispute(
        books, january, merchant=code, caption=Caption.ISSUED, fen=-30, reason="重复", by="mei"
    )
    assert (_told(books, closed).payable_fen, _told(books, closed).closing_fen) == (-70, -100)
    with pytest.raises(StateConflict):
        disputes.open_dispute(
            books, january, merchant=code, caption=Caption.ISSUED, fen=-1, reason="又", by="mei"
        )
    with pytest.raises(StateConflict):
        disputes.resolve(books, opened, adjust_fen=30, resolution="属实", by="mei")
    disputes.resolve(books, opened, adjust_fen=30, resolution="属实", by="li")

    assert _told(books, closed).payable_fen == -100
    at(books, 3, 5)
    assert lines(books, close(books, FEBRUARY))[code, "adjustment"] == (0, 30)
    with pytest.raises(StateConflict):
        disputes.resolve(books, opened, adjust_fen=0, resolution="再", by="li")
    assert [each.fen for each in disputes.list_disputes(books)] == [-30]


@pytest.mark.parametrize("fen", [0, 1, -101])
def test_no_more_than_a_figure_can_be_disputed(
    books: Session, closed: tuple[Shop, Period], fen: int
) -> None:
    shop, january = closed

    with pytest.raises(Invalid):
        disputes.open_dispute(
            books, january, merchant=shop.merchant.code, caption=Caption.ISSUED, fen=fen,
            reason="过多", by="mei",
        )  # fmt: skip


def test_what_is_disputed_is_not_payable_with_later_statements_either(
    books: Session, closed: tuple[Shop, Period]
) -> None:
    """Semantics 53: a later statement carries the amount forward, and the dispute with it."""
    shop, january = closed
    code = shop.merchant.code
    opened = disputes.open_dispute(
        books, january, merchant=code, caption=Caption.ISSUED, fen=-30, reason="重复", by="mei"
    )
    shop.sell(books, make_member(books), 7_00)
    at(books, 3, 5)
    february = close(books, FEBRUARY)
    disputes.open_dispute(
        books, february, merchant=code, caption=Caption.ISSUED, fen=-2, reason="又", by="mei"
    )

    told = statements.statement(books, february, merchant=code)
    assert (told.closing_fen, told.disputed_fen, told.payable_fen) == (-107, -32, -75)
    assert _told(books, closed).payable_fen == -70

    disputes.resolve(books, opened, adjust_fen=0, resolution="无误", by="li")

    assert statements.statement(books, february, merchant=code).payable_fen == -105
    assert _told(books, closed).payable_fen == -100


@pytest.mark.parametrize("fen", [31, -31, 10**13, 10**30])
def test_who_resolves_a_dispute_adjusts_no_more_than_what_is_disputed(
    books: Session, closed: tuple[Shop, Period], fen: int
) -> None:
    """G1: what has to be more takes two people."""
    shop, january = closed
    opened = disputes.open_dispute(
        books, january, merchant=shop.merchant.code, caption=Caption.ISSUED, fen=-30,
        reason="重复", by="mei",
    )  # fmt: skip

    with pytest.raises(Invalid, match=r"两人办理.*settle adjust.*two people") as refused:
        disputes.resolve(books, opened, adjust_fen=fen, resolution="属实", by="li")

    assert "0.30" in str(refused.value)
    assert _told(books, closed).disputed_fen == -30
    assert disputes.resolve(
        books, opened, adjust_fen=30, resolution="属实", by="li"
    ).adjusted_fen == 30  # fmt: skip


@pytest.fixture
def both(books: Session, closed: tuple[Shop, Period]) -> tuple[Shop, Period, Period]:
    """The merchant owes ¥0.50 more for February, which is closed on 5 March."""
    shop, january = closed
    shop.sell(books, make_member(books), 50_00)
    at(books, 3, 5)
    return shop, january, close(books, FEBRUARY)


@pytest.mark.parametrize(
    ("payments", "january", "february"),
    [
        ([], (-100, "unpaid"), (-150, "unpaid")),
        ([("2017-01", 100)], (0, "paid"), (-50, "part_paid")),
        ([("2017-02", 150)], (0, "paid"), (0, "paid")),
        ([("2017-02", 100)], (0, "paid"), (-50, "part_paid")),
        ([("2017-02", 30)], (-70, "part_paid"), (-120, "part_paid")),
        ([("2017-01", 60), ("2017-02", 90)], (0, "paid"), (0, "paid")),
        ([("2017-02", 170), ("2017-02", -20)], (0, "paid"), (0, "paid")),
        ([("2017-02", 150), ("2017-02", -150)], (-100, "unpaid"), (-150, "unpaid")),
    ],
)
def test_a_late_payment_counts_for_every_statement_that_carries_what_it_pays(
    books: Session,
    both: tuple[Shop, Period, Period],
    payments: list[tuple[str, int]],
    january: tuple[int, str],
    february: tuple[int, str],
) -> None:
    shop, *periods = both
    for number, (code, fen) in enumerate(payments):
        named = next(each for each in periods if each.code == code)
        _pay(books, (shop, named), fen, f"B{number}", on=date(2017, 3, 5))

    told = [_told(books, (shop, each)) for each in periods]

    assert [(each.payable_fen, each.state) for each in told] == [january, february]
    at(books, 4, 5)
    march = _told(books, (shop, close(books, Span.parse("2017-03"))))
    assert (march.closing_fen, march.payable_fen) == (february[0], february[0])
    # What March shows of it is not taken off once more.
    told = [_told(books, (shop, each)) for each in periods]
    assert [(each.payable_fen, each.state) for each in told] == [january, february]


def test_a_payment_between_the_last_day_and_the_close_is_taken_off_once(
    books: Session, closed: tuple[Shop, Period]
) -> None:
    """It is booked in March, so February carries forward what it paid."""
    shop, _ = closed
    at(books, 3, 2)
    _pay(books, closed, 60, "B1")
    at(books, 3, 5)
    february = close(books, FEBRUARY)

    told = _told(books, (shop, february))

    assert (told.closing_fen, told.settled_fen, told.payable_fen) == (-100, 60, -40)
    assert _told(books, closed).payable_fen == -40


def test_what_the_district_pays_for_a_later_period_pays_an_earlier_one_too(
    books: Session, closed: tuple[Shop, Period]
) -> None:
    shop, january = closed
    taker, member = open_shop(books), make_member(books)
    shop.sell(books, member, 90_00)
    taker.sell(books, member, 50, burn=50)
    at(books, 3, 5)
    february = close(books, FEBRUARY)
    at(books, 3, 6)
    taker.sell(books, member, 40, burn=40)
    at(books, 4, 5)
    march = close(books, Span.parse("2017-03"))
    owed = [_told(books, (taker, each)).closing_fen for each in (february, march)]

    _pay(books, (taker, march), -(owed[0] + 1), "B1", on=date(2017, 4, 5))

    assert 0 < owed[0] < owed[1] - 1
    assert _told(books, (taker, february)).state == "paid"
    assert _told(books, (taker, march)).payable_fen == owed[1] - owed[0] - 1
    assert _told(books, (taker, january)).payable_fen == 0


@pytest.fixture
def turned(books: Session) -> tuple[Shop, Period, Period]:
    """The merchant owes ¥1.00 for January; in February it takes 80 points of others, for ¥0.80."""
    at(books, 1, 10)
    shop, other = open_shop(books), open_shop(books, terms=make_terms(cost="1", redemption="1"))
    member = make_member(books)
    other.sell(books, member, 80_00)
    shop.sell(books, make_member(books), 100_00)
    at(books, 2, 3)
    january = close(books, JANUARY)
    shop.sell(books, member, 80, burn=80)
    at(books, 3, 5)
    return shop, january, close(books, FEBRUARY)


@pytest.mark.parametrize(
    ("payments", "january", "february"),
    [
        ([], (80, -20, "part_paid"), (-20, "unpaid")),
        ([("2017-02", 20)], (80, 0, "paid"), (0, "paid")),
        ([("2017-01", 100)], (0, 0, "paid"), (80, "part_paid")),
        ([("2017-01", 50)], (50, 0, "paid"), (30, "part_paid")),
        ([("2017-01", 100), ("2017-02", -80)], (0, 0, "paid"), (0, "paid")),
    ],
)
def test_a_later_net_of_the_other_sign_settles_what_an_older_statement_left_open(
    books: Session,
    turned: tuple[Shop, Period, Period],
    payments: list[tuple[str, int]],
    january: tuple[int, int, str],
    february: tuple[int, str],
) -> None:
    """Nobody is asked for what was netted: the oldest is settled first, and no further."""
    shop, *periods = turned
    for number, (code, fen) in enumerate(payments):
        named = next(each for each in periods if each.code == code)
        _pay(books, (shop, named), fen, f"B{number}", on=date(2017, 3, 5))

    old, new = [_told(books, (shop, each)) for each in periods]

    assert (sum(each.fen for each in old.offsets), old.payable_fen, old.state) == january
    assert {each.period for each in old.offsets} <= {"2017-02"}
    assert (new.offsets, new.payable_fen, new.state) == ([], *february)
    assert (old.closing_fen, new.closing_fen) == (-100, -20)


def test_what_is_disputed_of_a_later_net_settles_nothing(
    books: Session, turned: tuple[Shop, Period, Period]
) -> None:
    """Semantics 53."""
    shop, january, february = turned
    opened = disputes.open_dispute(
        books, february, merchant=shop.merchant.code, caption=Caption.REDEEMED_OTHERS, fen=30,
        reason="多计", by="mei",
    )  # fmt: skip

    assert _told(books, (shop, january)).payable_fen == -50
    assert _told(books, (shop, february)).payable_fen == -50
    disputes.resolve(books, opened, adjust_fen=0, resolution="无误", by="li")
    assert _told(books, (shop, january)).payable_fen == -20


def test_the_statement_says_which_period_has_settled_it(
    books: Session, turned: tuple[Shop, Period, Period]
) -> None:
    shop, january, _ = turned

    paper = gather(books, january, merchant=shop.merchant.code)

    assert [(row.name[1], row.fen) for row in paper.figures][-3:] == [
        ("Closing", -100), ("Offset by 2017-02", 80), ("Payable (part paid)", -20),
    ]  # fmt: skip


def _pay(
    session: Session,
    closed: tuple[Shop, Period],
    fen: int,
    reference: str,
    *,
    on: date = date(2017, 2, 3),
) -> str:
    shop, named = closed
    return dues.pay(
        session, named, merchant=shop.merchant.code, fen=fen, reference=reference,
        paid_on=on, by="mei",
    ).public_id  # fmt: skip


def _told(session: Session, closed: tuple[Shop, Period]) -> Statement:
    shop, january = closed
    return statements.statement(session, january, merchant=shop.merchant.code)
