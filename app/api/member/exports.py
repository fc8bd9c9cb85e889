"""`exports`: all that is kept of a member, for him to take along (G3, reliability §13)."""

from collections.abc import Mapping
from datetime import date, timedelta
from http import HTTPStatus

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.api.auth import Role, SignedIn, requires
from app.api.edge import writes
from app.api.fields import DoorSchema, Instant, Items, Part, PublicId, Text
from app.api.member import member
from app.api.member.agreeing import StanceSchema
from app.api.member.check_ins import CheckedInSchema
from app.api.member.coupons import OwnCouponSchema, coupon_view, names_of
from app.api.member.mall import TakingSchema, taking_view
from app.api.member.orders import (
    OwnOrderDetailSchema,
    lines_of,
    order_view,
    own_orders,
    refunds_of,
)
from app.api.member.points import BalanceSchema, MovementSchema, movement_views
from app.api.member.profile import MembershipSchema, ProfileSchema, membership_views, profile_view
from app.api.member.referrals import ReferredSchema
from app.api.member.sessions import NothingSchema
from app.checkout import takings
from app.checkout.models import Order
from app.checkout.referrals import list_referred
from app.clock import business_date, server_now
from app.members import exporting, privacy
from app.members.consents import Consent
from app.members.devices import DeviceSession
from app.members.identification import same_person
from app.members.referring import friends_of
from app.merchants.directory import get_directory
from app.points import statements
from app.points.check_ins import list_check_ins
from config.database import now_of
from coupons import wallets

_BEGINNING = date(1970, 1, 1)
_EVERYTHING = 10_000_000
_MANY = 1_000_000


class AskedExportSchema(DoorSchema):
    export_id = PublicId("exp", required=True)
    until = Instant(required=True)


class OwnProfileSchema(ProfileSchema):
    """The profile with phone and birthday in clear."""


class OwnIdentitySchema(DoorSchema):
    channel = Text(most=40, required=True)
    app_id = Text(most=80, required=True)
    identity = Text(most=200, required=True)


class OwnConsentSchema(StanceSchema):
    """A decision as it is kept: with the hash of the text."""

    text_sha256 = Text(most=64, required=True)


class OwnDeviceSchema(DoorSchema):
    source = Text(most=20, required=True)
    opened_at = Instant(required=True)
    ended_at = Instant(required=True, allow_none=True)


class OwnDataSchema(DoorSchema):
    """Everything, in the words of this API."""

    made_at = Instant(required=True)
    profile = Part(OwnProfileSchema, required=True)
    identities = Items(Part(OwnIdentitySchema), most=_MANY, required=True)
    memberships = Items(Part(MembershipSchema), most=_MANY, required=True)
    consents = Items(Part(OwnConsentSchema), most=_MANY, required=True)
    devices = Items(Part(OwnDeviceSchema), most=_MANY, required=True)
    balance = Part(BalanceSchema, required=True)
    movements = Items(Part(MovementSchema), most=_MANY, required=True)
    orders = Items(Part(OwnOrderDetailSchema), most=_MANY, required=True)
    check_ins = Items(Part(CheckedInSchema), most=_MANY, required=True)
    referral_code = Text(most=20, required=True, allow_none=True)
    referrals = Items(Part(ReferredSchema), most=_MANY, required=True)
    coupons = Items(Part(OwnCouponSchema), most=_MANY, required=True)
    rewards = Items(Part(TakingSchema), most=_MANY, required=True)


@member.post("/exports")
@requires(Role.MEMBER)
@writes(NothingSchema, AskedExportSchema)
def ask_export(session: Session, caller: SignedIn, _: object) -> Mapping[str, object]:
    """Ask for one's data; it may be fetched once within a day."""
    asked = exporting.ask(session, member=caller.member, now=server_now(session))
    return {"export_id": asked.public_id, "until": asked.until}


@member.post("/exports/<public_id:export_id>/download")
@requires(Role.MEMBER)
@writes(NothingSchema, OwnDataSchema, status=HTTPStatus.OK, keyed=False)
def fetch_export(
    session: Session, caller: SignedIn, _: object, export_id: str
) -> Mapping[str, object]:
    """Return all that is kept of the member, this once."""
    exporting.fetch_once(session, export_id, member=caller.member, now=server_now(session))
    person = privacy.own_person(session, caller.public_id)
    names = names_of(session, caller.member.id)
    return {
        "made_at": now_of(session),
        "profile": {
            **profile_view(session, caller),
            "phone": person.phone,
            "birthday": person.birthday,
        },
        "identities": privacy.own_identities(session, caller.public_id),
        "memberships": membership_views(session, caller),
        "consents": _consents(session, caller),
        "devices": session.scalars(
            select(DeviceSession)
            .where(DeviceSession.member_id.in_(same_person(caller.member.id)))
            .order_by(DeviceSession.id)
        ).all(),
        "balance": statements.balance(session, caller.member),
        "movements": _movements(session, caller),
        "orders": _orders(session, caller),
        "check_ins": list_check_ins(session, caller.member),
        "referral_code": friends_of(session, caller.member).code,
        "referrals": list_referred(session, caller.member, limit=_MANY),
        "coupons": [coupon_view(each) for each in wallets.wallet(session, holders=names)],
        "rewards": [
            taking_view(each) for each in takings.list_own(session, caller.member, limit=_MANY)
        ],
    }


def _consents(session: Session, caller: SignedIn) -> list[Mapping[str, object]]:
    merchants = get_directory(session).merchants
    rows = session.scalars(
        select(Consent)
        .where(Consent.member_id.in_(same_person(caller.member.id)))
        .order_by(Consent.id)
    )
    return [
        {
            "purpose": row.purpose,
            "channel": row.channel,
            "merchant_id": row.merchant_id and merchants[row.merchant_id].public_id,
            "decision": row.decision,
            "version": row.text_version,
            "decided_at": row.decided_at,
            "may_be_asked_from": None,
            "text_sha256": row.text_sha256.hex(),
        }
        for row in rows
    ]


def _movements(session: Session, caller: SignedIn) -> list[Mapping[str, object]]:
    end = business_date(now_of(session)) + timedelta(days=1)
    found = statements.movements(
        session, caller.member, start=_BEGINNING, end=end, limit=_EVERYTHING
    )
    return movement_views(session, caller, found)


def _orders(session: Session, caller: SignedIn) -> list[Mapping[str, object]]:
    rows = session.execute(own_orders(caller.member.id).order_by(Order.id.desc())).all()
    keys = [row.id for row in rows]
    lines, refunds = lines_of(session, keys), refunds_of(session, keys)
    return [
        {
            **order_view(session, row),
            "lines": lines.get(row.id, []),
            "refunds": refunds.get(row.id, []),
        }
        for row in rows
    ]
