"""A district that agrees what members get without buying."""

from sqlalchemy.orm import Session

from app.points import rewards
from app.points.rewards import Rewards
from tests.app.checkout.shops import Shop


def agree(session: Session, shop: Shop, **terms: object) -> None:
    """Two people agree on rewards at a shop's cost, from now on."""
    wanted = Rewards(issuer=shop.merchant.public_id, **terms)  # type: ignore[arg-type]
    request = rewards.propose(session, wanted, begins=None, by="mei", reason="test")
    rewards.REWARDS.approve(session, request.public_id, by="li")
