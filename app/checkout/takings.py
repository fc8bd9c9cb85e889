"""Taking what the reward mall offers, and giving it up before the pick-up (B3, B5; semantics 3, 8).

Points leave the lots in the order of a burn and go to the merchant that gives the goods. Given up,
they return to the same lots, and the stock has it back. `app/checkout/mall.sql` guards both.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, LiteralString

from sqlalchemy import ColumnElement, Select, func, select, text
from sqlalchemy.orm import Session

import ledger
from app import outbox
from app.books import Kind, rates
from app.campaigns import coupon_news, mall
from app.campaigns.mall import ListedItem
from app.campaigns.models import MallItem
from app.checkout.errors import PriceChanged, RewardLimit, RewardNotOffered, RewardSoldOut
from app.checkout.models import MallTaking, Order, TakingState
from app.clock import business_date, day_start
from app.errors import NotFound, StateConflict
from app.members.identification import KnownMember, get_by_id, same_person
from app.members.sealing import coupon_keys
from app.merchants.directory import ListedMerchant, get_directory
from app.merchants.errors import Frozen
from app.merchants.models import MayBurn, MerchantStatus
from app.outbox import News
from app.points import burns, lots, statements
from app.points.burns import Borne, GivenBack
from app.points.errors import InsufficientPoints
from app.points.lots import HeldLot, Wallet
from app.points.merging import heirs
from app.points.programme import programme_at
from config.database import fetch, new_id, now_of
from coupons import codes, issuing
from coupons.errors import ClaimLimit
from coupons.issuing import Verdict
from coupons.models import Coupon
from ledger import Journal

#: Takings that one run of the clock gives up.
AT_ONCE = 50

LIVE = (TakingState.WAITING, TakingState.GIVEN, TakingState.PICKED_UP)


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A taking as its member sees it: goods wait until `until`, half-open."""

    id: int
    public_id: str
    item: str
    title_zh: str
    title_en: str
    merchant: ListedMerchant
    state: TakingState
    points: int
    cash_fen: int
    coupon: str | None
    order: str | None
    until: datetime
    taken_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Offered:
    """An item as a member sees it: its price for his tier, and why he cannot take it, if so."""

    item: ListedItem
    points: int
    taken: int
    why_not: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class _Back:
    """A taking that is given up, worked out under lock."""

    taking: MallTaking
    member: KnownMember
    given: GivenBack


def take(session: Session, member: KnownMember, *, item: str, points: int) -> Taken:
    """Take one of an item for the price that the member was shown.

    Locks the wallet, the batch of a coupon, then the item's stock; posts once. The caller keeps a
    repeat from taking twice, by its idempotency key.

    Raises:
        NotFound: no such item.
        RewardNotOffered: it has not begun, or is over.
        RewardSoldOut, RewardLimit: no more of it, in all or for this member.
        SoldOut, ClaimLimit, NotYet, Over: the coupon's batch gives none.
        PriceChanged: it costs him another number of points now.
        InsufficientPoints: he has fewer that may be spent with this merchant.
        MemberNotActive, Frozen: as they say.
    """
    offered = mall.get_item(session, item)
    now = now_of(session)
    _refuse_stopped(offered, next(_stopped(offered, now), None))
    wallet = lots.lock(session, member, day=business_date(now))
    wallet.member.require_active()
    price = offered.price_points(wallet.member.tier)
    if points != price:
        raise PriceChanged(item, price)
    parts = _parts(wallet, offered.merchant, price)
    public_id = new_id("tak")
    coupon = None
    if offered.batch is not None:
        coupon = _give_coupon(session, offered.batch, wallet.member, public_id)
    _write(session, offered, wallet.member, public_id, price=price, parts=parts, coupon=coupon)
    spent = {(offered.merchant.id, lot): part for lot, part in parts}
    journal = Journal(
        key=f"{public_id}:reward",
        kind=Kind.REWARD,
        occurred_at=now,
        postings=burns.spend(spent, get_directory(session)),
        details={"taking": public_id, "item": item},
    )
    ledger.post(session, [journal])
    taken = get_own(session, member, public_id)
    news = [_news("mall.taken", taken, wallet.member)]
    if offered.batch is not None and coupon is not None:
        holder = wallet.member.public_id
        news.append(coupon_news.granted(coupon, batch=offered.batch, holder=holder, by=public_id))
    outbox.add_many(session, news)
    return taken


def cancel(session: Session, member: KnownMember, *, taking: str) -> Taken:
    """Give up what waits to be picked up: points to their lots, one more to the stock.

    Cancelled again it is told again. Locks the taking, the wallet, then the stock; posts once.

    Raises:
        NotFound: the member has taken no such thing.
        StateConflict: it is a coupon, was picked up, or its days are over.
    """
    row = get_locked(session, get_own(session, member, taking).id)
    if row.state == TakingState.WAITING:
        _give_up(session, [row], TakingState.CANCELLED)
    elif row.state != TakingState.CANCELLED:
        raise StateConflict(
            "mall-taking", taking, row.state, "已领取或已结束，不能取消",
            "it was given or has ended: it cannot be given up",
        )  # fmt: skip
    return get_own(session, member, taking)


def lapse_due(session: Session) -> int:
    """Give up what was not picked up in its days; return how many. Run again it goes on.

    One of a member in a run, fifty at most. Takings that somebody is at wait for the next one.
    """
    rows = fetch(session, _DUE, {"now": now_of(session), "most": AT_ONCE})
    due = session.scalars(_fresh([row.id for row in rows]).order_by(MallTaking.id))
    first: dict[int, MallTaking] = {}
    for taking in due.all():
        first.setdefault(get_by_id(session, taking.member_id).id, taking)
    _give_up(session, list(first.values()), TakingState.LAPSED)
    return len(first)


def list_offered(
    session: Session, member: KnownMember, *, limit: int, before: int | None = None
) -> list[Offered]:
    """Return what the mall offers a member, newest first, each with why he cannot take it."""
    now = now_of(session)
    items = mall.list_items(session, offered_at=now, limit=limit, before=before)
    taken: dict[int, int] = {}
    for item_id, number in session.execute(
        select(MallTaking.item_id, func.count())
        .where(
            MallTaking.item_id.in_([item.id for item in items]),
            MallTaking.member_id.in_(same_person(member.id)),
            MallTaking.state.in_(LIVE),
        )
        .group_by(MallTaking.item_id)
    ):
        taken[item_id] = number
    spendable = statements.balance(session, member).spendable_points
    return [
        Offered(
            item=item,
            points=item.price_points(member.tier),
            taken=taken.get(item.id, 0),
            why_not=list(
                _why_not(item, member, taken=taken.get(item.id, 0), spendable=spendable, now=now)
            ),
        )
        for item in items
    ]


def list_own(
    session: Session, member: KnownMember, *, limit: int, before: int | None = None
) -> list[Taken]:
    """Return what a member took, newest first; `before` ended the page before."""
    wanted: list[ColumnElement[bool]] = [MallTaking.member_id.in_(same_person(member.id))]
    if before is not None:
        wanted.append(MallTaking.id < before)
    return _read(session, *wanted, limit=limit)


def get_own(session: Session, member: KnownMember, public_id: str) -> Taken:
    """Return a taking of the member.

    Raises:
        NotFound: he has taken no such thing.
    """
    own = MallTaking.member_id.in_(same_person(member.id))
    found = _read(session, MallTaking.public_id == public_id, own)
    if not found:
        raise NotFound("mall-taking", public_id)
    return found[0]


def get_by_key(session: Session, key: int) -> Taken:
    """Return the taking of a row."""
    return _read(session, MallTaking.id == key)[0]


def get_locked(session: Session, key: int) -> MallTaking:
    """Return the row of a taking under lock until the transaction ends."""
    fetch(session, "SELECT mall_lock(CAST(%(keys)s AS bigint[]))", {"keys": [key]})
    return session.scalars(_fresh([key])).one()


def show_code(session: Session, member: KnownMember, public_id: str) -> str:
    """Return the pick-up code of what waits for the member.

    Raises:
        NotFound: nothing of his waits by this id.
    """
    row = session.execute(
        select(MallTaking.code_index, MallTaking.sealed_code).where(
            MallTaking.public_id == public_id,
            MallTaking.member_id.in_(same_person(member.id)),
            MallTaking.state == TakingState.WAITING,
        )
    ).one_or_none()
    if row is None:
        raise NotFound("mall-taking", public_id)
    keys = coupon_keys(session)
    return codes.open_seal(keys, row.sealed_code, place=row.code_index).decode()


def _stopped(item: ListedItem, now: datetime) -> Iterator[str]:
    """Return why nobody can take an item now."""
    if item.ended_at is not None or now >= item.ends_at:
        yield "over"
    if now < item.starts_at:
        yield "not-yet"
    if item.left < 1:
        yield "sold-out"
    if item.merchant.status in (MerchantStatus.FROZEN, MerchantStatus.EXITED):
        yield "frozen"


def _why_not(
    item: ListedItem, member: KnownMember, *, taken: int, spendable: int, now: datetime
) -> Iterator[str]:
    yield from _stopped(item, now)
    if taken >= item.per_member:
        yield "limit"
    if spendable < item.price_points(member.tier):
        yield "too-few-points"


def _refuse_stopped(item: ListedItem, why: str | None) -> None:
    match why:
        case None | "taken":
            return
        case "sold-out":
            raise RewardSoldOut(item.code)
        case "limit":
            raise RewardLimit(item.code)
        case "frozen":
            raise Frozen("merchant", item.merchant.code, item.merchant.status)
        case _:
            raise RewardNotOffered(item.code, why)


def _parts(wallet: Wallet, merchant: ListedMerchant, points: int) -> list[tuple[int, int]]:
    """Return (lot, points) that pay a merchant, in the order of a burn (B4)."""
    day = business_date(wallet.now)
    may = merchant.terms_at(day).may_burn
    usable: Sequence[HeldLot] = []
    if may is not MayBurn.NONE:
        issuer = merchant.id if may is MayBurn.OWN else None
        usable = wallet.spendable(day, merchants=(merchant.id,), issuer_id=issuer)
    spendable = sum(lot.free for lot in usable) - wallet.debt_points(day)
    if points > spendable:
        raise InsufficientPoints(needed=points, spendable=max(spendable, 0))
    return burns.draw([(lot.account_id, lot.free) for lot in usable], points)


def _give_coupon(session: Session, batch: str, member: KnownMember, taking: str) -> str:
    (given,) = issuing.grant(session, batch=batch, holders=[member.public_id], key=f"mall:{taking}")
    if given.verdict is Verdict.CLAIM_LIMIT or given.coupon is None:
        raise ClaimLimit(batch)
    return given.coupon


def _write(
    session: Session,
    item: ListedItem,
    member: KnownMember,
    public_id: str,
    *,
    price: int,
    parts: Sequence[tuple[int, int]],
    coupon: str | None,
) -> None:
    now, index, sealed = now_of(session), None, None
    if coupon is None:
        keys, code = coupon_keys(session), codes.new_code()
        index = codes.index_of(keys, code)
        sealed = codes.seal(keys, code.encode(), place=index)
    row = fetch(
        session,
        _TAKE,
        {
            "now": now,
            "item": item.id,
            "member": member.id,
            "people": list(session.scalars(same_person(member.id))),
            "id": public_id,
            "points": price,
            "parts": json.dumps([list(part) for part in parts]),
            "coupon": coupon,
            "index": index,
            "sealed": sealed,
            "until": day_start(business_date(now) + timedelta(days=item.pick_up_days + 1)),
        },
    )[0]
    _refuse_stopped(item, row.verdict)


def _give_up(session: Session, takings: Sequence[MallTaking], state: TakingState) -> None:
    """Give locked takings up, one of a member at most: wallets by id, the stock, one posting."""
    people = {taking.id: get_by_id(session, taking.member_id) for taking in takings}
    if not people:
        return
    now = now_of(session)
    wallets = lots.lock_many(
        session,
        people.values(),
        day=business_date(now),
        also=[lot for taking in takings for lot, _ in taking.parts],
    )
    backs = [
        _plan_back(session, taking, wallets[people[taking.id].id], now=now) for taking in takings
    ]
    for back in backs:
        good = back.given.made_good
        fetch(
            session,
            _GIVE_UP,
            {
                "now": now,
                "taking": back.taking.id,
                "state": state,
                "write_offs": list(good),
                "good": list(good.values()),
            },
        )
    ledger.post(session, [_journal(back, now) for back in backs])
    news = []
    for back in backs:
        taken = get_by_key(session, back.taking.id)
        news.append(_news(f"mall.{state}", taken, back.member))
    outbox.add_many(session, news)


def _plan_back(session: Session, taking: MallTaking, wallet: Wallet, *, now: datetime) -> _Back:
    wallet, stands_for = heirs(session, wallet, [lot for lot, _ in taking.parts])
    merchant = session.scalars(
        select(MallItem.merchant_id).where(MallItem.id == taking.item_id)
    ).one()
    points: dict[tuple[int, int], int] = {}
    for lot, part in taking.parts:
        key = (merchant, stands_for.get(lot, lot))
        points[key] = points.get(key, 0) + part
    rows = session.execute(_BORNE, {"member": taking.member_id, "since": taking.taken_at})
    given = burns.give_back(
        session,
        wallet,
        points,
        get_directory(session),
        borne=[
            Borne(id=row.id, issue_account_id=row.account, points=row.points,
                  cost=Fraction(row.num, row.den))
            for row in rows
        ],
        programme=programme_at(session, now),
        day=business_date(now),
        occurred_at=now,
    )  # fmt: skip
    return _Back(taking=taking, member=wallet.member, given=given)


def _journal(back: _Back, now: datetime) -> Journal:
    return Journal(
        key=f"{back.taking.public_id}:back",
        kind=Kind.REWARD_RETURN,
        occurred_at=now,
        postings=back.given.postings,
        details={"taking": back.taking.public_id, **rates(back.given.postings)},
    )


def _news(topic: str, taken: Taken, member: KnownMember) -> News:
    payload = {
        "taking": taken.public_id,
        "item": taken.item,
        "member": member.public_id,
        "merchant": taken.merchant.public_id,
        "points": taken.points,
        "coupon": taken.coupon,
    }
    return News(topic=topic, aggregate=taken.public_id, payload=payload)


def _fresh(keys: Sequence[int]) -> Select[MallTaking]:
    """Return the query of rows as they are since they were locked."""
    rows = select(MallTaking).where(MallTaking.id.in_(keys))
    return rows.execution_options(populate_existing=True)


def _read(session: Session, *wanted: Any, limit: int = 1) -> list[Taken]:
    merchants = get_directory(session).merchants
    rows = session.execute(
        select(*_COLUMNS)
        .join(MallItem, MallItem.id == MallTaking.item_id)
        .outerjoin(Coupon, Coupon.id == MallTaking.coupon_id)
        .outerjoin(Order, Order.id == MallTaking.order_id)
        .where(*wanted)
        .order_by(MallTaking.id.desc())
        .limit(limit)
    )
    return [_told(row._mapping, merchants) for row in rows]


def _told(row: Mapping[Any, Any], merchants: Mapping[int, ListedMerchant]) -> Taken:
    said = {str(name): value for name, value in row.items() if name != "merchant_id"}
    return Taken(
        **{**said, "state": TakingState(said["state"])}, merchant=merchants[row["merchant_id"]]
    )


_COLUMNS = (
    *(getattr(MallTaking, name) for name in (
        "id", "public_id", "state", "points", "cash_fen", "until", "taken_at", "ended_at",
    )),
    MallItem.code.label("item"), MallItem.title_zh, MallItem.title_en, MallItem.merchant_id,
    Coupon.public_id.label("coupon"), Order.public_id.label("order"),
)  # fmt: skip
_TAKE: LiteralString = (
    "SELECT mall_take(%(now)s, %(item)s, %(member)s, CAST(%(people)s AS bigint[]), %(id)s, "
    "%(points)s, CAST(%(parts)s AS jsonb), %(coupon)s, %(index)s, %(sealed)s, %(until)s) "
    "AS verdict"
)
_GIVE_UP: LiteralString = (
    "SELECT mall_give_up(%(now)s, %(taking)s, %(state)s, CAST(%(write_offs)s AS bigint[]), "
    "CAST(%(good)s AS bigint[]))"
)
_DUE: LiteralString = "SELECT d AS id FROM mall_lock_due(%(now)s, %(most)s) d"
# What issuers bear for points that the member could not give back since he took it: he had spent
# them on this (semantics 1, 8).
_BORNE = text(
    """
    SELECT w.id, w.issue_account_id AS account, w.points - w.made_good AS points,
        (home ->> 3)::bigint AS num, (home ->> 4)::bigint AS den
    FROM write_off w
    JOIN refund r ON r.id = w.refund_id
    JOIN "order" o ON o.id = r.order_id,
    LATERAL (SELECT h FROM jsonb_array_elements(o.homes) h
             WHERE (h ->> 1)::bigint = w.issue_account_id LIMIT 1) AS one (home)
    WHERE w.member_id = :member AND w.made_good < w.points AND r.recorded_at >= :since
    ORDER BY w.id
    """
)
