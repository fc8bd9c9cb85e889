"""What a paid sale leaves: points given and by which rule, debts paid (E10, L6; semantics 33)."""

from datetime import UTC, datetime, time, timedelta
from fractions import Fraction

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.checkout import orders, payments
from app.checkout.baskets import BasketLine, Tender
from app.clock import SHANGHAI, business_date, month_end
from app.merchants.models import Funding
from app.points import rules
from app.points.definitions import Conditions, Definition, Kind
from app.points.rules import Names
from config.database import now_of
from tests.app.checkout.shops import books_digest, open_shop, points_of
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


def test_a_sale_sent_late_does_not_spend_an_expired_lot_twice(session: Session) -> None:
    """Semantics 33, 40: points that it burned, and that have expired since, pay no debt as well."""
    shop, member = open_shop(session), make_member(session)
    start = now_of(session)
    shop.sell(session, member, 6_000, at=start - timedelta(days=500))
    then = start - timedelta(days=200)
    session.info["now"] = then
    sale = shop.sell(session, member, 5_000, at=then)
    placed = orders.place(session, shop.basket(session, member, 11_000, burn=110))
    shop.refund(session, sale.public_id, at=then)
    orders.cancel(session, order=placed.public_id)

    session.info["now"] = start
    offline = shop.sell(session, member, 1_000, burn=60, at=then)

    assert (offline.burned_points, offline.earned_points) == (60, 9)
    assert points_of(session, member) == 60 - 60 + 9


def test_what_a_payment_captures_pays_no_debt_and_what_is_left_does(session: Session) -> None:
    """Semantics 26, 33: a hold that is captured after the lot's last day."""
    shop, member = open_shop(session), make_member(session)
    start = now_of(session)
    last_day = month_end(business_date(start - timedelta(days=500)), months_ahead=12)
    shop.sell(session, member, 6_000, at=start - timedelta(days=500))
    session.info["now"] = datetime.combine(last_day, time(23, 55), SHANGHAI).astimezone(UTC)
    sale = shop.sell(session, member, 5_000)
    kept = orders.place(session, shop.basket(session, member, 1_000, burn=40))
    other = orders.place(session, shop.basket(session, member, 7_000, burn=70))
    shop.refund(session, sale.public_id)
    orders.cancel(session, order=other.public_id)
    session.info["now"] = now_of(session) + timedelta(minutes=10)

    paid = payments.pay(session, order=kept.public_id, tenders=[Tender(name="card", fen=960)])

    assert (paid.burned_points, paid.earned_points) == (40, 9)
    assert books_digest(session, member)[0][1] == -21
    assert points_of(session, member) == 60 + 50 - 50 - 40 + 9


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
