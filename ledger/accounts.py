"""Accounts and wallets: found by name, opened where missing."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from config.database import now_of
from ledger.models import Unit

_UNIT_CODES = {Unit.POINTS: 0, Unit.FEN: 1}


@dataclass(frozen=True, kw_only=True, slots=True)
class NewAccount:
    """An account as it is asked for.

    `name` is unique in the district and the same in every copy of its books. An `exact` account
    is locked and guarded by `floor` and `ceiling` at each posting; a deferred one (exact=False) is
    never locked and summed later. Accounts in a wallet are always exact.
    """

    name: str
    code: str
    unit: Unit
    exact: bool = True
    wallet_id: int | None = None
    floor: int | None = None
    ceiling: int | None = None


def open_accounts(session: Session, accounts: Sequence[NewAccount]) -> dict[str, int]:
    """Return name → account id; accounts not there yet are opened. One round trip.

    Names that exist are returned as they are: their guards are not changed. Two callers that open
    the same name at once get the same account.
    """
    if not accounts:
        return {}
    arguments = {
        "names": [a.name for a in accounts],
        "codes": [a.code for a in accounts],
        "units": [_UNIT_CODES[a.unit] for a in accounts],
        "exact": [a.exact for a in accounts],
        "wallets": [a.wallet_id for a in accounts],
        "floors": [a.floor for a in accounts],
        "ceilings": [a.ceiling for a in accounts],
    }
    return {row.name: row.account_id for row in session.execute(_OPEN_ACCOUNTS, arguments)}


def open_wallets(session: Session, owners: Sequence[str]) -> dict[str, int]:
    """Return owner → wallet id; wallets not there yet are opened. One round trip."""
    rows = session.execute(_OPEN_WALLETS, {"owners": list(owners)})
    return {row.owner: row.wallet_id for row in rows}


def lock_wallet(session: Session, wallet_id: int) -> None:
    """Lock a wallet until the transaction ends, and end its dead holds.

    Whoever spends from a wallet locks it before reading its balances, so that what was read still
    stands when it is posted.
    """
    session.execute(_LOCK_WALLET, {"wallet": wallet_id, "now": now_of(session)})


_OPEN_ACCOUNTS = text(
    "SELECT * FROM ledger_open_accounts(CAST(:names AS text[]), CAST(:codes AS text[]), "
    "CAST(:units AS int[]), CAST(:exact AS boolean[]), CAST(:wallets AS bigint[]), "
    "CAST(:floors AS bigint[]), CAST(:ceilings AS bigint[]))"
)
_OPEN_WALLETS = text("SELECT * FROM ledger_open_wallets(CAST(:owners AS text[]))")
_LOCK_WALLET = text("SELECT ledger_lock_wallet(:wallet, :now)")
