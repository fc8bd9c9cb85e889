"""Staff sign in by name, password and the code of their phone; sessions end (reliability §11)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from flask import request
from sqlalchemy.orm import Session

from app import audit
from app.api import auth
from app.api.auth import ActingStaff, Role, requires
from app.api.edge import Refused, opens, reads, writes
from app.api.errors import WrongSignIn
from app.api.fields import DoorSchema, Instant, Items, Part, PublicId, Text, Whole
from app.api.manage import manage
from app.api.member.sessions import NothingSchema, SignedOutSchema
from app.clock import server_now
from app.merchants import credentials, staff_sessions
from app.merchants.models import Staff
from app.merchants.staff import PERMISSIONS
from app.merchants.staff import Role as StaffRole
from app.merchants.staff_sessions import IDLE, Ending

_DISTRICT = r"^[a-z][a-z0-9-]{1,30}$"


@dataclass(frozen=True, kw_only=True)
class AskedStaffSignIn:
    """What `StaffSignInSchema` loads."""

    district: str
    login: str
    password: str = field(repr=False)
    code: str = field(repr=False)


class StaffSignInSchema(DoorSchema):
    makes = AskedStaffSignIn
    district = Text(most=31, least=2, pattern=_DISTRICT, required=True)
    login = Text(most=40, required=True)
    password = Text(most=credentials.PASSWORD_MOST, required=True)
    code = Text(most=6, least=6, pattern=r"^\d{6}$", required=True)


class OwnStaffSchema(DoorSchema):
    staff_id = PublicId("stf", required=True)
    login = Text(most=40, required=True)
    name = Text(most=200, required=True)
    roles = Items(Text(most=20), most=20, required=True)
    permissions = Items(Text(most=40), most=100, required=True)


class StaffSessionSchema(DoorSchema):
    token = Text(most=120, required=True)
    until = Instant(required=True)
    idle_seconds = Whole(required=True)
    staff = Part(OwnStaffSchema, required=True)


def _count_sign_ins() -> None:
    auth.gate().admit_to_sign_in(address=request.remote_addr or "")


@manage.post("/sign-in")
@requires(Role.ANYONE)
@opens(StaffSignInSchema, StaffSessionSchema, admits=_count_sign_ins, source="manage")
def start_staff_session(session: Session, asked: AskedStaffSignIn) -> object:
    """Sign in by name, password and the code of the phone; the token is told this once."""
    now = server_now(session)
    staff = credentials.prove(session, asked.login, asked.password, asked.code, now=now)
    if staff is None:
        return Refused(error=WrongSignIn())
    opened = staff_sessions.open_for(session, staff, now=now)
    audit.record(session, actor=staff.public_id, action="staff.sign_in", object=opened.public_id)
    return {
        "token": opened.token,
        "until": opened.until,
        "idle_seconds": int(IDLE.total_seconds()),
        "staff": _own(staff),
    }


@manage.post("/sign-out")
@requires(Role.STAFF)
@writes(NothingSchema, SignedOutSchema, status=HTTPStatus.OK, keyed=False)
def end_staff_session(session: Session, caller: ActingStaff, _: object) -> Mapping[str, bool]:
    """End this session; its token opens nothing any more."""
    now = server_now(session)
    staff_sessions.end(session, caller.live.id, why=Ending.SIGNED_OUT, now=now)
    audit.record(
        session,
        actor=caller.public_id,
        action="staff.sign_out",
        object=caller.live.public_id,
    )
    return {"signed_out": True}


@manage.get("/me")
@requires(Role.STAFF)
@reads(OwnStaffSchema)
def get_own_staff(_session: Session, caller: ActingStaff) -> Mapping[str, object]:
    """Return who is signed in, and what his roles allow now."""
    return _own(caller.staff)


def _own(staff: Staff) -> Mapping[str, object]:
    allowed = {each for role in staff.roles for each in PERMISSIONS[StaffRole(role)]}
    return {
        "staff_id": staff.public_id,
        "login": staff.login,
        "name": staff.name,
        "roles": staff.roles,
        "permissions": sorted(allowed),
    }
