"""Which version of a rule was in force when (E10)."""

from datetime import UTC, datetime

from app.points.definitions import Birthday, Conditions
from app.points.rulebook import RuleBook
from tests.app.points.rules import rule

MARCH, APRIL, MAY = (datetime(2026, month, 1, tzinfo=UTC) for month in (3, 4, 5))


def names(book: RuleBook, at: datetime, *merchants: str) -> list[tuple[str, int]]:
    return [(rule.code, rule.version) for rule in book.in_force(at, merchants=merchants)]


def test_the_version_of_the_business_time_is_taken_half_open() -> None:
    """E10: a late event is judged by the version of its own time."""
    book = RuleBook.of([rule(version=2, since=APRIL, until=MAY), rule(version=1, since=MARCH)])

    assert names(book, datetime(2026, 2, 28, tzinfo=UTC)) == []
    assert names(book, MARCH) == [("base", 1)]
    assert names(book, APRIL) == [("base", 2)]
    assert names(book, MAY) == []


def test_the_later_version_wins_where_both_begin_at_once() -> None:
    book = RuleBook.of([rule(version=2, since=APRIL), rule(version=1, since=APRIL)])

    assert names(book, MAY) == [("base", 2)]


def test_a_version_retired_before_it_began_never_was() -> None:
    book = RuleBook.of([rule(version=1, since=MARCH), rule(version=2, since=APRIL, until=APRIL)])

    assert names(book, MAY) == [("base", 1)]


def test_only_rules_that_may_concern_the_merchants_are_looked_at() -> None:
    at_a = Conditions(merchants=frozenset({"mch_a"}))
    at_b = Conditions(merchants=frozenset({"mch_b"}))
    book = RuleBook.of(
        [
            rule("a", conditions=at_a),
            rule("b", conditions=at_b),
            rule("all"),
            rule("widened", version=1, conditions=at_a),
            rule("widened", version=2, since=APRIL),
        ]
    )

    assert names(book, MAY, "mch_b") == [("all", 1), ("b", 1), ("widened", 2)]
    assert names(book, MARCH, "mch_a", "mch_c") == [("a", 1), ("all", 1), ("widened", 1)]


def test_a_book_tells_whether_any_rule_asks_for_a_birthday() -> None:
    """E5: who works out an order opens the sealed birthday only then."""
    monthly = Conditions(birthday=Birthday.MONTH)

    assert not RuleBook.of([rule()]).asks_birthday
    assert RuleBook.of([rule(), rule("gift", version=1, conditions=monthly)]).asks_birthday
