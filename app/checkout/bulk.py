"""Many sales at once, as an upload brings them: all or none, in as few round trips as one (P1).

Lock order: the members' wallets by id, then the accounts inside `ledger.post`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import LiteralString

from sqlalchemy.orm import Session

import ledger
from app import outbox
from app.checkout import gifts
from app.checkout.baskets import Basket, Tender
from app.checkout.drafts import Draft, Sale, Written, write
from app.checkout.errors import BusinessKeyConflict
from app.checkout.models import OrderState
from app.checkout.orders import SALE_COLUMNS, coupons_news, known_sale, paid_news
from app.checkout.pricing import Priced, gives_none, price
from app.checkout.settling import accrual_of, agree, earn_journal, given_by, settled_of
from app.checkout.sharing import Shared
from app.clock import business_date
from app.members import memberships
from app.members.models import Source
from app.points import lots
from app.points.accruals import Home, meanings_of
from app.points.caps import Used
from app.points.earning import Earned
from app.points.explaining import Silent
from app.points.lots import NewLot, Wallet
from config.database import fetch, new_id, now_of
from ledger import Journal


@dataclass(frozen=True, kw_only=True)
class Paid:
    """A sale and the tenders that paid for it."""

    basket: Basket
    tenders: Sequence[Tender]


@dataclass(frozen=True, kw_only=True)
class _Agreed:
    """A new sale before anything is posted: what it comes to, and the id it will have."""

    paid: Paid
    public_id: str
    priced: Priced
    shared: Shared
    earned: Earned
    silent: Sequence[Silent]


def sell_many(session: Session, sales: Sequence[Paid]) -> list[Sale]:
    """Sell in one step what burns no points and uses no coupons; ten round trips for all of them.

    All or none.

    Does what `orders.sell` would do for one after the other, and returns their sales in order;
    those whose number was known are told and move nothing. Whatever is refused refuses all: the
    caller runs smaller parts, one sale by itself in the end. Locks the members' wallets.

    Raises:
        BusinessKeyConflict: a till's number names another sale, or stands here twice.
        As `orders.sell`; and InsufficientBalance where a prepaid merchant has run dry.
    """
    if any(sale.basket.burn_points or sale.basket.coupons or sale.basket.token for sale in sales):
        raise ValueError("a sale that burns or uses coupons is sold by itself")
    wallets = _lock(session, sales)
    known = _find_known(session, sales)
    used: Used = {}
    agreed = [
        _agree(session, sale, wallets, used)
        for position, sale in enumerate(sales)
        if position not in known
    ]
    drafts = _post(session, agreed, wallets)
    if drafts:
        written = write(session, drafts)
        drafts = [_with_gifts(session, draft) for draft in drafts]
        _announce(session, drafts, written)
    new = iter(drafts)
    return [known[at] if at in known else next(new).sale for at in range(len(sales))]


def _lock(session: Session, sales: Sequence[Paid]) -> dict[int, Wallet]:
    members = {sale.basket.member.id: sale.basket.member for sale in sales if sale.basket.member}
    if not members:
        return {}
    day = min(business_date(now_of(session)), *(sale.basket.business_date for sale in sales))
    return dict(lots.lock_many(session, members.values(), day=day))


def _find_known(session: Session, sales: Sequence[Paid]) -> dict[int, Sale]:
    """Return the sales whose number is known already, by their position."""
    baskets = [sale.basket for sale in sales]
    numbers = [(basket.terminal.id, basket.number) for basket in baskets]
    for position, number in enumerate(numbers):
        if number in numbers[:position]:
            raise BusinessKeyConflict("order", number[1], number[1])
    rows = fetch(
        session,
        _KNOWN,
        {
            "stores": [basket.terminal.store.id for basket in baskets],
            "terminals": [basket.terminal.id for basket in baskets],
            "numbers": [basket.number for basket in baskets],
            "kinds": [basket.kind for basket in baskets],
        },
    )
    return {
        row.position - 1: known_sale(
            session, row, sales[row.position - 1].basket, sales[row.position - 1].tenders
        )
        for row in rows
    }


def _agree(session: Session, paid: Paid, wallets: Mapping[int, Wallet], used: Used) -> _Agreed:
    priced = price(session, paid.basket, _of(wallets, paid.basket))
    shared, earned = agree(session, priced, paid.tenders, used=used)
    return _Agreed(
        paid=paid,
        public_id=new_id("ord"),
        priced=priced,
        shared=shared,
        earned=earned,
        silent=gives_none(session, priced, shared),
    )


def _post(session: Session, agreed: Sequence[_Agreed], wallets: dict[int, Wallet]) -> list[Draft]:
    """Post what the sales earn in one call; each finds the wallet as the one before left it."""
    _open_lots(session, agreed, wallets)
    drafts, journals = [], []
    for sale in agreed:
        homes, earn = _earn(session, sale, wallets)
        journals += earn
        drafts.append(
            Draft(
                priced=sale.priced,
                public_id=sale.public_id,
                state=OrderState.PAID,
                fingerprint=sale.paid.basket.fingerprint(sale.paid.tenders),
                settled=settled_of(sale.shared, sale.earned, homes, silent=sale.silent),
            )
        )
    ledger.post(session, journals)
    return drafts


def _open_lots(session: Session, agreed: Sequence[_Agreed], wallets: dict[int, Wallet]) -> None:
    """Open every lot that the sales will need, so that none is opened on the way."""
    missing = [
        NewLot(member=wallet.member, meaning=meaning, earned_at=sale.paid.basket.occurred_at)
        for sale in agreed
        if (wallet := _of(wallets, sale.paid.basket)) is not None
        for meaning in meanings_of(
            given_by(sale.priced, sale.earned),
            programme=sale.priced.programme,
            order=sale.public_id,
            occurred_at=sale.paid.basket.occurred_at,
        )
        if wallet.find(meaning) is None
    ]
    for (member, _), lot in lots.open_many(session, missing).items():
        wallets[member] = wallets[member].with_lot(lot)


def _earn(
    session: Session, sale: _Agreed, wallets: dict[int, Wallet]
) -> tuple[Sequence[Home], list[Journal]]:
    wallet = _of(wallets, sale.paid.basket)
    given = given_by(sale.priced, sale.earned)
    accrual = accrual_of(session, sale.priced, wallet, given, order=sale.public_id)
    if wallet is not None:
        wallets[wallet.member.id] = wallet.after(accrual.postings)
    return accrual.homes, earn_journal(sale.priced, sale.public_id, accrual, sale.earned)


def _announce(session: Session, drafts: Sequence[Draft], written: Written) -> None:
    joining, news = [], []
    for draft in drafts:
        priced, settled = draft.priced, draft.settled
        if priced.basket.member is not None:
            joining += [
                (priced.basket.member, priced.directory.merchants[merchant])
                for merchant in written.new_merchants[draft.public_id]
            ]
        if settled is not None:
            news.append(paid_news(priced, settled, order=draft.public_id))
            news += coupons_news(priced, draft.gifts, order=draft.public_id)
    joined = memberships.join_many(session, joining, source=Source.PAYMENT)
    outbox.add_many(session, [*joined, *news, *written.risen])


def _with_gifts(session: Session, draft: Draft) -> Draft:
    if draft.settled is None:
        return draft
    given = gifts.give(session, draft.priced, draft.settled, order=draft.public_id)
    return replace(draft, gifts=given)


def _of(wallets: Mapping[int, Wallet], basket: Basket) -> Wallet | None:
    return None if basket.member is None else wallets[basket.member.id]


_KNOWN: LiteralString = f"""
    SELECT position, {SALE_COLUMNS}
    FROM unnest(CAST(%(stores)s AS bigint[]), CAST(%(terminals)s AS bigint[]),
                CAST(%(numbers)s AS text[]), CAST(%(kinds)s AS text[]))
        WITH ORDINALITY AS u (store_id, terminal_id, number, kind, position)
    JOIN "order" USING (store_id, terminal_id, number, kind)
    """  # noqa: S608  (names of columns)
