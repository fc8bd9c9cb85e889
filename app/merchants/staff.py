"""The district's staff: who may do what by command or in the console, and under which name.

A door asks `acting` before anything else; rooms take the member of staff's public id as `by`
and write it into the audit. What needs two people is asked for in `app.approvals`.
"""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app import audit
from app.errors import Invalid, NotFound, StateConflict
from app.merchants import staff_sessions
from app.merchants.errors import CodeTaken, FirstStaffIsAdmin, LastAdmin, NotPermitted
from app.merchants.models import Staff, StaffStatus
from app.merchants.staff_sessions import Ending
from config.database import new_id, now_of

_LOGIN = re.compile(r"[a-z][a-z0-9._-]{1,39}", re.ASCII)


class Role(StrEnum):
    """What somebody is in the district."""

    ADMIN = "admin"
    MARKETER = "marketer"
    FINANCE = "finance"
    SUPPORT = "support"
    AUDITOR = "auditor"


class Permission(StrEnum):
    """One kind of act; a door names it, the table below says whose roles allow it."""

    MERCHANT_WRITE = "merchant.write"
    MERCHANT_FREEZE = "merchant.freeze"
    TERMS_PROPOSE = "terms.propose"
    TERMS_APPROVE = "terms.approve"
    MEMBER_ENROL = "member.enrol"
    MEMBER_CHANGE = "member.change"
    MEMBER_REVEAL = "member.reveal"
    MEMBER_FREEZE = "member.freeze"
    MEMBER_MERGE = "member.merge"
    RULE_PROPOSE = "rule.propose"
    RULE_APPROVE = "rule.approve"
    PROGRAMME_PROPOSE = "programme.propose"
    PROGRAMME_APPROVE = "programme.approve"
    COUPON_READ = "coupon.read"
    COUPON_WRITE = "coupon.write"
    COUPON_APPROVE = "coupon.approve"
    ORDER_PLACE = "order.place"
    ORDER_REFUND = "order.refund"
    POINTS_SELL = "points.sell"
    POINTS_ADJUST = "points.adjust"
    POINTS_APPROVE = "points.approve"
    SETTLEMENT_CLOSE = "settlement.close"
    RECONCILE = "reconcile"
    OPENING_IMPORT = "opening.import"
    KEY_WRITE = "key.write"
    KEY_APPROVE = "key.approve"
    STAFF_WRITE = "staff.write"
    DISTRICT_RESUME = "district.resume"
    AUDIT_READ = "audit.read"


PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset(Permission),
    Role.MARKETER: frozenset(
        {
            Permission.RULE_PROPOSE,
            Permission.RULE_APPROVE,
            Permission.PROGRAMME_PROPOSE,
            Permission.COUPON_READ,
            Permission.COUPON_WRITE,
        }
    ),
    Role.FINANCE: frozenset(
        {
            Permission.TERMS_PROPOSE,
            Permission.TERMS_APPROVE,
            Permission.RULE_APPROVE,
            Permission.PROGRAMME_PROPOSE,
            Permission.PROGRAMME_APPROVE,
            Permission.COUPON_READ,
            Permission.COUPON_APPROVE,
            Permission.POINTS_SELL,
            Permission.POINTS_APPROVE,
            Permission.SETTLEMENT_CLOSE,
            Permission.RECONCILE,
            Permission.OPENING_IMPORT,
            Permission.KEY_APPROVE,
        }
    ),
    Role.SUPPORT: frozenset(
        {
            Permission.MEMBER_ENROL,
            Permission.MEMBER_CHANGE,
            Permission.MEMBER_REVEAL,
            Permission.MEMBER_FREEZE,
            Permission.MEMBER_MERGE,
            Permission.MERCHANT_FREEZE,
            Permission.ORDER_PLACE,
            Permission.COUPON_READ,
            Permission.ORDER_REFUND,
            Permission.POINTS_ADJUST,
            Permission.KEY_WRITE,
        }
    ),
    Role.AUDITOR: frozenset({Permission.COUPON_READ, Permission.AUDIT_READ}),
}


def acting(session: Session, login: str, *, permission: Permission) -> Staff:
    """Return the active staff member of this login, if his roles allow this; no role is cached.

    Raises:
        NotFound: nobody has this login.
        StateConflict: the login is disabled.
        NotPermitted: none of the roles allows it.
    """
    staff = get_active(session, login)
    require(staff, permission)
    return staff


def get_active(session: Session, login: str) -> Staff:
    """Return the staff member of this login, who may act at all.

    Raises:
        NotFound: nobody has this login.
        StateConflict: the login is disabled.
    """
    staff = _get(session, login)
    if staff.status != StaffStatus.ACTIVE:
        raise StateConflict("staff", login, staff.status, "账号已停用", "the login is disabled")
    return staff


def require(staff: Staff, permission: Permission) -> None:
    """Refuse what none of a staff member's roles allows.

    Raises:
        NotPermitted: none does.
    """
    if not any(permission in PERMISSIONS[Role(role)] for role in staff.roles):
        raise NotPermitted(staff.login, permission)


def add(session: Session, *, login: str, name: str, roles: Sequence[Role], by: str | None) -> Staff:
    """Add a staff member; `by` is None for the district's first one alone, who is an admin.

    Staff change one at a time, so there is no second first one.

    Raises:
        FirstStaffIsAdmin: nobody sponsors and this is not a first admin.
        CodeTaken: the login is used, be it by somebody disabled.
    """
    if not name.strip() or not roles:
        raise Invalid("staff", "姓名和角色不能为空", "a name and a role are needed")
    if not _LOGIN.fullmatch(login):
        raise Invalid(
            "login",
            "登录名须为 2 到 40 个小写字母、数字或 . _ -，以字母开头",
            "2 to 40 small letters, digits or . _ -, beginning with a letter",
        )
    session.execute(_ONE_AT_A_TIME)
    known = session.scalar(select(func.count()).select_from(Staff)) or 0
    if by is None and (known > 0 or Role.ADMIN not in roles):
        raise FirstStaffIsAdmin
    if session.scalar(select(Staff.id).where(Staff.login == login)) is not None:
        raise CodeTaken("staff", login)
    staff = Staff(
        public_id=new_id("stf"),
        login=login,
        name=name,
        roles=sorted(set(roles)),
        status=StaffStatus.ACTIVE,
        created_at=now_of(session),
    )
    session.add(staff)
    session.flush()
    audit.record(
        session,
        actor=by or staff.public_id,
        action="staff.add",
        object=staff.public_id,
        after={"login": login, "roles": staff.roles},
    )
    return staff


def disable(session: Session, login: str, *, by: str, reason: str) -> None:
    """Take all rights from a staff member at once, and sign him out; the name stays.

    Raises:
        NotFound: nobody has this login.
        StateConflict: it is disabled already.
        LastAdmin: nobody would be left who can add staff.
    """
    session.execute(_ONE_AT_A_TIME)
    staff = _get(session, login)
    if staff.status != StaffStatus.ACTIVE:
        raise StateConflict("staff", login, staff.status, "账号已停用", "disabled already")
    admins = session.scalars(
        select(Staff.login).where(
            Staff.status == StaffStatus.ACTIVE, Staff.roles.contains([Role.ADMIN.value])
        )
    ).all()
    if list(admins) == [login]:
        raise LastAdmin(login)
    staff.status = StaffStatus.DISABLED
    staff_sessions.end_all(session, staff.id, why=Ending.DISABLED, now=now_of(session))
    audit.record(
        session,
        actor=by,
        action="staff.disable",
        object=staff.public_id,
        before={"status": StaffStatus.ACTIVE.value},
        after={"status": StaffStatus.DISABLED.value},
        reason=reason,
    )
    session.flush()


def list_staff(session: Session) -> list[Staff]:
    """Return all staff, disabled ones too, by login."""
    return list(session.scalars(select(Staff).order_by(Staff.login)))


def _get(session: Session, login: str) -> Staff:
    staff = session.scalar(select(Staff).where(Staff.login == login))
    if staff is None:
        raise NotFound("staff", login)
    return staff


# Whoever adds or disables staff waits for the one before: first and last admins are counted.
_ONE_AT_A_TIME = text(
    "SELECT pg_advisory_xact_lock(hashtextextended('staff:' || current_schema(), 0))"
)
