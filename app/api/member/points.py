"""The member's points: what there is and until when, and what moved them and why (X2, X3, U2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import books
from app.api.auth import Role, SignedIn, requires
from app.api.edge import reads
from app.api.errors import Fault, ValidationFailed
from app.api.fields import Day, DoorSchema, Instant, Items, Part, Points, PublicId, Text, YesNo
from app.api.member import member
from app.api.member.paging import LIMIT, Page, PageSchema, read_cursor, write_cursor
from app.api.member.proving import line_of
from app.api.pos.receipts import SignedPoints
from app.checkout.models import Order
from app.clock import business_date
from app.merchants.directory import ListedStore, get_directory
from app.points import statements
from app.points.statements import Movement
from config.database import now_of

USUAL_DAYS = 90
MOST_DAYS = 400

_REASONS = {
    (books.Kind.EARN, True, False): ("消费得积分", "Earned by a purchase"),
    (books.Kind.EARN, True, True): ("新得积分抵还欠分", "Earned, and paid back what was owed"),
    (books.Kind.BURN, False, False): ("积分抵扣", "Paid with points"),
    (books.Kind.REFUND, True, False): ("退款退回积分", "Returned by a refund"),
    (books.Kind.REFUND, False, False): ("退款收回积分", "Taken back by a refund"),
    (books.Kind.REFUND, False, True): ("退款后欠分", "Owed after a refund"),
    (books.Kind.EXPIRE, False, False): ("积分到期", "Points expired"),
    (books.Kind.EXPIRE, True, True): ("到期积分抵还欠分", "Expired, and paid back what was owed"),
    (books.Kind.ACTIVATE, True, False): ("待生效积分已生效", "Pending points became active"),
    (books.Kind.EXTEND, True, False): ("积分延期", "Points last longer"),
    (books.Kind.EXTEND, False, False): ("积分延期", "Points last longer"),
    (books.Kind.ACTIVATE, False, False): ("待生效积分已生效", "Pending points became active"),
    (books.Kind.ADJUST, True, False): ("商圈补发", "Given by the district's staff"),
    (books.Kind.ADJUST, True, True): ("商圈补发，抵还欠分", "Given, and paid back what was owed"),
    (books.Kind.ADJUST, False, False): ("商圈扣回", "Taken by the district's staff"),
    (books.Kind.GIFT, True, False): ("好友赠送", "A gift of another member"),
    (books.Kind.GIFT, False, False): ("赠送好友", "Given to another member"),
    (books.Kind.CHECK_IN, True, False): ("签到", "A check-in"),
    (books.Kind.CHECK_IN, True, True): (
        "签到，抵还欠分",
        "A check-in, and paid back what was owed",
    ),
    (books.Kind.REWARD, False, False): ("积分换购", "Taken from the reward mall"),
    (books.Kind.REWARD_RETURN, True, False): ("换购取消退回积分", "Returned by the reward mall"),
    (books.Kind.REFERRAL, True, False): ("推荐好友奖励", "For a referral"),
    (books.Kind.REFERRAL, False, False): ("推荐奖励收回", "A referral's order went back"),
}
_OTHER = ("积分调整", "Points moved")


class BucketSchema(DoorSchema):
    expires_on = Day(required=True, allow_none=True)
    points = Points(required=True)


class PendingSchema(DoorSchema):
    """Points that may be spent from a day on, or once an event of an order has come."""

    activates_on = Day(required=True, allow_none=True)
    event = Text(most=60, required=True, allow_none=True)
    order_id = PublicId("ord", required=True, allow_none=True, attribute="order")
    expires_on = Day(required=True, allow_none=True)
    points = Points(required=True)


class BalanceSchema(DoorSchema):
    """`buckets` are all expiries, soonest first; null never expires. `pending` is in no other."""

    spendable_points = SignedPoints(required=True)
    held_points = Points(required=True)
    debt_points = Points(required=True)
    buckets = Items(Part(BucketSchema), most=10_000, required=True)
    pending_points = Points(required=True)
    pending = Items(Part(PendingSchema), most=10_000, required=True)


class PlaceSchema(DoorSchema):
    """Where it happened."""

    store = Text(most=120, required=True)
    merchant_zh = Text(most=120, required=True)
    merchant_en = Text(most=120, required=True)


class MovementSchema(DoorSchema):
    """Points in or out of one lot; `issuer` is the merchant whose points they are."""

    occurred_at = Instant(required=True)
    points = SignedPoints(required=True)
    kind = Text(most=20, required=True)
    reason_zh = Text(most=120, required=True)
    reason_en = Text(most=120, required=True)
    issuer = Text(most=120, required=True)
    rules = Items(Text(most=80), most=100, required=True)
    expires_on = Day(required=True, allow_none=True)
    owed = YesNo(required=True)
    order_id = PublicId("ord", required=True, allow_none=True)
    line = Text(most=200, required=True)
    at = Part(PlaceSchema, required=True, allow_none=True)


class StatementSchema(DoorSchema):
    movements = Items(Part(MovementSchema), most=LIMIT, required=True)
    next_cursor = Text(most=200, required=True, allow_none=True)


@dataclass(frozen=True, kw_only=True)
class AskedStatement(Page):
    """What `StatementQuerySchema` loads: a page of the movements booked in [start, end)."""

    start: date | None
    end: date | None


class StatementQuerySchema(PageSchema):
    """`from` and `to` are business days, the second not included; by default the last 90."""

    makes = AskedStatement
    start = Day(data_key="from", load_default=None)
    end = Day(data_key="to", load_default=None)


@member.get("/balance")
@requires(Role.MEMBER)
@reads(BalanceSchema)
def get_balance(session: Session, caller: SignedIn) -> object:
    """Return what may be spent and every day on which something expires."""
    return statements.balance(session, caller.member)


@member.get("/statement")
@requires(Role.MEMBER)
@reads(StatementSchema, query=StatementQuerySchema)
def get_statement(
    session: Session, caller: SignedIn, asked: AskedStatement
) -> Mapping[str, object]:
    """Return each movement of points with merchant, rule and reason, newest first."""
    start, end = _period(session, asked)
    before = read_cursor(session, caller, asked.cursor, of="statement")
    found = statements.movements(
        session,
        caller.member,
        start=start,
        end=end,
        limit=asked.limit + 1,
        before=(before[0], before[1], before[2]) if before else None,
    )
    shown = found[: asked.limit]
    last = shown[-1].place if len(shown) < len(found) else None
    return {
        "movements": movement_views(session, caller, shown),
        "next_cursor": last and write_cursor(session, caller, of="statement", at=last),
    }


def movement_views(
    session: Session, caller: SignedIn, movements: Sequence[Movement]
) -> list[Mapping[str, object]]:
    """Return movements as their member sees them; one round trip if any names an order."""
    places = _places(session, movements)
    return [{**_view(each, places), "line": line_of(session, caller, each)} for each in movements]


def _period(session: Session, asked: AskedStatement) -> tuple[date, date]:
    end = asked.end or business_date(now_of(session)) + timedelta(days=1)
    start = asked.start or end - timedelta(days=USUAL_DAYS)
    if not timedelta() < end - start <= timedelta(days=MOST_DAYS):
        raise ValidationFailed([Fault(pointer="/from", code="out-of-range")])
    return start, end


def _places(session: Session, movements: Sequence[Movement]) -> Mapping[str, ListedStore]:
    """Return order → store."""
    named = {each.order for each in movements if each.order is not None}
    if not named:
        return {}
    rows = session.execute(
        select(Order.public_id, Order.store_id).where(Order.public_id.in_(named))
    )
    stores = get_directory(session).stores
    return {row.public_id: stores[row.store_id] for row in rows}


def _view(movement: Movement, places: Mapping[str, ListedStore]) -> Mapping[str, object]:
    at = places.get(movement.order or "")
    kind = (movement.kind, movement.points > 0, movement.owed)
    zh, en = next((said for known, said in _REASONS.items() if known == kind), _OTHER)
    if movement.reason is not None:
        zh, en = f"{zh}：{movement.reason}", f"{en}: {movement.reason}"
    return {
        **vars(movement),
        "reason_zh": zh,
        "reason_en": en,
        "order_id": movement.order,
        "at": at and {
            "store": at.name,
            "merchant_zh": at.merchant.name_zh,
            "merchant_en": at.merchant.name_en,
        },
    }  # fmt: skip
