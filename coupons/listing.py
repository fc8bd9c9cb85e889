"""Lists for those who manage coupons: templates, batches and runs of codes, newest first, in pages.

A page begins after the key that the page before ended with, so rows that come in meanwhile move
nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, case, exists, func, select
from sqlalchemy.orm import Session, aliased

from coupons import batches
from coupons.batches import ListedBatch, ListedTemplate
from coupons.errors import NoSuchCoupon
from coupons.models import Batch, Code, CodeRun, CouponTemplate, TemplateVersion


@dataclass(frozen=True, kw_only=True)
class KeptBatch:
    """A batch, who opened it, and whether it issues nothing more; `key` orders it."""

    key: int
    batch: ListedBatch
    opened_by: str
    opened_at: datetime
    closed_at: datetime | None
    closed_why: str | None


@dataclass(frozen=True, kw_only=True)
class KeptRun:
    """A run of codes and how many of them there are; `wanted` is None where they were imported."""

    key: int
    public_id: str
    name: str
    batch: str
    wanted: int | None
    made: int
    created_by: str
    created_at: datetime
    voided_at: datetime | None
    voided_why: str | None

    @property
    def is_ready(self) -> bool:
        """Whether every code that is wanted is there."""
        return self.wanted is None or self.made == self.wanted


def list_templates(
    session: Session, *, before: int | None, limit: int
) -> list[tuple[int, ListedTemplate]]:
    """Return the newest version of so many templates, each with the key that orders it."""
    later = aliased(TemplateVersion)
    query = (
        select(CouponTemplate, TemplateVersion)
        .join(TemplateVersion, TemplateVersion.template_id == CouponTemplate.id)
        .where(
            ~exists().where(
                later.template_id == CouponTemplate.id, later.version > TemplateVersion.version
            )
        )
    )
    if before is not None:
        query = query.where(CouponTemplate.id < before)
    rows = session.execute(query.order_by(CouponTemplate.id.desc()).limit(limit))
    return [(row.id, batches.listed(row, version)) for row, version in rows]


def list_batches(session: Session, *, before: int | None, limit: int) -> list[KeptBatch]:
    """Return so many batches."""
    query = select(Batch)
    if before is not None:
        query = query.where(Batch.id < before)
    rows = session.scalars(query.order_by(Batch.id.desc()).limit(limit))
    return [_kept(session, row) for row in rows]


def get_batch(session: Session, code: str) -> KeptBatch:
    """Return a batch by its code.

    Raises:
        NoSuchCoupon: no batch has this code.
    """
    row = session.scalar(select(Batch).where(Batch.code == code))
    if row is None:
        raise NoSuchCoupon("coupon-batch", code)
    return _kept(session, row)


def list_runs(session: Session, *, batch: str, before: int | None, limit: int) -> list[KeptRun]:
    """Return so many runs of codes of a batch.

    Raises:
        NoSuchCoupon: no batch has this code.
    """
    query = _runs().where(Batch.id == batches.get_batch(session, batch).id)
    if before is not None:
        query = query.where(CodeRun.id < before)
    rows = session.execute(query.order_by(CodeRun.id.desc()).limit(limit))
    return [_run(row) for row in rows]


def get_run(session: Session, public_id: str) -> KeptRun:
    """Return a run of codes by its public id.

    Raises:
        NoSuchCoupon: there is none.
    """
    row = session.execute(_runs().where(CodeRun.public_id == public_id)).one_or_none()
    if row is None:
        raise NoSuchCoupon("coupon-code-run", public_id)
    return _run(row)


def waiting_runs(session: Session) -> Sequence[KeptRun]:
    """Return the runs that lack codes and were not called back, oldest first."""
    last = exists().where(Code.run_id == CodeRun.id, Code.number == CodeRun.wanted - 1)
    rows = session.execute(
        _runs()
        .where(CodeRun.wanted.is_not(None), CodeRun.voided_at.is_(None), ~last)
        .order_by(CodeRun.id)
    )
    return [_run(row) for row in rows]


def _runs() -> Select[Any]:
    # Numbers of a run that is made have no gap; of an imported one they are its lines.
    made = select(func.max(Code.number) + 1).where(Code.run_id == CodeRun.id).scalar_subquery()
    taken = (
        select(func.count()).select_from(Code).where(Code.run_id == CodeRun.id).scalar_subquery()
    )
    return select(
        CodeRun,
        Batch.code.label("batch"),
        case((CodeRun.wanted.is_(None), taken), else_=func.coalesce(made, 0)).label("made"),
    ).join(Batch, Batch.id == CodeRun.batch_id)


def _run(row: Row[Any]) -> KeptRun:
    run: CodeRun = row.CodeRun
    return KeptRun(
        key=run.id,
        public_id=run.public_id,
        name=run.name,
        batch=row.batch,
        wanted=run.wanted,
        made=row.made,
        created_by=run.created_by,
        created_at=run.created_at,
        voided_at=run.voided_at,
        voided_why=run.voided_why,
    )


def _kept(session: Session, row: Batch) -> KeptBatch:
    return KeptBatch(
        key=row.id,
        batch=batches.get_batch(session, row.code),
        opened_by=row.opened_by,
        opened_at=row.opened_at,
        closed_at=row.closed_at,
        closed_why=row.closed_why,
    )
