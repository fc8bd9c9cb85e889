"""What the ledger refuses. Nothing has been written when one of these is raised."""


class LedgerError(Exception):
    """Root of the ledger's refusals."""


class InsufficientBalance(LedgerError):
    """An account would pass its floor or its ceiling."""

    def __init__(self, account_id: int) -> None:
        super().__init__(f"账户 {account_id} 余额不足 / account {account_id} has too little")
        self.account_id = account_id


class KeyReused(LedgerError):
    """The key already names another event."""

    def __init__(self, key: str) -> None:
        super().__init__(f"键 {key} 已用于其他内容 / key {key} already names something else")
        self.key = key


class UnitMismatch(LedgerError):
    """A posting joins accounts of different units."""

    def __init__(self, account_id: int) -> None:
        super().__init__(
            f"分录的两个账户单位不同（{account_id}） / a posting joins two units ({account_id})"
        )
        self.account_id = account_id


class HoldEnded(LedgerError):
    """The hold was captured, voided or has expired."""

    def __init__(self, key: str) -> None:
        super().__init__(f"冻结 {key} 已结束 / hold {key} has ended")
        self.key = key


class NoSuchJournal(LedgerError):
    """No journal has this key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"没有凭证 {key} / no journal {key}")
        self.key = key


class ReversalExceedsRemaining(LedgerError):
    """More would be taken back of a transfer than is left of it."""

    def __init__(self, key: str, remaining: int) -> None:
        super().__init__(
            f"冲正超出剩余 {remaining}（{key}） / only {remaining} is left to reverse ({key})"
        )
        self.key = key
        self.remaining = remaining
