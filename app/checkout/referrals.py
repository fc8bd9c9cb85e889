"""What a referral gives: points for both by the friend's first order, pending first (semantics 15).

They are given when the order is found and may be spent once its return window is over, by the
calendar alone. If all of that order goes back, whenever that is, they are taken back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint, exists, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

import ledger
from app.books import Kind, rates
from app.checkout.models import OrderLine
from app.checkout.settling import dump_homes, load_homes
from app.clock import business_date
from app.members.identification import KnownMember, get_by_id, same_person
from app.members.models import MemberStatus
from app.members.referring import Referral
from app.points import lots
from app.points.accruals import Given, Home, accrue
from app.points.clawbacks import Clawback, claw_back
from app.points.definitions import Pending
from app.points.errors import InsufficientPoints
from app.points.lots import Wallet
from app.points.merging import heirs
from app.points.policy import NegativePolicy, Programme
from app.points.programme import programme_at
from app.points.rewards import REWARDS, issuer_of
from config.database import Base, new_id, now_of
from ledger import Journal, Posting

_AT_ONCE = 50


class ReferralBonus(Base):
    """What a referral gave by an order: once, pending until a day, and perhaps taken back.

    `gives` has for the referrer and the friend the member, the points, and where they came from and
    went to, as the homes of an order.
    """

    __tablename__ = "referral_bonus"
    __table_args__ = (
        UniqueConstraint("public_id"),
        UniqueConstraint("order_id"),
        CheckConstraint("referrer_points >= 0 AND friend_points >= 0", name="points"),
    )

    friend_id: Mapped[int] = mapped_column(
        ForeignKey("referral.friend_id"), primary_key=True, autoincrement=False
    )
    public_id: Mapped[str]
    order_id: Mapped[int] = mapped_column(ForeignKey("order.id"))
    referrer_points: Mapped[int]
    friend_points: Mapped[int]
    gives: Mapped[list[Any]]
    active_on: Mapped[date]
    given_at: Mapped[datetime]
    taken_at: Mapped[datetime | None]


@dataclass(frozen=True, kw_only=True)
class Referred:
    """A friend as his referrer sees him: when he joined, what it gives, and from which day on.

    Before his first order `points` is None; `taken_back` once all of that order went back.
    """

    joined_at: datetime
    points: int | None
    active_on: date | None
    taken_back: bool


def give(session: Session) -> int:
    """Give what referrals earn whose friends have paid a first order; return how many.

    The first order that cost money and has not gone back counts, by the policy of its time. Fifty
    at most; run again it goes on. Locks both wallets of each, all by id, and posts once. A prepaid
    issuer that has too few points for them gives none until it has bought more.
    """
    try:
        with session.begin_nested():
            return _give(session, session.execute(_DUE, {"limit": _AT_ONCE}).all())
    except ledger.InsufficientBalance:
        return 0


def take_back(session: Session) -> int:
    """Take back what referrals gave whose order has gone back whole; return how many.

    Pending points go first, then others; what is spent already follows the programme, but that no
    refund is refused by it any more: then the issuer bears them. Locks the wallets by id and posts
    once; fifty at most, and run again it goes on.
    """
    bonuses = session.scalars(select(ReferralBonus).where(_GONE_BACK).limit(_AT_ONCE)).all()
    sides = [
        (bonus, get_by_id(session, key), points, home)
        for bonus in bonuses
        for key, points, homes in bonus.gives
        for home in load_homes(homes)
    ]
    people = {member.id: member for _, member, _, _ in sides}
    own = [home.lot_account_id for *_, home in sides]
    today = business_date(now_of(session))
    wallets: dict[int, Wallet] = {}
    if people:
        wallets = dict(lots.lock_many(session, people.values(), day=today, also=own))
    journals = []
    for number, (bonus, member, points, home) in enumerate(sides):
        wallet, stands_for = heirs(session, wallets[member.id], [home.lot_account_id])
        account = stands_for.get(home.lot_account_id, home.lot_account_id)
        taken = _claw_back(session, wallet, replace(home, lot_account_id=account), points)
        wallets[member.id] = wallet.after(taken.postings)
        if taken.postings:
            key = f"{bonus.public_id}:back:{number}"
            journals.append(_journal(key, bonus.public_id, taken.postings, at=now_of(session)))
    ledger.post(session, journals)
    for bonus in bonuses:
        bonus.taken_at = now_of(session)
    session.flush()
    return len(bonuses)


def list_referred(session: Session, member: KnownMember, *, limit: int = 100) -> list[Referred]:
    """Return the friends whom a member referred, newest first, and what each gave him."""
    rows = session.execute(
        select(Referral.at, ReferralBonus)
        .outerjoin(ReferralBonus, ReferralBonus.friend_id == Referral.friend_id)
        .where(Referral.referrer_id.in_(same_person(member.id)))
        .order_by(Referral.at.desc(), Referral.friend_id.desc())
        .limit(limit)
    )
    return [
        Referred(
            joined_at=at,
            points=None if bonus is None else bonus.referrer_points,
            active_on=None if bonus is None else bonus.active_on,
            taken_back=bonus is not None and bonus.taken_at is not None,
        )
        for at, bonus in rows
    ]


def _give(session: Session, found: Sequence[Any]) -> int:
    people = {
        key: get_by_id(session, key) for row in found for key in (row.referrer_id, row.friend_id)
    }
    today = business_date(now_of(session))
    everybody = {each.id: each for each in people.values()}
    wallets = dict(lots.lock_many(session, everybody.values(), day=today)) if everybody else {}
    journals: list[Journal] = []
    for row in found:
        pair = (people[row.referrer_id], people[row.friend_id])
        bonus, posted = _bonus(session, row, pair, wallets)
        session.add(bonus)
        journals += posted
    session.flush()
    ledger.post(session, journals)
    return len(found)


def _bonus(
    session: Session,
    row: Any,
    pair: tuple[KnownMember, KnownMember],
    wallets: dict[int, Wallet],
) -> tuple[ReferralBonus, list[Journal]]:
    """Plan what a referral gives by an order; two who are one person meanwhile get nothing."""
    rewards = REWARDS.at(session, row.occurred_at)
    merchant = issuer_of(session, rewards)
    pending = Pending(days=rewards.referral_return_days) if rewards.referral_return_days else None
    public_id, gives, journals = new_id("rfb"), [], []
    given = [rewards.referrer_points, rewards.friend_points]
    for number, member in enumerate(pair):
        closed = member.status is MemberStatus.CLOSED
        if merchant is None or pair[0].id == pair[1].id or closed:
            given[number] = 0
        if merchant is None or not given[number]:
            continue
        wallet = wallets[member.id]
        accrual = accrue(
            session,
            wallet,
            [Given(merchant=merchant, points=given[number], pending=pending)],
            programme=programme_at(session, row.occurred_at),
            occurred_at=row.occurred_at,
        )
        wallets[member.id] = wallet.after(accrual.postings)
        gives.append([member.id, given[number], dump_homes(accrual.homes)])
        key = f"{public_id}:{number}"
        journals.append(_journal(key, public_id, accrual.postings, at=row.occurred_at))
    bonus = ReferralBonus(
        friend_id=row.friend_id,
        public_id=public_id,
        order_id=row.order_id,
        referrer_points=given[0],
        friend_points=given[1],
        gives=gives,
        active_on=row.business_date + timedelta(days=rewards.referral_return_days),
        given_at=now_of(session),
    )
    return bonus, journals


def _claw_back(session: Session, wallet: Wallet, home: Home, points: int) -> Clawback:
    """Plan what is taken back; where the programme would refuse a refund, the issuer bears it."""
    programme = programme_at(session, now_of(session))
    try:
        return _planned(session, wallet, home, points, programme)
    except InsufficientPoints:
        lenient = replace(
            programme, negative_policy=NegativePolicy.WRITE_OFF, debt_floor_points=None
        )
        return _planned(session, wallet, home, points, lenient)


def _planned(
    session: Session, wallet: Wallet, home: Home, points: int, programme: Programme
) -> Clawback:
    return claw_back(
        session,
        wallet,
        {home: points},
        homes=[home],
        restored={},
        costs={},
        programme=programme,
        day=business_date(now_of(session)),
        occurred_at=now_of(session),
    )


def _journal(key: str, referral: str, postings: Sequence[Posting], *, at: datetime) -> Journal:
    return Journal(
        key=key,
        kind=Kind.REFERRAL,
        occurred_at=at,
        postings=postings,
        details={"referral": referral, **rates(postings)},
    )


# By the lines, for what coupons gave is no money that an order counts as refunded.
_GONE_BACK = ReferralBonus.taken_at.is_(None) & ~exists().where(
    OrderLine.order_id == ReferralBonus.order_id, OrderLine.refunded_fen < OrderLine.amount_fen
)
# His own orders alone: what a merged person buys now is the survivor's, who was a member before.
_DUE = text(
    """
    SELECT r.friend_id, r.referrer_id, o.id AS order_id, o.occurred_at, o.business_date
    FROM referral r
    CROSS JOIN LATERAL (
        SELECT o.id, o.occurred_at, o.business_date FROM "order" o
        WHERE o.member_id = r.friend_id AND o.state = 'paid'
            AND o.recorded_at >= r.at AND o.due_fen > 0 AND o.kind <> 'roll_back'
            AND EXISTS (SELECT FROM order_line l
                        WHERE l.order_id = o.id AND l.refunded_fen < l.amount_fen)
        ORDER BY o.occurred_at, o.id LIMIT 1) o
    WHERE NOT EXISTS (SELECT FROM referral_bonus b WHERE b.friend_id = r.friend_id)
    ORDER BY o.id LIMIT :limit
    """
)
