"""Templates by version, and batches: runs of coupons with a window, a stock and budgets.

What is written down stays: an edit is a new version, an end is an instant with its reason.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import insert, select, text
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from config.database import forget, new_id, now_of, remember
from coupons import templates
from coupons.errors import BadTemplate, NoSuchCoupon, OtherContent, Over, Retired
from coupons.models import (
    Batch,
    CeilingRow,
    CouponTemplate,
    PackPart,
    Tally,
    TemplateVersion,
)
from coupons.templates import Template
from coupons.terms import ceilings


@dataclass(frozen=True, kw_only=True)
class ListedTemplate:
    """A template as its newest version says, or the one that was asked for."""

    template: Template
    version: int
    created_by: str
    created_at: datetime
    retired_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class ListedBatch:
    """A batch with the template version that its coupons keep. `parts` are those of a pack."""

    id: int
    public_id: str
    code: str
    template: Template
    version: int
    starts_at: datetime
    ends_at: datetime
    parts: Sequence[tuple[str, int]]


@dataclass(frozen=True, kw_only=True)
class Count:
    """How far one ceiling of a batch is: what locks reserve, and what is used for good."""

    what: str
    scope: str
    slot: str
    reserved: int
    used: int
    ceiling: int


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where a batch stands; `coupons` counts them by state."""

    batch: ListedBatch
    closed_at: datetime | None
    closed_why: str | None
    coupons: Mapping[str, int]
    counts: Sequence[Count]


def add_template(session: Session, template: Template, *, by: str) -> ListedTemplate:
    """Write a template down, as version 1 or as the next one; the same again is no new version.

    Raises:
        Retired: the template issues nothing more.
        BadTemplate: it is to be used offline, and asks what a till cannot look at then.
    """
    if template.terms.offline_ok and template.unseen:
        raise BadTemplate(
            f"template.{template.unseen[0]}",
            "断网的收银机无法核对，不能与 offline_ok 同用",
            "a till without the network cannot look at it: not together with offline_ok",
        )
    now, document = now_of(session), templates.dump(template)
    session.execute(_TEMPLATE, {"id": new_id("ctp"), "code": template.code, "now": now})
    row = _locked_template(session, template.code)
    if row.retired_at is not None:
        raise Retired(template.code)
    newest = session.scalar(
        select(TemplateVersion)
        .where(TemplateVersion.template_id == row.id)
        .order_by(TemplateVersion.version.desc())
        .limit(1)
    )
    if newest is None or newest.document != document:
        newest = TemplateVersion(
            template_id=row.id,
            version=1 if newest is None else newest.version + 1,
            document=document,
            created_by=by,
            created_at=now,
        )
        session.add(newest)
        session.flush()
    return listed(row, newest)


def list_templates(session: Session, *, code: str | None = None) -> list[ListedTemplate]:
    """Return the newest version of every template by code; with `code`, all versions of that one.

    Raises:
        NoSuchCoupon: no template has this code.
    """
    query = select(CouponTemplate, TemplateVersion).join(
        TemplateVersion, TemplateVersion.template_id == CouponTemplate.id
    )
    if code is None:
        query = query.ext(distinct_on(CouponTemplate.code))
    else:
        query = query.where(CouponTemplate.code == code)
    query = query.order_by(CouponTemplate.code, TemplateVersion.version.desc())
    found = [listed(row, version) for row, version in session.execute(query)]
    if code is not None and not found:
        raise NoSuchCoupon("coupon-template", code)
    return found


def retire(session: Session, code: str, *, why: str) -> list[str]:
    """Stop a template for good and close its batches; return their codes. Issued coupons stay good.

    Raises:
        NoSuchCoupon: no template has this code.
    """
    row = _locked_template(session, code)
    if row.retired_at is None:
        row.retired_at = now_of(session)
    open_ones = session.scalars(
        select(Batch.code)
        .join(TemplateVersion, TemplateVersion.id == Batch.version_id)
        .where(TemplateVersion.template_id == row.id, Batch.closed_at.is_(None))
        .order_by(Batch.id)
    ).all()
    for batch in open_ones:
        close(session, batch, why=why)
    session.flush()
    return list(open_ones)


def open_batch(
    session: Session,
    *,
    code: str,
    template: str,
    starts_at: datetime,
    ends_at: datetime,
    by: str,
) -> ListedBatch:
    """Open a run of a template's newest version between two instants (half-open).

    A pack's parts must be open batches. The same again answers with the batch that is there.

    Raises:
        NoSuchCoupon: no such template, or no such batch in the pack.
        Retired: the template issues nothing more.
        Over: nothing issued at the beginning would ever be good, or the end comes first.
        OtherContent: the code is another batch's.
    """
    row = _locked_template(session, template)
    if row.retired_at is not None:
        raise Retired(template)
    newest = list_templates(session, code=template)[0]
    if starts_at >= ends_at or newest.template.terms.validity.window(starts_at) is None:
        raise Over(code)
    known = session.scalar(select(Batch).where(Batch.code == code))
    if known is not None:
        return _same(session, known, newest, starts_at=starts_at, ends_at=ends_at)
    version_id = session.scalars(
        select(TemplateVersion.id).where(
            TemplateVersion.template_id == row.id, TemplateVersion.version == newest.version
        )
    ).one()
    batch = _new(
        session, newest.template, version_id, code=code, window=(starts_at, ends_at), by=by
    )
    _limit(session, batch, newest.template)
    forget(session)  # What this transaction has opened others must not remember yet.
    return get_batch(session, code)


def close(session: Session, code: str, *, why: str) -> None:
    """Issue nothing more of a batch; its coupons stay good. Waits for claims that are under way.

    Raises:
        NoSuchCoupon: no batch has this code.
    """
    found = session.scalar(
        select(Batch)
        .where(Batch.code == code)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NoSuchCoupon("coupon-batch", code)
    if found.closed_at is None:
        found.closed_at, found.closed_why = now_of(session), why
    session.flush()


def get_batch(session: Session, code: str) -> ListedBatch:
    """Return a batch by its code; no SQL once it is known, for what it says never changes.

    Raises:
        NoSuchCoupon: no batch has this code.
    """
    return remember(session, f"coupon-batch:{code}", lambda _: _read(session, code))


def list_batches(session: Session) -> list[tuple[ListedBatch, datetime | None]]:
    """Return all batches with the instant at which each was closed, newest first."""
    rows = session.execute(select(Batch.code, Batch.closed_at).order_by(Batch.id.desc()))
    return [(get_batch(session, code), closed_at) for code, closed_at in rows.all()]


def standing(session: Session, code: str) -> Standing:
    """Return where a batch stands. Counts its coupons: not for the hot path.

    Raises:
        NoSuchCoupon: no batch has this code.
    """
    batch = get_batch(session, code)
    row = session.scalars(select(Batch).where(Batch.id == batch.id)).one()
    counts = session.scalars(
        select(Tally)
        .where(Tally.batch_id == batch.id)
        .order_by(Tally.what, Tally.scope, Tally.slot)
    )
    return Standing(
        batch=batch,
        closed_at=row.closed_at,
        closed_why=row.closed_why,
        coupons={each.state: each.number for each in session.execute(_STATES, {"id": batch.id})},
        counts=[
            Count(
                what=each.what,
                scope=each.scope,
                slot=each.slot,
                reserved=each.reserved,
                used=each.used,
                ceiling=each.ceiling,
            )
            for each in counts
        ],
    )


def listed(row: CouponTemplate, version: TemplateVersion) -> ListedTemplate:
    """Return a template as one of its versions says."""
    return ListedTemplate(
        template=templates.load(version.document),
        version=version.version,
        created_by=version.created_by,
        created_at=version.created_at,
        retired_at=row.retired_at,
    )


@lru_cache(maxsize=4096)
def read_template(written: str) -> Template:
    """Return the template of a document's text; a text that was read before is not read again."""
    return templates.load(json.loads(written))


def _locked_template(session: Session, code: str) -> CouponTemplate:
    row = session.scalar(
        select(CouponTemplate)
        .where(CouponTemplate.code == code)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise NoSuchCoupon("coupon-template", code)
    return row


def _same(
    session: Session,
    known: Batch,
    newest: ListedTemplate,
    *,
    starts_at: datetime,
    ends_at: datetime,
) -> ListedBatch:
    found = get_batch(session, known.code)
    if (found.template, known.starts_at, known.ends_at) != (newest.template, starts_at, ends_at):
        raise OtherContent("coupon-batch", known.code)
    return found


def _new(
    session: Session,
    template: Template,
    version_id: int,
    *,
    code: str,
    window: tuple[datetime, datetime],
    by: str,
) -> Batch:
    terms = template.terms
    batch = Batch(
        public_id=new_id("cbt"),
        code=code,
        version_id=version_id,
        starts_at=window[0],
        ends_at=window[1],
        per_member=terms.limits.per_member,
        uses=terms.uses,
        value_fen=template.value_fen,
        personal=terms.personal,
        transferable=terms.transfer,
        packed=bool(template.pack),
        opened_by=by,
        opened_at=now_of(session),
    )
    session.add(batch)
    session.flush()
    return batch


def _limit(session: Session, batch: Batch, template: Template) -> None:
    rows: list[dict[str, Any]] = [
        {"batch_id": batch.id, "what": what, "scope": scope, "ceiling": ceiling}
        for (what, scope), ceiling in ceilings(template.terms).items()
    ]
    if rows:
        session.execute(insert(CeilingRow), rows)
    for part in template.pack:
        inner = session.scalar(select(Batch).where(Batch.code == part.batch))
        if inner is None or inner.packed:
            raise NoSuchCoupon("coupon-batch", part.batch)
        session.add(PackPart(pack_id=batch.id, batch_id=inner.id, count=part.count))
    session.flush()


def _read(session: Session, code: str) -> ListedBatch:
    row = session.execute(
        select(Batch, TemplateVersion)
        .join(TemplateVersion, TemplateVersion.id == Batch.version_id)
        .where(Batch.code == code)
    ).one_or_none()
    if row is None:
        raise NoSuchCoupon("coupon-batch", code)
    batch, version = row
    parts = session.execute(
        select(Batch.code, PackPart.count)
        .join(Batch, Batch.id == PackPart.batch_id)
        .where(PackPart.pack_id == batch.id)
        .order_by(Batch.id)
    )
    return ListedBatch(
        id=batch.id,
        public_id=batch.public_id,
        code=batch.code,
        template=templates.load(version.document),
        version=version.version,
        starts_at=batch.starts_at,
        ends_at=batch.ends_at,
        parts=[(inner, count) for inner, count in parts],
    )


_TEMPLATE = text(
    "INSERT INTO coupon_template (public_id, code, created_at) VALUES (:id, :code, :now) "
    "ON CONFLICT (code) DO NOTHING"
)
_STATES = text(
    "SELECT state, count(*) AS number FROM coupon WHERE batch_id = :id GROUP BY state ORDER BY 1"
)
