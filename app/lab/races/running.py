"""A race: asks are sent through a door, something may be killed in the middle, all is counted."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from threading import Lock
from typing import Protocol


class Verdict(StrEnum):
    """What came of one ask in the end, sent as often as it took."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One party wants one thing: a claimant a coupon of a batch, a till the use of a code."""

    party: int
    name: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one ask ended with, and how long its party waited for that."""

    verdict: Verdict
    milliseconds: float


Heard = Callable[[Outcome], None]


class Door(Protocol):
    """What a race goes through: the tills' door, or the members'."""

    def send(self, asks: Sequence[Ask], heard: Heard) -> None:
        """Send all asks, many at once; each is heard of once, also when a worker dies under it."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A race in figures: `accepted` is what parties were told, `issued` what the database holds."""

    accepted: int
    issued: int
    errors_5xx: int
    p99_ms: float
    audit: str

    def to_json(self) -> dict[str, object]:
        """Return the figures as one JSON object."""
        return asdict(self)

    def is_exact(self, wanted: int) -> bool:
        """Whether exactly so much was had and told, the books are sound, and nothing broke."""
        return (self.accepted, self.issued, self.errors_5xx, self.audit) == (
            wanted,
            wanted,
            0,
            "ok",
        )


def run(
    door: Door, asks: Sequence[Ask], *, kill: Callable[[], None] | None = None
) -> list[Outcome]:
    """Send asks through a door and return what each ended with; `kill` after a third of them."""
    found: list[Outcome] = []
    lock = Lock()

    def heard(outcome: Outcome) -> None:
        with lock:
            found.append(outcome)
            third = len(found) == max(len(asks) // 3, 1)
        if third and kill is not None:
            kill()

    door.send(asks, heard)
    return found


def p99_ms(outcomes: Sequence[Outcome]) -> float:
    """Return the time within which 99 of 100 were answered."""
    waits = sorted([each.milliseconds for each in outcomes])
    return round(waits[math.ceil(len(waits) * 0.99) - 1], 1)


def count(outcomes: Sequence[Outcome], verdict: Verdict) -> int:
    """Return how many ended so."""
    return sum([each.verdict is verdict for each in outcomes])
