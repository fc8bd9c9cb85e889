"""Rules in the database: two people, versions that never change, each for its time (E10)."""

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app import audit
from app.approvals import SamePerson
from app.errors import Invalid, NotFound, StateConflict
from app.points import rules
from app.points.definitions import Conditions, Definition, Hours, Kind, Rounding, Scope
from app.points.errors import DefinitionChanged
from app.points.models import VersionState
from app.points.rulebook import EarnRule
from app.points.rules import Names
from config.database import Database, district_of, now_of
from config.settings import Settings
from tests.factories import make_merchant, unique

NAMES = Names(zh="消费积分", en="Points for purchases")
LIN, WANG = "stf_lin", "stf_wang"
A_POINT_A_YUAN = Definition(kind=Kind.BASE, rate=Fraction(1, 100))
TWO_POINTS_A_YUAN = Definition(kind=Kind.BASE, rate=Fraction(2, 100))


def agree(session: Session, code: str, definition: Definition = A_POINT_A_YUAN) -> EarnRule:
    request = rules.propose(
        session, code=code, names=NAMES, definition=definition, by=LIN, reason="开业"
    )
    return rules.approve(session, request.public_id, by=WANG)


def rates(session: Session, code: str) -> list[Fraction]:
    """Return the rates in force now of a rule."""
    in_force = rules.get_rule_book(session).in_force(now_of(session), merchants=[])
    return [rule.definition.rate for rule in in_force if rule.code == code]


def test_a_rule_is_in_force_once_a_second_person_agreed(session: Session) -> None:
    """G1"""
    code = unique("rule")

    request = rules.propose(
        session, code=code, names=NAMES, definition=A_POINT_A_YUAN, by=LIN, reason="开业"
    )
    assert rates(session, code) == []
    with pytest.raises(SamePerson):
        rules.approve(session, request.public_id, by=LIN)
    agreed = rules.approve(session, request.public_id, by=WANG)

    assert rates(session, code) == [Fraction(1, 100)]
    assert (agreed.version, agreed.effective_from) == (1, now_of(session))
    acts = [each.action for each in audit.list_records(session, about=agreed.public_id)]
    assert acts == ["rule.approve", "rule.propose"]


def test_a_change_is_a_new_version_and_the_old_one_stays_for_its_time(session: Session) -> None:
    """E10: a late event is judged by the version of its business time."""
    code = unique("rule")
    old = agree(session, code)
    tomorrow = now_of(session) + timedelta(days=1)
    request = rules.propose(
        session,
        code=code,
        definition=TWO_POINTS_A_YUAN,
        effective_from=tomorrow,
        by=LIN,
        reason="加倍",
    )

    new = rules.approve(session, request.public_id, by=WANG)

    book = rules.get_rule_book(session)
    at = {
        moment: [
            rule.version_id for rule in book.in_force(moment, merchants=[]) if rule.code == code
        ]
        for moment in (tomorrow - timedelta(seconds=1), tomorrow)
    }
    assert list(at.values()) == [[old.version_id], [new.version_id]]
    changed = {each.field: (each.before, each.after) for each in request.difference()}
    assert changed["rate"] == ("1/100", "1/50")


def test_a_proposal_is_compared_with_what_was_agreed_not_with_another_draft(
    session: Session,
) -> None:
    code = unique("rule")
    agree(session, code)
    rules.propose(session, code=code, definition=TWO_POINTS_A_YUAN, by=LIN, reason="加倍")

    request = rules.propose(session, code=code, definition=TWO_POINTS_A_YUAN, by=LIN, reason="加倍")

    assert request.before is not None
    assert request.before["rate"] == "1/100"
    assert [each.rule.version for each in rules.list_versions(session, code=code)] == [1, 2, 3]


def test_only_a_first_version_may_begin_in_the_past(session: Session) -> None:
    """A district filled from records has rules from their days; a change has not."""
    code = unique("rule")
    past = now_of(session) - timedelta(days=365)
    first = rules.propose(
        session, code=code, names=NAMES, definition=A_POINT_A_YUAN, effective_from=past,
        by=LIN, reason="补录",
    )  # fmt: skip
    assert rules.approve(session, first.public_id, by=WANG).effective_from == past

    second = rules.propose(
        session, code=code, definition=TWO_POINTS_A_YUAN, effective_from=past, by=LIN, reason="改"
    )
    assert rules.approve(session, second.public_id, by=WANG).effective_from == now_of(session)


def test_in_a_sandbox_a_change_may_begin_in_the_past(session: Session) -> None:
    session.info["district"] = replace(district_of(session), sandbox=True)
    code, past = unique("rule"), now_of(session) - timedelta(days=365)
    agree(session, code)

    second = rules.propose(
        session, code=code, definition=TWO_POINTS_A_YUAN, effective_from=past, by=LIN, reason="改"
    )

    assert rules.approve(session, second.public_id, by=WANG).effective_from == past


def test_the_next_transaction_of_any_process_sees_a_change(
    database: Database, settings: Settings, district: str
) -> None:
    """E10: what is remembered lives no longer than the transactions that began before."""
    other = Database(settings.database.url, pool_size=1)
    with database.transaction(district) as session:
        merchant = make_merchant(session).public_id
        rules.get_rule_book(session)
    with other.transaction(district) as session:
        rules.get_rule_book(session)
    here = Conditions(merchants=frozenset({merchant}))

    with other.transaction(district) as session:
        agreed = agree(session, unique("rule"), replace(A_POINT_A_YUAN, conditions=here))

    for each in (database, other):
        with each.transaction(district) as session:
            book = rules.get_rule_book(session)
            found = [rule.code for rule in book.in_force(now_of(session), merchants=[merchant])]
            assert agreed.code in found
    other.dispose()


def test_all_that_a_definition_says_is_stored_and_read_back(session: Session) -> None:
    merchant = make_merchant(session)
    definition = Definition(
        kind=Kind.MULTIPLIER,
        rate=Fraction(3, 2),
        rounding=Rounding.HALF_UP,
        scope=Scope.LINE,
        conditions=Conditions(
            merchants=frozenset({merchant.public_id}),
            weekdays=frozenset({6, 7}),
            hours=(Hours.parse("22:00-02:00"),),
            tiers=frozenset({"gold"}),
        ),
        excluded_categories=frozenset(),
        counted_tenders=frozenset({"cash"}),
    )
    code = unique("rule")

    agree(session, code, definition)

    book = rules.get_rule_book(session)
    in_force = book.in_force(now_of(session), merchants=[merchant.public_id])
    (found,) = [rule for rule in in_force if rule.code == code]
    assert found.definition == definition
    assert (found.name_zh, found.name_en) == (NAMES.zh, NAMES.en)


def test_a_rejected_draft_never_earns(session: Session) -> None:
    code = unique("rule")
    request = rules.propose(
        session, code=code, names=NAMES, definition=A_POINT_A_YUAN, by=LIN, reason="开业"
    )

    rules.reject(session, request.public_id, by=WANG, reason="太贵")

    assert rates(session, code) == []
    (listed,) = rules.list_versions(session, code=code)
    assert (listed.state, listed.approved_by) == (VersionState.RETIRED, None)
    with pytest.raises(StateConflict):
        rules.approve(session, request.public_id, by=WANG)


def test_a_retired_rule_ends_now_and_stays_for_what_was_before(session: Session) -> None:
    """semantics 60: retired, never deleted."""
    code = unique("rule")
    agree(session, code)
    soon = now_of(session) + timedelta(days=9)
    later = rules.propose(
        session, code=code, definition=TWO_POINTS_A_YUAN, effective_from=soon, by=LIN, reason="改"
    )
    rules.approve(session, later.public_id, by=WANG)

    rules.retire(session, code, by=LIN, reason="停用")

    book = rules.get_rule_book(session)
    for days in (0, 1, 30):
        moment = now_of(session) + timedelta(days=days)
        assert all(rule.code != code for rule in book.in_force(moment, merchants=[]))
    with pytest.raises(StateConflict, match="没有生效的版本"):
        rules.retire(session, code, by=LIN, reason="停用")
    with pytest.raises(NotFound):
        rules.retire(session, unique("rule"), by=LIN, reason="停用")


def test_what_is_approved_is_what_was_proposed(session: Session) -> None:
    """E10: the hash of the definition is checked, not trusted."""
    code = unique("rule")
    request = rules.propose(
        session, code=code, names=NAMES, definition=A_POINT_A_YUAN, by=LIN, reason="开业"
    )
    session.execute(text("UPDATE rule_version SET rate_num = 7 WHERE state = 'draft'"))
    session.expire_all()

    with pytest.raises(DefinitionChanged, match="与提案不一致"):
        rules.approve(session, request.public_id, by=WANG)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE rule_version SET rate_num = 7 WHERE id = :id",
        "UPDATE rule_version SET state = 'draft', approved_by = NULL WHERE id = :id",
        "UPDATE rule_version SET effective_from = now() - interval '1 day' WHERE id = :id",
        "DELETE FROM rule_version WHERE id = :id",
    ],
)
def test_sql_by_hand_cannot_change_an_approved_version(session: Session, change: str) -> None:
    """E10, as the application's role."""
    agreed = agree(session, unique("rule"))

    with pytest.raises(DBAPIError), session.begin_nested():
        session.execute(text(change), {"id": agreed.version_id})


def test_an_ended_version_never_ends_later_than_it_said(session: Session) -> None:
    agreed = agree(session, unique("rule"))
    end = "UPDATE rule_version SET effective_to = now() + :days * interval '1 day' WHERE id = :id"
    session.execute(text(end), {"days": 3, "id": agreed.version_id})

    with pytest.raises(DBAPIError), session.begin_nested():
        session.execute(text(end), {"days": 4, "id": agreed.version_id})
    session.execute(text(end), {"days": 2, "id": agreed.version_id})


def test_references_resolve_and_new_rules_have_names(session: Session) -> None:
    """semantics 60"""
    nowhere = Definition(
        kind=Kind.BASE,
        rate=Fraction(1),
        conditions=Conditions(merchants=frozenset({"mch_nowhere"})),
    )
    no_trade = Definition(
        kind=Kind.BASE, rate=Fraction(1), conditions=Conditions(trades=frozenset({"no-trade"}))
    )
    for definition in (nowhere, no_trade):
        with pytest.raises(NotFound):
            rules.propose(
                session, code="x", names=NAMES, definition=definition, by=LIN, reason="试"
            )
    with pytest.raises(Invalid, match="编号"):
        rules.propose(
            session, code="a b", names=NAMES, definition=A_POINT_A_YUAN, by=LIN, reason="试"
        )
    with pytest.raises(Invalid, match="名称"):
        rules.propose(session, code=unique("rule"), definition=A_POINT_A_YUAN, by=LIN, reason="试")


def test_an_end_that_has_passed_is_refused(session: Session) -> None:
    now = now_of(session)
    with pytest.raises(Invalid, match="effective_to"):
        rules.propose(
            session, code=unique("rule"), names=NAMES, definition=A_POINT_A_YUAN,
            effective_to=now, by=LIN, reason="试",
        )  # fmt: skip
    code = unique("rule")
    agree(session, code)
    late = rules.propose(
        session, code=code, definition=TWO_POINTS_A_YUAN,
        effective_from=now - timedelta(days=2), effective_to=now - timedelta(days=1),
        by=LIN, reason="试",
    )  # fmt: skip

    with pytest.raises(StateConflict, match="已过结束时间"):
        rules.approve(session, late.public_id, by=WANG)
