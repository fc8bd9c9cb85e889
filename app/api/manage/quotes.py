"""`quotes/try`: what coupons would do to a sale of paper; no row is read or written (C8, C10)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from sqlalchemy.orm import Session

from app.api.auth import ActingStaff, Role, requires
from app.api.edge import writes
from app.api.fields import Document, DoorSchema, Fen, Items, Part, Points, Text, Whole, YesNo
from app.api.manage import manage
from app.api.pos.coupons import CouponUseSchema, LeftOutSchema, RunnerUpSchema, StackProofSchema
from app.checkout import trying
from app.checkout.baskets import LIMIT_COUPONS, LIMIT_LINES, LIMIT_QUANTITY
from app.merchants.staff import Permission
from coupons.reading import LIMIT

# Blanks of every script too: what the schema lets through must be a code to the engine.
_CODE = r"^[^\s,\x00-\x1f\x7f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+$"
_INSTANT = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$"
# What a schema lets through must be good: no rate of nothing, no share above all.
_RATE = r"^[1-9]\d{0,14}(/[1-9]\d{0,14})?$"
_SHARE = r"^(0|1|0\.\d{1,15}|1/[1-9]\d{0,14})$"
_MANY = 500


def _codes(most: int = _MANY) -> Items:
    return Items(Text(most=60, pattern=_CODE), most=most)


class TriedLineSchema(DoorSchema):
    merchant = Text(most=60, pattern=_CODE)
    store = Text(most=60, pattern=_CODE)
    trade = Text(most=60, pattern=_CODE)
    category = Text(most=60, pattern=_CODE)
    sku = Text(most=60, pattern=_CODE)
    quantity = Whole(least=1, most=LIMIT_QUANTITY)
    amount_fen = Fen(required=True)
    burnable = YesNo()


class TriedCouponSchema(DoorSchema):
    template = Document(required=True)
    count = Whole(least=1, most=LIMIT_COUPONS)
    claimed_at = Text(most=40, pattern=_INSTANT)
    value_fen = Fen(least=1, most=LIMIT)


class TriedMemberSchema(DoorSchema):
    tier = Text(most=60, pattern=_CODE)
    segments = _codes()
    first_purchase = YesNo()
    first_at = _codes()
    birthday = Text(most=5, pattern=r"^\d\d-\d\d$")


class TriedPointsSchema(DoorSchema):
    burn_points = Points(required=True, most=LIMIT)
    balance_points = Points(required=True, most=LIMIT)
    point_value_fen = Text(most=40, pattern=_RATE)
    min_unit_points = Points(least=1, most=LIMIT)
    max_share = Text(most=40, pattern=_SHARE)
    day_left_points = Points(most=LIMIT)


class TryQuoteSchema(DoorSchema):
    """The file of `plaza coupons try`, as a body."""

    at = Text(most=40, pattern=_INSTANT, required=True)
    lines = Items(Part(TriedLineSchema), least=1, most=LIMIT_LINES, required=True)
    coupons = Items(Part(TriedCouponSchema), most=LIMIT_COUPONS)
    member = Part(TriedMemberSchema)
    tenders = _codes()
    at_most = Whole(least=1, most=LIMIT_COUPONS)
    best_by = Text(most=10, pattern=r"^(discount|due)$")
    points = Part(TriedPointsSchema)


class TriedShareSchema(DoorSchema):
    line = Whole(required=True)
    discount_fen = Fen(required=True)
    due_fen = Fen(required=True)


class TriedQuoteSchema(DoorSchema):
    total_fen = Fen(required=True)
    discount_fen = Fen(required=True)
    burn_points = Points(required=True)
    burn_fen = Fen(required=True)
    due_fen = Fen(required=True)
    lines = Items(Part(TriedShareSchema), most=LIMIT_LINES, required=True)
    coupons = Items(Part(CouponUseSchema), most=LIMIT_COUPONS, required=True)
    left_out = Items(Part(LeftOutSchema), most=LIMIT_COUPONS, required=True)
    runner_up = Part(RunnerUpSchema, required=True, allow_none=True)
    proof = Part(StackProofSchema, required=True, allow_none=True)
    faults = Items(Text(most=500), most=_MANY, required=True)


@manage.post("/quotes/try")
@requires(Role.STAFF, may=Permission.COUPON_READ)
@writes(TryQuoteSchema, TriedQuoteSchema, status=HTTPStatus.OK, keyed=False)
def try_quote(
    _session: Session, _caller: ActingStaff, asked: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Tell what coupons would do to a sale of paper, without any stored row."""
    return trying.answer(trying.load(asked))
