"""Coupons come to their holders: claimed, granted, exchanged for a code, handed on, called back.

Each is one call of a function in the database (issuing.sql), exact under any concurrency: who comes
too late waits for nobody and changes no row. A refusal of the state of things has written nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, LiteralString

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from config.database import fetch, new_id, now_of
from coupons import batches
from coupons.batches import ListedBatch
from coupons.errors import (
    AlreadyUsed,
    ClaimLimit,
    CouponError,
    Locked,
    NoSuchCoupon,
    NotTransferable,
    NotYet,
    Over,
    SoldOut,
    Voided,
)
from coupons.models import Batch, Coupon, How
from coupons.terms import day_of

MOST_AT_ONCE = 500
"""Holders of one grant; more are granted in several transactions."""


class Verdict(StrEnum):
    """What became of one holder's coupon in a grant."""

    ISSUED = "issued"
    REPEAT = "repeat"
    CLAIM_LIMIT = "claim-limit"


@dataclass(frozen=True, kw_only=True)
class Issued:
    """A coupon that somebody got, now or (`repeated`) by the same call before."""

    coupon: str
    batch: str
    valid_from: datetime
    valid_until: datetime
    repeated: bool = False


@dataclass(frozen=True, kw_only=True)
class Along:
    """A statement of the caller's that goes with a claim, in one round trip.

    It reads `got (verdict, coupon)`: what became of each coupon, `issued` where it is new. Of the
    names of its parameters `now` alone may be the claim's, and means the same.
    """

    statement: LiteralString
    parameters: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Granted:
    """One holder's part of a grant; `coupon` is None where he has as many as anybody may."""

    holder: str
    verdict: Verdict
    coupon: str | None


@dataclass(frozen=True, kw_only=True)
class HandedOn:
    """A coupon went to another holder, now or (`repeated`) by the same call before."""

    valid_until: datetime
    repeated: bool


@dataclass(frozen=True, kw_only=True)
class Recall:
    """What a recall did: coupons that are void now, and those left alone since they are used."""

    coupons: Sequence[str]
    used: Sequence[str]
    last_id: int | None = None

    @property
    def voided(self) -> int:
        """How many are void now."""
        return len(self.coupons)


@dataclass(frozen=True, kw_only=True)
class _Want:
    batch: ListedBatch
    holder: str
    key: str


def claim(
    session: Session,
    *,
    batch: str,
    holder: str,
    n: int = 1,
    store: str | None = None,
    along: Callable[[Sequence[Issued]], Along] | None = None,
) -> list[Issued]:
    """Give a holder his n-th coupon of a batch; a pack gives all of its coupons or none (C4, C7).

    The natural key is (batch, holder, n): a repeat answers with the same coupons, also when the
    batch is sold out or over. Locks the batch's counters until the transaction ends. `along` is
    handed the coupons as they would be issued, and says what is sent along.

    Raises:
        NoSuchCoupon: no such batch.
        NotYet, Over: the batch is not open now.
        SoldOut, ClaimLimit: there is no more, in all or for this holder.
    """
    found = batches.get_batch(session, batch)
    wants = [
        _Want(batch=found, holder=holder, key=str(n)),
        *[
            _Want(batch=inner, holder=holder, key=f"pack:{found.code}:{n}:{number}")
            for inner, count in _parts(session, found)
            for number in range(1, count + 1)
        ],
    ]
    how = How.PACK if found.parts else How.CLAIM
    rows = _issue(session, wants, how=how, store=store, along=along)
    for want, row in zip(wants, rows, strict=True):
        _refuse_unless_had(want.batch.code, row.verdict)
    given = [_issued(want.batch.code, row) for want, row in zip(wants, rows, strict=True)]
    return given[1:] if found.parts else given


def grant(
    session: Session, *, batch: str, holders: Sequence[str], key: str, store: str | None = None
) -> list[Granted]:
    """Give many holders a coupon each, in one statement, for a reason named by `key`.

    At most `MOST_AT_ONCE`. The same key again gives no second coupon. A holder who has as many as
    anybody may is passed over; if the stock does not cover the rest, nobody gets one.

    Raises:
        NoSuchCoupon: no such batch, or it is a pack, which members claim.
        NotYet, Over: the batch is not open now.
        SoldOut: the stock does not cover all.
    """
    found = batches.get_batch(session, batch)
    if found.parts:
        raise NoSuchCoupon("coupon-batch", batch)
    if len(holders) > MOST_AT_ONCE:
        raise ValueError(f"{batch}: at most {MOST_AT_ONCE} holders at once")
    wants = [
        _Want(batch=found, holder=holder, key=f"grant:{key}") for holder in sorted(set(holders))
    ]
    if not wants:
        return []
    rows = _issue(session, wants, how=How.GRANT, store=store, whole=False)
    for row in rows:
        if row.verdict not in tuple(Verdict):
            _refuse_unless_had(found.code, row.verdict)
    return [
        Granted(holder=want.holder, verdict=Verdict(row.verdict), coupon=row.coupon)
        for want, row in zip(wants, rows, strict=True)
    ]


def exchange(
    session: Session, *, index: bytes, holder: str | None, store: str | None = None
) -> Issued:
    """Turn a printed code into its holder's coupon, once; `index` is the code's keyed hash.

    Without a holder the coupon is nobody's and serves whoever shows the code. The same holder again
    gets the same answer; anybody else the one for codes that do not exist (C17).

    Raises:
        NoSuchCoupon: there is no such code, or it is void or somebody else's.
        NotYet, Over, SoldOut, ClaimLimit: as `claim`.
    """
    code = session.scalar(_CODE_BATCH, {"index": index})
    if code is None:
        raise NoSuchCoupon("coupon-code", "…")
    batch = batches.get_batch(session, code)
    now = now_of(session)
    start, end = _window(batch, now)
    row = fetch(
        session,
        "SELECT * FROM coupon_exchange(%(now)s, %(day)s, %(store)s, %(index)s, %(holder)s, "
        "%(id)s, %(start)s, %(end)s)",
        {
            "now": now,
            "day": day_of(now),
            "store": store,
            "index": index,
            "holder": holder,
            "id": new_id("cpn"),
            "start": start,
            "end": end,
        },
    )[0]
    if row.verdict in ("unknown", "void", "taken"):
        raise NoSuchCoupon("coupon-code", "…")
    _refuse_unless_had(code, row.verdict)
    return _issued(code, row)


def hand_on(session: Session, *, coupon: str, giver: str, taker: str) -> HandedOn:
    """Give a coupon to another holder; its last instant stays (semantics 45).

    It counts for the taker's limit, and still for the giver's. A coupon that was used once, or that
    an order has set aside, stays. The same again changes nothing. Locks the coupon.

    Raises:
        NoSuchCoupon: the giver has no such coupon.
        NotTransferable: it is personal, or was handed on as often as it may be.
        AlreadyUsed, Voided, Over, Locked: as it stands.
        ClaimLimit: the taker has as many as anybody may.
    """
    row = fetch(
        session,
        "SELECT * FROM coupon_hand_on(%(now)s, %(coupon)s, %(giver)s, %(taker)s)",
        {"now": now_of(session), "coupon": coupon, "giver": giver, "taker": taker},
    )[0]
    if row.verdict not in ("done", "repeat"):
        raise _stays(coupon, row.verdict)
    return HandedOn(valid_until=row.valid_until, repeated=row.verdict == "repeat")


def void(session: Session, coupons: Sequence[str], *, why: str) -> Recall:
    """Call coupons back for a reason; those that are used up are named and left alone (C20).

    A coupon that an order has set aside is void too, and the order hears of it when it redeems. A
    coupon of several uses loses those that are left. Locks the coupons. Again: nothing changes.
    """
    ids = session.scalars(
        select(Coupon.id).where(Coupon.public_id.in_(coupons)).order_by(Coupon.id)
    ).all()
    return _void(session, list(ids), why=why)


def void_batch(
    session: Session, batch: str, *, why: str, after: int = 0, limit: int = 5_000
) -> Recall:
    """Close a batch and call its coupons back, some at a time, from the row after `after` on.

    Call it, each time in a transaction of its own, with `last_id` of the answer until that is None.
    Killed in the middle, it is begun again: what is void stays so.

    Raises:
        NoSuchCoupon: no such batch.
    """
    batches.close(session, batch, why=why)
    ids = session.scalars(
        select(Coupon.id)
        .join(Batch, Batch.id == Coupon.batch_id)
        .where(Batch.code == batch, Coupon.id > after)
        .order_by(Coupon.id)
        .limit(limit)
    ).all()
    done = _void(session, list(ids), why=why)
    return replace(done, last_id=ids[-1] if ids else None)


def _issue(
    session: Session,
    wants: Sequence[_Want],
    *,
    how: How,
    store: str | None,
    whole: bool = True,
    along: Callable[[Sequence[Issued]], Along] | None = None,
) -> list[Any]:
    now = now_of(session)
    windows = [_window(want.batch, now) for want in wants]
    ids = [new_id("cpn") for _ in wants]
    sent = None
    if along is not None:
        sent = along(_foreseen(wants, ids, windows, packed=how is How.PACK))
    return fetch(
        session,
        _ISSUE if sent is None else _ISSUE_ALONG.format(along=sent.statement),
        {
            **({} if sent is None else sent.parameters),
            "now": now,
            "day": day_of(now),
            "store": store,
            "how": how.value,
            "origin": ids[0] if how is How.PACK else None,
            "whole": whole,
            "batches": [want.batch.id for want in wants],
            "holders": [want.holder for want in wants],
            "keys": [want.key for want in wants],
            "ids": ids,
            "starts": [start for start, _ in windows],
            "ends": [end for _, end in windows],
        },
    )


def _foreseen(
    wants: Sequence[_Want],
    ids: Sequence[str],
    windows: Sequence[tuple[datetime, datetime]],
    *,
    packed: bool,
) -> list[Issued]:
    """Return the coupons that a holder gets if all are issued; a pack itself is none."""
    found = [
        Issued(
            coupon=coupon,
            batch=want.batch.code,
            valid_from=start.astimezone(UTC),
            valid_until=end.astimezone(UTC),
        )
        for want, coupon, (start, end) in zip(wants, ids, windows, strict=True)
    ]
    return found[1:] if packed else found


def _window(batch: ListedBatch, now: datetime) -> tuple[datetime, datetime]:
    """Return the validity, an empty one where it would be over: only a repeat survives that."""
    found = batch.template.terms.validity.window(now)
    return (now, now) if found is None else found


def _parts(session: Session, pack: ListedBatch) -> list[tuple[ListedBatch, int]]:
    return [(batches.get_batch(session, code), count) for code, count in pack.parts]


def _issued(batch: str, row: Any) -> Issued:
    return Issued(
        coupon=row.coupon,
        batch=batch,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        repeated=row.verdict == Verdict.REPEAT,
    )


def _refuse_unless_had(batch: str, verdict: str) -> None:
    refusals: dict[str, CouponError] = {
        "not-yet": NotYet(batch),
        "over": Over(batch),
        "sold-out": SoldOut(batch),
        "claim-limit": ClaimLimit(batch),
    }
    if verdict not in (Verdict.ISSUED, Verdict.REPEAT):
        raise refusals[verdict]


def _stays(coupon: str, verdict: str) -> CouponError:
    refusals: dict[str, CouponError] = {
        "unknown": NoSuchCoupon("coupon", coupon),
        "opened": NoSuchCoupon("coupon", coupon),
        "used": AlreadyUsed(coupon),
        "void": Voided(coupon),
        "expired": Over(coupon),
        "not-transferable": NotTransferable(coupon),
        "locked": Locked(coupon, None),
        "claim-limit": ClaimLimit(coupon),
    }
    return refusals[verdict]


def _void(session: Session, ids: list[int], *, why: str) -> Recall:
    rows = fetch(
        session,
        "SELECT * FROM coupon_void(%(now)s, %(ids)s::bigint[], %(why)s)",
        {"now": now_of(session), "ids": ids, "why": why},
    )
    return Recall(
        coupons=[row.coupon for row in rows if row.verdict == "voided"],
        used=[row.coupon for row in rows if row.verdict == "used"],
    )


_ISSUE: LiteralString = (
    "SELECT * FROM coupon_issue(%(now)s, %(day)s, %(store)s, %(how)s, %(origin)s, %(whole)s, "
    "%(batches)s::bigint[], %(holders)s::text[], %(keys)s::text[], %(ids)s::text[], "
    "%(starts)s::timestamptz[], %(ends)s::timestamptz[])"
)
_ISSUE_ALONG: LiteralString = (
    "WITH got AS (" + _ISSUE + "), along AS ({along}) SELECT * FROM got"  # noqa: S608
)
_CODE_BATCH = text(
    "SELECT b.code FROM coupon_code k JOIN coupon_code_run r ON r.id = k.run_id "
    "JOIN coupon_batch b ON b.id = r.batch_id WHERE k.index = :index"
)
