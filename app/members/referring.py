"""Referrals: a member's code, and the friend who joined with it, once for ever (E6, semantics 15).

Who refers whom is kept here. What it gives depends on the friend's orders: see checkout.
"""

import secrets
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from app import outbox
from app.clock import business_date, day_start
from app.members.identification import KnownMember, get_by_id, same_person
from app.members.models import Kind, MemberStatus
from config.database import Base, district_of, now_of

_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
_LENGTH = 8


class ReferralCode(Base):
    """The code by which a member's friends join."""

    __tablename__ = "referral_code"
    __table_args__ = (UniqueConstraint("code"),)

    member_id: Mapped[int] = mapped_column(
        ForeignKey("member.id"), primary_key=True, autoincrement=False
    )
    code: Mapped[str]
    made_at: Mapped[datetime]


class Referral(Base):
    """A friend and who referred him: one row a friend, for ever."""

    __tablename__ = "referral"
    __table_args__ = (
        Index(None, "referrer_id", "at"),
        CheckConstraint("friend_id <> referrer_id", name="two"),
    )

    friend_id: Mapped[int] = mapped_column(
        ForeignKey("member.id"), primary_key=True, autoincrement=False
    )
    referrer_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    at: Mapped[datetime]


@dataclass(frozen=True, kw_only=True)
class Friends:
    """A member's code, if he has asked for one, and how many friends joined by it this month."""

    code: str | None
    this_month: int


def code_of(session: Session, member: KnownMember) -> str:
    """Return a member's code, making it when it is first asked for; a repeat returns the same."""
    made = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    session.execute(
        insert(ReferralCode)
        .values(member_id=member.id, code=made, made_at=now_of(session))
        .on_conflict_do_nothing()
    )
    return session.scalars(
        select(ReferralCode.code).where(ReferralCode.member_id == member.id)
    ).one()


def friends_of(session: Session, member: KnownMember) -> Friends:
    """Return a member's code and how many friends it has brought this month in Shanghai."""
    return Friends(
        code=session.scalar(select(ReferralCode.code).where(ReferralCode.member_id == member.id)),
        this_month=_joined(session, member),
    )


def refer(
    session: Session,
    friend: KnownMember,
    *,
    code: str,
    month_friends: int,
    former: KnownMember | None = None,
) -> bool:
    """Say that a member who has just joined was referred by a code; return whether it counts.

    It does not where the code is nobody's, the referrer is the friend himself or the `former`
    holder of his phone, has not registered, is not active, or has brought `month_friends` this
    month; nobody is told which. Joins that name one referrer queue, so the cap is exact.
    """
    owner = session.scalar(
        select(ReferralCode.member_id).where(ReferralCode.code == code.strip().upper())
    )
    if owner is None:
        return False
    referrer = get_by_id(session, owner)
    own = {friend.id} if former is None else {friend.id, former.id}
    if (
        referrer.id in own
        or referrer.kind is not Kind.REGISTERED
        or referrer.status is not MemberStatus.ACTIVE
    ):
        return False
    name = f"referral:{district_of(session).id}:{referrer.id}"
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name}
    )
    if _joined(session, referrer) >= month_friends:
        return False
    made = session.scalar(
        insert(Referral)
        .values(friend_id=friend.id, referrer_id=referrer.id, at=now_of(session))
        .on_conflict_do_nothing()
        .returning(Referral.friend_id)
    )
    if made is None:
        return False
    outbox.add(
        session,
        topic="member.referred",
        aggregate=friend.public_id,
        payload={"member": friend.public_id, "referrer": referrer.public_id},
    )
    return True


def _joined(session: Session, member: KnownMember) -> int:
    first: date = business_date(now_of(session)).replace(day=1)
    found = session.scalar(
        select(func.count())
        .select_from(Referral)
        .where(Referral.referrer_id.in_(same_person(member.id)), Referral.at >= day_start(first))
    )
    return int(found or 0)
