"""What the settlement refuses: each says how things stand and what to do."""

from datetime import date

from app.errors import StateConflict


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
