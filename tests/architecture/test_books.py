"""`docs/books.md` says what the product posts: rule by rule, event by event, figure by figure."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

import ledger
from app.books import FEN_RULES, RULES, Code, Kind, move, prepaid_sold_account
from app.checkout import orders
from app.clock import business_date
from app.members import closing
from app.members.closing import Leftover
from app.members.identification import KnownMember
from app.merchants.models import Funding
from app.merchants.prepaying import take_back
from app.points import adjusting, giving, merging, openings
from app.points.activation import activate
from app.points.definitions import Pending
from app.points.expiry import Place, expire_some
from app.points.extending import extend
from app.points.lapsing import lapse
from app.points.opening_rows import OpeningLine, read
from app.points.policy import NegativePolicy
from app.settlement import donations
from app.settlement.captions import CAPTIONS, NAMES, Caption
from app.settlement.donations import Purpose
from config.database import now_of
from config.settings import PROJECT
from ledger import Journal
from tests.app.checkout.shops import Shop, give_points, open_shop, set_policy
from tests.app.points.test_pending import add_bonus
from tests.factories import make_member, make_terms, unique

DOCUMENT = PROJECT / "docs/books.md"

Row = tuple[str, ...]


def test_the_document_lists_the_rules_row_by_row() -> None:
    written = [(event, debit, credit) for event, debit, credit in _table("event", "debit")]

    assert written == [(rule.event, f"`{rule.debit}`", f"`{rule.credit}`") for rule in RULES]


def test_the_document_lists_the_rules_of_the_close_row_by_row() -> None:
    written = [(figure, debit, credit) for figure, debit, credit in _table("figure", "debit")]

    assert written == [(rule.event, f"`{rule.debit}`", f"`{rule.credit}`") for rule in FEN_RULES]


def test_every_posting_of_points_has_a_caption_on_a_statement() -> None:
    assert set(CAPTIONS) == {(rule.debit, rule.credit) for rule in RULES}
    assert set(NAMES) == set(Caption)


def test_the_document_lists_every_kind_of_account_and_journal() -> None:
    accounts = [row[0].strip("`") for row in _table("code", "whose")]

    assert accounts == [code.value for code in Code]
    assert all(f"`{kind.value}`" in DOCUMENT.read_text(encoding="utf-8") for kind in Kind)


def test_every_event_posts_by_a_rule_and_every_rule_is_used(session: Session) -> None:
    """L1, L3: whatever is done at a till, the books know no other debit and credit."""
    for funding in Funding:
        _live_through_all_events(session, funding)
    for choice in (Leftover.FORFEIT, Leftover.DONATE):
        _leave(session, choice)
    for purpose in Purpose:
        _release(session, purpose)
    _merge(session)
    _take_over(session)
    _adjust_and_give(session)
    _take_back(session)
    set_policy(session, NegativePolicy.WRITE_OFF)
    for funding in Funding:
        _bear_points_and_get_them_back(session, funding)

    allowed = {(rule.debit.value, rule.credit.value) for rule in RULES}
    assert {pair for pair, _ in _posted(session)} == allowed
    assert sum(ledger.statements.trial_balance(session).values()) == 0


def test_the_example_of_two_merchants_is_true(session: Session) -> None:
    """Earn at A, burn at B, refund at A: the document's figures, step by step."""
    a, b, member = open_shop(session), open_shop(session), make_member(session)
    names = {a.merchant.id: "A", b.merchant.id: "B"}
    columns = []

    sale = a.sell(session, member, 10_000)
    columns.append(_balances(session, member, names))
    b.sell(session, member, 3_000, burn=80)
    columns.append(_balances(session, member, names))
    a.refund(session, sale.public_id)
    columns.append(_balances(session, member, names))

    *accounts, total = list(_table("account", "after 1"))
    assert [column.get(row[0], 0) for row in accounts for column in columns] == [
        int(figure) for row in accounts for figure in row[1:]
    ]
    assert {name for column in columns for name in column} == {row[0] for row in accounts}
    assert [str(sum(column.values())) for column in columns] == list(total[1:])
    assert _posted_by_name(session, names) == _steps(0)


def test_the_example_is_undone_by_a_refund_at_b_whoever_bore_it(session: Session) -> None:
    set_policy(session, NegativePolicy.WRITE_OFF)
    a, b, member = open_shop(session), open_shop(session), make_member(session)
    names = {a.merchant.id: "A", b.merchant.id: "B"}

    first = a.sell(session, member, 10_000)
    second = b.sell(session, member, 3_000, burn=80)
    assert a.refund(session, first.public_id).written_off_points == 51
    refund = b.refund(session, second.public_id)

    assert (refund.restored_points, refund.made_good_points, refund.clawed_points) == (80, 51, 29)
    assert _balances(session, member, names) == {}


def test_the_example_of_a_prepaid_merchant_is_true(session: Session) -> None:
    shop = open_shop(session, terms=make_terms(funding=Funding.PREPAID))
    member = make_member(session)

    _prepay(session, shop, 15)
    first = shop.sell(session, member, 1_000)
    second = shop.sell(session, member, 1_000)

    assert (first.earned_points, second.earned_points) == (10, 0)
    assert _posted_by_name(session, {shop.merchant.id: "A"}) == _steps(1)


def _live_through_all_events(session: Session, funding: Funding) -> None:
    """Earn, burn, give back, owe, pay the debt, and let an expired lot pay it."""
    shop, member = open_shop(session, terms=make_terms(funding=funding)), make_member(session)
    _prepay(session, shop, 100_000)
    today = now_of(session)
    session.info["now"] = long_ago = today - timedelta(days=500)
    sale = shop.sell(session, member, 10_000, at=long_ago)
    burned = shop.sell(session, member, 1_000, burn=80, at=long_ago)
    shop.refund(session, burned.public_id, at=long_ago)
    shop.sell(session, member, 1_000, burn=80, at=long_ago)
    shop.refund(session, sale.public_id, at=long_ago)
    shop.sell(session, member, 20_000, at=long_ago)
    _leave_a_debt_beside_a_lot(session, shop, member)
    session.info["now"] = today
    give_points(session, shop, member, 5)
    _let_expire(session, shop, today)
    _let_become_active(session, shop)


def _let_become_active(session: Session, shop: Shop) -> None:
    """Earn points that await an event, which comes."""
    member = make_member(session)
    add_bonus(session, shop, Pending(event="order.collected"))
    sale = shop.sell(session, member, 10_000)
    activate(session, member=member, order=sale.public_id, event="order.collected")
    later = business_date(now_of(session)) + timedelta(days=900)
    extend(session, member=member, until=later, by="li", reason="test")


def _let_expire(session: Session, shop: Shop, today: datetime) -> None:
    """Let points expire, and bring back the sale that had earned them."""
    member = make_member(session)
    session.info["now"] = today - timedelta(days=500)
    sale = shop.sell(session, member, 10_000)
    session.info["now"] = today
    expire_some(session, day=business_date(today), place=Place(), most=1_000)
    shop.refund(session, sale.public_id)


def _bear_points_and_get_them_back(session: Session, funding: Funding) -> None:
    shop, member = open_shop(session, terms=make_terms(funding=funding)), make_member(session)
    _prepay(session, shop, 100)
    sale = shop.sell(session, member, 10_000)
    burned = shop.sell(session, member, 100, burn=100)
    shop.refund(session, sale.public_id)
    shop.refund(session, burned.public_id)


def _adjust_and_give(session: Session) -> None:
    """Give by hand to a member in debt, take a part back, and let the member give some away."""
    shop, member = open_shop(session), make_member(session)
    sale = shop.sell(session, member, 10_000)
    shop.sell(session, member, 100, burn=100)
    shop.refund(session, sale.public_id)
    for points in (150, -10):
        adjusting.adjust(
            session, member, points=points, issuer=shop.merchant.code, reason="test", by="mei"
        )
    session.info["now"], now = now_of(session) + timedelta(days=60), now_of(session)
    friend = make_member(session)
    giving.give(
        session, member, receiver=friend, points=5, confirmed=giving.shown_name(session, friend)
    )
    session.info["now"] = now


def _leave(session: Session, choice: Leftover) -> None:
    """Leave with points, with a debt beside them, and with a debt alone."""
    shop, members = open_shop(session), [make_member(session) for _ in range(3)]
    saving, both, owing = members
    give_points(session, shop, saving, 5)
    sale = shop.sell(session, both, 10_000)
    kept = orders.place(session, shop.basket(session, both, 1_000, burn=60))
    shop.refund(session, sale.public_id)
    orders.cancel(session, order=kept.public_id)
    sale = shop.sell(session, owing, 10_000)
    shop.sell(session, owing, 100, burn=100)
    shop.refund(session, sale.public_id)
    for member in members:
        closing.ask(session, member=member, points=choice, evidence={}, now=now_of(session))
    closing.erase_due(session, now=now_of(session) + choice.notice)
    lapse(session)


def _release(session: Session, purpose: Purpose) -> None:
    """Give what members had given away to a purpose."""
    _leave(session, Leftover.DONATE)
    request = donations.propose(session, purpose, by="mei", reason="test")
    donations.approve(session, request.public_id, by="li")


def _merge(session: Session) -> None:
    """One person who is kept twice, with a debt under one name and points beside it."""
    shop, loser, survivor = open_shop(session), make_member(session), make_member(session)
    sale = shop.sell(session, loser, 10_000)
    kept = orders.place(session, shop.basket(session, loser, 1_000, burn=60))
    shop.refund(session, sale.public_id)
    orders.cancel(session, order=kept.public_id)
    request = merging.propose(
        session, loser=loser.public_id, survivor=survivor.public_id, by="mei", reason="test"
    )
    merging.approve(session, request.public_id, by="li")


def _take_over(session: Session) -> None:
    """Points that an older programme had promised."""
    code = open_shop(session).merchant.code
    head = b"row,card_number,issuer,points,expires_on"
    rows = [
        row
        for row in read([head, f"1,{unique('C')},{code},5,never".encode()])
        if isinstance(row, OpeningLine)
    ]
    openings.take_over(session, rows, source=unique("src"), by="li", seen={})


def _leave_a_debt_beside_a_lot(session: Session, shop: Shop, member: KnownMember) -> None:
    """Owe while a hold keeps points back; the hold goes, the points expire, the debt stays."""
    then = now_of(session)
    sale = shop.sell(session, member, 50_000, at=then)
    kept = shop.basket(session, member, 100_000, burn=500, at=then)
    placed = orders.place(session, kept)
    shop.refund(session, sale.public_id, at=then)
    orders.cancel(session, order=placed.public_id)


def _prepay(session: Session, shop: Shop, points: int) -> None:
    posting = move(prepaid_sold_account(session), shop.merchant.prepaid_account_id, points)
    journal = Journal(
        key=unique("p"), kind=Kind.PREPAY, occurred_at=now_of(session), postings=[posting]
    )
    ledger.post(session, [journal])


def _take_back(session: Session) -> None:
    """Points bought ahead of a merchant that leaves."""
    shop = open_shop(session, terms=make_terms(funding=Funding.PREPAID))
    _prepay(session, shop, 5)
    assert take_back(session, shop.merchant, by="mei") == 5


def _posted(session: Session) -> list[tuple[tuple[str, str], int]]:
    """Return (debit code, credit code) and points of what this transaction has posted."""
    return [((row.debit, row.credit), row.amount) for row in session.execute(_POSTED)]


def _posted_by_name(session: Session, names: Mapping[int, str]) -> list[Row]:
    return [
        (_named(row.debit, row.debit_merchant, names),
         _named(row.credit, row.credit_merchant, names), str(row.amount))
        for row in session.execute(_POSTED)
    ]  # fmt: skip


def _balances(session: Session, member: KnownMember, names: Mapping[int, str]) -> Mapping[str, int]:
    """Return the accounts of a member and of merchants as the document names them, zeros not."""
    accounts = session.execute(_ACCOUNTS, {"wallet": member.wallet_id, "merchants": [*names]})
    known = {row.id: _named(row.code, row.merchant, names) for row in accounts}
    balances = ledger.statements.balances(session, [*known])
    return {known[id_]: each.posted for id_, each in balances.items() if each.posted}


def _named(code: str, merchant: int | None, names: Mapping[int, str]) -> str:
    whose = None if merchant is None else names.get(merchant)
    return f"`{code}`" if whose is None else f"`{code}` {whose}"


def _steps(number: int) -> list[Row]:
    """Return the postings of the document's n-th example, from 0."""
    return [row[1:] for row in _tables("step", "debit")[number]]


def _table(*head: str) -> list[Row]:
    (found,) = _tables(*head)
    return found


def _tables(*head: str) -> list[list[Row]]:
    """Return the rows of every table of the document whose head begins with these words."""
    return [rows for first, *rows in _all_tables() if first[: len(head)] == head]


def _all_tables() -> Iterator[list[Row]]:
    rows: list[Row] = []
    for line in [*DOCUMENT.read_text(encoding="utf-8").splitlines(), ""]:
        if line.startswith("|"):
            cells = tuple(cell.strip() for cell in line.strip("|").split("|"))
            if not set("".join(cells)) <= set("-:"):
                rows.append(cells)
        elif rows:
            yield rows
            rows = []


_POSTED = text(
    """
    SELECT d.code AS debit, c.code AS credit, t.amount,
           coalesce(dl.issuer_id, dm.id) AS debit_merchant,
           coalesce(cl.issuer_id, cm.id) AS credit_merchant
    FROM journal j JOIN transfer t ON t.journal_id = j.id AND t.booked_on = j.booked_on
    JOIN account d ON d.id = t.debit_id JOIN account c ON c.id = t.credit_id
    LEFT JOIN lot dl ON dl.account_id = d.id LEFT JOIN lot cl ON cl.account_id = c.id
    LEFT JOIN merchant dm
        ON d.id IN (dm.issued_account_id, dm.prepaid_account_id, dm.redeemed_account_id)
    LEFT JOIN merchant cm
        ON c.id IN (cm.issued_account_id, cm.prepaid_account_id, cm.redeemed_account_id)
    WHERE j.xid = pg_current_xact_id() ORDER BY t.journal_id, t.line
    """
)
_ACCOUNTS = text(
    """
    SELECT a.id, a.code, l.issuer_id AS merchant
    FROM account a JOIN lot l ON l.account_id = a.id WHERE a.wallet_id = :wallet
    UNION ALL
    SELECT a.id, a.code, m.id FROM merchant m JOIN account a ON a.id IN (
        m.issued_account_id, m.prepaid_account_id, m.redeemed_account_id, m.breakage_account_id)
    WHERE m.id = ANY (CAST(:merchants AS bigint[]))
    """
)
