"""The receipt of every answer: coupons, points earned, burned, left, next to expire, to print."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy.orm import Session

from app.api.fields import Day, DoorSchema, Items, Part, Text, Whole
from app.checkout.baskets import LIMIT_COUPONS
from app.checkout.discounts import NO_COUPONS, Stack
from app.checkout.gifts import Gift
from app.members.identification import KnownMember
from app.points import statements
from app.points.statements import Balance
from coupons.conditions import yuan

_LINE = 100
_MOST_GIFTS = 2


@dataclass(frozen=True, kw_only=True)
class Expiry:
    """Points that are the next to expire, and their last day."""

    points: int
    on: date


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What is printed about points. A refund has `earned` and `burned` below zero."""

    earned_points: int
    burned_points: int
    balance_points: int | None
    next_expiry: Expiry | None
    zh: Sequence[str]
    en: Sequence[str]


class SignedPoints(Whole):
    """A number of points that may be below zero."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(least=-(2**53) + 1, **kwargs)


class ExpirySchema(DoorSchema):
    points = SignedPoints(required=True)
    on = Day(required=True)


class ReceiptSchema(DoorSchema):
    earned_points = SignedPoints(required=True)
    burned_points = SignedPoints(required=True)
    balance_points = SignedPoints(required=True, allow_none=True)
    next_expiry = Part(ExpirySchema, required=True, allow_none=True)
    zh = Items(Text(most=_LINE), most=8 + LIMIT_COUPONS, required=True)
    en = Items(Text(most=_LINE), most=8 + LIMIT_COUPONS, required=True)


def receipt(
    session: Session,
    member: KnownMember | None,
    *,
    earned: int,
    burned: int,
    stack: Stack = NO_COUPONS,
    gifts: Sequence[Gift] = (),
) -> Receipt:
    """Return the receipt of what was just done; one round trip if there is a member.

    Coupons come first, each with what it takes off; then points; then the coupons that are given.
    """
    coupons_zh = [f"用券 {use.zh} -{yuan(use.fen)}" for use in stack.uses]
    coupons_en = [f"Coupon {use.en} -{yuan(use.fen)}" for use in stack.uses]
    if member is None:
        return Receipt(
            earned_points=0, burned_points=0, balance_points=None, next_expiry=None,
            zh=[*coupons_zh, "未识别会员，不积分"], en=[*coupons_en, "No member, no points"],
        )  # fmt: skip
    balance = statements.balance(session, member)
    soonest = next((each for each in balance.buckets if each.expires_on is not None), None)
    expiry = None
    if soonest is not None and soonest.expires_on is not None:
        expiry = Expiry(points=soonest.points, on=soonest.expires_on)
    zh, en = _lines(earned, burned, balance, expiry)
    given = [each for each in gifts if each.coupon is not None][:_MOST_GIFTS]
    zh += [f"赠券：{each.zh}" for each in given]
    en += [f"A coupon for you: {each.en}" for each in given]
    return Receipt(
        earned_points=earned,
        burned_points=burned,
        balance_points=balance.spendable_points,
        next_expiry=expiry,
        zh=[*coupons_zh, *zh],
        en=[*coupons_en, *en],
    )


def _lines(
    earned: int, burned: int, balance: Balance, expiry: Expiry | None
) -> tuple[list[str], list[str]]:
    said = [
        (earned > 0, f"获得积分 {earned:,}", f"Points earned {earned:,}"),
        (earned < 0, f"收回积分 {-earned:,}", f"Points taken back {-earned:,}"),
        (burned > 0, f"抵扣积分 {burned:,}", f"Points burned {burned:,}"),
        (burned < 0, f"退回积分 {-burned:,}", f"Points returned {-burned:,}"),
        (True, f"积分余额 {balance.spendable_points:,}",
         f"Points balance {balance.spendable_points:,}"),
    ]  # fmt: skip
    said += _waiting(balance)
    if expiry is not None:
        said.append(
            (True, f"{expiry.points:,} 积分 {expiry.on} 到期",
             f"{expiry.points:,} points expire on {expiry.on}")
        )  # fmt: skip
    return [zh for shown, zh, _ in said if shown], [en for shown, _, en in said if shown]


def _waiting(balance: Balance) -> list[tuple[bool, str, str]]:
    """Return one line of what is pending: the soonest day, if a day is known."""
    if not balance.pending:
        return []
    points, on = balance.pending_points, balance.pending[0].activates_on
    if on is None:
        return [(True, f"待生效积分 {points:,}", f"Points pending {points:,}")]
    return [(True, f"待生效积分 {points:,}，{on} 起生效", f"Points pending {points:,}, from {on}")]
