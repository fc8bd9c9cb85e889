"""Merchants come into the district set-based, with accounts, stores, tills and terms."""

from datetime import date
from fractions import Fraction

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from app import audit
from app.errors import Invalid, NotFound
from app.merchants import registration
from app.merchants.directory import get_directory
from app.merchants.errors import CodeTaken
from app.merchants.registration import NewMerchant, NewStore
from tests.factories import TESTER, make_merchant, make_terms, unique


def _merchant(code: str, *, stores: int = 1) -> NewMerchant:
    return NewMerchant(
        code=code,
        name_zh="湖滨茶馆",
        name_en="Lakeside Tea House",
        trade="cafe",
        stores=[
            NewStore(code=f"{code}-{n}", name=f"{n} 号店", floor="B1", terminals=["T1", "T2"])
            for n in range(stores)
        ],
        terms=make_terms(cost="3/2", redemption="4/3"),
    )


def test_a_registered_merchant_has_accounts_stores_tills_and_terms(session: Session) -> None:
    code = unique("M")

    public_id = registration.register(session, _merchant(code, stores=2), by=TESTER)

    directory = get_directory(session)
    merchant = directory.get_merchant(code)
    accounts = {
        merchant.issued_account_id,
        merchant.prepaid_account_id,
        merchant.redeemed_account_id,
        merchant.breakage_account_id,
    }
    assert merchant.public_id == public_id
    assert directory.get_merchant(public_id) == merchant
    assert len(accounts) == 4
    assert merchant.trade == "cafe"
    store = directory.get_store(f"{code}-1")
    assert store.merchant == merchant
    assert directory.get_terminal(store, "T2").store == store
    terms = merchant.terms_at(date(2026, 11, 23))
    assert terms.cost_fen_per_point == Fraction(3, 2)
    assert terms.redemption_fen_per_point == Fraction(4, 3)


def test_a_year_of_merchants_registers_in_a_dozen_sent(
    session: Session, sent: list[object]
) -> None:
    mark = unique("Y")
    sent.clear()

    registered = registration.register_many(
        session, [_merchant(f"{mark}-{n}") for n in range(457)], by=TESTER
    )

    assert len(set(registered)) == 457
    assert len(sent) <= 12
    assert len(get_directory(session).get_store(f"{mark}-456-0").merchant.terms) == 1


def test_a_taken_code_is_named_and_refused(session: Session) -> None:
    code = make_merchant(session).code

    with pytest.raises(CodeTaken, match=code) as refused:
        registration.register_many(session, [_merchant(unique("M")), _merchant(code)], by=TESTER)
    assert refused.value.kind == "merchant"


def test_a_store_code_is_taken_across_merchants_and_a_till_within_its_store(
    session: Session,
) -> None:
    one, two = make_merchant(session), make_merchant(session)
    registration.add_terminal(session, store=one.code, code="T9", by=TESTER)
    registration.add_terminal(session, store=two.code, code="T9", by=TESTER)

    with pytest.raises(CodeTaken):
        registration.add_terminal(session, store=one.code, code="T9", by=TESTER)
    with pytest.raises(CodeTaken):
        registration.open_store(
            session, merchant=two.code, store=NewStore(code=one.code, name="x"), by=TESTER
        )


def test_what_was_added_is_seen_at_once_and_audited(session: Session) -> None:
    merchant = make_merchant(session)
    code = unique("S")

    store_id = registration.open_store(
        session, merchant=merchant.code, store=NewStore(code=code, name="二店"), by="stf_1"
    )
    terminal_id = registration.add_terminal(session, store=code, code="POS-7", by="stf_1")
    registration.add_cashier(session, store=code, code="0042", name="小周", by="stf_1")

    directory = get_directory(session)
    store = directory.get_store(code)
    assert directory.get_terminal(store, "POS-7").public_id == terminal_id
    assert directory.get_cashier(store, "0042").name == "小周"
    assert [row.action for row in audit.list_records(session, about=store_id)] == ["store.open"]
    (added,) = audit.list_records(session, about=terminal_id)
    assert (added.action, added.actor) == ("terminal.add", "stf_1")


def test_renaming_keeps_the_code_and_remembers_the_old_name(session: Session) -> None:
    merchant = make_merchant(session)

    registration.rename(
        session, merchant=merchant.code, name_zh="新茶馆", name_en="New Tea", by="stf_1"
    )

    renamed = get_directory(session).get_merchant(merchant.code)
    assert (renamed.name_zh, renamed.public_id) == ("新茶馆", merchant.public_id)
    record = audit.list_records(session, about=merchant.public_id)[0]
    assert record.before == {"name_zh": merchant.name_zh, "name_en": merchant.name_en}


def test_unknown_trades_merchants_and_stores_are_refused(session: Session) -> None:
    with pytest.raises(NotFound, match="bakery"):
        make_merchant(session, trade="bakery")
    with pytest.raises(NotFound):
        registration.rename(session, merchant="no", name_zh="x", name_en="x", by=TESTER)
    with pytest.raises(NotFound):
        registration.add_terminal(session, store="no", code="T1", by=TESTER)
    with pytest.raises(Invalid, match="店名"):
        NewStore(code="S1", name=" ")
    with pytest.raises(Invalid, match="name_zh"):
        NewMerchant(code="x", name_zh=" ", name_en="x", trade="cafe")


@pytest.mark.parametrize("code", ["茶馆", "a b", "", "-a", "x" * 41, "a\n"])
def test_a_code_of_other_characters_is_refused(session: Session, code: str) -> None:
    with pytest.raises(Invalid, match="编号须为"):
        NewMerchant(code=code, name_zh="茶馆", name_en="Tea", trade="cafe")
    with pytest.raises(Invalid):
        NewStore(code=code, name="一店")
    with pytest.raises(Invalid):
        NewStore(code="S1", name="一店", terminals=["T1", code])
    store = make_merchant(session).code
    with pytest.raises(Invalid):
        registration.add_terminal(session, store=store, code=code, by=TESTER)
    with pytest.raises(IntegrityError, match="trade_code_check"), session.begin_nested():
        session.execute(
            text("INSERT INTO trade (code, name_zh, name_en) VALUES (:code, 'x', 'x')"),
            {"code": code},
        )


def test_a_new_trade_may_be_used_at_once(session: Session) -> None:
    code = unique("trade").lower()

    registration.add_trade(session, code=code, name_zh="书房", name_en="Study", by=TESTER)

    assert make_merchant(session, trade=code).trade == code
    assert get_directory(session).trades[code].name_zh == "书房"
    with pytest.raises(CodeTaken):
        registration.add_trade(session, code=code, name_zh="书房", name_en="Study", by=TESTER)


@pytest.mark.parametrize("table", ["trade", "merchant", "store", "terminal", "contract_term"])
def test_nothing_of_a_merchant_is_ever_deleted(session: Session, table: str) -> None:
    """Semantics 60: retire only; references always resolve."""
    with pytest.raises(DBAPIError, match="permission denied"):
        session.execute(text(f"DELETE FROM {table}"))
