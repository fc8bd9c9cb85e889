"""O1: members and balances of an older programme, once for ever, row by row."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

import ledger
from app import audit
from app.books import opening_accounts
from app.clock import business_date
from app.members import consents
from app.members.identification import find_by_card, find_by_phone
from app.points import lots, openings
from app.points.opening_rows import Judged, OpeningLine, Verdict, read
from config.database import Database, now_of
from ledger import upkeep
from tests.app.checkout.shops import Shop, give_points, open_shop, points_of, posted
from tests.app.checkout.test_races import meanwhile
from tests.factories import make_member, new_phone, unique


@pytest.fixture
def shop(session: Session) -> Shop:
    return open_shop(session)


def rows(*lines: str) -> list[OpeningLine]:
    head = b"row,phone,card_number,issuer,points,expires_on"
    found = list(read([head, *(line.encode() for line in lines)]))
    return [each for each in found if isinstance(each, OpeningLine)]


def take(
    session: Session, given: Sequence[OpeningLine], *, source: str, dry: bool = False
) -> list[Judged]:
    return openings.take_over(session, given, source=source, by="stf_1", seen={}, dry=dry)


def verdicts(judged: Sequence[Judged]) -> list[Verdict]:
    return [each.verdict for each in judged]


def test_members_are_enrolled_and_points_stand_in_lots_of_their_expiry(
    session: Session, shop: Shop
) -> None:
    phone, code, source = new_phone(), shop.merchant.code, unique("src")
    given = rows(
        f"1,{phone},,{code},120,2099-12-31", f"2,{phone},,{code},30,never",
        f"3,,{unique('C')},{code},7,2099-12-31",
    )  # fmt: skip

    judged = take(session, given, source=source)

    assert verdicts(judged) == [Verdict.IMPORTED] * 3
    member = find_by_phone(session, phone)
    assert member is not None
    assert points_of(session, member) == 150
    today = business_date(now_of(session))
    wallet = lots.lock(session, member, day=today)
    assert {(lot.meaning.expires_on, lot.posted) for lot in wallet.lots} == {
        (None, 30),
        (given[0].expires_on, 120),
    }
    assert {str(lot.meaning.cost) for lot in wallet.lots} == {"1"}
    assert consents.list_stances(session, member.id) == {}
    account = opening_accounts(session, [shop.merchant.public_id])[shop.merchant.public_id]
    assert posted(session, account) == -157
    assert sum(ledger.statements.trial_balance(session).values()) == 0
    assert upkeep.audit_all(session) == []
    assert audit.list_records(session, about=f"source:{source}")[0].after == {
        "rows": 3, "points": 157,
    }  # fmt: skip


def test_a_row_is_taken_over_once_whoever_sends_it_again(session: Session, shop: Shop) -> None:
    phone, code, source = new_phone(), shop.merchant.code, unique("src")
    first = rows(f"1,{phone},,{code},120,never")
    take(session, first, source=source)

    again = take(session, first, source=source)
    other = take(session, rows(f"1,{phone},,{code},121,never"), source=source)
    elsewhere = take(session, first, source=unique("src"))

    assert verdicts(again) == [Verdict.ALREADY]
    assert verdicts(other) == [Verdict.REFUSED]
    assert verdicts(elsewhere) == [Verdict.IMPORTED]
    member = find_by_phone(session, phone)
    assert member is not None
    assert points_of(session, member) == 240


def test_a_row_that_is_refused_stops_no_other(session: Session, shop: Shop) -> None:
    phone, card, code = new_phone(), unique("C"), shop.merchant.code
    make_member(session, phone=phone)
    make_member(session, card_number=card)
    given = rows(
        f"1,{phone},{card},{code},5,never",
        f"2,{new_phone()},,nobody,5,never",
        f"3,{new_phone()},,{code},5,2020-01-01",
        f"4,{phone},,{code},5,never",
        f"4,{phone},,{code},5,never",
        f"4,{phone},,{code},6,never",
    )

    judged = take(session, given, source=unique("src"))

    assert verdicts(judged) == [
        Verdict.REFUSED, Verdict.REFUSED, Verdict.REFUSED,
        Verdict.IMPORTED, Verdict.ALREADY, Verdict.REFUSED,
    ]  # fmt: skip
    assert "合并" in judged[0].zh
    assert "merge" in judged[0].en
    member = find_by_phone(session, phone)
    assert member is not None
    assert points_of(session, member) == 5


def test_a_dry_run_says_the_same_and_changes_nothing(session: Session, shop: Shop) -> None:
    card, code, source = unique("C"), shop.merchant.code, unique("src")
    given = rows(
        f"1,,{card},{code},5,never", f"2,{new_phone()},{card},{code},5,never",
        f"3,{new_phone()},{card},{code},5,never", f"1,,{card},{code},6,never",
    )  # fmt: skip
    before = openings.totals(session)

    undone = session.begin_nested()
    dry = take(session, given, source=source, dry=True)
    undone.rollback()

    assert openings.totals(session) == before
    assert find_by_card(session, card) is None
    assert verdicts(take(session, given, source=source)) == verdicts(dry)
    assert verdicts(dry) == [
        Verdict.IMPORTED, Verdict.IMPORTED, Verdict.REFUSED, Verdict.REFUSED,
    ]  # fmt: skip


def test_points_of_who_is_a_member_already_join_his_lots(session: Session, shop: Shop) -> None:
    card = unique("C")
    member = make_member(session, card_number=card)
    give_points(session, shop, member, 10)
    today = business_date(now_of(session))
    lot = lots.lock(session, member, day=today).lots[0]

    take(
        session,
        rows(f"1,,{card},{shop.merchant.code},5,{lot.meaning.expires_on}"),
        source=unique("src"),
    )

    assert [each.posted for each in lots.lock(session, member, day=today).lots] == [15]


def test_points_expire_on_the_day_that_the_older_programme_had_said(
    session: Session, shop: Shop
) -> None:
    card, today = unique("C"), business_date(now_of(session))
    take(session, rows(f"1,,{card},{shop.merchant.code},5,{today}"), source=unique("src"))
    member = find_by_card(session, card)
    assert member is not None

    wallet = lots.lock(session, member, day=today)

    assert wallet.balance_points(today) == 5
    assert wallet.balance_points(today + timedelta(days=1)) == 0


def test_two_runs_at_once_take_a_row_over_once(database: Database, district: str) -> None:
    source, card = unique("src"), unique("C")
    with database.transaction(district) as session:
        shop = open_shop(session)
        make_member(session, card_number=card)
    given = rows(f"1,,{card},{shop.merchant.code},5,never")

    ended = meanwhile(
        database,
        district,
        lambda session: take(session, given, source=source),
        lambda session: take(session, given, source=source),
    )

    assert verdicts(ended.result()) == [Verdict.ALREADY]
    with database.transaction(district) as session:
        member = find_by_card(session, card)
        assert member is not None
        assert points_of(session, member) == 5
