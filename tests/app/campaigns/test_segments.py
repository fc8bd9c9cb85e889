"""C2: who is in a segment, who put him there, and what a merge does to it."""

from typing import Any

import pytest
from sqlalchemy.orm import Session

from app import audit
from app.campaigns import coupons, segments
from app.campaigns.segments import Verdict
from app.errors import NotFound, StateConflict
from coupons import templates
from tests.app.points.test_merging import merge, undo
from tests.coupons.makers import make_template
from tests.factories import make_member, new_phone, unique

BY = "system:test"


@pytest.fixture
def code(session: Session) -> str:
    code = unique("vip")
    segments.open_segment(session, code=code, title_zh="贵宾", title_en="VIP", by=BY)
    return code


def test_every_line_of_a_list_has_a_verdict_and_the_same_list_changes_nothing(
    session: Session, code: str
) -> None:
    phone = new_phone()
    by_phone, by_id = make_member(session, phone=phone), make_member(session)
    lines = [phone, f" {by_id.public_id} ", by_phone.public_id, new_phone(), "no member", "mem_x"]

    first = segments.put_in(session, code, lines, by=BY)
    again = segments.put_in(session, code, lines, by=BY)
    out = segments.take_out(session, code, [phone, phone, "mem_x"], by=BY)

    assert first == [Verdict.ADDED, Verdict.ADDED, Verdict.UNCHANGED, *[Verdict.UNKNOWN] * 3]
    assert again == [*[Verdict.UNCHANGED] * 3, *[Verdict.UNKNOWN] * 3]
    assert out == [Verdict.REMOVED, Verdict.UNCHANGED, Verdict.UNKNOWN]
    assert segments.codes_of(session, by_phone.id) == frozenset()
    assert segments.codes_of(session, by_id.id) == {code}
    assert segments.list_segments(session, code=code)[0].members == 1
    told = [
        (each.action, each.after) for each in audit.list_records(session, about=f"segment:{code}")
    ]
    assert ("segment.added", {"added": 2, "unchanged": 1, "unknown": 3}) in told
    assert not any(phone in str(each) for each in told)


def test_a_segment_is_opened_once_and_another_may_not_have_its_code(
    session: Session, code: str
) -> None:
    again = segments.open_segment(session, code=code, title_zh="贵宾", title_en="VIP", by=BY)

    assert (again.code, again.members) == (code, 0)
    assert len(audit.list_records(session, about=f"segment:{code}")) == 1
    with pytest.raises(StateConflict):
        segments.open_segment(session, code=code, title_zh="新客", title_en="new", by=BY)
    with pytest.raises(NotFound):
        segments.put_in(session, unique("none"), [], by=BY)


def test_whoever_is_merged_brings_the_survivor_in_and_an_undo_takes_him_out(
    session: Session, code: str
) -> None:
    """M4: nothing of the loser is rewritten."""
    loser, survivor = make_member(session), make_member(session)
    segments.put_in(session, code, [loser.public_id], by=BY)

    done = merge(session, loser, survivor)
    assert segments.codes_of(session, survivor.id) == {code}
    undo(session, done.merge)
    assert segments.codes_of(session, survivor.id) == frozenset()

    merge(session, loser, survivor)
    assert segments.take_out(session, code, [survivor.public_id], by=BY) == [Verdict.REMOVED]
    assert segments.codes_of(session, survivor.id) == frozenset()


def test_a_template_for_a_segment_that_is_not_there_is_refused(session: Session, code: str) -> None:
    def made(*codes: str) -> templates.Template:
        document: Any = templates.dump(make_template())
        document["offer"]["who"] = {"segments": list(codes)}
        return templates.load(document)

    with pytest.raises(NotFound, match="missing-one"):
        coupons.add_template(session, made(code, "missing-one"), by=BY)
    assert coupons.add_template(session, made(code), by=BY).version == 1
