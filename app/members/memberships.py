"""Members of merchants: joined by registering there or by the first paid order (M1, M9, S6)."""

from collections.abc import Sequence
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
    if not merchants:
        return []
    now = now_of(session)
    joined = sorted({merchant.id: merchant for merchant in merchants}.items())
    made = session.execute(
        insert(Membership)
        .values(
            [
                {
                    "member_id": member.id,
                    "merchant_id": merchant_id,
                    "pseudonym": new_id("mbs"),
                    "source": source,
                    "created_at": now,
                    "consent_version": consent_version,
                    "consented_at": None if consent_version is None else now,
                }
                for merchant_id, _ in joined
            ]
        )
        .on_conflict_do_nothing(index_elements=["member_id", "merchant_id"])
        .returning(Membership.merchant_id, Membership.pseudonym)
    ).all()
    if consent_version is not None and len(made) < len(joined):
        _record_consent(session, member.id, [each for each, _ in joined], consent_version)
    return [
        News(
            topic="membership.created",
            aggregate=pseudonym,
            payload={
                "member": member.public_id,
                "merchant": dict(joined)[merchant_id].public_id,
                "source": source.value,
            },
        )
        for merchant_id, pseudonym in made
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
