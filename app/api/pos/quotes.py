"""`quotes`: what a basket costs, may burn and would earn, promised for some minutes (P2)."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from app.api.auth import Role, requires
from app.api.edge import writes
from app.api.fields import (
    DoorSchema,
    Fen,
    Instant,
    Items,
    Part,
    Points,
    PublicId,
    Text,
)
from app.api.pos import pos
from app.api.pos.asking import AskedBasket, BasketSchema, basket, terminal_of
from app.api.pos.coupons import (
    CouponUseSchema,
    LeftOutSchema,
    RunnerUpSchema,
    StackProofSchema,
    count_misses,
    require_patience,
)
from app.api.pos.receipts import ReceiptSchema, receipt
from app.checkout import quotes
from app.checkout.baskets import LIMIT_COUPONS
from app.members.presence import Mode
from app.merchants.directory import ListedStore
from config.database import new_id
from coupons.wallets import MOST

_EARN_ONLY = {
    "code": "earn-only",
    "points": 0,
    "zh": "此识别方式只能积分，用积分请出示支付码",
    "en": "Known so, a member may only earn: the spend code lets points be used",
}


class QuoteBasketSchema(BasketSchema):
    makes = AskedBasket


class LimitSchema(DoorSchema):
    code = Text(most=40, required=True)
    points = Points(required=True)
    zh = Text(most=200, required=True)
    en = Text(most=200, required=True)


class EarnedBySchema(DoorSchema):
    rule = Text(most=40, required=True)
    version = Points(required=True)
    points = Points(required=True)
    base_fen = Fen(required=True)
    factor = Text(most=40, required=True)


class CutSchema(DoorSchema):
    """What a cap left of a rule's points."""

    rule = Text(most=40, required=True)
    version = Points(required=True)
    desired_points = Points(required=True)
    given_points = Points(required=True)
    cap = Text(most=60, required=True)
    zh = Text(most=200, required=True)
    en = Text(most=200, required=True)


class SilentSchema(DoorSchema):
    rule = Text(most=40, required=True)
    why = Text(most=40, required=True)
    zh = Text(most=200, required=True)
    en = Text(most=200, required=True)


class QuoteSchema(DoorSchema):
    quote_id = PublicId("quo", required=True)
    until = Instant(required=True)
    total_fen = Fen(required=True)
    discount_fen = Fen(required=True)
    coupons = Items(Part(CouponUseSchema), most=LIMIT_COUPONS, required=True)
    left_out = Items(Part(LeftOutSchema), most=MOST, required=True)
    runner_up = Part(RunnerUpSchema, required=True, allow_none=True)
    proof = Part(StackProofSchema, required=True, allow_none=True)
    burn_points = Points(required=True)
    burn_fen = Fen(required=True)
    due_fen = Fen(required=True)
    may_burn_points = Points(required=True)
    may_burn_fen = Fen(required=True)
    earn_points = Points(required=True)
    limits = Items(Part(LimitSchema), most=20, required=True)
    earned_by = Items(Part(EarnedBySchema), most=1000, required=True)
    cuts = Items(Part(CutSchema), most=1000, required=True)
    silent = Items(Part(SilentSchema), most=1000, required=True)
    receipt = Part(ReceiptSchema, required=True)


@pos.post("/quotes")
@requires(Role.STORE)
@writes(QuoteBasketSchema, QuoteSchema, keyed=False)
def make_quote(session: Session, store: ListedStore, asked: AskedBasket) -> Mapping[str, Any]:
    """Price a basket, with the reason of every cut and of every rule that gives nothing."""
    require_patience(session, terminal_of(session, store, asked.terminal_id), asked.coupons)
    wanted = basket(session, store, asked, number=new_id("q"))
    if wanted.refusal is not None:
        raise wanted.refusal
    quoted = quotes.quote(session, wanted.basket)
    said = quotes.answer(quoted)
    left_out = [each["coupon_id"] for each in said["left_out"]]
    count_misses(session, wanted.basket.terminal, left_out)
    if wanted.present is not None and wanted.present.mode is Mode.EARN:
        said |= {"may_burn_points": 0, "may_burn_fen": 0, "limits": [_EARN_ONLY]}
    return {
        **said,
        "quote_id": quoted.public_id,
        "until": quoted.until,
        "receipt": receipt(
            session, wanted.basket.member, earned=quoted.earn_points, burned=quoted.burn_points
        ),
    }
