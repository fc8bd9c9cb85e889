"""The reward mall: what the district's people put up for points, and how it comes off again (B3).

An item gives a coupon of a batch at once, or goods that a merchant hands out at its tills. What
moves many points waits for a second person, as a dear batch does. Taking one is checkout's.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import approvals, audit
from app.approvals import ChangeRequest
from app.campaigns.coupons import ONE_PERSON_FEN
from app.campaigns.models import MallItem
from app.clock import business_date
from app.errors import Invalid, NotFound, StateConflict
from app.members.tiers import TIERS
from app.merchants.directory import ListedMerchant, get_directory
from app.merchants.models import MayBurn
from app.points.burning import worth_fen
from app.points.policy import LIMIT
from app.points.programme import programme_at
from config.database import new_id, now_of
from coupons import batches
from coupons.models import Batch

KIND = "mall.item"

MOST_STOCK = 1_000_000
MOST_EACH = 10_000
MOST_DAYS = 366


@dataclass(frozen=True, kw_only=True)
class NewItem:
    """What is put up: `merchant` (its code) is paid for it, `batch` is of the coupon it gives.

    Without a batch it is goods: `cash_fen` are paid at the till beside the points, and they wait
    there for `pick_up_days`, today not counted. `tier_points` are the prices of single tiers.
    """

    code: str
    title_zh: str
    title_en: str
    merchant: str
    points: int
    stock: int
    starts_at: datetime
    ends_at: datetime
    batch: str | None = None
    tier_points: Mapping[str, int] = field(default_factory=dict)
    cash_fen: int = 0
    per_member: int = 1
    pick_up_days: int = 30

    def __post_init__(self) -> None:
        for name, most in (("points", LIMIT), ("stock", MOST_STOCK), ("per_member", MOST_EACH),
                           ("pick_up_days", MOST_DAYS)):  # fmt: skip
            _within(name, getattr(self, name), least=1, most=most)
        for tier, points in self.tier_points.items():
            _within(f"tier_points.{tier}", points, least=1, most=LIMIT)
        _within("cash_fen", self.cash_fen, least=0, most=LIMIT)
        if self.batch is not None and self.cash_fen:
            raise Invalid("cash_fen", "券不在收银机领取，不能另收现金", "a coupon takes no cash")
        if self.starts_at >= self.ends_at:
            raise Invalid("ends_at", "须晚于开始", "comes after its beginning")

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON fields, for a request that waits."""
        written = asdict(self) | {"tier_points": dict(self.tier_points)}
        return written | {name: written[name].isoformat() for name in ("starts_at", "ends_at")}

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> "NewItem":
        """Return what `to_json` wrote."""
        instants = {
            name: datetime.fromisoformat(written[name]) for name in ("starts_at", "ends_at")
        }
        return cls(**{**written, **instants})


@dataclass(frozen=True, kw_only=True)
class ListedItem:
    """An item as it stands; `left` of it may still be taken."""

    id: int
    public_id: str
    code: str
    title_zh: str
    title_en: str
    merchant: ListedMerchant
    batch: str | None
    points: int
    tier_points: Mapping[str, int]
    cash_fen: int
    stock: int
    left: int
    per_member: int
    pick_up_days: int
    starts_at: datetime
    ends_at: datetime
    ended_at: datetime | None
    ended_why: str | None

    def price_points(self, tier: str) -> int:
        """Return what it costs a member of a tier."""
        return self.tier_points.get(tier, self.points)


def put_up(session: Session, new: NewItem, *, by: str, reason: str) -> ListedItem | ChangeRequest:
    """Put an item up, or ask a second person to; the same again answers with what is there.

    One person is enough while all of the stock at its highest price is worth ¥10,000 at most.

    Raises:
        Invalid: a tier that the district has not, a pack, or a merchant that takes no points.
        NotFound, NoSuchCoupon: no such merchant or batch.
        Leaving: the merchant leaves.
        StateConflict: the code is another item's.
    """
    new = _checked(session, new)
    highest = max(new.points, *new.tier_points.values(), 0)
    rate = programme_at(session, now_of(session)).point_value_fen
    worth = worth_fen(highest * new.stock, point_value_fen=rate)
    if worth <= ONE_PERSON_FEN:
        return _put_up(session, new, by=by, reason=reason)
    payload = {**new.to_json(), "worth_fen": worth}
    request = approvals.propose(
        session, kind=KIND, subject=new.code, payload=payload, by=by, reason=audit.masked(reason)
    )
    audit.record(
        session,
        actor=by,
        action="mall.propose",
        object=f"mall-item:{new.code}",
        after=payload,
        reason=reason,
    )
    return request


def approve(session: Session, request: str, *, by: str) -> datetime:
    """Put up what was asked for, as the second person; return from when on it may be taken.

    Raises:
        NotFound, SamePerson, StateConflict: as `approvals.approve`.
        As `put_up`.
    """
    agreed = approvals.approve(session, request, kind=KIND, by=by)
    said = {name: value for name, value in agreed.payload.items() if name != "worth_fen"}
    new = _checked(session, NewItem.from_json(said))
    return _put_up(session, new, by=by, reason=agreed.reason).starts_at


def reject(session: Session, request: str, *, by: str, reason: str) -> None:
    """Turn an item down, or withdraw one's own.

    Raises:
        NotFound, StateConflict: as `approvals.reject`.
    """
    rejected = approvals.reject(session, request, kind=KIND, by=by)
    audit.record(
        session,
        actor=by,
        action="mall.reject",
        object=f"mall-item:{rejected.subject}",
        reason=reason,
    )


def end(session: Session, code: str, *, by: str, reason: str) -> None:
    """Let an item be taken no more; what was taken stays so. Again: nothing changes.

    Raises:
        NotFound: no such item.
    """
    row = session.scalar(
        select(MallItem)
        .where(MallItem.code == code)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise NotFound("mall-item", code)
    if row.ended_at is not None:
        return
    row.ended_at, row.ended_why = now_of(session), audit.masked(reason)
    audit.record(session, actor=by, action="mall.end", object=f"mall-item:{code}", reason=reason)
    session.flush()


def get_item(session: Session, code: str) -> ListedItem:
    """Return an item by its code, as it stands now.

    Raises:
        NotFound: no such item.
    """
    found = _read(session, MallItem.code == code)
    if not found:
        raise NotFound("mall-item", code)
    return found[0]


def list_items(
    session: Session, *, offered_at: datetime | None = None, limit: int = 1_000,
    before: int | None = None,
) -> list[ListedItem]:  # fmt: skip
    """Return items, newest first; `offered_at`: those that may be taken then or begin later."""
    wanted = []
    if offered_at is not None:
        wanted = [MallItem.ended_at.is_(None), MallItem.ends_at > offered_at]
    if before is not None:
        wanted.append(MallItem.id < before)
    return _read(session, *wanted, limit=limit)


def _checked(session: Session, new: NewItem) -> NewItem:
    """Return what may be put up, its merchant named by the code."""
    merchant = get_directory(session).get_merchant(new.merchant)
    merchant.require_staying()
    if merchant.terms_at(business_date(now_of(session))).may_burn is MayBurn.NONE:
        raise Invalid("merchant", "该商户不接受积分", "this merchant takes no points")
    tiers = {tier.code for tier in TIERS.at(session, now_of(session)).tiers}
    unknown = sorted(set(new.tier_points) - tiers)
    if unknown:
        raise Invalid("tier_points", f"没有等级 {unknown[0]}", f"there is no tier {unknown[0]}")
    if new.batch is not None and batches.get_batch(session, new.batch).parts:
        raise Invalid("batch", "券包不能放入商城", "a pack cannot be put up")
    return replace(new, merchant=merchant.code)


def _put_up(session: Session, new: NewItem, *, by: str, reason: str) -> ListedItem:
    known = _read(session, MallItem.code == new.code)
    if known:
        if _said(known[0]) != new:
            raise StateConflict(
                "mall-item", new.code, "taken", "编号已用于另一商品", "the code is another item's"
            )
        return known[0]
    directory = get_directory(session)
    session.add(
        MallItem(
            public_id=new_id("mal"),
            code=new.code,
            title_zh=new.title_zh,
            title_en=new.title_en,
            merchant_id=directory.get_merchant(new.merchant).id,
            batch_id=None if new.batch is None else batches.get_batch(session, new.batch).id,
            points=new.points,
            tier_points=dict(new.tier_points),
            cash_fen=new.cash_fen,
            stock=new.stock,
            per_member=new.per_member,
            pick_up_days=new.pick_up_days,
            starts_at=new.starts_at,
            ends_at=new.ends_at,
            put_up_by=by,
            put_up_at=now_of(session),
        )
    )
    audit.record(
        session,
        actor=by,
        action="mall.put_up",
        object=f"mall-item:{new.code}",
        after=new.to_json(),
        reason=reason,
    )
    session.flush()
    return get_item(session, new.code)


def _said(item: ListedItem) -> NewItem:
    """Return what an item says for ever."""
    same = [each.name for each in fields(NewItem) if each.name != "merchant"]
    return NewItem(**{name: getattr(item, name) for name in same}, merchant=item.merchant.code)


def _read(session: Session, *wanted: Any, limit: int = 1) -> list[ListedItem]:
    merchants = get_directory(session).merchants
    rows = session.execute(
        select(*_COLUMNS)
        .outerjoin(Batch, Batch.id == MallItem.batch_id)
        .where(*wanted)
        .order_by(MallItem.id.desc())
        .limit(limit)
    )
    return [
        ListedItem(
            **{name: value for name, value in row._mapping.items() if name != "merchant_id"},
            merchant=merchants[row.merchant_id],
        )
        for row in rows
    ]


def _within(name: str, number: int, *, least: int, most: int) -> None:
    if not least <= number <= most:
        raise Invalid(name, f"须在 {least} 到 {most} 之间", f"from {least} to {most}")


_COLUMNS = (
    *(getattr(MallItem, name) for name in (
        "id", "public_id", "code", "title_zh", "title_en", "merchant_id", "points", "tier_points",
        "cash_fen", "stock", "per_member", "pick_up_days", "starts_at", "ends_at", "ended_at",
        "ended_why",
    )),
    (MallItem.stock - MallItem.taken).label("left"),
    Batch.code.label("batch"),
)  # fmt: skip
