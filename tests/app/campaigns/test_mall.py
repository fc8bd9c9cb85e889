"""B3, G1: what is put up for points, by whom, and how it comes off again."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app import audit
from app.approvals import ChangeRequest, SamePerson
from app.campaigns import mall
from app.campaigns.mall import ListedItem, NewItem
from app.errors import Invalid, NotFound, StateConflict
from app.merchants.models import MayBurn
from config.database import now_of
from coupons import presets
from tests.app.checkout.shops import Shop, open_shop
from tests.coupons.makers import make_batch
from tests.factories import make_staff, make_terms, unique


def new_item(session: Session, shop: Shop, **fields: Any) -> NewItem:
    """Return a mug for 500 points, ten in stock, for ten days from yesterday on."""
    now = now_of(session)
    given: dict[str, Any] = {
        "code": unique("I"),
        "title_zh": "马克杯",
        "title_en": "A mug",
        "merchant": shop.merchant.code,
        "points": 500,
        "stock": 10,
        "starts_at": now - timedelta(days=1),
        "ends_at": now + timedelta(days=9),
    }
    return NewItem(**given | fields)


def put_up(session: Session, shop: Shop, **fields: Any) -> ListedItem:
    """Put an item up that one person may."""
    made = mall.put_up(session, new_item(session, shop, **fields), by="system:test", reason="test")
    assert isinstance(made, ListedItem)
    return made


def test_one_person_puts_up_what_moves_few_points_and_it_goes_on_record(session: Session) -> None:
    shop, by = open_shop(session), make_staff(session).public_id
    new = new_item(session, shop, points=100_000, stock=10)

    made = mall.put_up(session, new, by=by, reason="年终")

    assert isinstance(made, ListedItem)
    assert (made.left, made.price_points("basic")) == (10, 100_000)
    row = audit.list_records(session, about=f"mall-item:{new.code}")[0]
    assert (row.action, row.reason) == ("mall.put_up", "年终")
    assert mall.put_up(session, new, by=by, reason="again") == made


def test_above_ten_thousand_yuan_a_second_person_has_to_agree(session: Session) -> None:
    """G1: the stock at the highest price of any tier."""
    shop = open_shop(session)
    one, two = make_staff(session).public_id, make_staff(session).public_id
    new = new_item(session, shop, points=1, tier_points={"basic": 100_001}, stock=10)

    asked = mall.put_up(session, new, by=one, reason="年终")

    assert isinstance(asked, ChangeRequest)
    assert asked.payload["worth_fen"] == 1_000_010
    with pytest.raises(NotFound):
        mall.get_item(session, new.code)
    with pytest.raises(SamePerson):
        mall.approve(session, asked.public_id, by=one)
    assert mall.approve(session, asked.public_id, by=two) == new.starts_at
    assert mall.get_item(session, new.code).price_points("basic") == 100_001


def test_a_proposal_may_be_turned_down(session: Session) -> None:
    shop, by = open_shop(session), make_staff(session).public_id
    new = new_item(session, shop, points=1_000_001, stock=1)
    asked = mall.put_up(session, new, by=by, reason="x")
    assert isinstance(asked, ChangeRequest)

    mall.reject(session, asked.public_id, by=by, reason="太贵")

    with pytest.raises(StateConflict):
        mall.approve(session, asked.public_id, by=make_staff(session).public_id)


@pytest.mark.parametrize(
    "fields",
    [
        {"points": 0},
        {"stock": 0},
        {"per_member": 0},
        {"pick_up_days": 367},
        {"cash_fen": -1},
        {"tier_points": {"gold": 0}},
        {"batch": "B", "cash_fen": 1},
    ],
)
def test_what_makes_no_sense_is_refused(session: Session, fields: dict[str, Any]) -> None:
    shop = open_shop(session)

    with pytest.raises(Invalid):
        new_item(session, shop, **fields)


def test_what_nobody_could_pay_or_be_given_is_refused(session: Session) -> None:
    shop = open_shop(session)
    deaf = open_shop(session, terms=make_terms(may_burn=MayBurn.NONE))
    inner = make_batch(session).code
    pack = make_batch(
        session,
        presets.pack(code=unique("P"), title_zh="券包", title_en="Pack", batches=[inner], total=9),
    )

    for refused in (
        new_item(session, deaf),
        new_item(session, shop, tier_points={"unheard-of": 5}),
        new_item(session, shop, batch=pack.code),
    ):
        with pytest.raises(Invalid):
            mall.put_up(session, refused, by="system:test", reason="test")


def test_a_code_names_one_item_for_ever(session: Session) -> None:
    shop = open_shop(session)
    made = put_up(session, shop)

    with pytest.raises(StateConflict):
        put_up(session, shop, code=made.code, points=499)


def test_an_item_that_was_ended_is_offered_no_more(session: Session) -> None:
    shop = open_shop(session)
    made = put_up(session, shop)

    mall.end(session, made.code, by="system:test", reason="下架")
    mall.end(session, made.code, by="system:test", reason="again")

    offered = mall.list_items(session, offered_at=now_of(session))
    assert made.code not in {each.code for each in offered}
    assert mall.get_item(session, made.code).ended_why == "下架"
