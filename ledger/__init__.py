"""Double-entry books; they know accounts and units, not members or shops."""

from ledger import holds, proofs, statements, upkeep
from ledger.accounts import NewAccount, lock_wallet, open_accounts, open_wallets
from ledger.errors import (
    HoldEnded,
    InsufficientBalance,
    KeyReused,
    LedgerError,
    NoSuchJournal,
    ReversalExceedsRemaining,
    UnitMismatch,
)
from ledger.models import HoldState, Unit
from ledger.posting import Journal, Posted, Posting, post, post_many, reverse

__all__ = [
    "HoldEnded",
    "HoldState",
    "InsufficientBalance",
    "Journal",
    "KeyReused",
    "LedgerError",
    "NewAccount",
    "NoSuchJournal",
    "Posted",
    "Posting",
    "ReversalExceedsRemaining",
    "Unit",
    "UnitMismatch",
    "holds",
    "lock_wallet",
    "open_accounts",
    "open_wallets",
    "post",
    "post_many",
    "proofs",
    "reverse",
    "statements",
    "upkeep",
]
