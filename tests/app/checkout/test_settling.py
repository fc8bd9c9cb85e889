"""What a paid sale leaves: points that were given, and by which rule (E10, L6)."""

from datetime import timedelta
from fractions import Fraction

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.checkout.baskets import BasketLine
from app.merchants.models import Funding
from app.points import rules
from app.points.definitions import Conditions, Definition, Kind
from app.points.rules import Names
from config.database import now_of
from tests.app.checkout.shops import open_shop, points_of
from tests.factories import make_member, make_terms, unique


def test_a_merchant_that_has_run_dry_is_in_no_rules_earnings(session: Session) -> None:
    """E10, L6: order and journal say what was really given, rule by rule."""
    shop = open_shop(session)
    dry = open_shop(session, terms=make_terms(funding=Funding.PREPAID))
    member = make_member(session)
    both = _add_rule_for(session, shop.merchant.public_id, dry.merchant.public_id)
    line = BasketLine(
        sku="D", name="外店商品", category="food", amount_fen=500, merchant=dry.merchant.public_id
    )

    sale = shop.sell(session, member, 1_000, others=[line])

    assert sale.earned_points == points_of(session, member) == 10 + 20
    row = session.execute(
        text(
            "SELECT o.earnings, j.details -> 'rules' AS cited FROM \"order\" o"
            " JOIN journal j ON j.details ->> 'order' = o.public_id"
            " WHERE o.public_id = :id"
        ),
        {"id": sale.public_id},
    ).one()
    assert sorted((rule["points"], rule["base_fen"]) for rule in row.earnings) == [
        (10, 1_000),
        (20, 1_000),
    ]
    assert both in {rule["code"] for rule in row.earnings}
    assert row.cited == row.earnings


def test_an_order_whose_merchants_have_all_run_dry_names_no_rule(session: Session) -> None:
    dry = open_shop(session, terms=make_terms(funding=Funding.PREPAID))

    sale = dry.sell(session, make_member(session), 1_000)

    earnings = session.scalar(
        text('SELECT earnings FROM "order" WHERE public_id = :id'), {"id": sale.public_id}
    )
    assert (sale.earned_points, earnings) == (0, [])


def _add_rule_for(session: Session, *merchants: str) -> str:
    """Let several merchants give two points a yuan by one rule; return its code."""
    code = unique("r")
    request = rules.propose(
        session,
        code=code,
        definition=Definition(
            kind=Kind.BASE,
            rate=Fraction(2, 100),
            conditions=Conditions(merchants=frozenset(merchants)),
        ),
        by="mei",
        reason="test",
        names=Names(zh="一元两分", en="Two points a yuan"),
        effective_from=now_of(session) - timedelta(days=1),
    )
    rules.approve(session, request.public_id, by="li")
    return code
