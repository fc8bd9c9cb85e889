"""`mall`: goods that members took for points, handed out at a till by their code (B3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from sqlalchemy.orm import Session

from app.api import guessing, limits
from app.api.auth import Role, requires
from app.api.edge import Refused, writes
from app.api.fields import DoorSchema, Fen, Instant, Items, Part, PublicId, Text, YesNo
from app.api.pos import pos
from app.api.pos.asking import LIMIT_TENDERS, TenderSchema, TillSchema, terminal_of
from app.checkout import pick_ups
from app.checkout.baskets import Tender
from app.checkout.pick_ups import Found
from app.clock import server_now
from app.errors import NotFound
from app.members.sealing import coupon_keys
from app.merchants.directory import ListedStore
from coupons import codes


@dataclass(frozen=True, kw_only=True)
class AskedReward:
    """What `LookUpRewardSchema` loads."""

    terminal_id: str
    cashier_id: str
    code: str


class LookUpRewardSchema(TillSchema):
    makes = AskedReward
    code = Text(most=64, required=True)


@dataclass(frozen=True, kw_only=True)
class AskedPickUp(AskedReward):
    """What `PickUpRewardSchema` loads; `number` and `tenders` are of the cash part."""

    number: str | None
    tenders: Sequence[Tender]


class PickUpRewardSchema(TillSchema):
    makes = AskedPickUp
    code = Text(most=64, required=True)
    number = Text(most=64, load_default=None)
    tenders = Items(Part(TenderSchema), most=LIMIT_TENDERS, load_default=list)


class RewardSchema(DoorSchema):
    """What a code stands for; `repeated`: it was picked up here before, at `picked_up_at`.

    `order_id` is the sale of the cash part.
    """

    taking_id = PublicId("tak", required=True)
    item = Text(most=40, required=True)
    zh = Text(most=120, required=True)
    en = Text(most=120, required=True)
    state = Text(most=20, required=True)
    cash_fen = Fen(required=True)
    until = Instant(required=True)
    picked_up_at = Instant(required=True, allow_none=True)
    repeated = YesNo(required=True)
    order_id = PublicId("ord", required=True, allow_none=True)


@pos.post("/mall/look-up")
@requires(Role.STORE, limit=limits.IDENTIFY)
@writes(LookUpRewardSchema, RewardSchema, status=HTTPStatus.OK, keyed=False)
def look_up_reward(session: Session, store: ListedStore, asked: AskedReward) -> object:
    """Return what waits by a code, and what is to be paid with it; nothing moves."""
    terminal = terminal_of(session, store, asked.terminal_id)
    guessing.require_patience(session, terminal.public_id, now=server_now(session))
    index = codes.index_of(coupon_keys(session), codes.normal(asked.code))
    try:
        return _view(pick_ups.look_up(session, terminal, index=index))
    except NotFound as unknown:
        guessing.count_miss(session, terminal.public_id, now=server_now(session))
        return Refused(error=unknown)


@pos.post("/mall/pick-ups")
@requires(Role.STORE, limit=limits.IDENTIFY)
@writes(PickUpRewardSchema, RewardSchema, status=HTTPStatus.OK, keyed=False)
def pick_up_reward(session: Session, store: ListedStore, asked: AskedPickUp) -> object:
    """Hand out what waits by a code, once, against its cash part; sent again it is told so."""
    terminal = terminal_of(session, store, asked.terminal_id)
    guessing.require_patience(session, terminal.public_id, now=server_now(session))
    index = codes.index_of(coupon_keys(session), codes.normal(asked.code))
    try:
        found = pick_ups.look_up(session, terminal, index=index)
    except NotFound as unknown:
        guessing.count_miss(session, terminal.public_id, now=server_now(session))
        return Refused(error=unknown)
    if not found.repeated:
        found = pick_ups.pick_up(
            session,
            terminal,
            index=index,
            number=asked.number,
            tenders=asked.tenders,
            cashier=asked.cashier_id,
        )
    return _view(found)


def _view(found: Found) -> Mapping[str, Any]:
    taken = found.taken
    return {
        **vars(taken),
        "taking_id": taken.public_id,
        "zh": taken.title_zh,
        "en": taken.title_en,
        "picked_up_at": taken.ended_at,
        "repeated": found.repeated,
        "order_id": taken.order,
    }
