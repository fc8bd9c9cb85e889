"""What a call may end with instead of an answer."""

from collections.abc import Mapping, Sequence


class PlazaError(Exception):
    """Root of the client's errors."""


class Refused(PlazaError):
    """Plaza said no: programs go by `code`, the cashier reads `detail`."""

    def __init__(
        self,
        *,
        status: int,
        code: str,
        detail: str,
        instance: str,
        faults: Sequence[Mapping[str, str]] = (),
    ) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.instance = instance
        self.faults = faults


class Unanswered(PlazaError):
    """Nobody knows whether it was done: repeat the same call with this `key` until one does."""

    def __init__(self, *, key: str, reason: str) -> None:
        super().__init__(f"没有应答，请用同一幂等键重试 / no answer ({reason}); repeat with {key}")
        self.key = key
        self.reason = reason
