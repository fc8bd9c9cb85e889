"""Segments of members (人群): who is in a list that people keep, for what only they may use (C2).

A member is in a segment under every key he is kept under: a merge neither loses nor moves anything.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import LiteralString

from sqlalchemy import TextClause, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app import audit
from app.campaigns.models import Segment, SegmentMember
from app.errors import NotFound, StateConflict
from app.members.identification import list_by_any
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
    return _change(session, code, lines, statement=_PUT_IN, done=Verdict.ADDED, by=by)


def take_out(session: Session, code: str, lines: Sequence[str], *, by: str) -> list[Verdict]:
    """Take members, each a phone, card or id, out of a segment; return a verdict for each line.

    What they used as its members stays used. Again: nothing changes.

    Raises:
        NotFound: no such segment.
    """
    return _change(session, code, lines, statement=_TAKE_OUT, done=Verdict.REMOVED, by=by)


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


def _change(
    session: Session,
    code: str,
    lines: Sequence[str],
    *,
    statement: TextClause,
    done: Verdict,
    by: str,
) -> list[Verdict]:
    """Move members by a statement that returns whom it moved: five at most, for any lines."""
    segment_id = _get_id(session, code)
    found = list_by_any(session, [line.strip() for line in lines])
    ids = {member.id for member in found.values()}
    moved = set(
        session.scalars(
            statement, {"segment": segment_id, "members": list(ids), "now": now_of(session)}
        )
    )
    verdicts = []
    for line in lines:
        member = found.get(line.strip())
        if member is None:
            verdicts.append(Verdict.UNKNOWN)
        elif member.id in moved:
            verdicts.append(done)
            moved.remove(member.id)  # Of two lines that name one member, the first did it.
        else:
            verdicts.append(Verdict.UNCHANGED)
    audit.record(
        session,
        actor=by,
        action=f"segment.{done}",
        object=f"segment:{code}",
        after=dict(Counter(verdicts)),
    )
    return verdicts


_PUT_IN = text(
    """
    INSERT INTO segment_member (segment_id, member_id, since)
    SELECT :segment, m, :now FROM unnest(CAST(:members AS bigint[])) m
    ON CONFLICT DO NOTHING RETURNING member_id
    """
)
_TAKE_OUT = text(
    """
    DELETE FROM segment_member x USING member m
    WHERE x.segment_id = :segment AND m.id = x.member_id
        AND coalesce(m.merged_into_id, m.id) = ANY (CAST(:members AS bigint[]))
    RETURNING coalesce(m.merged_into_id, m.id)
    """
)
