"""`batches`: runs of coupons with a stock and budgets, and the requests for some (C16, G1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import approvals
from app.api.auth import ActingStaff, Role, requires
from app.api.edge import reads, writes
from app.api.fields import Code, DoorSchema, Instant, Items, Part, PublicId, Sum, Text, Whole
from app.api.manage import manage
from app.api.manage.templates import AskedReason, PageQuerySchema
from app.api.member.paging import LIMIT, Page, read_cursor, write_cursor
from app.api.member.sessions import NothingSchema
from app.approvals import ChangeRequest, RequestStatus
from app.campaigns import coupons as room
from app.merchants.staff import Permission
from coupons import batches, listing
from coupons.batches import Count
from coupons.listing import KeptBatch
from coupons.models import State

_MANY = 10_000
_COUNT = 2**53 - 1


class PackPartSchema(DoorSchema):
    batch = Text(most=40, required=True)
    count = Whole(required=True)


class BatchSchema(DoorSchema):
    """`parts` are what a pack gives; empty for any other."""

    batch_id = PublicId("cbt", required=True)
    batch = Text(most=40, required=True)
    template = Text(most=40, required=True)
    version = Whole(required=True)
    zh = Text(most=60, required=True)
    en = Text(most=60, required=True)
    starts_at = Instant(required=True)
    ends_at = Instant(required=True)
    opened_by = Text(most=80, required=True)
    opened_at = Instant(required=True)
    closed_at = Instant(required=True, allow_none=True)
    closed_why = Text(most=2000, required=True, allow_none=True)
    parts = Items(Part(PackPartSchema), most=100, required=True)


class BatchesSchema(DoorSchema):
    batches = Items(Part(BatchSchema), most=LIMIT, required=True)
    next_cursor = Text(most=200, required=True, allow_none=True)


class StatesSchema(DoorSchema):
    """How many coupons of a batch stand how."""

    issued = Whole(most=_COUNT, required=True)
    used = Whole(most=_COUNT, required=True)
    void = Whole(most=_COUNT, required=True)
    opened = Whole(most=_COUNT, required=True)


class BatchCountSchema(DoorSchema):
    """How far a limit is; without a slot it is of all."""

    what = Text(most=20, required=True)
    scope = Text(most=10, required=True)
    slot = Text(most=60, least=0, required=True)
    reserved = Sum(required=True)
    used = Sum(required=True)
    ceiling = Sum(required=True)


class BatchStandingSchema(BatchSchema):
    states = Part(StatesSchema, required=True)
    counts = Items(Part(BatchCountSchema), most=_MANY, required=True)


class BatchRequestSchema(DoorSchema):
    """`promised_fen` is the most that it can cost; null: nothing limits it."""

    request_id = PublicId("chg", required=True)
    batch = Text(most=40, required=True)
    template = Text(most=40, required=True)
    version = Whole(required=True)
    starts_at = Instant(required=True)
    ends_at = Instant(required=True)
    promised_fen = Sum(required=True, allow_none=True)
    reason = Text(most=2000, required=True)
    proposed_by = Text(most=80, required=True)
    proposed_at = Instant(required=True)
    expires_at = Instant(required=True)


class BatchRequestsSchema(DoorSchema):
    requests = Items(Part(BatchRequestSchema), most=LIMIT, required=True)
    next_cursor = Text(most=200, required=True, allow_none=True)


@dataclass(frozen=True, kw_only=True)
class AskedBatch:
    """What `OpenBatchSchema` loads."""

    batch: str
    template: str
    starts_at: datetime
    ends_at: datetime
    reason: str


class OpenBatchSchema(DoorSchema):
    makes = AskedBatch
    batch = Code(required=True)
    template = Code(required=True)
    starts_at = Instant(required=True)
    ends_at = Instant(required=True)
    reason = Text(most=500, required=True)


class OpenedBatchSchema(DoorSchema):
    """One of the two: the batch, or the request that waits for a second person."""

    batch = Part(BatchSchema, required=True, allow_none=True)
    request = Part(BatchRequestSchema, required=True, allow_none=True)


class CloseBatchSchema(DoorSchema):
    makes = AskedReason
    reason = Text(most=500, required=True)


class RejectBatchSchema(DoorSchema):
    makes = AskedReason
    reason = Text(most=500, required=True)


class DecidedBatchSchema(DoorSchema):
    request_id = PublicId("chg", required=True)
    status = Text(most=20, required=True)


@manage.get("/batches")
@requires(Role.STAFF, may=Permission.COUPON_READ)
@reads(BatchesSchema, query=PageQuerySchema)
def list_batches(session: Session, caller: ActingStaff, asked: Page) -> Mapping[str, Any]:
    """Return the batches, the newest first."""
    before = read_cursor(session, caller, asked.cursor, of="batches")
    rows = listing.list_batches(
        session, before=before[0] if before else None, limit=asked.limit + 1
    )
    shown = rows[: asked.limit]
    last = (shown[-1].key,) if len(shown) < len(rows) else None
    return {
        "batches": [batch_view(each) for each in shown],
        "next_cursor": last and write_cursor(session, caller, of="batches", at=last),
    }


@manage.get("/batches/<code:batch>")
@requires(Role.STAFF, may=Permission.COUPON_READ)
@reads(BatchStandingSchema)
def get_batch(session: Session, _caller: ActingStaff, batch: str) -> Mapping[str, Any]:
    """Return a batch, how its coupons stand, and what of its limits is reserved and used."""
    return standing_view(session, batch)


@manage.get("/batch-requests")
@requires(Role.STAFF, may=Permission.COUPON_READ)
@reads(BatchRequestsSchema, query=PageQuerySchema)
def list_batch_requests(session: Session, caller: ActingStaff, asked: Page) -> Mapping[str, Any]:
    """Return the batches that wait for a second person, the oldest first."""
    before = read_cursor(session, caller, asked.cursor, of="batch-requests")
    rows = approvals.list_open(
        session, kind=room.KIND, after=before[0] if before else 0, limit=asked.limit + 1
    )
    shown = rows[: asked.limit]
    last = (shown[-1].id,) if len(shown) < len(rows) else None
    return {
        "requests": [request_view(each) for each in shown],
        "next_cursor": last and write_cursor(session, caller, of="batch-requests", at=last),
    }


@manage.post("/batches")
@requires(Role.STAFF, may=Permission.COUPON_WRITE)
@writes(OpenBatchSchema, OpenedBatchSchema)
def open_batch(session: Session, caller: ActingStaff, asked: AskedBatch) -> Mapping[str, Any]:
    """Open a batch of a template's newest version, or ask a second person to."""
    opened = room.open_batch(
        session,
        code=asked.batch,
        template=asked.template,
        starts_at=asked.starts_at,
        ends_at=asked.ends_at,
        by=caller.public_id,
        reason=asked.reason,
    )
    if isinstance(opened, ChangeRequest):
        return {"batch": None, "request": request_view(opened)}
    return {"batch": batch_view(listing.get_batch(session, opened.code)), "request": None}


@manage.post("/batches/<code:batch>/close")
@requires(Role.STAFF, may=Permission.COUPON_WRITE)
@writes(CloseBatchSchema, BatchSchema, status=HTTPStatus.OK)
def close_batch(
    session: Session, caller: ActingStaff, asked: AskedReason, batch: str
) -> Mapping[str, Any]:
    """Issue nothing more of a batch; its coupons stay good."""
    room.close(session, batch, by=caller.public_id, reason=asked.reason)
    return batch_view(listing.get_batch(session, batch))


@manage.post("/batch-requests/<public_id:request_id>/approve")
@requires(Role.STAFF, may=Permission.COUPON_APPROVE)
@writes(NothingSchema, BatchSchema, status=HTTPStatus.OK)
def approve_batch(
    session: Session, caller: ActingStaff, _: object, request_id: str
) -> Mapping[str, Any]:
    """Open a batch that somebody else has asked for."""
    room.approve(session, request_id, by=caller.public_id)
    code = session.scalars(
        select(ChangeRequest.subject).where(ChangeRequest.public_id == request_id)
    ).one()
    return batch_view(listing.get_batch(session, code))


@manage.post("/batch-requests/<public_id:request_id>/reject")
@requires(Role.STAFF, may=Permission.COUPON_APPROVE)
@writes(RejectBatchSchema, DecidedBatchSchema, status=HTTPStatus.OK)
def reject_batch(
    session: Session, caller: ActingStaff, asked: AskedReason, request_id: str
) -> Mapping[str, Any]:
    """Turn a batch down that was asked for."""
    room.reject(session, request_id, by=caller.public_id, reason=asked.reason)
    return {"request_id": request_id, "status": RequestStatus.REJECTED}


@manage.post("/batch-requests/<public_id:request_id>/withdraw")
@requires(Role.STAFF, may=Permission.COUPON_WRITE)
@writes(RejectBatchSchema, DecidedBatchSchema, status=HTTPStatus.OK)
def withdraw_batch(
    session: Session, caller: ActingStaff, asked: AskedReason, request_id: str
) -> Mapping[str, Any]:
    """Take back a batch that one has asked for oneself; somebody else's is as good as none."""
    room.withdraw(session, request_id, by=caller.public_id, reason=asked.reason)
    return {"request_id": request_id, "status": RequestStatus.REJECTED}


def batch_view(kept: KeptBatch) -> dict[str, Any]:
    """Return a batch as staff see it."""
    batch = kept.batch
    return {
        "batch_id": batch.public_id,
        "batch": batch.code,
        "template": batch.template.code,
        "version": batch.version,
        "zh": batch.template.title_zh,
        "en": batch.template.title_en,
        "starts_at": batch.starts_at,
        "ends_at": batch.ends_at,
        "opened_by": kept.opened_by,
        "opened_at": kept.opened_at,
        "closed_at": kept.closed_at,
        "closed_why": kept.closed_why,
        "parts": [{"batch": code, "count": count} for code, count in batch.parts],
    }


def standing_view(session: Session, code: str) -> Mapping[str, Any]:
    """Return a batch with its coupons counted."""
    stands = batches.standing(session, code)
    return {
        **batch_view(listing.get_batch(session, code)),
        "states": {state.value: stands.coupons.get(state.value, 0) for state in State},
        "counts": [_count(each) for each in stands.counts],
    }


def request_view(request: ChangeRequest) -> Mapping[str, Any]:
    """Return a batch that somebody has asked for."""
    said = request.payload
    return {
        "request_id": request.public_id,
        "batch": request.subject,
        "template": said["template"],
        "version": said["version"],
        "starts_at": datetime.fromisoformat(said["starts_at"]),
        "ends_at": datetime.fromisoformat(said["ends_at"]),
        "promised_fen": said["promised_fen"],
        "reason": request.reason,
        "proposed_by": request.proposed_by,
        "proposed_at": request.proposed_at,
        "expires_at": request.expires_at,
    }


def _count(each: Count) -> Mapping[str, Any]:
    return {
        "what": each.what,
        "scope": each.scope,
        "slot": each.slot,
        "reserved": each.reserved,
        "used": each.used,
        "ceiling": each.ceiling,
    }
