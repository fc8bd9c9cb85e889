"""`mall`: what points buy, why not yet, and what the member took (B3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from sqlalchemy.orm import Session

from app.api import limits
from app.api.auth import Role, SignedIn, requires
from app.api.edge import reads, writes
from app.api.fields import (
    Code,
    DoorSchema,
    Fen,
    Instant,
    Items,
    Part,
    Points,
    PublicId,
    Text,
    Whole,
    YesNo,
)
from app.api.member import member
from app.api.member.offers import WhyNotSchema
from app.api.member.paging import LIMIT, Page, PageSchema, read_cursor, write_cursor
from app.api.member.sessions import NothingSchema
from app.checkout import takings
from app.checkout.takings import Offered, Taken


class MallItemSchema(DoorSchema):
    """`points` is the price of the member's tier; `gives` a coupon at once, or goods."""

    item = Text(most=40, required=True)
    zh = Text(most=120, required=True)
    en = Text(most=120, required=True)
    gives = Text(most=10, required=True)
    batch = Text(most=40, required=True, allow_none=True)
    merchant_zh = Text(most=120, required=True)
    merchant_en = Text(most=120, required=True)
    points = Points(required=True)
    cash_fen = Fen(required=True)
    left = Whole(required=True)
    per_member = Whole(required=True)
    taken = Whole(required=True)
    pick_up_days = Whole(required=True)
    starts_at = Instant(required=True)
    ends_at = Instant(required=True)
    takeable = YesNo(required=True)
    why_not = Items(Part(WhyNotSchema), most=10, required=True)


class MallSchema(DoorSchema):
    items = Items(Part(MallItemSchema), most=LIMIT, required=True)
    next_cursor = Text(most=200, required=True, allow_none=True)


class MallQuerySchema(PageSchema):
    makes = Page


@dataclass(frozen=True, kw_only=True)
class AskedTaking:
    """What `TakeItemSchema` loads; `points` is the price that the member was shown."""

    item: str
    points: int


class TakeItemSchema(DoorSchema):
    makes = AskedTaking
    item = Code(required=True)
    points = Points(required=True, least=1)


class TakingSchema(DoorSchema):
    """A taking; goods wait to be picked up until `until`."""

    taking_id = PublicId("tak", required=True)
    item = Text(most=40, required=True)
    zh = Text(most=120, required=True)
    en = Text(most=120, required=True)
    merchant_zh = Text(most=120, required=True)
    merchant_en = Text(most=120, required=True)
    state = Text(most=20, required=True)
    points = Points(required=True)
    cash_fen = Fen(required=True)
    coupon_id = PublicId("cpn", required=True, allow_none=True)
    order_id = PublicId("ord", required=True, allow_none=True)
    until = Instant(required=True)
    taken_at = Instant(required=True)
    ended_at = Instant(required=True, allow_none=True)


class TakingsSchema(DoorSchema):
    takings = Items(Part(TakingSchema), most=LIMIT, required=True)
    next_cursor = Text(most=200, required=True, allow_none=True)


class PickUpCodeSchema(DoorSchema):
    code = Text(most=64, required=True)


@member.get("/mall")
@requires(Role.MEMBER)
@reads(MallSchema, query=MallQuerySchema)
def list_mall(session: Session, caller: SignedIn, asked: Page) -> Mapping[str, Any]:
    """Return what the mall offers, newest first, each with why the member cannot take it now."""
    before = read_cursor(session, caller, asked.cursor, of="mall")
    found = takings.list_offered(
        session, caller.member, limit=asked.limit + 1, before=before[0] if before else None
    )
    shown = found[: asked.limit]
    last = (shown[-1].item.id,) if len(shown) < len(found) else None
    return {
        "items": [_item_view(each) for each in shown],
        "next_cursor": last and write_cursor(session, caller, of="mall", at=last),
    }


@member.post("/mall/takings")
@requires(Role.MEMBER, limit=limits.CLAIMS)
@writes(TakeItemSchema, TakingSchema)
def take_item(session: Session, caller: SignedIn, asked: AskedTaking) -> Mapping[str, Any]:
    """Take one of an item for its points; a coupon is given at once, goods wait for their code."""
    return taking_view(takings.take(session, caller.member, item=asked.item, points=asked.points))


@member.get("/mall/takings")
@requires(Role.MEMBER)
@reads(TakingsSchema, query=MallQuerySchema)
def list_takings(session: Session, caller: SignedIn, asked: Page) -> Mapping[str, Any]:
    """Return what the member took, newest first."""
    before = read_cursor(session, caller, asked.cursor, of="takings")
    found = takings.list_own(
        session, caller.member, limit=asked.limit + 1, before=before[0] if before else None
    )
    shown = found[: asked.limit]
    last = (shown[-1].id,) if len(shown) < len(found) else None
    return {
        "takings": [taking_view(each) for each in shown],
        "next_cursor": last and write_cursor(session, caller, of="takings", at=last),
    }


@member.get("/mall/takings/<public_id:taking_id>")
@requires(Role.MEMBER)
@reads(TakingSchema)
def get_taking(session: Session, caller: SignedIn, taking_id: str) -> Mapping[str, Any]:
    """Return a taking of the member."""
    return taking_view(takings.get_own(session, caller.member, taking_id))


@member.get("/mall/takings/<public_id:taking_id>/code")
@requires(Role.MEMBER)
@reads(PickUpCodeSchema)
def show_pick_up_code(session: Session, caller: SignedIn, taking_id: str) -> Mapping[str, str]:
    """Return the code to show at a till of the merchant, while the goods wait."""
    return {"code": takings.show_code(session, caller.member, taking_id)}


@member.post("/mall/takings/<public_id:taking_id>/cancellation")
@requires(Role.MEMBER)
@writes(NothingSchema, TakingSchema, status=HTTPStatus.OK)
def cancel_taking(
    session: Session, caller: SignedIn, _: object, taking_id: str
) -> Mapping[str, Any]:
    """Give up goods that wait; the points return to where they came from."""
    return taking_view(takings.cancel(session, caller.member, taking=taking_id))


def taking_view(taken: Taken) -> Mapping[str, Any]:
    """Return a taking as its member sees it."""
    return {
        **vars(taken),
        "taking_id": taken.public_id,
        "zh": taken.title_zh,
        "en": taken.title_en,
        "merchant_zh": taken.merchant.name_zh,
        "merchant_en": taken.merchant.name_en,
        "coupon_id": taken.coupon,
        "order_id": taken.order,
    }


def _item_view(offered: Offered) -> Mapping[str, Any]:
    item = offered.item
    return {
        **vars(item),
        "item": item.code,
        "zh": item.title_zh,
        "en": item.title_en,
        "gives": "goods" if item.batch is None else "coupon",
        "merchant_zh": item.merchant.name_zh,
        "merchant_en": item.merchant.name_en,
        "points": offered.points,
        "taken": offered.taken,
        "takeable": not offered.why_not,
        "why_not": [
            {"code": code, "zh": _WHY_NOT[code][0], "en": _WHY_NOT[code][1]}
            for code in offered.why_not
        ],
    }


_WHY_NOT = {
    "not-yet": ("尚未开始", "it has not begun"),
    "over": ("已结束", "it is over"),
    "sold-out": ("已换完", "there is no more"),
    "frozen": ("商户暂停服务", "its merchant is not serving now"),
    "limit": ("已达换购上限", "nobody may have more"),
    "too-few-points": ("积分不足", "too few points"),
}
