"""What staff sign in with over HTTP: a password, and a one-time password of their phone.

Both are given out by command (`plaza staff enrol`) and shown once. The password is kept as scrypt
makes it, the phone's key under seal. The one-time password is TOTP as every authenticator app reads
it (RFC 6238 with its default of SHA-1: six digits, thirty seconds); a step counts once.

Who is not known costs as much time as who is, and is answered alike. Five sign-ins that were
refused within a quarter of an hour, and a name waits that long, whoever it is.
"""

import base64
import hashlib
import hmac
import logging
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast
from urllib.parse import quote, urlencode

from sqlalchemy import delete, select, text, update
from sqlalchemy.orm import Session

from app import audit
from app.errors import Invalid, TooOften
from app.merchants import staff_sessions
from app.merchants.models import Staff, StaffCredential, StaffMiss, StaffStatus
from app.merchants.staff import get_active
from app.merchants.staff_sessions import Ending
from config.database import district_of
from config.keys import KeyRing, Place, hotp

PASSWORD_LEAST = 12
PASSWORD_MOST = 200
STEP_SECONDS = 30
DIGITS = 6
MISSES = 5
WINDOW = timedelta(minutes=15)

_KEPT = timedelta(days=1)
_DIGEST = "sha1"
_KEY_BYTES = 20  # As long as the digest (RFC 4226 §4).
_SALT_BYTES = 16
_STEPS = (0, -1, 1)
# OWASP's cheat sheet of password storage: 32 MiB for some 0.2 s of one core.
_COST, _BLOCK, _LANES, _MOST_MEMORY = 2**15, 8, 3, 2**26

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Enrolled:
    """What an authenticator app reads, told this once."""

    uri: str = field(repr=False)


def enrol(session: Session, login: str, password: str, *, by: str, now: datetime) -> Enrolled:
    """Give a staff member a password and a fresh key for the phone; both replace what there was.

    Ends every session that is open. `by` is a staff member's public id.

    Raises:
        NotFound, StateConflict: as `staff.get_active`.
        Invalid: the password has under 12 characters or over 200, or is the login.
    """
    staff = get_active(session, login)
    _check(password, login)
    session.execute(
        update(StaffCredential)
        .where(StaffCredential.staff_id == staff.id, StaffCredential.ended_at.is_(None))
        .values(ended_at=now)
    )
    ring = _key_ring(session)
    key, salt = secrets.token_bytes(_KEY_BYTES), secrets.token_bytes(_SALT_BYTES)
    session.add(
        StaffCredential(
            staff_id=staff.id,
            salt=salt,
            password_hash=_stretched(password, salt),
            totp_key=ring.wrap(key, place=_place(staff, ring.version)),
            key_version=ring.version,
            last_step=0,
            made_at=now,
        )
    )
    session.flush()
    staff_sessions.end_all(session, staff.id, why=Ending.ENROLLED, now=now)
    audit.record(session, actor=by, action="staff.enrol", object=staff.public_id)
    return Enrolled(uri=_uri(district_of(session).id, login, key))


def prove(session: Session, login: str, password: str, code: str, *, now: datetime) -> Staff | None:
    """Return who signs in, and use the code up; None if anything is wrong, whatever it is.

    A refusal is counted and put on record, so the caller commits it. One sign-in of a name is
    looked at at a time.

    Raises:
        TooOften: the name was refused five times within a quarter of an hour.
    """
    who = _key_ring(session).blind_index("staff-login:v1", login)
    _require_patience(session, who, now=now)
    known = session.execute(
        select(Staff, StaffCredential)
        .join(StaffCredential, StaffCredential.staff_id == Staff.id)
        .where(Staff.login == login, Staff.status == StaffStatus.ACTIVE)
        .where(StaffCredential.ended_at.is_(None))
        .with_for_update(of=StaffCredential)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if known is None:
        _stretched(password, bytes(_SALT_BYTES))
        _refuse(session, None, who, now=now)
        return None
    staff, credential = known
    step = _matching_step(session, staff, credential, code, now=now)
    right = hmac.compare_digest(_stretched(password, credential.salt), credential.password_hash)
    if step is None or not right:
        _refuse(session, staff, who, now=now)
        return None
    credential.last_step = step
    return staff


def one_time_password(uri: str, *, at: datetime) -> str:
    """Return what an app that has read an address shows at an instant."""
    written = uri.partition("secret=")[2].partition("&")[0]
    key = base64.b32decode(written + "=" * (-len(written) % 8))
    return _password_of(key, int(at.timestamp()) // STEP_SECONDS)


def purge(session: Session, *, now: datetime) -> int:
    """Forget refused sign-ins after a day; return how many. The audit keeps them."""
    gone = session.execute(
        delete(StaffMiss).where(StaffMiss.at < now - _KEPT).returning(StaffMiss.id)
    )
    return len(gone.all())


def _matching_step(
    session: Session, staff: Staff, credential: StaffCredential, code: str, *, now: datetime
) -> int | None:
    """Return the step of a code, one away from now at most, that no later one was used before."""
    place = _place(staff, credential.key_version)
    key = _key_ring(session).unwrap(credential.totp_key, place=place)
    for offset in _STEPS:
        step = int(now.timestamp()) // STEP_SECONDS + offset
        if step > credential.last_step and hmac.compare_digest(
            _password_of(key, step).encode(), code.encode()
        ):
            return step
    return None


def _require_patience(session: Session, who: bytes, *, now: datetime) -> None:
    name = f"staff-sign-in:{district_of(session).id}:{who.hex()}"
    if not session.scalar(_ONE_AT_A_TIME, {"name": name}):
        raise TooOften(seconds=1)
    missed = session.scalars(
        select(StaffMiss.at)
        .where(StaffMiss.who == who, StaffMiss.at > now - WINDOW)
        .order_by(StaffMiss.at.desc())
        .limit(MISSES)
    ).all()
    if len(missed) == MISSES:
        log.error("staff_sign_in_guessed", extra={"who": who.hex()})
        raise TooOften(seconds=max(int((missed[0] + WINDOW - now).total_seconds()), 1))


def _refuse(session: Session, staff: Staff | None, who: bytes, *, now: datetime) -> None:
    session.add(StaffMiss(who=who, at=now))
    session.flush()
    audit.record(
        session,
        actor="unknown" if staff is None else staff.public_id,
        action="staff.sign_in_refused",
        object=f"staff-login:{who.hex()}",  # Who mixes the fields up types a password here.
    )


def _check(password: str, login: str) -> None:
    if not PASSWORD_LEAST <= len(password) <= PASSWORD_MOST:
        raise Invalid(
            "password",
            f"须为 {PASSWORD_LEAST} 到 {PASSWORD_MOST} 个字符",
            f"{PASSWORD_LEAST} to {PASSWORD_MOST} characters are wanted",
        )
    if login in password.lower():
        raise Invalid("password", "不能含登录名", "it may not hold the login")


def _stretched(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(
        password.encode(), salt=salt, n=_COST, r=_BLOCK, p=_LANES, maxmem=_MOST_MEMORY, dklen=32
    )


def _password_of(key: bytes, step: int) -> str:
    return hotp(key, step, digits=DIGITS, digest=_DIGEST)


def _uri(district: str, login: str, key: bytes) -> str:
    issuer = f"Plaza {district}"
    asked = {
        "secret": base64.b32encode(key).decode().rstrip("="),
        "issuer": issuer,
        "algorithm": _DIGEST.upper(),
        "digits": DIGITS,
        "period": STEP_SECONDS,
    }
    return f"otpauth://totp/{quote(f'{issuer}:{login}')}?{urlencode(asked, quote_via=quote)}"


def _key_ring(session: Session) -> KeyRing:
    return cast("KeyRing", session.info["key_ring"])


def _place(staff: Staff, version: int) -> Place:
    return Place(
        table="staff_credential", column="totp_key", row_id=staff.public_id, key_version=version
    )


_ONE_AT_A_TIME = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))")
