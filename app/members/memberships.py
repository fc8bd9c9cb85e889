"""Members of merchants: joined by registering there or by the first paid order (M1, M9, S6)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app import outbox
from app.errors import Invalid
from app.members.identification import KnownMember
from app.members.models import Member, Membership, MemberStatus, Source
from app.merchants.directory import ListedMerchant
from app.outbox import News
from config.database import new_id, now_of

PAGE = 100


@dataclass(frozen=True, kw_only=True)
class MerchantMember:
    """A member as one merchant sees it: a pseudonym of its own, and what the district shares."""

    pseudonym: str
    tier: str
    status: MemberStatus
    source: Source
    joined_at: datetime


def join(
    session: Session,
    *,
    member: KnownMember,
    merchants: Sequence[ListedMerchant],
    source: Source,
    consent_version: str | None = None,
) -> Sequence[News]:
    """Make a member one of these merchants' too, once for ever, in the caller's transaction.

    One statement, in the order of the merchants' ids; a repeat changes nothing. Returns the news
    of the memberships it made, for the caller to write with its own (`outbox.add_many`). With
    `consent_version` the consent is recorded too, for older memberships as well, by a second one.

    Raises:
        Invalid: a payment gives no consent (semantics 48).
    """
    if source is Source.PAYMENT and consent_version is not None:
        raise Invalid("consent_version", "付款入会不含营销同意", "paying gives no consent")
    pairs = [(member, merchant) for merchant in merchants]
    news = join_many(session, pairs, source=source, consent_version=consent_version)
    if consent_version is not None and len(news) < len({each.id for each in merchants}):
        _record_consent(session, member.id, [each.id for each in merchants], consent_version)
    return news


def join_many(
    session: Session,
    pairs: Iterable[tuple[KnownMember, ListedMerchant]],
    *,
    source: Source,
    consent_version: str | None = None,
) -> Sequence[News]:
    """Join members to merchants as `join` does, all in one statement, ordered by their ids."""
    wanted = {(member.id, merchant.id): (member, merchant) for member, merchant in pairs}
    if not wanted:
        return []
    now = now_of(session)
    made = session.execute(
        insert(Membership)
        .values(
            [
                {
                    "member_id": member_id,
                    "merchant_id": merchant_id,
                    "pseudonym": new_id("mbs"),
                    "source": source,
                    "created_at": now,
                    "consent_version": consent_version,
                    "consented_at": None if consent_version is None else now,
                }
                for member_id, merchant_id in sorted(wanted)
            ]
        )
        .on_conflict_do_nothing(index_elements=["member_id", "merchant_id"])
        .returning(Membership.member_id, Membership.merchant_id, Membership.pseudonym)
    ).all()
    return [
        News(
            topic="membership.created",
            aggregate=row.pseudonym,
            payload={
                "member": wanted[row.member_id, row.merchant_id][0].public_id,
                "merchant": wanted[row.member_id, row.merchant_id][1].public_id,
                "source": source.value,
            },
        )
        for row in made
    ]


def register(
    session: Session,
    *,
    member: KnownMember,
    merchant: ListedMerchant,
    source: Source,
    consent_version: str | None,
) -> bool:
    """Register a member at a merchant, and tell it; return whether it was not one before."""
    news = join(
        session,
        member=member,
        merchants=[merchant],
        source=source,
        consent_version=consent_version,
    )
    outbox.add_many(session, news)
    return bool(news)


def list_members_of(
    session: Session, *, merchant_id: int, after: str = "", limit: int = PAGE
) -> list[MerchantMember]:
    """Return a page of a merchant's own members by the day they joined, without what is personal.

    `after` is the last pseudonym of the page before. The same person has another pseudonym at
    each merchant, and nothing here joins the two (M9).
    """
    rows = session.execute(
        select(
            Membership.pseudonym,
            Member.tier,
            Member.status,
            Membership.source,
            Membership.created_at,
        )
        .join(Member, Member.id == Membership.member_id)
        .where(Membership.merchant_id == merchant_id, Membership.pseudonym > after)
        .order_by(Membership.pseudonym)
        .limit(min(limit, PAGE))
    )
    return [
        MerchantMember(
            pseudonym=row.pseudonym,
            tier=row.tier,
            status=MemberStatus(row.status),
            source=Source(row.source),
            joined_at=row.created_at,
        )
        for row in rows
    ]


def _record_consent(
    session: Session, member_id: int, merchant_ids: Sequence[int], version: str
) -> None:
    session.execute(
        update(Membership)
        .where(Membership.member_id == member_id, Membership.merchant_id.in_(merchant_ids))
        .where(or_(Membership.consent_version.is_(None), Membership.consent_version != version))
        .values(consent_version=version, consented_at=now_of(session))
    )
