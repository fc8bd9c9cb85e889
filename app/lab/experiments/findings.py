"""What an experiment finds: cases counted by kind, each held against what had to come."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

_EXAMPLES = 5


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One row of an experiment's table."""

    what: str
    expected: str
    got: str
    threshold: str
    met: bool


@dataclass(frozen=True, kw_only=True)
class Report:
    """What one run found; the same seed on the same commit asks the same."""

    experiment: str
    seed: int
    commit: str
    cases: int
    seconds: float
    findings: Sequence[Finding]
    examples: Sequence[str]

    @property
    def met(self) -> bool:
        """Whether every threshold was met, and there was anything to meet."""
        return bool(self.findings) and all(each.met for each in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON fields."""
        return {**asdict(self), "met": self.met}


@dataclass(kw_only=True)
class Tally:
    """Counts an experiment's cases while it runs; `tell` hears how far it is."""

    total: int
    tell: Callable[[str], None] = lambda _: None
    cases: int = 0
    examples: list[str] = field(default_factory=list)
    _wanted: dict[str, str] = field(default_factory=dict)
    _got: dict[str, Counter[str]] = field(default_factory=dict)
    _others: list[Finding] = field(default_factory=list)
    _told: int = 0

    def expect(self, what: str, *, wanted: object, got: object, case: str = "") -> None:
        """Count one case of a kind; every case of a kind must come out as wanted."""
        self.cases += 1
        self._wanted.setdefault(what, str(wanted))
        self._got.setdefault(what, Counter())[str(got)] += 1
        if str(got) != self._wanted[what] and len(self.examples) < _EXAMPLES:
            self.examples.append(f"{what}: {case} → {got}")
        tenth = self.cases * 10 // max(self.total, 1)
        if tenth > self._told and self.cases < self.total:
            self._told = tenth
            self.tell(f"  {self.cases:>7}/{self.total}")

    def hold(self, what: str, *, expected: str, got: object, threshold: str, met: bool) -> None:
        """Add a figure that is held against a threshold of its own."""
        self._others.append(
            Finding(what=what, expected=expected, got=str(got), threshold=threshold, met=met)
        )

    def findings(self) -> list[Finding]:
        """Return a row for each kind of case, then the figures."""
        kinds = [
            Finding(
                what=what,
                expected=f"{wanted} × {self._got[what].total()}",
                got=", ".join(f"{got} × {count}" for got, count in self._got[what].most_common(4)),
                threshold="100 %",
                met=set(self._got[what]) == {wanted},
            )
            for what, wanted in self._wanted.items()
        ]
        return [*kinds, *self._others]
