"""Coupons of members: granted for a reason; called back, some or a whole batch (C7, C20)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from sqlalchemy.orm import Session

from app import audit
from app.api.auth import ActingStaff, Role, requires
from app.api.edge import writes
from app.api.fields import DoorSchema, Items, Part, PublicId, Text, Whole
from app.api.manage import manage
from app.api.member.paging import read_cursor, write_cursor
from app.campaigns import coupons as room
from app.members import identification
from app.merchants.staff import Permission
from coupons.issuing import MOST_AT_ONCE

_AT_ONCE = 2_000
"""Coupons that one step of a recall looks at."""


@dataclass(frozen=True, kw_only=True)
class AskedGrant:
    """What `GrantCouponsSchema` loads."""

    key: str
    member_ids: Sequence[str]
    reason: str


class GrantCouponsSchema(DoorSchema):
    makes = AskedGrant
    key = Text(most=80, required=True)
    member_ids = Items(PublicId("mem"), least=1, most=MOST_AT_ONCE, required=True)
    reason = Text(most=500, required=True)


class GrantedSchema(DoorSchema):
    member_id = PublicId("mem", required=True)
    verdict = Text(most=20, required=True)
    coupon_id = PublicId("cpn", required=True, allow_none=True)


class GrantsSchema(DoorSchema):
    granted = Items(Part(GrantedSchema), most=MOST_AT_ONCE, required=True)


@dataclass(frozen=True, kw_only=True)
class AskedVoid:
    """What `VoidCouponsSchema` loads."""

    coupon_ids: Sequence[str]
    reason: str


class VoidCouponsSchema(DoorSchema):
    makes = AskedVoid
    coupon_ids = Items(PublicId("cpn"), least=1, most=MOST_AT_ONCE, required=True)
    reason = Text(most=500, required=True)


@dataclass(frozen=True, kw_only=True)
class AskedRecall:
    """What `VoidBatchSchema` loads."""

    reason: str
    run: str | None
    cursor: str | None


class VoidBatchSchema(DoorSchema):
    """`run` names one run of codes; without it the whole batch is meant."""

    makes = AskedRecall
    reason = Text(most=500, required=True)
    run = Text(most=80, load_default=None)
    cursor = Text(most=200, load_default=None)


class VoidedSchema(DoorSchema):
    voided = Whole(required=True)
    used = Items(PublicId("cpn"), most=_AT_ONCE, required=True)
    next_cursor = Text(most=200, required=True, allow_none=True)


@manage.post("/batches/<code:batch>/grants")
@requires(Role.STAFF, may=Permission.COUPON_WRITE)
@writes(GrantCouponsSchema, GrantsSchema)
def grant_coupons(
    session: Session, caller: ActingStaff, asked: AskedGrant, batch: str
) -> Mapping[str, Any]:
    """Give members a coupon each; the same key again gives none a second one."""
    members = [identification.get_by_public_id(session, each) for each in asked.member_ids]
    given = room.grant(
        session,
        batch=batch,
        members=members,
        key=asked.key,
        by=caller.public_id,
        reason=asked.reason,
    )
    return {
        "granted": [
            {"member_id": each.holder, "verdict": each.verdict, "coupon_id": each.coupon}
            for each in given
        ]
    }


@manage.post("/coupons/void")
@requires(Role.STAFF, may=Permission.COUPON_WRITE)
@writes(VoidCouponsSchema, VoidedSchema, status=HTTPStatus.OK)
def void_coupons(session: Session, caller: ActingStaff, asked: AskedVoid) -> Mapping[str, Any]:
    """Call coupons back; used ones are named and left alone."""
    done = room.void(session, asked.coupon_ids, by=caller.public_id, reason=asked.reason)
    return {"voided": done.voided, "used": done.used, "next_cursor": None}


@manage.post("/batches/<code:batch>/void")
@requires(Role.STAFF, may=Permission.COUPON_WRITE)
@writes(VoidBatchSchema, VoidedSchema, status=HTTPStatus.OK)
def void_batch(
    session: Session, caller: ActingStaff, asked: AskedRecall, batch: str
) -> Mapping[str, Any]:
    """Call a batch or a run of codes back, a step at a time: go on with `next_cursor`."""
    of = f"void:{batch}:{asked.run or ''}"
    began = read_cursor(session, caller, asked.cursor, of=of)
    if began is None:
        audit.record(
            session,
            actor=caller.public_id,
            action="coupon.void",
            object=f"coupon-batch:{batch}",
            after={"run": asked.run},
            reason=asked.reason,
        )
    done = room.void_some(
        session,
        batch=batch,
        run=asked.run,
        why=audit.masked(asked.reason),
        after=began[0] if began else 0,
        limit=_AT_ONCE,
    )
    last = done.last_id
    return {
        "voided": done.voided,
        "used": done.used,
        "next_cursor": last and write_cursor(session, caller, of=of, at=(last,)),
    }
