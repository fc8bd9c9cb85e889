"""Semantics 42, G1: two people let issued coupons follow a kinder version."""

from typing import Any

import pytest
from sqlalchemy.orm import Session

from app import audit
from app.approvals import SamePerson
from app.campaigns import renewals
from app.errors import NotFound, StateConflict
from coupons import batches, issuing, templates, wallets
from coupons.batches import ListedBatch
from coupons.errors import NotKinder
from tests.coupons.makers import make_batch
from tests.factories import make_staff, unique


def kinder_version(session: Session, batch: ListedBatch) -> None:
    wanted: Any = templates.dump(batch.template)
    wanted["offer"]["benefit"]["fen"] += 100
    batches.add_template(session, templates.load(wanted), by="system:test")


def test_a_renewal_is_proposed_agreed_to_and_done(session: Session) -> None:
    batch, one, two = make_batch(session), make_staff(session), make_staff(session)
    coupon = issuing.claim(session, batch=batch.code, holder=unique("mem_"))[0].coupon
    kinder_version(session, batch)

    asked = renewals.propose(session, batch.code, by=one.public_id, reason="加码")
    with pytest.raises(NotFound):
        renewals.renew_some(session, asked.public_id)
    with pytest.raises(SamePerson):
        renewals.approve(session, asked.public_id, by=one.public_id)
    agreed = renewals.approve(session, asked.public_id, by=two.public_id)
    done = renewals.renew_some(session, asked.public_id)

    assert [(each.field, each.before, each.after) for each in asked.difference()] == [
        ("version", 1, 2), ("offer.benefit.fen", 5_000, 5_100),
    ]  # fmt: skip
    assert done.coupons == 1
    assert wallets.find(session, coupons=[coupon])[0].version == 2
    assert renewals.approve(session, asked.public_id, by=two.public_id) is agreed
    acts = [each.action for each in audit.list_records(session, about=f"coupon-batch:{batch.code}")]
    assert sorted(acts) == ["coupon.renewal_approve", "coupon.renewal_propose"]


def test_one_that_is_turned_down_is_not_done(session: Session) -> None:
    batch, one = make_batch(session), make_staff(session)
    with pytest.raises(NotKinder, match="version"):
        renewals.propose(session, batch.code, by=one.public_id, reason="加码")
    kinder_version(session, batch)
    asked = renewals.propose(session, batch.code, by=one.public_id, reason="加码")

    renewals.reject(session, asked.public_id, by=one.public_id, reason="算错了")

    with pytest.raises(StateConflict):
        renewals.approve(session, asked.public_id, by=make_staff(session).public_id)
    with pytest.raises(NotFound):
        renewals.renew_some(session, asked.public_id)
