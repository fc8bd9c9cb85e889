"""C5, C6, C17, C20: printed codes in one resumable job, older ones taken over, runs called back."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from coupons import batches, codes, invariants, issuing, presets, runs, wallets
from coupons.errors import NoSuchCoupon, OtherContent, SoldOut, TooManyCodes
from coupons.runs import Run, Verdict
from coupons.wallets import Standing
from tests.coupons.makers import KEYS, make_batch, use_up
from tests.factories import unique


def _run(session: Session, wanted: int | None = 25, **terms: Any) -> Run:
    batch = make_batch(session, **terms)
    return runs.open_run(session, batch=batch.code, name="r1", wanted=wanted, keys=KEYS, by="stf_1")


def _exchange(session: Session, code: str, holder: str | None = "mem_1") -> issuing.Issued:
    return issuing.exchange(session, index=codes.index_of(KEYS, codes.normal(code)), holder=holder)


def test_a_run_goes_on_where_it_stood_to_the_same_codes(session: Session) -> None:
    """C5: killed anywhere and run again, the count is the same and the file is complete."""
    run = _run(session)

    counts = [runs.fill(session, run, keys=KEYS, limit=10) for _ in range(4)]
    again = runs.open_run(session, batch=run.batch, name="r1", wanted=25, keys=KEYS, by="stf_2")

    assert counts == [10, 20, 25, 25]
    assert again == run
    lines = list(run.lines(start=0))
    assert lines[20:] == list(again.lines(start=20))
    assert {len(each) for each in lines} == {run.line_bytes}
    known = session.scalars(
        text("SELECT index FROM coupon_code WHERE run_id = :id ORDER BY number"), {"id": run.id}
    ).all()
    expected = [codes.index_of(KEYS, each.decode().strip()) for each in lines]
    assert [bytes(each) for each in known] == expected


def test_a_run_has_no_more_codes_than_the_batch_has_coupons(session: Session) -> None:
    with pytest.raises(TooManyCodes):
        _run(session, 11, limits={"total": 10})
    run = _run(session, 10, limits={"total": 10})
    with pytest.raises(OtherContent):
        runs.open_run(session, batch=run.batch, name="r1", wanted=9, keys=KEYS, by="stf_1")
    with pytest.raises(NoSuchCoupon):
        runs.get_run(session, batch=run.batch, name="r2", keys=KEYS)


def test_a_pack_has_no_codes(session: Session) -> None:
    inner = make_batch(session)
    pack = presets.pack(
        code=unique("T"), title_zh="包", title_en="Pack", batches=[inner.code], total=5
    )
    batch = make_batch(session, pack)

    with pytest.raises(NoSuchCoupon):
        runs.open_run(session, batch=batch.code, name="r1", wanted=5, keys=KEYS, by="stf_1")


def test_a_short_code_is_short(session: Session) -> None:
    run = _run(session, 5, code="short")
    runs.fill(session, run, keys=KEYS)

    assert run.line_bytes == 15
    _exchange(session, next(run.lines(start=0)).decode())


def test_a_code_becomes_one_coupon_of_its_holder(session: Session) -> None:
    """C7, C17: anybody else hears what he hears of a code that does not exist."""
    run = _run(session)
    runs.fill(session, run, keys=KEYS)
    code = run.code(3)

    first = _exchange(session, codes.shown(code).lower())
    again = _exchange(session, code)

    assert (first.coupon, first.repeated, again.coupon, again.repeated) == (
        first.coupon, False, first.coupon, True
    )  # fmt: skip
    with pytest.raises(NoSuchCoupon) as foreign:
        _exchange(session, code, "mem_2")
    with pytest.raises(NoSuchCoupon) as unknown:
        _exchange(session, "NO-SUCH-CODE", "mem_2")
    assert str(foreign.value) == str(unknown.value)
    assert codes.show(session, coupon=first.coupon, holders=("mem_1",), keys=KEYS) == code
    assert invariants.audit(session) == []


def test_a_code_without_a_holder_serves_who_shows_it(session: Session) -> None:
    """S4: issued online, redeemed in the shop."""
    run = _run(session)
    runs.fill(session, run, keys=KEYS)

    coupon = _exchange(session, run.code(0), None).coupon
    use_up(session, coupon)

    assert wallets.find(session, coupons=[coupon])[0].standing is Standing.USED
    assert invariants.audit(session) == []


def test_a_batch_that_is_sold_out_exchanges_nothing(session: Session) -> None:
    run = _run(session, 2, limits={"total": 2, "per_member": 5})
    runs.fill(session, run, keys=KEYS)
    issuing.claim(session, batch=run.batch, holder="mem_9")
    _exchange(session, run.code(0))

    with pytest.raises(SoldOut):
        _exchange(session, run.code(1))


def test_older_codes_are_taken_over_line_by_line(session: Session) -> None:
    """C6: a verdict a row, a collision report, safe to run again."""
    run, other = _run(session, None), _run(session, None)
    runs.take_over(session, other, [(1, "TAKEN")], keys=KEYS)
    lines = [(1, "old-1"), (2, " OLD-1"), (3, "Taken"), (4, ""), (5, "old-2")]

    first = runs.take_over(session, run, lines, keys=KEYS)
    again = runs.take_over(session, run, lines, keys=KEYS)

    assert [each.verdict for each in first] == [
        Verdict.IMPORTED, Verdict.DUPLICATE, Verdict.COLLISION, Verdict.REFUSED, Verdict.IMPORTED
    ]  # fmt: skip
    assert first[1].where == "line 1"
    assert first[2].where == f"{other.batch} r1"
    assert [each.verdict for each in again] == [
        Verdict.ALREADY, Verdict.DUPLICATE, Verdict.COLLISION, Verdict.REFUSED, Verdict.ALREADY
    ]  # fmt: skip
    later = runs.take_over(session, run, [(9, "old-2")], keys=KEYS)
    assert [(each.verdict, each.where) for each in later] == [(Verdict.DUPLICATE, "line 5")]
    coupon = _exchange(session, "old-1").coupon
    assert codes.show(session, coupon=coupon, holders=("mem_1",), keys=KEYS) == "OLD-1"


def test_a_run_is_called_back_with_what_it_became(session: Session) -> None:
    """C20"""
    run = _run(session, limits={"per_member": 5})
    runs.fill(session, run, keys=KEYS)
    used, held = _exchange(session, run.code(0)).coupon, _exchange(session, run.code(1)).coupon
    use_up(session, used)

    done = runs.void_run(session, batch=run.batch, name="r1", why="失窃")
    last = runs.void_run(session, batch=run.batch, name="r1", why="失窃", after=done.last_id or 0)

    assert (done.voided, done.used, last.last_id) == (1, [used], None)
    assert wallets.find(session, coupons=[held])[0].standing is Standing.VOID
    with pytest.raises(NoSuchCoupon):
        _exchange(session, run.code(2))
    issuing.claim(session, batch=run.batch, holder="mem_8")
    with pytest.raises(NoSuchCoupon):
        runs.void_run(session, batch=run.batch, name="r9", why="x")
    assert batches.standing(session, run.batch).coupons == {"issued": 1, "used": 1, "void": 1}
