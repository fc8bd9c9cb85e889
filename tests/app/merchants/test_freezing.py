"""M11: a merchant, a store or a till is stopped, seen by the next sale, and let go again."""

import pytest
from sqlalchemy.orm import Session

from app import audit
from app.errors import NotFound, StateConflict
from app.merchants import freezing
from app.merchants.directory import ListedTerminal, get_directory
from app.merchants.errors import Frozen
from app.merchants.locking import lock_merchant, lock_store, lock_terminal
from app.merchants.models import Merchant, Store, Terminal
from tests.factories import make_till


def _again(session: Session, till: ListedTerminal) -> ListedTerminal:
    directory = get_directory(session)
    return directory.get_terminal(directory.get_store(till.store.code), till.code)


def _row(session: Session, till: ListedTerminal, level: str) -> Merchant | Store | Terminal:
    match level:
        case "merchant":
            return lock_merchant(session, till.store.merchant.code)
        case "store":
            return lock_store(session, till.store.code)
        case _:
            return lock_terminal(session, store=till.store.code, code=till.code)


@pytest.mark.parametrize("level", ["merchant", "store", "terminal"])
def test_a_frozen_level_refuses_sales_and_is_named(session: Session, level: str) -> None:
    till = make_till(session)
    till.require_open()

    freezing.freeze(session, _row(session, till, level), by="stf_1", reason="客诉")

    with pytest.raises(Frozen, match="冻结") as refused:
        _again(session, till).require_open()
    assert refused.value.kind == level
    freezing.unfreeze(session, _row(session, till, level), by="stf_1", reason="已核实")
    _again(session, till).require_open()


@pytest.mark.parametrize("level", ["merchant", "store", "terminal"])
def test_freezing_twice_or_unfreezing_what_is_not_frozen_is_refused(
    session: Session, level: str
) -> None:
    till = make_till(session)

    with pytest.raises(StateConflict, match="is not frozen"):
        freezing.unfreeze(session, _row(session, till, level), by="stf_1", reason="已核实")
    freezing.freeze(session, _row(session, till, level), by="stf_1", reason="客诉")
    with pytest.raises(StateConflict, match="is not active"):
        freezing.freeze(session, _row(session, till, level), by="stf_1", reason="客诉")


def test_who_froze_what_and_why_is_on_record_without_the_phone(session: Session) -> None:
    till = make_till(session)

    freezing.freeze(session, _row(session, till, "terminal"), by="stf_1", reason="客诉 13800138000")

    (record, *_) = audit.list_records(session, about=till.public_id)
    assert (record.actor, record.action) == ("stf_1", "terminal.freeze")
    assert (record.before, record.after) == ({"status": "active"}, {"status": "frozen"})
    assert record.reason == "客诉 138****8000"


def test_unknown_names_are_not_found(session: Session) -> None:
    with pytest.raises(NotFound):
        lock_merchant(session, "no")
    with pytest.raises(NotFound):
        lock_store(session, "no")
    with pytest.raises(NotFound):
        lock_terminal(session, store="no", code="no")
