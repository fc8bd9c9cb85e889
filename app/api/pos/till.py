"""`time` and `identify`: the till's clock, and who stands before it."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from app.api import limits
from app.api.auth import Role, requires
from app.api.edge import tells, writes
from app.api.fields import DoorSchema, Instant, PublicId, Text, Whole, YesNo
from app.api.pos import pos
from app.api.pos.asking import TillSchema, terminal_of
from app.members import presence, privacy
from app.members.errors import UnknownMember
from app.members.identification import find_by_phone
from app.members.presence import Mode
from app.merchants.directory import ListedStore


class TimeSchema(DoorSchema):
    timestamp = Whole(required=True)
    now = Instant(required=True)


@dataclass(frozen=True, kw_only=True)
class AskedIdentity:
    """What `IdentifySchema` loads."""

    terminal_id: str
    cashier_id: str
    phone: str


class IdentifySchema(TillSchema):
    makes = AskedIdentity
    phone = Text(least=7, most=24, required=True)


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
def identify(session: Session, store: ListedStore, asked: AskedIdentity) -> dict[str, object]:
    """Find a member by phone, to earn alone; the masked name is for the cashier to confirm."""
    terminal = terminal_of(session, store, asked.terminal_id)
    member = find_by_phone(session, asked.phone)
    if member is None:
        raise UnknownMember
    made = presence.identify(session, member, terminal_id=terminal.id, mode=Mode.EARN)
    person = privacy.masked_person(session, member.public_id)
    return {
        "identification_id": made.public_id,
        "until": made.until,
        "name": person.name,
        "phone": person.phone,
        "tier": member.tier,
        "may_burn": made.mode is Mode.SPEND,
    }
