"""`time` and `identify`: the till's clock, and who stands before it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from marshmallow import ValidationError, validates_schema
from sqlalchemy.orm import Session

from app.api import limits
from app.api.auth import Role, requires
from app.api.edge import Refused, tells, writes
from app.api.fields import DoorSchema, Instant, Phone, PublicId, Text, Whole, YesNo
from app.api.pos import pos
from app.api.pos.asking import TillSchema, terminal_of
from app.clock import server_now
from app.members import presence, privacy
from app.members.errors import BadMemberCode, UnknownMember
from app.members.identification import find_by_card, find_by_phone
from app.members.presence import Mode
from app.members.seeds import Redeemed, redeem_code
from app.merchants.directory import ListedStore, ListedTerminal


class TimeSchema(DoorSchema):
    timestamp = Whole(required=True)
    now = Instant(required=True)


@dataclass(frozen=True, kw_only=True)
class AskedIdentity:
    """What `IdentifySchema` loads."""

    terminal_id: str
    cashier_id: str
    member_code: str | None
    card_number: str | None
    phone: str | None


class IdentifySchema(TillSchema):
    """By the member code, to earn or to spend as it says; by card or phone, to earn alone (M3)."""

    makes = AskedIdentity
    also: ClassVar[Mapping[str, Any]] = {
        "oneOf": [
            {"required": [name], "properties": {name: {"type": "string"}}}
            for name in ("member_code", "card_number", "phone")
        ]
    }
    member_code = Text(most=64, load_default=None)
    card_number = Text(most=40, load_default=None)
    phone = Phone(load_default=None)

    @validates_schema
    def check(self, data: Mapping[str, str | None], **_: object) -> None:
        """Refuse what names nobody, or somebody twice."""
        said = [data[name] for name in ("member_code", "card_number", "phone")]
        if len(said) - said.count(None) != 1:
            raise ValidationError("needs-one-of-code-card-phone")


class IdentificationSchema(DoorSchema):
    identification_id = PublicId("idn", required=True)
    until = Instant(required=True)
    name = Text(most=8, required=True, allow_none=True)
    phone = Text(most=24, required=True, allow_none=True)
    tier = Text(most=30, required=True)
    may_burn = YesNo(required=True)


@pos.get("/time")
@requires(Role.ANYONE)
@tells(TimeSchema)
def read_time() -> dict[str, object]:
    """Return the clock that signatures are checked by."""
    now = time.time()
    return {"timestamp": int(now), "now": datetime.fromtimestamp(now, UTC)}


@pos.post("/identify")
@requires(Role.STORE, limit=limits.IDENTIFY)
@writes(IdentifySchema, IdentificationSchema, keyed=False)
def identify(session: Session, store: ListedStore, asked: AskedIdentity) -> object:
    """Find a member by code, card or phone; the masked name is for the cashier to confirm."""
    terminal = terminal_of(session, store, asked.terminal_id)
    found = _find(session, asked, terminal)
    if found is None:
        return Refused(error=BadMemberCode())
    made = presence.identify(session, found.member, terminal_id=terminal.id, mode=found.mode)
    person = privacy.masked_person(session, found.member.public_id)
    return {
        "identification_id": made.public_id,
        "until": made.until,
        "name": person.name,
        "phone": person.phone,
        "tier": found.member.tier,
        "may_burn": made.mode is Mode.SPEND,
    }


def _find(session: Session, asked: AskedIdentity, terminal: ListedTerminal) -> Redeemed | None:
    """Return who is asked for; None for a code that does not hold, which counts as a guess."""
    if asked.member_code is not None:
        now = server_now(session)
        return redeem_code(session, asked.member_code, terminal_id=terminal.id, at=now, now=now)
    if asked.card_number is not None:
        member = find_by_card(session, asked.card_number)
    else:
        member = find_by_phone(session, asked.phone or "")
    if member is None:
        raise UnknownMember
    return Redeemed(member=member, mode=Mode.EARN)
