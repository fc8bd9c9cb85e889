"""M11: a merchant, a store or a till is stopped, seen by the next sale, and let go again."""

import pytest
from sqlalchemy.orm import Session

from app import audit
from app.errors import NotFound, StateConflict
from app.merchants import freezing
from app.merchants.directory import ListedTerminal, get_directory
from app.merchants.errors import Frozen
from tests.factories import make_till


def _again(session: Session, till: ListedTerminal) -> ListedTerminal:
    directory = get_directory(session)
    return directory.get_terminal(directory.get_store(till.store.code), till.code)


def _freeze(session: Session, till: ListedTerminal, level: str) -> None:
    name, reason = till.store.code, "客诉 13800138000"
    match level:
        case "merchant":
            freezing.freeze_merchant(session, name, by="stf_1", reason=reason)
        case "store":
            freezing.freeze_store(session, name, by="stf_1", reason=reason)
        case _:
            freezing.freeze_terminal(session, store=name, code="T1", by="stf_1", reason=reason)


def _unfreeze(session: Session, till: ListedTerminal, level: str) -> None:
    name, reason = till.store.code, "已核实"
    match level:
        case "merchant":
            freezing.unfreeze_merchant(session, name, by="stf_1", reason=reason)
        case "store":
            freezing.unfreeze_store(session, name, by="stf_1", reason=reason)
        case _:
            freezing.unfreeze_terminal(session, store=name, code="T1", by="stf_1", reason=reason)


@pytest.mark.parametrize("level", ["merchant", "store", "terminal"])
def test_a_frozen_level_refuses_sales_and_is_named(session: Session, level: str) -> None:
    till = make_till(session)
    till.require_open()

    _freeze(session, till, level)

    with pytest.raises(Frozen, match="冻结") as refused:
        _again(session, till).require_open()
    assert refused.value.kind == level
    _unfreeze(session, till, level)
    _again(session, till).require_open()


@pytest.mark.parametrize("level", ["merchant", "store", "terminal"])
def test_freezing_twice_or_unfreezing_what_is_not_frozen_is_refused(
    session: Session, level: str
) -> None:
    till = make_till(session)

    with pytest.raises(StateConflict, match="is not frozen"):
        _unfreeze(session, till, level)
    _freeze(session, till, level)
    with pytest.raises(StateConflict, match="is not active"):
        _freeze(session, till, level)


def test_who_froze_what_and_why_is_on_record_without_the_phone(session: Session) -> None:
    till = make_till(session)

    _freeze(session, till, "terminal")

    (record, *_) = audit.list_records(session, about=till.public_id)
    assert (record.actor, record.action) == ("stf_1", "terminal.freeze")
    assert (record.before, record.after) == ({"status": "active"}, {"status": "frozen"})
    assert record.reason == "客诉 138****8000"


def test_unknown_names_are_not_found(session: Session) -> None:
    with pytest.raises(NotFound):
        freezing.freeze_merchant(session, "no", by="stf_1", reason="x")
    with pytest.raises(NotFound):
        freezing.freeze_store(session, "no", by="stf_1", reason="x")
    with pytest.raises(NotFound):
        freezing.freeze_terminal(session, store="no", code="no", by="stf_1", reason="x")
