"""A small set of books for the ledger's own tests: two wallets with lots, three house accounts."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session

import ledger
from config.database import new_id
from ledger import Journal, NewAccount, Posting, Unit

NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Books:
    """Account ids by what they are for."""

    shop: int
    other_shop: int
    prepaid: int
    lot: int
    second_lot: int
    stranger_lot: int
    debt: int
    fen: int
    wallet: int
    stranger_wallet: int

    def earn(self, key: str, points: int, *, lot: int | None = None) -> Journal:
        return Journal(
            key=key,
            kind="earn",
            occurred_at=NOON,
            postings=[move(self.shop, lot or self.lot, points)],
        )

    def burn(self, key: str, *parts: tuple[int, int]) -> Journal:
        postings = [move(lot, self.other_shop, points) for lot, points in parts]
        return Journal(key=key, kind="burn", occurred_at=NOON, postings=postings)


def move(debit: int, credit: int, amount: int) -> Posting:
    return Posting(debit_id=debit, credit_id=credit, amount=amount)


def open_books(session: Session) -> Books:
    """Open a fresh set under names of its own, so that tests never meet."""
    mark = new_id("t")
    wallets = ledger.open_wallets(session, [f"{mark}:a", f"{mark}:b"])
    mine, theirs = wallets[f"{mark}:a"], wallets[f"{mark}:b"]
    points = Unit.POINTS
    names = {
        "shop": NewAccount(name=f"{mark}:shop", code="issued", unit=points, exact=False),
        "other_shop": NewAccount(name=f"{mark}:other", code="redeemed", unit=points, exact=False),
        "prepaid": NewAccount(name=f"{mark}:prepaid", code="prepaid", unit=points, floor=0),
        "lot": NewAccount(
            name=f"{mark}:lot", code="lot", unit=points, wallet_id=mine, floor=0
        ),
        "second_lot": NewAccount(
            name=f"{mark}:lot2", code="lot", unit=points, wallet_id=mine, floor=0
        ),
        "stranger_lot": NewAccount(
            name=f"{mark}:lot3", code="lot", unit=points, wallet_id=theirs, floor=0
        ),
        "debt": NewAccount(
            name=f"{mark}:debt", code="debt", unit=points, wallet_id=mine, ceiling=0, floor=-50
        ),
        "fen": NewAccount(name=f"{mark}:fen", code="cash", unit=Unit.FEN, exact=False),
    }  # fmt: skip
    ids = ledger.open_accounts(session, list(names.values()))
    accounts = {field: ids[account.name] for field, account in names.items()}
    return Books(wallet=mine, stranger_wallet=theirs, **accounts)


def balance(session: Session, account: int) -> int:
    return ledger.statements.balances(session, [account])[account].posted


@pytest.fixture
def books(session: Session) -> Books:
    return open_books(session)
