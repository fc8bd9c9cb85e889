"""C7, G1: which paid orders give a coupon, and who said so."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app import audit
from app.campaigns import pay_gifts
from app.campaigns.pay_gifts import ListedPayGift
from app.errors import Invalid, NotFound, StateConflict
from config.database import now_of
from coupons import presets
from coupons.errors import BadTemplate, NoSuchCoupon
from tests.coupons.makers import make_batch
from tests.factories import unique


def open_gift(session: Session, *, batch: str, least: int = 0, **fields: Any) -> ListedPayGift:
    """Let orders of so many fen give a coupon, for ten days from yesterday on."""
    now = now_of(session)
    conditions = {"threshold": {"min_fen": least}} if least else {}
    given: dict[str, Any] = {
        "code": unique("G"),
        "batch": batch,
        "conditions": conditions,
        "starts_at": now - timedelta(days=1),
        "ends_at": now + timedelta(days=9),
        "by": "system:test",
        "reason": "test",
    }
    return pay_gifts.open_gift(session, **given | fields)


def test_a_gift_goes_on_record_and_the_same_again_changes_nothing(session: Session) -> None:
    batch = make_batch(session).code
    opened = open_gift(session, batch=batch, least=5_000)

    again = open_gift(session, batch=batch, least=5_000, code=opened.code)

    assert again == opened
    assert opened.conditions.threshold.min_fen == 5_000
    (row,) = audit.list_records(session, about=f"pay-gift:{opened.code}")
    assert row.action == "coupon.pay_gift"
    with pytest.raises(StateConflict):
        open_gift(session, batch=batch, least=4_999, code=opened.code)


def test_a_gift_that_was_ended_runs_no_more(session: Session) -> None:
    opened = open_gift(session, batch=make_batch(session).code)
    now = now_of(session)
    assert opened.runs_at(now)

    pay_gifts.end(session, opened.code, by="system:test", reason="够了")
    pay_gifts.end(session, opened.code, by="system:test", reason="again")

    ended = pay_gifts.get_gift(session, opened.code)
    assert (ended.runs_at(now), ended.ended_why) == (False, "够了")
    assert ended.runs_at(now - timedelta(hours=1))  # What was sold before still gives it.
    with pytest.raises(NotFound):
        pay_gifts.end(session, "none", by="system:test", reason="x")


@pytest.mark.parametrize(
    ("conditions", "refusal"),
    [
        ({"who": {"first_purchase": "district"}}, Invalid),
        ({"who": {"birthday": "day"}}, Invalid),
        ({"who": {"segments": ["vip"]}}, Invalid),
        ({"benefit": {"kind": "amount_off", "fen": 5}}, Invalid),
        ({"threshold": {"min_fen": -1}}, BadTemplate),
    ],
)
def test_conditions_that_no_sale_could_look_up_are_refused(
    session: Session, conditions: dict[str, Any], refusal: type[Exception]
) -> None:
    batch = make_batch(session).code

    with pytest.raises(refusal):
        open_gift(session, batch=batch, conditions=conditions)


def test_what_cannot_be_given_is_refused(session: Session) -> None:
    inner = make_batch(session).code
    pack = make_batch(
        session,
        presets.pack(code=unique("P"), title_zh="券包", title_en="Pack", batches=[inner], total=9),
    )

    with pytest.raises(Invalid):
        open_gift(session, batch=pack.code)
    with pytest.raises(Invalid):
        open_gift(session, batch=inner, ends_at=now_of(session) - timedelta(days=2))
    with pytest.raises(NoSuchCoupon):
        open_gift(session, batch="none")
