"""What the settlement refuses: each says how things stand and what to do."""

from collections.abc import Sequence
from datetime import date

from app.errors import StateConflict
from app.money import yuan


class PeriodClosed(StateConflict):
    """The period is closed already; what comes late goes into the next one."""

    def __init__(self, period: str) -> None:
        super().__init__(
            "period", period, "closed", "已结账，更正计入下一账期",
            "it is closed; corrections go into the next one",
        )  # fmt: skip


class PeriodOutOfOrder(StateConflict):
    """Another period is the next to close."""

    def __init__(self, period: str, following: str) -> None:
        super().__init__(
            "period", period, "open", f"须按顺序结账，下一个是 {following}",
            f"periods are closed in their order: {following} is the next",
        )  # fmt: skip
        self.following = following


class PeriodRunning(StateConflict):
    """The period is not over, or its last day is still open for late sales (semantics 59)."""

    def __init__(self, period: str, ends_on: date) -> None:
        super().__init__(
            "period", period, "open", f"到 {ends_on} 为止，次日 06:00 起可结账",
            f"it lasts through {ends_on} and can be closed from 06:00 of the next day",
        )  # fmt: skip


class NothingToSettle(StateConflict):
    """The books are empty."""

    def __init__(self) -> None:
        super().__init__(
            "period", "-", "empty", "还没有任何积分往来，无账可结",
            "no points have moved yet: there is nothing to settle",
        )  # fmt: skip


class PostingsRunning(StateConflict):
    """A transaction that may still book into the period has not ended."""

    def __init__(self, period: str) -> None:
        super().__init__(
            "period", period, "open", "仍有交易在入账，请稍后再试",
            "something is still being booked into it; try again in a moment",
        )  # fmt: skip


class BooksBroken(StateConflict):
    """The audit fails: what is wrong cannot be settled."""

    def __init__(self, first: str) -> None:
        super().__init__(
            "books", first, "broken", "核对账目未通过，不能结账；请先运行 plaza audit",
            "the audit fails, so nothing is closed; see plaza audit",
        )  # fmt: skip


class OrdersWaiting(StateConflict):
    """Orders with lines of the merchant wait for payment; each ends within its `until`."""

    def __init__(self, merchant: str, orders: Sequence[str]) -> None:
        named = ", ".join(orders)
        super().__init__(
            "merchant", merchant, "orders-waiting", f"有待付款的订单，请先收款或取消：{named}",
            f"orders wait for payment, pay or cancel them first: {named}",
        )  # fmt: skip
        self.orders = orders


class DisputesOpen(StateConflict):
    """Figures of the merchant's statements are disputed."""

    def __init__(self, merchant: str, disputes: Sequence[str]) -> None:
        named = ", ".join(disputes)
        super().__init__(
            "merchant", merchant, "disputes-open", f"有未处理的对账争议，请先处理：{named}",
            f"figures are disputed, resolve them first: {named}",
        )  # fmt: skip
        self.disputes = disputes


class DepositNeeded(StateConflict):
    """What a leaving merchant still owes has to stay covered by its deposit."""

    def __init__(self, merchant: str, held_fen: int, needed_fen: int) -> None:
        free = max(held_fen - needed_fen, 0)
        super().__init__(
            "deposit", merchant, "needed",
            f"押金 {yuan(held_fen)}，须留 {yuan(needed_fen)}，最多可退 {yuan(free)}",
            f"of {yuan(held_fen)} it has to leave {yuan(needed_fen)}: at most {yuan(free)} go back",
        )  # fmt: skip
        self.free_fen = free


class NothingOwed(StateConflict):
    """A loss needs something that a leaving merchant owes of closed periods."""

    def __init__(self, merchant: str) -> None:
        super().__init__(
            "exit", merchant, "nothing-owed", "已结账期没有欠款，无损失可分担",
            "it owes nothing of closed periods: there is no loss",
        )  # fmt: skip


class NothingToRecover(StateConflict):
    """Nobody bore anything for the merchant, or nothing has come back to it."""

    def __init__(self, merchant: str) -> None:
        super().__init__(
            "exit", merchant, "nothing-to-recover", "没有可追回的损失",
            "nobody bore a loss for it, or nothing is owed to it now",
        )  # fmt: skip
