"""What a posting is worth in fen: the rates frozen in lots, and where they do not tell."""

from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.points.policy import NegativePolicy
from tests.app.checkout.shops import open_shop, set_policy
from tests.factories import make_member, make_terms


def test_a_lot_freezes_cost_and_redemption_of_its_issuers_terms(session: Session) -> None:
    """Semantics 51."""
    shop = open_shop(session, terms=make_terms(cost="3/2", redemption="1"))
    member = make_member(session)

    shop.sell(session, member, 10_00)

    row = session.execute(
        text("SELECT cost_num, cost_den, redemption_num, redemption_den FROM lot"
             " WHERE member_id = :member"),
        {"member": member.id},
    ).one()  # fmt: skip
    assert tuple(row) == (3, 2, 1, 1)


def test_points_taken_back_from_a_lot_of_another_cost_name_both_rates(session: Session) -> None:
    """Decision 12: the issuer gets what it paid, the lot gives what it cost."""
    dear = open_shop(session, terms=make_terms(cost="2"))
    cheap = open_shop(session, terms=make_terms(cost="1/2"))
    member = make_member(session)
    sale = dear.sell(session, member, 10_00)
    cheap.sell(session, member, 4_00)
    dear.sell(session, member, 7_00, burn=7)

    dear.refund(session, sale.public_id)

    assert _rates(session, sale.public_id, kind="refund") == [["1/2", "2"]]


def test_an_earn_that_pays_a_debt_of_another_cost_names_both_rates(session: Session) -> None:
    set_policy(session, NegativePolicy.DEBT)
    dear = open_shop(session, terms=make_terms(cost="2"))
    cheap = open_shop(session, terms=make_terms(cost="1/2"))
    member = make_member(session)
    sale = dear.sell(session, member, 10_00)
    dear.sell(session, member, 10_00, burn=10)
    dear.refund(session, sale.public_id)

    paying = cheap.sell(session, member, 4_00)

    assert _rates(session, paying.public_id, kind="earn") == [["1/2", "2"]]


def _rates(session: Session, order: str, *, kind: str) -> list[Any]:
    found = session.scalars(
        text("SELECT details -> 'rates' FROM journal"
             " WHERE details ->> 'order' = :order AND kind = :kind"),
        {"order": order, "kind": kind},
    )  # fmt: skip
    return [rates for each in found for rates in each.values()]
