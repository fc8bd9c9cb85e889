"""Signing in by phone, going on by refresh token, signing out; and the seed of member codes."""

import base64
from dataclasses import dataclass
from http import HTTPStatus

from flask import request
from sqlalchemy.orm import Session

from app.api import auth
from app.api.auth import Role, SignedIn, requires
from app.api.context import request_id, services
from app.api.edge import Refused, opens, writes
from app.api.errors import ConsentRequired, Unauthenticated, WrongCode
from app.api.fields import BIRTHDAY, DoorSchema, Instant, Phone, Text, Whole, YesNo
from app.api.member import member
from app.api.tokens import LIFETIME_SECONDS
from app.clock import business_date, server_now
from app.members import consents, devices, enrolment, referring, refreshing, seeds, sign_in
from app.members.arrivals import NewMember
from app.members.birthdays import old_enough
from app.members.consents import Decision, Matter
from app.members.devices import Device, Ending
from app.members.enrolment import Enrolled
from app.members.identification import KnownMember, find_by_phone
from app.members.models import Source
from app.members.purposes import Purpose, current_text
from app.members.refreshing import IssuedToken, district_of_token
from app.points.rewards import REWARDS
from config.database import district_of, now_of

SIGN_IN = "system:sign_in"

_DISTRICT = r"^[a-z][a-z0-9-]{1,30}$"
_SOURCES = "^(web|wechat|alipay)$"


@dataclass(frozen=True, kw_only=True)
class AskedCode:
    """What `AskCodeSchema` loads."""

    district: str
    phone: str


class AskCodeSchema(DoorSchema):
    makes = AskedCode
    district = Text(most=31, least=2, pattern=_DISTRICT, required=True)
    phone = Phone(required=True)


class SentCodeSchema(DoorSchema):
    until = Instant(required=True)
    code = Text(most=6, required=True, allow_none=True)


@dataclass(frozen=True, kw_only=True)
class AskedSignIn:
    """What `SignInSchema` loads."""

    district: str
    phone: str
    code: str
    source: str
    consent_version: str | None
    birthday: str | None
    as_new_member: bool
    referral_code: str | None


class SignInSchema(DoorSchema):
    """`consent_version` is the text of membership that a new member has agreed to.

    `as_new_member`: the phone was somebody else's before, and is this person's now.
    `referral_code` counts for who joins just now, and is passed over for anybody else.
    """

    makes = AskedSignIn
    district = Text(most=31, least=2, pattern=_DISTRICT, required=True)
    phone = Phone(required=True)
    code = Text(most=6, least=6, pattern=r"^\d{6}$", required=True)
    source = Text(most=10, pattern=_SOURCES, load_default="web")
    consent_version = Text(most=40, load_default=None)
    birthday = Text(most=10, pattern=BIRTHDAY, load_default=None)
    as_new_member = YesNo(load_default=False)
    referral_code = Text(most=20, load_default=None)


@dataclass(frozen=True, kw_only=True)
class AskedTokens:
    """What `RefreshSchema` loads; the token names its district."""

    refresh_token: str

    @property
    def district(self) -> str:
        """The district of the token.

        Raises:
            Unauthenticated: it is no refresh token.
        """
        named = district_of_token(self.refresh_token)
        if named is None:
            raise Unauthenticated
        return named


class RefreshSchema(DoorSchema):
    makes = AskedTokens
    refresh_token = Text(most=120, required=True)


class TokensSchema(DoorSchema):
    access_token = Text(most=2000, required=True)
    expires_in_seconds = Whole(required=True)
    refresh_token = Text(most=120, required=True)
    refresh_until = Instant(required=True)
    is_new_member = YesNo(required=True)
    referred = YesNo(required=True)


class NothingSchema(DoorSchema):
    pass


class SignedOutSchema(DoorSchema):
    signed_out = YesNo(required=True)


class CodeSeedSchema(DoorSchema):
    alias = Text(most=10, required=True)
    seed = Text(most=44, required=True)
    until = Instant(required=True)
    server_time = Instant(required=True)


def _count_codes() -> None:
    auth.gate().admit_to_codes(address=request.remote_addr or "")


@member.post("/sign-in/code")
@requires(Role.ANYONE)
@opens(AskCodeSchema, SentCodeSchema, status=HTTPStatus.CREATED, admits=_count_codes)
def send_sign_in_code(session: Session, asked: AskedCode) -> dict[str, object]:
    """Send six digits to a phone, whether or not it is a member's."""
    shows = services().settings.shows_codes or district_of(session).sandbox
    made = sign_in.make_code(session, asked.phone, now=server_now(session), sends=not shows)
    return {"until": made.until, "code": made.code if shows else None}


@member.post("/sign-in")
@requires(Role.ANYONE)
@opens(SignInSchema, TokensSchema)
def start_session(session: Session, asked: AskedSignIn) -> object:
    """Sign in by phone and code; who is not known becomes a member, with consent."""
    now = server_now(session)
    if not sign_in.use_code(session, asked.phone, asked.code, now=now):
        return Refused(error=WrongCode())
    former = find_by_phone(session, asked.phone) if asked.referral_code else None
    enrolled = _enrol(session, asked)
    referred = enrolled.created and _refer(session, asked, enrolled.member, former)
    device = devices.open_on(session, member=enrolled.member, source=asked.source, now=now)
    if asked.consent_version == current_text(Purpose.MEMBERSHIP).version:
        _record_consent(session, device)
    return _tokens(session, device, refreshing.issue(session, device, now=now),
                   is_new=enrolled.created, referred=referred)  # fmt: skip


@member.post("/tokens")
@requires(Role.ANYONE)
@opens(RefreshSchema, TokensSchema)
def refresh_session(session: Session, asked: AskedTokens) -> object:
    """Change a refresh token for the next and a fresh access token."""
    rotated = refreshing.rotate(session, asked.refresh_token, now=server_now(session))
    if rotated is None:
        return Refused(error=Unauthenticated())
    return _tokens(session, rotated.device, rotated.issued, is_new=False)


@member.post("/sign-out")
@requires(Role.MEMBER)
@writes(NothingSchema, SignedOutSchema, status=HTTPStatus.OK, keyed=False)
def end_session(session: Session, caller: SignedIn, _: object) -> dict[str, bool]:
    """Sign this device out; its tokens and codes end at once."""
    devices.end(session, caller.device, why=Ending.SIGNED_OUT, now=server_now(session))
    return {"signed_out": True}


@member.post("/sign-out-everywhere")
@requires(Role.MEMBER)
@writes(NothingSchema, SignedOutSchema, status=HTTPStatus.OK, keyed=False)
def end_all_sessions(session: Session, caller: SignedIn, _: object) -> dict[str, bool]:
    """Sign every device of the member out."""
    devices.end_all(session, caller.member.id, why=Ending.EVERYWHERE, now=server_now(session))
    return {"signed_out": True}


@member.post("/code-seed")
@requires(Role.MEMBER)
@writes(NothingSchema, CodeSeedSchema, keyed=False)
def make_code_seed(session: Session, caller: SignedIn, _: object) -> dict[str, object]:
    """Give this device the seed of its member codes for a day; the one before ends."""
    now = server_now(session)
    issued = seeds.issue(session, caller.device, now=now)
    return {
        "alias": issued.alias,
        "seed": base64.b64encode(issued.seed).decode(),
        "until": issued.until,
        "server_time": now,
    }


def _enrol(session: Session, asked: AskedSignIn) -> Enrolled:
    """Return the member of a phone whose code was used; who is not known joins, with consent.

    Whoever holds a number now need not be who held it before (semantics 47): a person who says so,
    and has proved by the code to hold it, gets an account of his own.

    Raises:
        ConsentRequired, TooYoung: a new member's; rolled back, so the code is still good.
        MemberNotActive: who is frozen does not begin anew.
    """
    known = find_by_phone(session, asked.phone)
    source = Source(asked.source)
    if known is not None and not asked.as_new_member:
        return enrolment.enrol(session, NewMember(source=source, phone=asked.phone))
    text = current_text(Purpose.MEMBERSHIP)
    if asked.consent_version != text.version:
        raise ConsentRequired(text.version)
    birthday = None
    if asked.birthday is not None:
        birthday = old_enough(asked.birthday, today=business_date(now_of(session)))
    new = NewMember(source=source, phone=asked.phone, birthday=birthday)
    if known is None:
        return enrolment.enrol(session, new)
    known.require_active()
    return enrolment.enrol_after_challenge(
        session,
        new,
        by=SIGN_IN,
        reason="回收号码，新持有人验证码登录 / the number has a new holder",
    )


def _refer(
    session: Session, asked: AskedSignIn, friend: KnownMember, former: KnownMember | None
) -> bool:
    """Note who referred a new member; whatever is wrong with the code, he is a member."""
    if asked.referral_code is None:
        return False
    return referring.refer(
        session,
        friend,
        code=asked.referral_code,
        month_friends=REWARDS.at(session, now_of(session)).referral_month_friends,
        former=former,
    )


def _record_consent(session: Session, device: Device) -> None:
    consents.decide(
        session,
        member=device.member,
        matter=Matter(Purpose.MEMBERSHIP),
        decision=Decision.GIVEN,
        version=current_text(Purpose.MEMBERSHIP).version,
        evidence={"door": "sign-in", "device": device.public_id, "request": request_id()},
    )


def _tokens(
    session: Session, device: Device, issued: IssuedToken, *, is_new: bool, referred: bool = False
) -> dict[str, object]:
    return {
        "access_token": auth.gate().token_for(session, device),
        "expires_in_seconds": LIFETIME_SECONDS,
        "refresh_token": issued.token,
        "refresh_until": issued.until,
        "is_new_member": is_new,
        "referred": referred,
    }
