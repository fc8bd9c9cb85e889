"""Segments of members (人群): who is in a list that people keep, for what only they may use (C2).

A member is in a segment under every key he is kept under: a merge neither loses nor moves anything.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, LiteralString

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app import audit
from app.campaigns.models import Segment, SegmentMember
from app.errors import NotFound, StateConflict
from app.members.errors import BadPhone, UnknownMember
from app.members.identification import get_by_any, same_person
from config.database import fetch, now_of

MOST_AT_ONCE = 500
"""Lines that one transaction puts in or takes out."""

#: The codes of the segments of a member, for a statement that knows his key as `%(member)s`.
CODES_OF_MEMBER: LiteralString = """ARRAY(
    SELECT DISTINCT s.code FROM segment s JOIN segment_member x ON x.segment_id = s.id
    JOIN member m ON m.id = x.member_id
    WHERE m.id = %(member)s OR m.merged_into_id = %(member)s)"""


class Verdict(StrEnum):
    """What became of a line of a list."""

    ADDED = "added"
    REMOVED = "removed"
    UNCHANGED = "unchanged"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class ListedSegment:
    """A segment, and how many members it has."""

    code: str
    title_zh: str
    title_en: str
    opened_at: datetime
    members: int


def open_segment(
    session: Session, *, code: str, title_zh: str, title_en: str, by: str
) -> ListedSegment:
    """Begin an empty segment. The same again answers with what is there.

    Raises:
        StateConflict: the code is another segment's.
    """
    done = session.execute(
        insert(Segment)
        .values(
            code=code, title_zh=title_zh, title_en=title_en, opened_by=by, opened_at=now_of(session)
        )
        .on_conflict_do_nothing(index_elements=["code"])
        .returning(Segment.id)
    ).first()
    if done is not None:
        audit.record(
            session,
            actor=by,
            action="segment.open",
            object=f"segment:{code}",
            after={"title_zh": title_zh, "title_en": title_en},
        )
    (found,) = list_segments(session, code=code)
    if (found.title_zh, found.title_en) != (title_zh, title_en):
        raise StateConflict(
            "segment", code, "taken", "编号已用于另一人群", "the code is another segment's"
        )
    return found


def put_in(session: Session, code: str, lines: Sequence[str], *, by: str) -> list[Verdict]:
    """Put members, each a phone, card or id, in a segment; return a verdict for each line.

    Again: nothing changes.

    Raises:
        NotFound: no such segment.
    """
    segment_id, now = _get_id(session, code), now_of(session)
    verdicts = []
    for member_id in (_find(session, line) for line in lines):
        if member_id is None:
            verdicts.append(Verdict.UNKNOWN)
            continue
        added = session.execute(
            insert(SegmentMember)
            .values(segment_id=segment_id, member_id=member_id, since=now)
            .on_conflict_do_nothing()
            .returning(SegmentMember.member_id)
        ).first()
        verdicts.append(Verdict.UNCHANGED if added is None else Verdict.ADDED)
    _record(session, "segment.put_in", code, verdicts, by=by)
    return verdicts


def take_out(session: Session, code: str, lines: Sequence[str], *, by: str) -> list[Verdict]:
    """Take members, each a phone, card or id, out of a segment; return a verdict for each line.

    What they used as its members stays used. Again: nothing changes.

    Raises:
        NotFound: no such segment.
    """
    segment_id = _get_id(session, code)
    verdicts = []
    for member_id in (_find(session, line) for line in lines):
        if member_id is None:
            verdicts.append(Verdict.UNKNOWN)
            continue
        gone = session.execute(
            delete(SegmentMember)
            .where(
                SegmentMember.segment_id == segment_id,
                SegmentMember.member_id.in_(same_person(member_id)),
            )
            .returning(SegmentMember.member_id)
        ).first()
        verdicts.append(Verdict.UNCHANGED if gone is None else Verdict.REMOVED)
    _record(session, "segment.take_out", code, verdicts, by=by)
    return verdicts


def codes_of(session: Session, member_id: int) -> frozenset[str]:
    """Return the codes of the segments that a member is in."""
    ((codes,),) = fetch(session, f"SELECT {CODES_OF_MEMBER}", {"member": member_id})
    return frozenset(codes)


def require_known(session: Session, codes: Collection[str]) -> None:
    """Refuse codes that are no segment's: what asks for them, nobody could ever use.

    Raises:
        NotFound: names the first.
    """
    if not codes:
        return
    known = set(session.scalars(select(Segment.code).where(Segment.code.in_(codes))))
    for code in sorted(set(codes) - known):
        raise NotFound("segment", code)


def list_segments(session: Session, *, code: str | None = None) -> list[ListedSegment]:
    """Return the segments, or one, newest first, with how many members each has."""
    found = (
        select(Segment, func.count(SegmentMember.member_id))
        .outerjoin(SegmentMember, SegmentMember.segment_id == Segment.id)
        .group_by(Segment.id)
        .order_by(Segment.id.desc())
    )
    if code is not None:
        found = found.where(Segment.code == code)
    return [
        ListedSegment(
            code=row.code,
            title_zh=row.title_zh,
            title_en=row.title_en,
            opened_at=row.opened_at.astimezone(UTC),
            members=members,
        )
        for row, members in session.execute(found)
    ]


def _get_id(session: Session, code: str) -> int:
    found = session.scalar(select(Segment.id).where(Segment.code == code))
    if found is None:
        raise NotFound("segment", code)
    return found


def _find(session: Session, written: str) -> int | None:
    """Return the key of the member that a line names; None: nobody is known by it."""
    try:
        return get_by_any(session, written.strip()).id
    except (BadPhone, UnknownMember):
        return None


def _record(
    session: Session, action: str, code: str, verdicts: Sequence[Verdict], *, by: str
) -> None:
    counts: dict[str, Any] = {
        each.value: verdicts.count(each) for each in Verdict if each in verdicts
    }
    audit.record(session, actor=by, action=action, object=f"segment:{code}", after=counts)
