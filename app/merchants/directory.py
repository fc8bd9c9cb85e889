"""The district's merchants as a sale needs them: in memory, exact at a revision, no SQL when warm.

The whole directory is read in six statements and kept until one of its tables changes (see
`config.database.remember`). Every value is frozen, so threads may share it.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.merchants import standing
from app.merchants.errors import Frozen, Leaving, NoTermsInForce
from app.merchants.models import (
    Alarm,
    Cashier,
    ContractTerm,
    Merchant,
    MerchantStatus,
    Standing,
    Store,
    Terminal,
    Trade,
)
from app.merchants.terms import Terms
from config.database import remember


@dataclass(frozen=True, kw_only=True)
class ListedTrade:
    """A trade that merchants are sorted into."""

    code: str
    name_zh: str
    name_en: str


@dataclass(frozen=True, kw_only=True)
class ListedMerchant:
    """A merchant, its ledger accounts and all its terms by the day they begin."""

    id: int
    public_id: str
    code: str
    name_zh: str
    name_en: str
    trade: str
    status: MerchantStatus
    issued_account_id: int
    prepaid_account_id: int
    redeemed_account_id: int
    breakage_account_id: int
    terms: tuple[Terms, ...]
    credit_used_up: bool = False

    def find_terms_at(self, day: date) -> Terms | None:
        """Return the terms in force on a business date: the latest that had begun."""
        begun = [terms for terms in self.terms if terms.valid_from <= day]
        return begun[-1] if begun else None

    def terms_at(self, day: date) -> Terms:
        """Return the terms in force on a business date.

        Raises:
            NoTermsInForce: none had begun.
        """
        found = self.find_terms_at(day)
        if found is None:
            raise NoTermsInForce(self.code, day)
        return found

    @property
    def issues(self) -> bool:
        """Whether new points may be issued here.

        An exiting merchant only honours old ones, and so does one whose credit is used up (L6).
        """
        return self.status is MerchantStatus.ACTIVE and not self.credit_used_up

    def require_staying(self) -> None:
        """Refuse what a merchant that leaves, or has left, is not given any more (L9).

        Raises:
            Leaving: it is exiting, or has exited.
        """
        if self.status in (MerchantStatus.EXITING, MerchantStatus.EXITED):
            raise Leaving(self.code, self.status)


@dataclass(frozen=True, kw_only=True)
class ListedStore:
    """A store and the merchant it belongs to."""

    id: int
    public_id: str
    code: str
    name: str
    floor: str | None
    status: Standing
    merchant: ListedMerchant


@dataclass(frozen=True, kw_only=True)
class ListedTerminal:
    """A till and the store it stands in."""

    id: int
    public_id: str
    code: str
    status: Standing
    store: ListedStore

    def require_open(self) -> None:
        """Refuse a sale at a till that is frozen, or whose store or merchant is (M11).

        Raises:
            Frozen: names the level that is not active.
        """
        store, merchant = self.store, self.store.merchant
        if self.status is not Standing.ACTIVE:
            raise Frozen("terminal", f"{store.code}/{self.code}", self.status)
        if store.status is not Standing.ACTIVE:
            raise Frozen("store", store.code, store.status)
        if merchant.status in (MerchantStatus.FROZEN, MerchantStatus.EXITED):
            raise Frozen("merchant", merchant.code, merchant.status)


@dataclass(frozen=True, kw_only=True)
class ListedCashier:
    """Somebody who works at a store's tills."""

    id: int
    code: str
    name: str
    status: Standing
    store: ListedStore


@dataclass(frozen=True, kw_only=True)
class Directory:
    """All merchants, stores, tills and cashiers of a district at one revision."""

    trades: Mapping[str, ListedTrade]
    merchants: Mapping[int, ListedMerchant] = field(repr=False)
    merchants_by_code: Mapping[str, ListedMerchant] = field(repr=False)
    merchants_by_public_id: Mapping[str, ListedMerchant] = field(repr=False)
    stores: Mapping[int, ListedStore] = field(repr=False)
    stores_by_code: Mapping[str, ListedStore] = field(repr=False)
    terminals: Mapping[tuple[int, str], ListedTerminal] = field(repr=False)
    cashiers: Mapping[tuple[int, str], ListedCashier] = field(repr=False)

    def get_merchant(self, name: str) -> ListedMerchant:
        """Return a merchant by its code or public id.

        Raises:
            NotFound: no such merchant.
        """
        found = self.merchants_by_code.get(name) or self.merchants_by_public_id.get(name)
        if found is None:
            raise NotFound("merchant", name)
        return found

    def get_store(self, code: str) -> ListedStore:
        """Return a store by its code.

        Raises:
            NotFound: no such store.
        """
        if code not in self.stores_by_code:
            raise NotFound("store", code)
        return self.stores_by_code[code]

    def get_terminal(self, store: ListedStore, code: str) -> ListedTerminal:
        """Return a store's till by the till's own id.

        Raises:
            NotFound: the store has no such till.
        """
        if (store.id, code) not in self.terminals:
            raise NotFound("terminal", f"{store.code}/{code}")
        return self.terminals[store.id, code]

    def get_cashier(self, store: ListedStore, code: str) -> ListedCashier:
        """Return a store's cashier by number.

        Raises:
            NotFound: the store has no such cashier.
        """
        if (store.id, code) not in self.cashiers:
            raise NotFound("cashier", f"{store.code}/{code}")
        return self.cashiers[store.id, code]


def get_directory(session: Session) -> Directory:
    """Return the directory as of this transaction's revision; no SQL once it is warm."""
    return remember(session, "merchants.directory", _load)


def _load(session: Session) -> Directory:
    trades = {
        trade.id: ListedTrade(code=trade.code, name_zh=trade.name_zh, name_en=trade.name_en)
        for trade in session.scalars(select(Trade).order_by(Trade.code))
    }
    merchants = _load_merchants(session, trades)
    stores = {
        store.id: ListedStore(
            id=store.id,
            public_id=store.public_id,
            code=store.code,
            name=store.name,
            floor=store.floor,
            status=Standing(store.status),
            merchant=merchants[store.merchant_id],
        )
        for store in session.scalars(select(Store).order_by(Store.id))
    }
    terminals = [
        ListedTerminal(
            id=till.id,
            public_id=till.public_id,
            code=till.code,
            status=Standing(till.status),
            store=stores[till.store_id],
        )
        for till in session.scalars(select(Terminal).order_by(Terminal.id))
    ]
    cashiers = [
        ListedCashier(
            id=cashier.id,
            code=cashier.code,
            name=cashier.name,
            status=Standing(cashier.status),
            store=stores[cashier.store_id],
        )
        for cashier in session.scalars(select(Cashier).order_by(Cashier.id))
    ]
    return Directory(
        trades={trade.code: trade for trade in trades.values()},
        merchants=merchants,
        merchants_by_code={each.code: each for each in merchants.values()},
        merchants_by_public_id={each.public_id: each for each in merchants.values()},
        stores=stores,
        stores_by_code={each.code: each for each in stores.values()},
        terminals={(each.store.id, each.code): each for each in terminals},
        cashiers={(each.store.id, each.code): each for each in cashiers},
    )


def _load_merchants(
    session: Session, trades: Mapping[int, ListedTrade]
) -> dict[int, ListedMerchant]:
    raised = standing.list_raised(session)
    terms: defaultdict[int, list[Terms]] = defaultdict(list)
    for row in session.scalars(select(ContractTerm).order_by(ContractTerm.valid_from)):
        terms[row.merchant_id].append(Terms.of(row))
    return {
        row.id: ListedMerchant(
            id=row.id,
            public_id=row.public_id,
            code=row.code,
            name_zh=row.name_zh,
            name_en=row.name_en,
            trade=trades[row.trade_id].code,
            status=MerchantStatus(row.status),
            issued_account_id=row.issued_account_id,
            prepaid_account_id=row.prepaid_account_id,
            redeemed_account_id=row.redeemed_account_id,
            breakage_account_id=row.breakage_account_id,
            terms=tuple(terms[row.id]),
            credit_used_up=(row.id, Alarm.CREDIT_USED_UP) in raised,
        )
        for row in session.scalars(select(Merchant).order_by(Merchant.id))
    }
