"""Printed codes: made in the background, their file, older ones taken over (C5, C6).

The worker makes them; what is there can be read meanwhile. A file is written anew at every fetch,
from the run's own key, so one that broke off goes on by `Range`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from typing import Any

from marshmallow import fields, validate
from sqlalchemy.orm import Session

from app import audit
from app.api import limits
from app.api.auth import ActingStaff, Role, requires
from app.api.edge import File, reads, streams, writes
from app.api.fields import DoorSchema, Instant, Items, Part, PublicId, Text, Whole, YesNo
from app.api.manage import manage
from app.api.manage.templates import PageQuerySchema
from app.api.member.paging import LIMIT, Page, read_cursor, write_cursor
from app.errors import StateConflict
from app.members.sealing import coupon_keys
from app.merchants.staff import Permission
from coupons import listing, runs
from coupons.listing import KeptRun
from coupons.runs import Judged, Run, Verdict

MOST_MADE = 1_000_000
MOST_IMPORTED = 5_000
_LINES_AT_ONCE = 1_000


@dataclass(frozen=True, kw_only=True)
class AskedRun:
    """What `MakeCodesSchema` loads."""

    name: str
    count: int


class MakeCodesSchema(DoorSchema):
    makes = AskedRun
    name = Text(most=80, required=True)
    count = Whole(least=1, most=MOST_MADE, required=True)


class CodeRunSchema(DoorSchema):
    """`wanted` and `file_bytes` are null where the codes were imported."""

    run_id = PublicId("ccr", required=True)
    batch = Text(most=40, required=True)
    name = Text(most=80, required=True)
    state = Text(most=20, required=True)
    wanted = Whole(required=True, allow_none=True)
    made = Whole(required=True)
    file_bytes = Whole(required=True, allow_none=True)
    created_by = Text(most=80, required=True)
    created_at = Instant(required=True)
    voided_at = Instant(required=True, allow_none=True)
    voided_why = Text(most=2000, required=True, allow_none=True)


class CodeRunsSchema(DoorSchema):
    runs = Items(Part(CodeRunSchema), most=LIMIT, required=True)
    next_cursor = Text(most=200, required=True, allow_none=True)


@dataclass(frozen=True, kw_only=True)
class AskedImport:
    """What `ImportCodesSchema` loads."""

    name: str
    codes: Sequence[str]
    first_line: int
    dry_run: bool


class ImportCodesSchema(DoorSchema):
    """What is no code has a verdict of its own and stops no other."""

    makes = AskedImport
    name = Text(most=80, required=True)
    codes = Items(
        fields.String(validate=validate.Length(max=1_000, error="wrong-length")),
        least=1, most=MOST_IMPORTED, required=True,
    )  # fmt: skip
    first_line = Whole(least=1, most=10**9, load_default=1)
    dry_run = YesNo(load_default=False)


class CodeVerdictSchema(DoorSchema):
    line = Whole(required=True)
    verdict = Text(most=20, required=True)
    where = Text(most=200, least=0, required=True)


class ImportedCodesSchema(DoorSchema):
    dry_run = YesNo(required=True)
    imported = Whole(required=True)
    already = Whole(required=True)
    duplicate = Whole(required=True)
    collision = Whole(required=True)
    refused = Whole(required=True)
    verdicts = Items(Part(CodeVerdictSchema), most=MOST_IMPORTED, required=True)


@manage.post("/batches/<code:batch>/code-runs")
@requires(Role.STAFF, may=Permission.COUPON_WRITE)
@writes(MakeCodesSchema, CodeRunSchema, status=HTTPStatus.ACCEPTED)
def make_codes(
    session: Session, caller: ActingStaff, asked: AskedRun, batch: str
) -> Mapping[str, Any]:
    """Have up to a million codes made; the same name and number again is the same run."""
    run = runs.open_run(
        session,
        batch=batch,
        name=asked.name,
        wanted=asked.count,
        keys=coupon_keys(session),
        by=caller.public_id,
    )
    audit.record(
        session,
        actor=caller.public_id,
        action="coupon.codes",
        object=run.public_id,
        after={"batch": batch, "name": asked.name, "count": asked.count},
    )
    return _view(session, listing.get_run(session, run.public_id))


@manage.get("/batches/<code:batch>/code-runs")
@requires(Role.STAFF, may=Permission.COUPON_READ)
@reads(CodeRunsSchema, query=PageQuerySchema)
def list_code_runs(
    session: Session, caller: ActingStaff, asked: Page, batch: str
) -> Mapping[str, Any]:
    """Return the runs of codes of a batch, the newest first."""
    of = f"code-runs:{batch}"
    before = read_cursor(session, caller, asked.cursor, of=of)
    rows = listing.list_runs(
        session, batch=batch, before=before[0] if before else None, limit=asked.limit + 1
    )
    shown = rows[: asked.limit]
    last = (shown[-1].key,) if len(shown) < len(rows) else None
    return {
        "runs": [_view(session, each) for each in shown],
        "next_cursor": last and write_cursor(session, caller, of=of, at=last),
    }


@manage.get("/code-runs/<public_id:run_id>")
@requires(Role.STAFF, may=Permission.COUPON_READ)
@reads(CodeRunSchema)
def get_code_run(session: Session, _caller: ActingStaff, run_id: str) -> Mapping[str, Any]:
    """Return how far a run of codes is."""
    return _view(session, listing.get_run(session, run_id))


@manage.get("/code-runs/<public_id:run_id>/file")
@requires(Role.STAFF, may=Permission.COUPON_WRITE, limit=limits.STAFF_EXPORTS)
@streams("text/plain")
def fetch_codes(session: Session, caller: ActingStaff, run_id: str) -> File:
    """Return the codes of a run that is ready, one a line; goes on anywhere by `Range`."""
    kept = listing.get_run(session, run_id)
    if _state(kept) != "ready":
        raise StateConflict(
            "coupon-code-run", run_id, _state(kept), "没有可取的文件", "it has no file"
        )
    run = _opened(session, kept)
    audit.record(
        session,
        actor=caller.public_id,
        action="coupon.codes_fetch",
        object=run_id,
        after={"batch": kept.batch, "name": kept.name},
    )
    return File(
        name=f"{run_id}.txt",
        size=run.line_bytes * (run.wanted or 0),
        parts=lambda start: _parts(run, start),
    )


@manage.post("/batches/<code:batch>/imports")
@requires(Role.STAFF, may=Permission.COUPON_WRITE)
@writes(ImportCodesSchema, ImportedCodesSchema, status=HTTPStatus.OK, listed="codes")
def import_codes(
    session: Session, caller: ActingStaff, asked: AskedImport, batch: str
) -> Mapping[str, Any]:
    """Take codes of an older system over, some thousands at once, with a verdict on each."""
    with session.begin_nested() as tried:
        judged = _taken_over(session, caller, asked, batch)
        if asked.dry_run:
            tried.rollback()
    counts = {each.value: 0 for each in Verdict}
    for each in judged:
        counts[each.verdict] += 1
    return {"dry_run": asked.dry_run, **counts, "verdicts": judged}


def _taken_over(
    session: Session, caller: ActingStaff, asked: AskedImport, batch: str
) -> list[Judged]:
    keys = coupon_keys(session)
    run = runs.open_run(
        session, batch=batch, name=asked.name, wanted=None, keys=keys, by=caller.public_id
    )
    audit.record(
        session,
        actor=caller.public_id,
        action="coupon.codes",
        object=run.public_id,
        after={"batch": batch, "name": asked.name, "first_line": asked.first_line},
    )
    lines = list(enumerate(asked.codes, start=asked.first_line))
    return runs.take_over(session, run, lines, keys=keys)


def _opened(session: Session, kept: KeptRun) -> Run:
    return runs.get_run(session, batch=kept.batch, name=kept.name, keys=coupon_keys(session))


def _parts(run: Run, start: int) -> Iterator[bytes]:
    """Return the file from a byte on, a thousand lines at a time."""
    number, within = divmod(start, run.line_bytes)
    lines = run.lines(start=number)
    while part := list(islice(lines, _LINES_AT_ONCE)):
        yield b"".join(part)[within:]
        within = 0


def _view(session: Session, kept: KeptRun) -> Mapping[str, Any]:
    run = _opened(session, kept)
    return {
        "run_id": kept.public_id,
        "batch": kept.batch,
        "name": kept.name,
        "state": _state(kept),
        "wanted": kept.wanted,
        "made": kept.made,
        "file_bytes": None if kept.wanted is None else run.line_bytes * kept.wanted,
        "created_by": kept.created_by,
        "created_at": kept.created_at,
        "voided_at": kept.voided_at,
        "voided_why": kept.voided_why,
    }


def _state(kept: KeptRun) -> str:
    if kept.voided_at is not None:
        return "void"
    if kept.wanted is None:
        return "imported"
    return "ready" if kept.is_ready else "making"
