"""`sandbox`: what a phone would show, for vendors who have none; in sandbox districts alone.

Every code comes from a device and a seed of its own, so vendors who share the published key do not
end each other's codes.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from app.api import limits
from app.api.auth import Role, requires
from app.api.edge import writes
from app.api.fields import DoorSchema, Instant, Phone, Text
from app.api.pos import pos
from app.api.pos.asking import TillSchema, terminal_of
from app.clock import server_now
from app.errors import NotFound
from app.members import codes, devices, enrolment, seeds
from app.members.arrivals import NewMember
from app.members.codes import STEP_SECONDS
from app.members.models import Source
from app.members.presence import Mode
from app.merchants.directory import ListedStore
from config.database import district_of

TEST_PHONE = "19900000000"

_MODES = f"^({'|'.join(Mode)})$"


@dataclass(frozen=True, kw_only=True)
class AskedCode:
    """What `MakeMemberCodeSchema` loads."""

    terminal_id: str
    cashier_id: str
    phone: str
    mode: str


class MakeMemberCodeSchema(TillSchema):
    """Whose code, made a member if nobody has the phone; and what it is good for."""

    makes = AskedCode
    phone = Phone(load_default=TEST_PHONE)
    mode = Text(most=10, pattern=_MODES, load_default=Mode.SPEND)


class MemberCodeSchema(DoorSchema):
    member_code = Text(most=20, required=True)
    until = Instant(required=True)


@pos.post("/sandbox/member-codes")
@requires(Role.STORE, limit=limits.IDENTIFY)
@writes(MakeMemberCodeSchema, MemberCodeSchema, keyed=False)
def make_member_code(session: Session, store: ListedStore, asked: AskedCode) -> dict[str, object]:
    """Show the code that a test member's phone would show now; a real district has none."""
    district = district_of(session)
    if not district.sandbox:
        raise NotFound("sandbox", district.id)
    terminal_of(session, store, asked.terminal_id)
    now, mode = server_now(session), Mode(asked.mode)
    enrolled = enrolment.enrol(session, NewMember(source=Source.COUNTER, phone=asked.phone))
    device = devices.open_on(session, member=enrolled.member, source="web", now=now)
    issued = seeds.issue(session, device, now=now)
    return {
        "member_code": codes.write(issued.seed, alias=issued.alias, mode=mode, at=now),
        "until": _until(now),
    }


def _until(now: datetime) -> datetime:
    """Return when a code of now is taken no more: after the step that follows its own."""
    begun = datetime.fromtimestamp(codes.step_at(now) * STEP_SECONDS, UTC)
    return begun + timedelta(seconds=2 * STEP_SECONDS)
