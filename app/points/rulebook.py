"""The district's rules through time, and which version of each was in force when (E10). Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from app.points.definitions import Cap, Definition


@dataclass(frozen=True, kw_only=True)
class EarnRule:
    """One version of a rule, as it is evaluated; in force from `effective_from` on, half-open."""

    version_id: int
    public_id: str
    code: str
    version: int
    name_zh: str
    name_en: str
    effective_from: datetime
    effective_to: datetime | None
    definition: Definition


@dataclass(frozen=True, kw_only=True)
class Cut:
    """What a cap left of the points that a rule would have given: `given` in place of `desired`."""

    rule: EarnRule
    cap: Cap
    desired: int
    given: int


@dataclass(frozen=True, kw_only=True)
class RuleBook:
    """Every rule ever approved, each with its versions in the order in which they began.

    `asks_birthday`: some version does, so who works out an order opens the member's.
    """

    histories: tuple[tuple[EarnRule, ...], ...]
    by_merchant: Mapping[str, tuple[int, ...]] = field(repr=False)
    everywhere: tuple[int, ...] = field(repr=False)
    asks_birthday: bool

    @classmethod
    def of(cls, rules: Iterable[EarnRule]) -> "RuleBook":
        """Put versions in order; one that ends where it begins never was in force."""
        found: dict[str, list[EarnRule]] = {}
        for rule in rules:
            if rule.effective_to is None or rule.effective_to > rule.effective_from:
                found.setdefault(rule.code, []).append(rule)
        histories = tuple([tuple(sorted(found[code], key=_began)) for code in sorted(found)])
        by_merchant: dict[str, list[int]] = {}
        everywhere = []
        for index, history in enumerate(histories):
            merchants = [rule.definition.conditions.merchants for rule in history]
            if not all(merchants):
                everywhere.append(index)
                continue
            for merchant in frozenset[str]().union(*merchants):
                by_merchant.setdefault(merchant, []).append(index)
        return cls(
            histories=histories,
            by_merchant={name: tuple(indexes) for name, indexes in by_merchant.items()},
            everywhere=tuple(everywhere),
            asks_birthday=any(
                rule.definition.conditions.birthday for history in histories for rule in history
            ),
        )

    def in_force(self, at: datetime, *, merchants: Iterable[str]) -> list[EarnRule]:
        """Return the versions in force at a business time that may concern these merchants."""
        indexes = set(self.everywhere)
        for merchant in merchants:
            indexes.update(self.by_merchant.get(merchant, ()))
        versions = [version_at(self.histories[index], at) for index in sorted(indexes)]
        return [version for version in versions if version is not None]


def version_at(history: Sequence[EarnRule], at: datetime) -> EarnRule | None:
    """Return the version that began last, unless it has ended: one replaces another for good."""
    for rule in reversed(history):
        if rule.effective_from <= at:
            return rule if rule.effective_to is None or at < rule.effective_to else None
    return None


def _began(rule: EarnRule) -> tuple[datetime, int]:
    return rule.effective_from, rule.version
