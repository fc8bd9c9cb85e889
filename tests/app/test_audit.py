"""G2, reliability §14: acts are on record, masked, and nobody changes them afterwards."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app import audit
from app.audit import Act


def test_an_act_is_recorded_with_actor_object_and_reason(session: Session) -> None:
    session.info["source"] = "cli"
    session.info["request_id"] = "req_1"

    audit.record(
        session,
        actor="stf_1",
        action="member.freeze",
        object="mem_1",
        before={"status": "active"},
        after={"status": "frozen"},
        reason="投诉核实中",
        on_behalf_of="mch_1",
    )

    (row,) = audit.list_records(session, about="mem_1")
    assert (row.actor, row.action, row.reason) == ("stf_1", "member.freeze", "投诉核实中")
    assert (row.before, row.after) == ({"status": "active"}, {"status": "frozen"})
    assert (row.source, row.request_id, row.on_behalf_of) == ("cli", "req_1", "mch_1")


def test_fields_that_are_not_given_are_null(session: Session) -> None:
    audit.record_many(session, [Act(actor="stf_1", action="staff.add", object="stf_null")])
    audit.record_many(session, [])

    nulls = session.scalar(
        text(
            "SELECT count(*) FROM audit_record WHERE object = 'stf_null'"
            " AND before IS NULL AND after IS NULL AND reason IS NULL"
        )
    )
    assert nulls == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_record SET reason = 'other'",
        "DELETE FROM audit_record",
        "TRUNCATE audit_record",
    ],
)
def test_the_application_may_not_change_the_record(session: Session, statement: str) -> None:
    audit.record(session, actor="stf_1", action="a.b", object="o")

    with pytest.raises(DBAPIError, match="permission denied"):
        session.execute(text(statement))


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("客户 13800138000 来电", "客户 138****8000 来电"),
        ("call +86 138-0013-8000!", "call +86 138****8000!"),
        ("card 1380013800012345", "card 1380013800012345"),
        ("two\nlines\x00", "two\\u000alines\\u0000"),
    ],
)
def test_phones_are_masked_and_control_characters_escaped(written: str, kept: str) -> None:
    assert audit.masked(written) == kept


def test_masking_reaches_into_lists_and_objects() -> None:
    fields = {"a": ["13800138000", {"b": "13900139000"}], "n": 5, "none": None}

    assert audit.masked_fields(fields) == {
        "a": ["138****8000", {"b": "139****9000"}],
        "n": 5,
        "none": None,
    }


@given(before=st.text(), phone=st.from_regex(r"\A1[3-9][0-9]{9}\Z"), after=st.text())
def test_no_phone_set_apart_by_anything_but_digits_survives(
    before: str, phone: str, after: str
) -> None:
    kept = audit.masked(f"{before} {phone} {after}")

    assert f" {phone} " not in kept


def test_acts_are_counted_per_actor_and_window(session: Session) -> None:
    for actor in ("stf_a", "stf_a", "stf_b"):
        audit.record(session, actor=actor, action="member.reveal", object="mem_1")

    hour = timedelta(hours=1)
    assert audit.count_since(session, actor="stf_a", action="member.reveal", window=hour) == 2
    assert audit.count_since(session, actor="stf_a", action="other", window=hour) == 0
