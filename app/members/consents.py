"""The ledger of consents: who agreed to what, when, on which text; rows are only added (M8).

The last row of a purpose, channel and merchant counts from the moment it is written, so a
withdrawal works at once. Whoever said no is not asked again for 48 hours (reliability §13).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Mapped, Session, mapped_column

from app import outbox
from app.errors import Invalid, StateConflict
from app.members.identification import KnownMember
from app.members.purposes import CHANNELS, Channel, ConsentText, Purpose, current_text, find_text
from app.outbox import News
from config.database import Base, new_id, now_of

NOT_ASKED_AGAIN = timedelta(hours=48)


class Decision(StrEnum):
    """Agreed; said no when asked; took it back."""

    GIVEN = "given"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


class Consent(Base):
    """One decision of a member. Insert-only."""

    __tablename__ = "consent"
    __table_args__ = (
        UniqueConstraint("public_id"),
        CheckConstraint(
            "purpose IN ('membership', 'marketing', 'personalisation', 'merchant_sharing')",
            name="purpose",
        ),
        CheckConstraint("channel IN ('any', 'sms', 'wechat', 'alipay', 'app')", name="channel"),
        CheckConstraint("decision IN ('given', 'declined', 'withdrawn')", name="decision"),
        CheckConstraint("octet_length(text_sha256) = 32", name="text_sha256"),
        CheckConstraint(
            "(purpose = 'merchant_sharing') = (merchant_id IS NOT NULL)", name="merchant"
        ),
        Index("consent_member_id_idx", "member_id", "purpose", "channel", "merchant_id", "id"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    purpose: Mapped[str]
    channel: Mapped[str]
    merchant_id: Mapped[int | None] = mapped_column(ForeignKey("merchant.id"))
    decision: Mapped[str]
    text_version: Mapped[str]
    text_sha256: Mapped[bytes]
    decided_at: Mapped[datetime]
    evidence: Mapped[dict[str, Any]]


@dataclass(frozen=True)
class Matter:
    """What is decided about: a purpose by a channel, of one merchant where the purpose names it."""

    purpose: Purpose
    channel: Channel = Channel.ANY
    merchant_id: int | None = None

    def __post_init__(self) -> None:
        if self.channel not in CHANNELS[self.purpose]:
            raise Invalid("channel", "该用途没有这个渠道", "this purpose has no such channel")
        if (self.purpose is Purpose.MERCHANT_SHARING) != (self.merchant_id is not None):
            raise Invalid(
                "merchant_id",
                "仅向商户提供信息须指明商户",
                "sharing names a merchant, no other does",
            )


@dataclass(frozen=True, kw_only=True)
class Stance:
    """Where a member stands in a matter."""

    matter: Matter
    decision: Decision
    version: str
    decided_at: datetime

    @property
    def may_be_asked_from(self) -> datetime | None:
        """From when the member may be asked again; None while the answer is yes."""
        return None if self.decision is Decision.GIVEN else self.decided_at + NOT_ASKED_AGAIN


def decide(
    session: Session,
    *,
    member: KnownMember,
    matter: Matter,
    decision: Decision,
    version: str,
    evidence: Mapping[str, str],
) -> Stance:
    """Write down what a member decided about one text; the same decision again changes nothing.

    `evidence` says by which door, device and request, and holds nothing personal.

    Raises:
        Invalid: there is no such text, or it is not the current one to agree to.
        StateConflict: membership is given up by closing the account, not here; or what is taken
            back was never given; or what is declined stands given.
    """
    text = find_text(matter.purpose, version)
    if text is None or (decision is Decision.GIVEN and text != current_text(matter.purpose)):
        raise Invalid("version", "不是现行文本的版本", "not the version of the current text")
    last = list_stances(session, member.id).get(matter)
    if last is not None and (last.decision, last.version) == (decision, version):
        return last
    _require_sense(matter, decision, last)
    return _write(session, member, [(matter, decision, text)], evidence)[0]


def withdraw_all(
    session: Session,
    *,
    member: KnownMember,
    purposes: Sequence[Purpose],
    evidence: Mapping[str, str],
) -> None:
    """Take back whatever a member has given of these purposes."""
    given = [
        stance
        for stance in list_stances(session, member.id).values()
        if stance.matter.purpose in purposes and stance.decision is Decision.GIVEN
    ]
    withdraw(session, member=member, stances=given, evidence=evidence)


def withdraw(
    session: Session,
    *,
    member: KnownMember,
    stances: Sequence[Stance],
    evidence: Mapping[str, str],
) -> None:
    """Take back what a member has given in some matters."""
    texts = [
        (stance.matter, Decision.WITHDRAWN, current_text(stance.matter.purpose))
        for stance in stances
    ]
    _write(session, member, texts, evidence)


def refused_elsewhere(session: Session, *, member_id: int, other_id: int) -> list[Stance]:
    """Return what a member has given and, kept as another member, has refused or taken back.

    What was never asked is no refusal.
    """
    said = list_stances(session, other_id)
    refused = {matter for matter, each in said.items() if each.decision is not Decision.GIVEN}
    return [
        stance
        for matter, stance in list_stances(session, member_id).items()
        if stance.decision is Decision.GIVEN and matter in refused
    ]


def give_again(
    session: Session,
    *,
    member: KnownMember,
    given: Sequence[tuple[Matter, str]],
    withdrawn_at: datetime,
    evidence: Mapping[str, str],
) -> None:
    """Let stand again what was given on a text's version, and taken back at an instant for him.

    What the member has decided himself since stays.
    """
    last = list_stances(session, member.id)
    texts = [(matter, find_text(matter.purpose, version)) for matter, version in given]
    again = [
        (matter, Decision.GIVEN, known_text)
        for matter, known_text in texts
        if known_text is not None
        and matter in last
        and (last[matter].decision, last[matter].decided_at) == (Decision.WITHDRAWN, withdrawn_at)
    ]
    _write(session, member, again, evidence)


def list_stances(session: Session, member_id: int) -> Mapping[Matter, Stance]:
    """Return where a member stands in every matter he ever decided; one statement."""
    rows = session.scalars(
        select(Consent)
        .ext(distinct_on(Consent.purpose, Consent.channel, Consent.merchant_id))
        .where(Consent.member_id == member_id)
        .order_by(Consent.purpose, Consent.channel, Consent.merchant_id, Consent.id.desc())
    )
    stances = [_stance(row) for row in rows]
    return {stance.matter: stance for stance in stances}


def _require_sense(matter: Matter, decision: Decision, last: Stance | None) -> None:
    given = last is not None and last.decision is Decision.GIVEN
    if decision is not Decision.GIVEN and matter.purpose is Purpose.MEMBERSHIP:
        raise StateConflict(
            "consent", matter.purpose, decision,
            "会员服务本身请通过注销账户终止", "membership ends by closing the account",
        )  # fmt: skip
    if decision is Decision.WITHDRAWN and not given:
        raise StateConflict("consent", matter.purpose, decision, "并未同意过", "it was not given")
    if decision is Decision.DECLINED and given:
        raise StateConflict(
            "consent", matter.purpose, decision, "已同意，请撤回", "it is given: withdraw it"
        )


def _write(
    session: Session,
    member: KnownMember,
    decided: Sequence[tuple[Matter, Decision, ConsentText]],
    evidence: Mapping[str, str],
) -> list[Stance]:
    rows = [
        Consent(
            public_id=new_id("con"),
            member_id=member.id,
            purpose=matter.purpose,
            channel=matter.channel,
            merchant_id=matter.merchant_id,
            decision=decision,
            text_version=text.version,
            text_sha256=text.sha256,
            decided_at=now_of(session),
            evidence=dict(evidence),
        )
        for matter, decision, text in decided
    ]
    session.add_all(rows)
    session.flush()
    outbox.add_many(
        session,
        [
            News(
                topic=f"consent.{row.decision}",
                aggregate=row.public_id,
                payload={
                    "consent": row.public_id,
                    "member": member.public_id,
                    "purpose": row.purpose,
                    "channel": row.channel,
                },
            )
            for row in rows
        ],
    )
    return [_stance(row) for row in rows]


def _stance(row: Consent) -> Stance:
    return Stance(
        matter=Matter(Purpose(row.purpose), Channel(row.channel), row.merchant_id),
        decision=Decision(row.decision),
        version=row.text_version,
        decided_at=row.decided_at,
    )
