"""Printed codes by the million: made in one job, or taken over from an older system (C5, C6, C20).

A run is known by its batch and a name. Its codes follow from one sealed key and their numbers, so a
job that was killed goes on where it stood, and its file can be written again at any time.
"""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import cast

import psycopg
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from config.database import forget, new_id, now_of
from coupons import batches, codes, issuing
from coupons.codes import CodeKeys
from coupons.errors import BadCode, NoSuchCoupon, OtherContent, TooManyCodes
from coupons.issuing import Recall
from coupons.models import Batch, Code, CodeRun, Coupon
from coupons.terms import CodeLength

AT_ONCE = 10_000
"""Codes of one transaction."""

MOST = 10_000_000


class Verdict(StrEnum):
    """What became of a line of an older system's codes."""

    IMPORTED = "imported"
    ALREADY = "already"
    DUPLICATE = "duplicate"
    COLLISION = "collision"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run of codes; `key` is what they follow from, None where they were imported."""

    id: int
    public_id: str
    name: str
    batch: str
    wanted: int | None
    short: bool
    key: bytes | None = field(repr=False)

    def code(self, number: int) -> str:
        """Return the code of a number of a run that was made."""
        assert self.key is not None, "imported codes follow from nothing"
        return codes.code_of(self.key, number, short=self.short)

    def lines(self, *, start: int) -> Iterator[bytes]:
        """Return the codes as lines of equal length, from number `start` (0 is the first) on."""
        for number in range(start, self.wanted or 0):
            yield self.code(number).encode() + b"\n"

    @property
    def line_bytes(self) -> int:
        """The length of a line of `lines`."""
        return 3 + (codes.SHORT_CHARACTERS if self.short else codes.LONG_CHARACTERS)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The verdict of one line; `where` names what the code is already."""

    line: int
    verdict: Verdict
    where: str = ""


def open_run(
    session: Session, *, batch: str, name: str, wanted: int | None, keys: CodeKeys, by: str
) -> Run:
    """Begin a run of `wanted` codes, or of imported ones (None); the same again goes on with it.

    Raises:
        NoSuchCoupon: no such batch, or a pack, which has no codes.
        TooManyCodes: the batch has fewer coupons.
        OtherContent: the name is a run of another number or kind.
    """
    found = batches.get_batch(session, batch)
    if found.parts:
        raise NoSuchCoupon("coupon-batch", batch)
    total = found.template.terms.limits.total
    if wanted is not None and not 1 <= wanted <= min(MOST, total or MOST):
        raise TooManyCodes(batch, min(MOST, total or MOST))
    public_id = new_id("ccr")
    key = None if wanted is None else secrets.token_bytes(codes.KEY_BYTES)
    session.execute(
        insert(CodeRun)
        .values(
            public_id=public_id,
            batch_id=found.id,
            name=name,
            kind="imported" if wanted is None else "made",
            wanted=wanted,
            short=found.template.terms.code is CodeLength.SHORT,
            sealed_key=None if key is None else codes.seal(keys, key, place=public_id.encode()),
            created_by=by,
            created_at=now_of(session),
        )
        .on_conflict_do_nothing(index_elements=["batch_id", "name"])
    )
    forget(session)  # A batch with codes is not what it was to those who may claim.
    run = get_run(session, batch=batch, name=name, keys=keys)
    if run.wanted != wanted:
        raise OtherContent("coupon-code-run", name)
    return run


def get_run(session: Session, *, batch: str, name: str, keys: CodeKeys) -> Run:
    """Return a run by its batch and name.

    Raises:
        NoSuchCoupon: there is none.
    """
    row = session.scalar(
        select(CodeRun)
        .join(Batch, Batch.id == CodeRun.batch_id)
        .where(Batch.code == batch, CodeRun.name == name)
    )
    if row is None:
        raise NoSuchCoupon("coupon-code-run", name)
    key = row.sealed_key
    return Run(
        id=row.id,
        public_id=row.public_id,
        name=row.name,
        batch=batch,
        wanted=row.wanted,
        short=row.short,
        key=None if key is None else codes.open_seal(keys, key, place=row.public_id.encode()),
    )


def fill(session: Session, run: Run, *, keys: CodeKeys, limit: int = AT_ONCE) -> int:
    """Write the run's next codes, at most `limit`; return how many it has now. Two take turns.

    Call it, each time in a transaction of its own, until it has all.
    """
    _lock(session, run)
    known = session.scalar(select(func.max(Code.number)).where(Code.run_id == run.id))
    first = 0 if known is None else known + 1
    last = min(first + limit, run.wanted or 0)
    if first < last:
        driver = cast(
            "psycopg.Connection[object]", session.connection().connection.driver_connection
        )
        with (
            driver.cursor() as cursor,
            cursor.copy(
                "COPY coupon_code (index, run_id, number) FROM STDIN (FORMAT BINARY)"
            ) as out,
        ):
            out.set_types(["bytea", "int8", "int8"])
            for number in range(first, last):
                out.write_row((codes.index_of(keys, run.code(number)), run.id, number))
    return last


def take_over(
    session: Session, run: Run, lines: Sequence[tuple[int, str]], *, keys: CodeKeys
) -> list[Judged]:
    """Take over codes of an older system, as (line, code); one that is refused stops no other.

    What this run has from the same line is told so, from another line it is a duplicate, and what
    is another run's a collision. Rolled back by the caller, it was a dry run.
    """
    _lock(session, run)
    verdicts: list[Judged] = []
    wanted: dict[bytes, tuple[int, str]] = {}
    for line, written in lines:
        try:
            code = codes.normal(written)
        except BadCode as error:
            verdicts.append(Judged(line=line, verdict=Verdict.REFUSED, where=str(error)))
            continue
        index = codes.index_of(keys, code)
        if index in wanted:
            first = wanted[index][0]
            verdicts.append(Judged(line=line, verdict=Verdict.DUPLICATE, where=f"line {first}"))
        else:
            wanted[index] = (line, code)
    known = _known(session, list(wanted))
    for index, (line, _) in wanted.items():
        if index in known:
            verdicts.append(_judge(run, line, known[index]))
    fresh = {index: said for index, said in wanted.items() if index not in known}
    verdicts += _keep(session, run, fresh, keys=keys)
    return sorted(verdicts, key=lambda each: each.line)


def void_run(
    session: Session, *, batch: str, name: str, why: str, after: int = 0, limit: int = 5_000
) -> Recall:
    """Call a run of codes back: none is exchanged any more, and what they became is void (C20).

    Works as `issuing.void_batch`, some coupons at a time. Those that are used are named.

    Raises:
        NoSuchCoupon: there is no such run.
    """
    row = session.scalar(
        select(CodeRun)
        .join(Batch, Batch.id == CodeRun.batch_id)
        .where(Batch.code == batch, CodeRun.name == name)
        .with_for_update(of=CodeRun)
    )
    if row is None:
        raise NoSuchCoupon("coupon-code-run", name)
    if row.voided_at is None:
        row.voided_at, row.voided_why = now_of(session), why
        session.flush()
    found = session.execute(
        select(Coupon.id, Coupon.public_id)
        .join(Code, Code.coupon_id == Coupon.id)
        .where(Code.run_id == row.id, Coupon.id > after)
        .order_by(Coupon.id)
        .limit(limit)
    ).all()
    done = issuing.void(session, [each.public_id for each in found], why=why)
    return replace(done, last_id=found[-1].id if found else None)


def _lock(session: Session, run: Run) -> None:
    session.execute(select(CodeRun.id).where(CodeRun.id == run.id).with_for_update(key_share=True))


def _known(
    session: Session, indexes: Sequence[bytes]
) -> dict[bytes, tuple[int | None, int | None, str]]:
    rows = session.execute(
        select(Code.index, Code.run_id, Code.number, CodeRun.name, Batch.code)
        .outerjoin(CodeRun, CodeRun.id == Code.run_id)
        .outerjoin(Batch, Batch.id == CodeRun.batch_id)
        .where(Code.index.in_(indexes))
    )
    return {
        index: (run_id, number, f"{batch} {name}") for index, run_id, number, name, batch in rows
    }


def _judge(run: Run, line: int, known: tuple[int | None, int | None, str]) -> Judged:
    run_id, number, where = known
    if run_id != run.id:
        return Judged(line=line, verdict=Verdict.COLLISION, where=where)
    if number != line:
        return Judged(line=line, verdict=Verdict.DUPLICATE, where=f"line {number}")
    return Judged(line=line, verdict=Verdict.ALREADY)


def _keep(
    session: Session, run: Run, fresh: dict[bytes, tuple[int, str]], *, keys: CodeKeys
) -> list[Judged]:
    if not fresh:
        return []
    rows = [
        {
            "index": index,
            "run_id": run.id,
            "number": line,
            "sealed": codes.seal(keys, code.encode(), place=index),
        }
        for index, (line, code) in fresh.items()
    ]
    written = set(
        session.scalars(insert(Code).on_conflict_do_nothing().returning(Code.index), rows)
    )
    lost = _known(session, [index for index in fresh if index not in written])
    return [
        Judged(line=line, verdict=Verdict.IMPORTED)
        if index in written
        else _judge(run, line, lost[index])
        for index, (line, _) in fresh.items()
    ]


_COPY = "COPY coupon_code (index, run_id, number) FROM STDIN (FORMAT BINARY)"
