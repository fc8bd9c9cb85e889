"""The day's three sums: what tills took, what the books say, what the gateway's bill says (L10).

They differ by exactly the breaks that are written down, each with a kind and a day, until somebody
owns it and closes it with a reason. A day is reconciled once it has no open break.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Row, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.checkout.returns import difference, money_back, sold
from app.checkout.rolling import Part, rolled_back
from app.checkout.slices import load
from app.clock import day_start
from app.errors import NotFound
from app.settlement.bill_files import Gateway, Way
from app.settlement.bills import Bill, BillRow, queue
from app.settlement.breaks import Break, Day, Reconciliation, list_days
from app.settlement.matching import BreakKind, Difference, Ours, Theirs, match
from config.database import new_id, now_of


def run(session: Session, *, gateway: Gateway, day: date) -> Day:
    """Compare a day of the tills and the books with the gateway's bill, and write the breaks down.

    A repeat finds the same breaks, with their owners and reasons; what it does not find any more is
    gone. Runs of one gateway and day queue.

    Raises:
        NotFound: the bill of that day has not been imported.
    """
    queue(session, gateway=gateway, day=day)
    bill = session.scalar(select(Bill).where(Bill.gateway == gateway, Bill.day == day))
    if bill is None:
        raise NotFound("bill", f"{gateway} {day}")
    ours, books = _ours(session, gateway, day)
    theirs = [
        _theirs(row)
        for row in session.scalars(
            select(BillRow).where(BillRow.bill_id == bill.id).order_by(BillRow.id)
        )
    ]
    mine_elsewhere, theirs_elsewhere = _elsewhere(session, gateway, day, ours, theirs)
    breaks = match(ours, theirs, ours_elsewhere=mine_elsewhere, theirs_elsewhere=theirs_elsewhere)
    _write(session, gateway, day, [*breaks, *books])
    sums = {
        "pos_fen": sum(each.way.signed(each.fen) for each in ours),
        "bill_fen": sum(each.way.signed(each.fen) for each in theirs),
        "break_fen": sum(each.fen for each in breaks),
        "books_fen": sum(each.fen for each in books),
    }
    sums["ledger_fen"] = sums["pos_fen"] - sums["books_fen"]
    values = {**sums, "run_at": now_of(session)}
    session.execute(
        insert(Reconciliation)
        .values(gateway=gateway, day=day, **values)
        .on_conflict_do_update(index_elements=["gateway", "day"], set_=values)
    )
    return list_days(session, gateway=gateway, start=day, end=day)[0]


def _ours(session: Session, gateway: Gateway, day: date) -> tuple[list[Ours], list[Difference]]:
    """Return what tills took and gave by the gateway, and where the books say otherwise.

    The till's word is the money by tender; the books' are the slices, by which refunds go: of a
    refund what lies on them between where it began and where it ended.
    """
    found: list[tuple[Ours, int]] = []
    for row in session.execute(_ORDERS, {"tender": gateway, "day": day}):
        allocation = load(row.slices)
        money = difference(allocation, {}, sold(allocation)).money_fen
        found.append((_payment(row), money.get(gateway, 0)))
    bounds = {"start": day_start(day), "end": day_start(day + timedelta(days=1))}
    for row in session.execute(_REFUNDS, {"tender": gateway, **bounds}):
        found.append((_refund(row), _booked(row, gateway)))
    books = [
        Difference(
            kind=BreakKind.BOOKS_DIFFER,
            ours=mine,
            theirs=None,
            fen=mine.way.signed(mine.fen - booked),
        )
        for mine, booked in found
        if booked != mine.fen
    ]
    return [mine for mine, _ in found], books


def _booked(row: Row[Any], tender: str) -> int:
    """Return what the slices say that a refund gave by a tender.

    That is less what it took back of coupons, which was paid out of it.
    """
    parts = [
        (Part(coupon=coupon, line=line, tender=name, fen=fen), of_this)
        for coupon, written, of_this in row.rolled or []
        for line, name, fen in written
    ]
    tape = rolled_back(load(row.slices), [part for part, _ in parts])
    earlier: dict[int, int] = {}
    for lines in row.earlier or []:
        for line, _, fen in lines:
            earlier[line] = earlier.get(line, 0) + fen
    money = money_back(tape, earlier, {line: fen for line, _, fen in row.lines})
    kept = sum([part.fen for part, of_this in parts if of_this and part.tender == tender])
    return money.get(tender, 0) - kept


def _elsewhere(
    session: Session,
    gateway: Gateway,
    day: date,
    ours: Iterable[Ours],
    theirs: Iterable[Theirs],
) -> tuple[list[Ours], list[Theirs]]:
    """Return what is a break on another day and bears a name of this one."""
    called = {row.order_number for row in theirs} | {row.refund_number for row in theirs}
    names = {name for mine in ours for name in (*mine.names, *mine.order_names)}
    known: Mapping[str, object] = {
        "gateway": gateway,
        "tender": gateway,
        "day": day,
        "called": sorted(called - {""}),
        "names": sorted(names),
    }
    mine = [_payment(row) for row in session.execute(_ORDERS_ELSEWHERE, known)]
    mine += [_refund(row) for row in session.execute(_REFUNDS_ELSEWHERE, known)]
    return mine, [_theirs(row) for row in session.execute(_ROWS_ELSEWHERE, known)]


def _write(session: Session, gateway: Gateway, day: date, found: Sequence[Difference]) -> None:
    """Write breaks that are new or back, and end those that are found no more."""
    now = now_of(session)
    rows = [
        {
            "public_id": new_id("brk"),
            "gateway": gateway,
            "day": day,
            "kind": each.kind,
            "order_id": _id(each.ours, Way.PAYMENT),
            "refund_id": _id(each.ours, Way.REFUND),
            "bill_row_id": None if each.theirs is None else each.theirs.id,
            "fen": each.fen,
            "opened_at": now,
        }
        for each in found
    ]
    stands: Sequence[int] = []
    if rows:
        written = insert(Break).on_conflict_do_update(
            constraint="recon_break_what_key", set_={"gone_at": None}
        )
        stands = session.scalars(written.returning(Break.id), rows).all()
    session.execute(
        update(Break)
        .where(Break.gateway == gateway, Break.day == day, Break.gone_at.is_(None))
        .where(Break.id.not_in(stands))
        .values(gone_at=now)
    )


def _id(mine: Ours | None, way: Way) -> int | None:
    return mine.id if mine is not None and mine.way is way else None


def _payment(row: Row[Any]) -> Ours:
    return Ours(
        id=row.id,
        way=Way.PAYMENT,
        names=frozenset({row.public_id, row.number}),
        order_names=frozenset(),
        fen=row.fen,
    )


def _refund(row: Row[Any]) -> Ours:
    return Ours(
        id=row.id,
        way=Way.REFUND,
        names=frozenset({row.public_id, row.number}),
        order_names=frozenset({row.order_public_id, row.order_number}),
        fen=row.fen,
    )


def _theirs(row: Any) -> Theirs:
    return Theirs(
        id=row.id,
        way=Way(row.way),
        order_number=row.order_number,
        refund_number=row.refund_number,
        fen=row.fen,
    )


_ORDERS = text(
    """
    SELECT id, public_id, number, CAST(money ->> CAST(:tender AS text) AS bigint) AS fen, slices
    FROM "order"
    WHERE store_id = ANY (ARRAY(SELECT id FROM store)) AND business_date = :day AND state = 'paid'
        AND CAST(money ->> CAST(:tender AS text) AS bigint) > 0
    ORDER BY id
    """
)
_REFUNDS = text(
    """
    SELECT r.id, r.public_id, r.number, CAST(r.money ->> CAST(:tender AS text) AS bigint) AS fen,
        o.public_id AS order_public_id, o.number AS order_number, o.slices, r.lines,
        (SELECT json_agg(e.lines) FROM refund e
         WHERE e.order_id = r.order_id AND e.ordinal < r.ordinal) AS earlier,
        (SELECT json_agg(json_build_array(k.coupon, k.parts, k.refund_id IS NOT DISTINCT FROM r.id)
                         ORDER BY k.id)
         FROM order_roll_back k WHERE k.order_id = r.order_id) AS rolled
    FROM refund r JOIN "order" o ON o.id = r.order_id
    WHERE r.occurred_at >= :start AND r.occurred_at < :end
        AND CAST(r.money ->> CAST(:tender AS text) AS bigint) > 0
    ORDER BY r.id
    """
)
_ORDERS_ELSEWHERE = text(
    """
    SELECT DISTINCT o.id, o.public_id, o.number,
        CAST(o.money ->> CAST(:tender AS text) AS bigint) AS fen
    FROM recon_break b JOIN "order" o ON o.id = b.order_id AND o.business_date = b.day
    WHERE b.gateway = :gateway AND b.day <> :day AND b.gone_at IS NULL
        AND b.kind IN ('missing_at_gateway', 'wrong_day')
        AND (o.public_id = ANY (:called) OR o.number = ANY (:called))
    ORDER BY o.id
    """
)
_REFUNDS_ELSEWHERE = text(
    """
    SELECT DISTINCT r.id, r.public_id, r.number,
        CAST(r.money ->> CAST(:tender AS text) AS bigint) AS fen,
        o.public_id AS order_public_id, o.number AS order_number
    FROM recon_break b JOIN refund r ON r.id = b.refund_id
        AND CAST(r.occurred_at AT TIME ZONE 'Asia/Shanghai' AS date) = b.day
    JOIN "order" o ON o.id = r.order_id
    WHERE b.gateway = :gateway AND b.day <> :day AND b.gone_at IS NULL
        AND b.kind IN ('refund_missing_at_gateway', 'wrong_day')
        AND (r.public_id = ANY (:called) OR r.number = ANY (:called)
             OR o.public_id = ANY (:called) OR o.number = ANY (:called))
    ORDER BY r.id
    """
)
_ROWS_ELSEWHERE = text(
    """
    SELECT DISTINCT w.id, w.way, w.order_number, w.refund_number, w.fen
    FROM recon_break b JOIN bill_row w ON w.id = b.bill_row_id AND w.day = b.day
    WHERE b.gateway = :gateway AND b.day <> :day AND b.gone_at IS NULL
        AND b.kind IN ('missing_here', 'refund_missing_here', 'wrong_day')
        AND (w.order_number = ANY (:names) OR w.refund_number = ANY (:names))
    ORDER BY w.id
    """
)
