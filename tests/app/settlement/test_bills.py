"""L10: a bill is taken in whole and once; another word on the same row is refused."""

import itertools
from datetime import date, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import audit
from app.settlement import bills
from app.settlement.bill_files import BadBill, Gateway
from app.settlement.bills import BillRow, TakenIn
from config.database import Database
from tests.app.checkout.test_races import meanwhile
from tests.app.settlement.gateway_files import Money, alipay, wechat

_days = itertools.count(1)
ROWS = [
    Money(transaction="t1", order="o1", fen=100),
    Money(transaction="t1", order="o1", fen=30, refund="r1", refund_number="n1"),
    Money(transaction="t2", order="o2", fen=5),
]


@pytest.fixture
def day() -> date:
    return date(2031, 1, 1) + timedelta(days=next(_days))


def take(session: Session, content: bytes, day: date) -> TakenIn:
    return bills.take_in(session, content, gateway=Gateway.WECHAT, day=day, by="stf_1")


def rows_of(session: Session, day: date) -> int:
    found = session.scalar(select(func.count()).where(BillRow.day == day).select_from(BillRow))
    return found or 0


def test_the_same_bill_again_changes_nothing(session: Session, day: date) -> None:
    first = take(session, wechat(ROWS, day=day), day)
    again = take(session, wechat(ROWS, day=day), day)

    assert (first.added, first.already) == (3, 0)
    assert again == TakenIn(bill=first.bill, added=0, already=3)
    assert len(audit.list_records(session, about=first.bill)) == 1


def test_a_bill_may_grow_but_neither_change_nor_shrink(session: Session, day: date) -> None:
    take(session, wechat(ROWS[:2], day=day), day)
    changed = [Money(transaction="t1", order="o1", fen=101), ROWS[1], ROWS[2]]

    with pytest.raises(BadBill, match="line 2"):
        take(session, wechat(changed, day=day), day)
    with pytest.raises(BadBill, match="lacks t1"):
        take(session, wechat([ROWS[0], ROWS[2]], day=day), day)
    assert rows_of(session, day) == 2
    assert take(session, wechat(ROWS, day=day), day).added == 1


def test_a_bad_bill_leaves_nothing(session: Session, day: date) -> None:
    with pytest.raises(BadBill):
        take(session, wechat([*ROWS, ROWS[0]], day=day), day)

    assert rows_of(session, day) == 0


def test_two_gateways_may_use_the_same_ids(session: Session, day: date) -> None:
    take(session, wechat(ROWS, day=day), day)

    other = bills.take_in(
        session, alipay(ROWS, day=day), gateway=Gateway.ALIPAY, day=day, by="stf_1"
    )

    assert other.added == 3


def test_two_imports_at_once_take_a_bill_in_once(
    database: Database, district: str, day: date
) -> None:
    content = wechat(ROWS, day=day)

    ended = meanwhile(
        database,
        district,
        lambda session: take(session, content, day),
        lambda session: take(session, content, day),
    )

    assert (ended.result().added, ended.result().already) == (0, 3)
