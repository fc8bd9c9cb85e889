"""Who the member is, and of which merchants (S1, S6, M9)."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

from marshmallow import ValidationError, validates_schema
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.api.auth import Role, SignedIn, requires
from app.api.context import request_id
from app.api.edge import Refused, reads, writes
from app.api.fields import (
    BIRTHDAY,
    Day,
    DoorSchema,
    Instant,
    Items,
    Part,
    PublicId,
    Sum,
    Text,
    YesNo,
)
from app.api.member import member
from app.clock import business_date
from app.members import consents, privacy, standing
from app.members.birthdays import declare_birthday, masked_birthday, old_enough
from app.members.consents import Decision, Matter
from app.members.errors import TooYoung
from app.members.identification import same_person
from app.members.models import Membership
from app.members.phones import masked_phone
from app.members.purposes import OPTIONAL, Purpose
from app.merchants.directory import get_directory
from config.database import now_of


class TierSchema(DoorSchema):
    """A tier, and the growth that it takes."""

    code = Text(most=30, required=True)
    name_zh = Text(most=60, required=True)
    name_en = Text(most=60, required=True)
    threshold = Sum(required=True)


class StandingSchema(DoorSchema):
    """Growth is what counts today; `missing` is to the next tier, which the highest has not."""

    tier = Part(TierSchema, required=True)
    growth = Sum(required=True)
    next_tier = Part(TierSchema, required=True, allow_none=True)
    missing = Sum(required=True)
    until = Day(required=True, allow_none=True)
    kept_until = Day(required=True, allow_none=True)


class ProfileSchema(DoorSchema):
    """Phone and birthday are masked: others may look on. They are in clear in the export."""

    member_id = PublicId("mem", required=True)
    name = Text(most=60, required=True, allow_none=True)
    phone = Text(most=24, required=True, allow_none=True)
    birthday = Text(most=5, required=True, allow_none=True)
    card_number = Text(most=40, required=True, allow_none=True)
    tier = Text(most=30, required=True)
    standing = Part(StandingSchema, required=True)
    status = Text(most=20, required=True)
    joined_at = Instant(required=True)


@dataclass(frozen=True, kw_only=True)
class AskedProfile:
    """What `ChangeProfileSchema` loads; what is not named stays as it is."""

    name: str | None
    birthday: str | None


class ChangeProfileSchema(DoorSchema):
    makes = AskedProfile
    also: ClassVar[Mapping[str, Any]] = {
        "anyOf": [
            {"required": [name], "properties": {name: {"type": "string"}}}
            for name in ("name", "birthday")
        ]
    }
    name = Text(most=60, load_default=None)
    birthday = Text(most=10, pattern=BIRTHDAY, load_default=None)

    @validates_schema
    def check(self, data: Mapping[str, Any], **_: Any) -> None:
        """Refuse a change of nothing."""
        if all(value is None for value in data.values()):
            raise ValidationError("empty")


class ChangedSchema(DoorSchema):
    changed = YesNo(required=True)


class MembershipSchema(DoorSchema):
    merchant_id = PublicId("mch", required=True)
    merchant_zh = Text(most=120, required=True)
    merchant_en = Text(most=120, required=True)
    trade = Text(most=40, required=True)
    source = Text(most=20, required=True)
    joined_at = Instant(required=True)
    knows_me = YesNo(required=True)


class MembershipsSchema(DoorSchema):
    memberships = Items(Part(MembershipSchema), most=10_000, required=True)


@member.get("/profile")
@requires(Role.MEMBER)
@reads(ProfileSchema)
def get_profile(session: Session, caller: SignedIn) -> Mapping[str, object]:
    """Return what is kept of the member, and where he stands on the way to the next tier."""
    return profile_view(session, caller)


@member.patch("/profile")
@requires(Role.MEMBER)
@writes(ChangeProfileSchema, ChangedSchema, status=HTTPStatus.OK)
def change_profile(session: Session, caller: SignedIn, asked: AskedProfile) -> object:
    """Correct the name, say the birthday once (G3); the stored answer repeats neither."""
    if asked.birthday is not None:
        try:
            birthday = old_enough(asked.birthday, today=business_date(now_of(session)))
        except TooYoung as young:
            return _protect(session, caller, young)
        declare_birthday(session, caller.public_id, birthday)
    if asked.name is not None:
        privacy.rename(session, caller.public_id, name=asked.name)
    return {"changed": True}


def _protect(session: Session, caller: SignedIn, young: TooYoung) -> Refused:
    """Take back what a child agreed to alone, and refuse the rest; the two stand together."""
    consents.withdraw_all(
        session,
        member=caller.member,
        purposes=OPTIONAL,
        evidence={"door": "profile", "device": caller.device.public_id, "request": request_id()},
    )
    return Refused(error=young)


@member.get("/memberships")
@requires(Role.MEMBER)
@reads(MembershipsSchema)
def list_memberships(session: Session, caller: SignedIn) -> Mapping[str, object]:
    """Return the merchants whose member one is, and whether each knows more than a pseudonym."""
    return {"memberships": membership_views(session, caller)}


def membership_views(session: Session, caller: SignedIn) -> list[Mapping[str, object]]:
    """Return the memberships of a member as he sees them."""
    rows = session.scalars(
        select(Membership)
        .where(Membership.member_id.in_(same_person(caller.member.id)))
        .order_by(Membership.created_at, Membership.merchant_id)
    )
    first: dict[int, Membership] = {}
    for row in rows:  # Who was merged may be a merchant's member twice: the older one is shown.
        first.setdefault(row.merchant_id, row)
    merchants = get_directory(session).merchants
    stances = consents.list_stances(session, caller.member.id)
    told: list[Mapping[str, object]] = []
    for row in first.values():
        merchant = merchants[row.merchant_id]
        stance = stances.get(Matter(Purpose.MERCHANT_SHARING, merchant_id=merchant.id))
        told.append(
            {
                "merchant_id": merchant.public_id,
                "merchant_zh": merchant.name_zh,
                "merchant_en": merchant.name_en,
                "trade": merchant.trade,
                "source": row.source,
                "joined_at": row.created_at,
                "knows_me": stance is not None and stance.decision is Decision.GIVEN,
            }
        )
    return told


def profile_view(session: Session, caller: SignedIn) -> Mapping[str, object]:
    """Return a member as he sees himself."""
    person = privacy.own_person(session, caller.public_id)
    return {
        "member_id": caller.public_id,
        "name": person.name,
        "phone": None if person.phone is None else masked_phone(person.phone),
        "birthday": masked_birthday(person.birthday),
        "card_number": caller.member.card_number,
        "tier": caller.member.tier,
        "standing": standing.standing(session, caller.member),
        "status": caller.member.status,
        "joined_at": caller.member.joined_at,
    }
