"""Merchants, stores, tills and cashiers coming into the district, and merchants' names (S7).

Registration is set-based: hundreds of merchants come in with a handful of statements. A merchant
gets its ledger accounts with its first row.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, insert, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from app import audit, books
from app.audit import Act
from app.errors import Invalid, NotFound
from app.merchants.errors import CodeTaken
from app.merchants.locking import lock_merchant, lock_store
from app.merchants.models import Cashier, ContractTerm, Merchant, Store, Terminal, Trade
from app.merchants.terms import Terms
from config.database import Base, forget, new_id, now_of

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class NewStore:
    """A store to open: its code in the district, and its tills by their own ids."""

    code: str
    name: str
    floor: str | None = None
    terminals: Sequence[str] = ()

    def __post_init__(self) -> None:
        for code in (self.code, *self.terminals):
            _check_code(code)
        if not 1 <= len(self.name.strip()) <= 80:
            raise Invalid("store", "店名须为 1 到 80 个字符", "a name has 1 to 80 characters")


@dataclass(frozen=True, kw_only=True)
class NewMerchant:
    """A merchant to register. `terms` are given when the contract was signed elsewhere."""

    code: str
    name_zh: str
    name_en: str
    trade: str
    stores: Sequence[NewStore] = ()
    terms: Terms | None = None

    def __post_init__(self) -> None:
        _check_code(self.code)
        _check_names(self.name_zh, self.name_en)

    def to_json(self) -> dict[str, object]:
        """Return what the audit keeps of the registration."""
        return {
            "code": self.code,
            "name_zh": self.name_zh,
            "name_en": self.name_en,
            "trade": self.trade,
            "stores": [store.code for store in self.stores],
            "terms": self.terms.to_json() if self.terms else None,
        }


def add_trade(session: Session, *, code: str, name_zh: str, name_en: str, by: str) -> None:
    """Add a trade beside the common ones that every district starts with.

    Raises:
        CodeTaken: the district has a trade of this code.
    """
    _check_code(code)
    _check_names(name_zh, name_en)
    names = {"code": code, "name_zh": name_zh, "name_en": name_en}
    _insert(session, Trade, [names], kind="trade")
    audit.record(session, actor=by, action="trade.add", object=f"trade:{code}", after=names)
    forget(session)


def register(session: Session, merchant: NewMerchant, *, by: str) -> str:
    """Register one merchant and return its public id; see `register_many`."""
    return register_many(session, [merchant], by=by)[0]


def register_many(session: Session, merchants: Sequence[NewMerchant], *, by: str) -> list[str]:
    """Register merchants with their accounts, stores, tills and first terms, all or none.

    Returns their public ids in order. A merchant without terms may not sell until some are
    approved.

    Raises:
        NotFound: a trade is unknown.
        CodeTaken: a code is used already.
    """
    if not merchants:
        return []
    trades = _trade_ids(session, {each.trade for each in merchants})
    public_ids = [new_id("mch") for _ in merchants]
    accounts = books.open_merchant_accounts(session, public_ids)
    rows = [
        {
            "public_id": public_id,
            "code": merchant.code,
            "name_zh": merchant.name_zh,
            "name_en": merchant.name_en,
            "trade_id": trades[merchant.trade],
            "issued_account_id": opened.issued,
            "prepaid_account_id": opened.prepaid,
            "redeemed_account_id": opened.redeemed,
            "breakage_account_id": opened.breakage,
            "created_at": now_of(session),
        }
        for merchant, public_id, opened in zip(merchants, public_ids, accounts, strict=True)
    ]
    ids = {row.code: row.id for row in _insert(session, Merchant, rows, kind="merchant")}
    _insert_first_terms(session, {ids[each.code]: each.terms for each in merchants if each.terms})
    _insert_stores(
        session, [(ids[each.code], store) for each in merchants for store in each.stores]
    )
    audit.record_many(
        session,
        [
            Act(actor=by, action="merchant.register", object=public_id, after=merchant.to_json())
            for merchant, public_id in zip(merchants, public_ids, strict=True)
        ],
    )
    forget(session)
    return public_ids


def rename(session: Session, *, merchant: str, name_zh: str, name_en: str, by: str) -> None:
    """Give a merchant (by code) new names; its code and public id stay.

    Raises:
        NotFound: no such merchant.
    """
    _check_names(name_zh, name_en)
    row = lock_merchant(session, merchant)
    before = {"name_zh": row.name_zh, "name_en": row.name_en}
    row.name_zh, row.name_en = name_zh, name_en
    audit.record(
        session,
        actor=by,
        action="merchant.rename",
        object=row.public_id,
        before=before,
        after={"name_zh": name_zh, "name_en": name_en},
    )
    session.flush()
    forget(session)


def open_store(session: Session, *, merchant: str, store: NewStore, by: str) -> str:
    """Open a store of a merchant (by code), with its tills, and return its public id.

    Raises:
        NotFound: no such merchant.
        CodeTaken: the district has a store of this code, or a till is named twice.
    """
    row = lock_merchant(session, merchant)
    public_id = _insert_stores(session, [(row.id, store)])[store.code].public_id
    audit.record(
        session,
        actor=by,
        action="store.open",
        object=public_id,
        after={"code": store.code, "name": store.name, "terminals": list(store.terminals)},
    )
    forget(session)
    return str(public_id)


def add_terminal(session: Session, *, store: str, code: str, by: str) -> str:
    """Add a till to a store (by code) and return its public id.

    Raises:
        NotFound: no such store.
        CodeTaken: the store has a till of this id.
    """
    _check_code(code)
    public_id = _insert_terminals(session, [(lock_store(session, store).id, code)])[0].public_id
    audit.record(
        session,
        actor=by,
        action="terminal.add",
        object=public_id,
        after={"store": store, "code": code},
    )
    forget(session)
    return str(public_id)


def add_cashier(session: Session, *, store: str, code: str, name: str, by: str) -> None:
    """Name somebody who works at a store's tills.

    Raises:
        NotFound: no such store.
        CodeTaken: the store has a cashier of this number.
    """
    _check_code(code)
    row = {
        "store_id": lock_store(session, store).id,
        "code": code,
        "name": name,
        "created_at": now_of(session),
    }
    _insert(session, Cashier, [row], kind="cashier")
    audit.record(
        session,
        actor=by,
        action="cashier.add",
        object=f"cashier:{store}:{code}",
        after={"store": store, "code": code},
    )
    forget(session)


def _check_code(code: str) -> None:
    if not _CODE.fullmatch(code):
        raise Invalid(
            "code",
            f"编号须为 1 到 40 个字母、数字或 . _ -，以字母或数字开头：{code!r}",
            "1 to 40 letters, digits or . _ -, beginning with a letter or digit",
        )


def _check_names(name_zh: str, name_en: str) -> None:
    for field, name in (("name_zh", name_zh), ("name_en", name_en)):
        if not 1 <= len(name.strip()) <= 80:
            raise Invalid(field, "名称须为 1 到 80 个字符", "a name has 1 to 80 characters")


def _trade_ids(session: Session, codes: set[str]) -> Mapping[str, int]:
    rows = session.execute(select(Trade.code, Trade.id).where(Trade.code.in_(codes)))
    known = {code: trade_id for code, trade_id in rows}
    for code in sorted(codes - known.keys()):
        raise NotFound("trade", code)
    return known


def _insert_first_terms(session: Session, terms: Mapping[int, Terms]) -> None:
    rows = [
        {"merchant_id": merchant_id, "created_at": now_of(session), **each.columns()}
        for merchant_id, each in terms.items()
    ]
    if rows:
        session.execute(insert(ContractTerm), rows)


def _insert_stores(
    session: Session, stores: Sequence[tuple[int, NewStore]]
) -> Mapping[str, Row[Any]]:
    rows = [
        {
            "public_id": new_id("sto"),
            "merchant_id": merchant_id,
            "code": store.code,
            "name": store.name,
            "floor": store.floor,
            "created_at": now_of(session),
        }
        for merchant_id, store in stores
    ]
    opened = {row.code: row for row in _insert(session, Store, rows, kind="store")}
    _insert_terminals(
        session, [(opened[store.code].id, code) for _, store in stores for code in store.terminals]
    )
    return opened


def _insert_terminals(session: Session, terminals: Iterable[tuple[int, str]]) -> Sequence[Row[Any]]:
    rows = [
        {
            "public_id": new_id("trm"),
            "store_id": store_id,
            "code": code,
            "created_at": now_of(session),
        }
        for store_id, code in terminals
    ]
    return _insert(session, Terminal, rows, kind="terminal")


def _insert(
    session: Session, table: type[Base], rows: Sequence[Mapping[str, object]], *, kind: str
) -> Sequence[Row[Any]]:
    """Insert rows that have a code, and say which code was taken if one was."""
    if not rows:
        return []
    columns = table.__table__.columns
    named = [columns[name] for name in ("id", "code", "public_id") if name in columns]
    statement = postgresql.insert(table).on_conflict_do_nothing().returning(*named)
    made = session.execute(statement, rows).all()
    if len(made) < len(rows):
        taken = Counter(row["code"] for row in rows) - Counter(row.code for row in made)
        raise CodeTaken(kind, str(min(taken, key=str)))
    return made
