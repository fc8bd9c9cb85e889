"""Gifts of points from one member to another (B7): issuer, expiry and cost stay what they were.

What is given leaves the giver's lots in the order of a burn and enters lots of the same meaning.
Caps by day and month, and days in which a gift stays where it is, keep gifts from becoming trade.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import ColumnElement, ScalarSelect, func, or_, select
from sqlalchemy.orm import Session

import ledger
from app import outbox
from app.books import Kind, move
from app.clock import business_date, day_start
from app.errors import Invalid, StateConflict
from app.members import privacy
from app.members.identification import KnownMember, same_person
from app.members.models import Kind as MemberKind
from app.points import burns, lots
from app.points.errors import GiftLimitReached, InsufficientPoints
from app.points.lots import HeldLot, NewLot, Wallet
from app.points.models import Gift
from app.points.perks import PERKS, Perks
from config.database import new_id, now_of
from ledger import Journal, Posting


@dataclass(frozen=True, kw_only=True)
class Given:
    """A gift that was made, and the giver's balance after it."""

    public_id: str
    points: int
    balance_points: int


@dataclass(frozen=True, kw_only=True)
class ListedGift:
    """A gift as one of its two members sees it, without the other one."""

    id: int
    public_id: str
    points: int
    given: bool
    at: datetime


def shown_name(session: Session, member: KnownMember) -> str:
    """Return what a giver reads of a receiver, to be sure who it is: 张*, else the masked phone."""
    person = privacy.masked_person(session, member.public_id)
    return person.name or person.phone or member.public_id[-4:]


def give(
    session: Session, giver: KnownMember, *, receiver: KnownMember, points: int, confirmed: str
) -> Given:
    """Give points to another member; `confirmed` is the receiver's name as it was shown.

    Locks both wallets by id and posts once. The caller keeps a repeat from giving twice, by its
    idempotency key.

    Raises:
        Invalid: not above zero, or to oneself.
        StateConflict: another name was confirmed, the receiver has only paid so far, or the giver
            is new.
        MemberNotActive: one of the two is frozen, parked or closed.
        GiftLimitReached: above what may be given today or this month.
        InsufficientPoints: the giver has fewer points that may be given.
    """
    if points < 1 or giver.id == receiver.id:
        raise Invalid("points", "至少 1 积分，且不能赠给自己", "at least a point, to somebody else")
    if confirmed != shown_name(session, receiver):
        raise StateConflict(
            "member", confirmed, "unconfirmed", "收赠人姓名不符，请重新确认",
            "this is not the receiver's name: confirm it anew",
        )  # fmt: skip
    now, day = now_of(session), business_date(now_of(session))
    wallets = lots.lock_many(session, [giver, receiver], day=day)
    mine, theirs = wallets[giver.id], wallets[receiver.id]
    _check_people(mine.member, theirs.member, PERKS.at(session, now), now)
    kept_back = _check_limits(session, giver, points, PERKS.at(session, now), now)
    givable = mine.balance_points(day) - kept_back
    if points > givable:
        raise InsufficientPoints(needed=points, spendable=max(givable, 0))
    public_id = new_id("gft")
    postings = _postings(session, mine, theirs, points)
    ledger.post(
        session,
        [
            Journal(
                key=f"{public_id}:gift",
                kind=Kind.GIFT,
                occurred_at=now,
                postings=postings,
                details={"gift": public_id},
            )
        ],
    )
    session.add(
        Gift(public_id=public_id, giver_id=giver.id, receiver_id=receiver.id, points=points, at=now)
    )
    _tell(session, public_id, giver, receiver, points)
    session.flush()
    return Given(
        public_id=public_id,
        points=points,
        balance_points=mine.after(postings).balance_points(day),
    )


def list_gifts(
    session: Session, member: KnownMember, *, limit: int, before: int | None = None
) -> list[ListedGift]:
    """Return the gifts that a member gave and got, newest first; `before` ended the page before."""
    person = set(session.scalars(same_person(member.id)))
    wanted = select(Gift).where(or_(Gift.giver_id.in_(person), Gift.receiver_id.in_(person)))
    if before is not None:
        wanted = wanted.where(Gift.id < before)
    return [
        ListedGift(
            id=gift.id,
            public_id=gift.public_id,
            points=gift.points,
            given=gift.giver_id in person,
            at=gift.at,
        )
        for gift in session.scalars(wanted.order_by(Gift.id.desc()).limit(limit))
    ]


def _check_people(giver: KnownMember, receiver: KnownMember, perks: Perks, now: datetime) -> None:
    giver.require_active()
    receiver.require_active()
    if receiver.kind is not MemberKind.REGISTERED:
        raise StateConflict(
            "member", "", receiver.kind, "对方尚未注册会员", "the receiver has not registered yet"
        )
    if now < giver.joined_at + timedelta(days=perks.gift_new_member_days):
        days = perks.gift_new_member_days
        raise StateConflict(
            "member", giver.public_id, "new", f"入会 {days} 天后才能赠送",
            f"a member may give {days} days after joining",
        )  # fmt: skip


def _check_limits(
    session: Session, giver: KnownMember, points: int, perks: Perks, now: datetime
) -> int:
    """Refuse what is above the caps; return the points that were given to the giver too lately.

    Of these some may be spent already: then as many of the others stay, which is on the safe side.
    """
    today = business_date(now)
    cool = now - timedelta(days=perks.gift_cooling_days)
    person = same_person(giver.id)  # What was given under another name before a merge counts too.
    row = session.execute(
        select(
            _sum(Gift.giver_id.in_(person), Gift.at >= day_start(today)).label("day"),
            _sum(Gift.giver_id.in_(person), Gift.at >= day_start(today.replace(day=1))).label(
                "month"
            ),
            _sum(Gift.receiver_id.in_(person), Gift.at > cool).label("cooling"),
        )
    ).one()
    left = min(perks.gift_day_points - row.day, perks.gift_month_points - row.month)
    if points > left:
        raise GiftLimitReached(points=points, left=max(int(left), 0))
    return int(row.cooling)


def _sum(*conditions: ColumnElement[bool]) -> ScalarSelect[Decimal]:
    return select(func.coalesce(func.sum(Gift.points), 0)).where(*conditions).scalar_subquery()


def _postings(session: Session, mine: Wallet, theirs: Wallet, points: int) -> list[Posting]:
    """Move points from lot to lot of one meaning; those that only one merchant accepts stay."""
    usable = mine.spendable(business_date(mine.now), merchants=(), issuer_id=None)
    parts = burns.draw([(lot.account_id, lot.free) for lot in usable], points)
    given = {lot.account_id: lot for lot in usable}
    homes = _homes(session, theirs, [given[account] for account, _ in parts])
    return [move(account, homes[account], part) for account, part in parts]


def _homes(session: Session, theirs: Wallet, given: Sequence[HeldLot]) -> Mapping[int, int]:
    """Return where points of a lot go in the other wallet, opened as old as they are."""
    known = {lot.account_id: theirs.find(lot.lasting) for lot in given}
    missing = [
        NewLot(member=theirs.member, meaning=lot.lasting, earned_at=lot.first_earned_at)
        for lot in given
        if known[lot.account_id] is None
    ]
    opened = lots.open_many(session, missing)
    return {
        lot.account_id: (known[lot.account_id] or opened[theirs.member.id, lot.lasting]).account_id
        for lot in given
    }


def _tell(
    session: Session, gift: str, giver: KnownMember, receiver: KnownMember, points: int
) -> None:
    outbox.add(
        session,
        topic="points.given",
        aggregate=gift,
        payload={
            "gift": gift,
            "giver": giver.public_id,
            "receiver": receiver.public_id,
            "points": points,
        },
    )
