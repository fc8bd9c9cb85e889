"""L4, L5: merges mean nothing in fen; what is taken over is paid for like what is issued."""

from sqlalchemy.orm import Session

from app.members.identification import KnownMember
from app.points import adjusting, merging, openings
from app.points.opening_rows import OpeningLine, read
from tests.app.checkout.shops import Shop, open_shop
from tests.app.settlement.months import FEBRUARY, JANUARY, at, close, lines, opened
from tests.factories import make_member, make_terms, unique


def merge(session: Session, loser: KnownMember, survivor: KnownMember) -> str:
    request = merging.propose(
        session, loser=loser.public_id, survivor=survivor.public_id, by="lin", reason="x"
    )
    return merging.approve(session, request.public_id, by="wang").merge


def take_over(session: Session, shop: Shop, points: int) -> KnownMember:
    """Import a balance of an older programme and return the member whose card it names."""
    card = unique("C")
    row = f"1,{card},{shop.merchant.code},{points},never".encode()
    given = list(read([b"row,card_number,issuer,points,expires_on", row]))
    openings.take_over(
        session,
        [each for each in given if isinstance(each, OpeningLine)],
        source=unique("src"),
        by="mei",
        seen={},
    )
    return make_member(session, card_number=card)


def test_a_merge_and_its_undo_are_on_no_statement(books: Session) -> None:
    """M4: points and debts change hands, and nobody pays anybody for it."""
    at(books, 1, 10)
    shop = open_shop(books, terms=make_terms(cost="1/3", redemption="1/4"))
    loser, survivor = make_member(books), make_member(books)
    sale = shop.sell(books, loser, 100_00)
    shop.sell(books, loser, 100, burn=100)
    shop.refund(books, sale.public_id)
    shop.sell(books, survivor, 50_00)
    at(books, 2, 3)
    january = close(books, JANUARY)
    before = lines(books, january)

    done = merge(books, loser, survivor)
    at(books, 2, 5)
    undone = merging.propose_undo(books, done, by="lin", reason="x")
    merging.approve(books, undone.public_id, by="wang")
    at(books, 3, 5)
    february = close(books, FEBRUARY)

    assert before["member_debt", "moved"] == (-100, -33)
    assert lines(books, february) == {}
    assert (february.transfers, february.sum_fen) == (2, 0)


def test_points_taken_over_are_paid_for_by_their_issuer(books: Session) -> None:
    """O1: an older programme's points cost the issuer what points of that day do."""
    at(books, 1, 10)
    a = open_shop(books, terms=make_terms(cost="1/3", redemption="1/4"))
    b = open_shop(books)
    member = take_over(books, a, 50)
    b.sell(books, member, 20, burn=20)
    at(books, 2, 3)

    found = lines(books, close(books, JANUARY))

    assert found == {
        (a.merchant.code, "issued"): (-50, -17),
        (b.merchant.code, "redeemed_others"): (20, 5),
        ("float", "moved"): (30, 10),
        ("spread", "spread"): (0, 2),
    }


def test_what_was_adjusted_by_hand_and_what_was_taken_over_open_to_their_journals(
    books: Session,
) -> None:
    """L5: every figure of a statement opens to the transfers behind it."""
    at(books, 1, 10)
    shop = open_shop(books)
    code = shop.merchant.code
    member = take_over(books, shop, 50)
    shop.sell(books, member, 7_00)
    for points in (30, -4):
        adjusting.adjust(books, member, points=points, issuer=code, reason="补偿", by="mei")
    at(books, 2, 3)

    january = close(books, JANUARY)

    figures = {key: points for key, (points, _) in lines(books, january).items() if key[0] == code}
    assert figures == {(code, "issued"): -57, (code, "adjusted"): -26}
    assert opened(books, january) == figures
