"""Members and balances of an older programme, taken over as opening journals (O1).

Set-based, a part of the file in a transaction: what was taken over once is known by the older
programme's own key of the row, so a run that was killed is simply run again.
"""

from collections.abc import Iterable, MutableMapping, Sequence
from dataclasses import dataclass

from sqlalchemy import CheckConstraint, ForeignKey, Identity, UniqueConstraint, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

import ledger
from app import audit
from app.books import Kind, move, opening_accounts
from app.clock import business_date
from app.errors import AppError, Invalid
from app.members import enrolment, sealing
from app.members.identification import KnownMember
from app.merchants.directory import ListedMerchant, get_directory
from app.points import lots
from app.points.lots import Meaning, NewLot
from app.points.opening_rows import Judged, OpeningLine, Verdict, refused
from config.database import Base, now_of
from config.errors import Collision
from ledger import Journal

#: Rows of one transaction: the posting call looks at each account for each posting, so more are
#: slower. Measured on two cores: 660 rows of new members a second; with 500 at once 240.
AT_ONCE = 100


class OpeningRow(Base):
    """A row that was taken over: by source and the source's own key once, for ever. Insert-only.

    `content` is a blind index of what the row said, since that is personal.
    """

    __tablename__ = "opening_row"
    __table_args__ = (
        UniqueConstraint("source", "key"),
        CheckConstraint("octet_length(content) = 16", name="content"),
        CheckConstraint("points > 0", name="points"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    source: Mapped[str]
    key: Mapped[str]
    content: Mapped[bytes]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    points: Mapped[int]


@dataclass(frozen=True, kw_only=True)
class Totals:
    """How many members there are, and the points that are in their lots."""

    members: int
    points: int


@dataclass(frozen=True, kw_only=True)
class _Ready:
    """A row with its member, or to have one, and what its lot is by."""

    line: OpeningLine
    merchant: ListedMerchant
    meaning: Meaning
    content: bytes


def take_over(
    session: Session,
    rows: Sequence[OpeningLine],
    *,
    source: str,
    by: str,
    seen: MutableMapping[str, bytes],
    dry: bool = False,
) -> list[Judged]:
    """Take over some rows of a source, each by itself: one that is refused stops no other.

    People who are not known are enrolled, without any consent to marketing. The points cost the
    issuer what its contract of today says, and go into a lot of that expiry. `seen` are the rows of
    earlier parts of this file and is added to. With `dry` people are enrolled, nothing is posted,
    and the caller rolls back. Locks the wallets by id and posts once.

    Raises:
        Collision: another run took the same rows over; run the transaction again.
    """
    verdicts, ready = _judge(session, rows, source=source, seen=seen)
    members, turned_down = _enrol(session, ready, by=by)
    verdicts += turned_down
    taken = [row for row in ready if row.line.line in members]
    if taken and not dry:
        _post(session, taken, members, source=source, by=by)
    for row in taken:
        seen[row.line.key] = row.content
        verdicts.append(_verdict(row.line, Verdict.IMPORTED))
    return sorted(verdicts, key=lambda each: each.line)


def totals(session: Session) -> Totals:
    """Return what the district has now; one statement, which reads every lot."""
    row = session.execute(_TOTALS).one()
    return Totals(members=row.members, points=row.points)


def _judge(
    session: Session,
    rows: Sequence[OpeningLine],
    *,
    source: str,
    seen: MutableMapping[str, bytes],
) -> tuple[list[Judged], list[_Ready]]:
    """Tell rows that were taken over before, and those that cannot be, from the rest."""
    known = _known(session, source, [row.key for row in rows])
    ring = sealing.key_ring(session)
    verdicts: list[Judged] = []
    ready: dict[str, _Ready] = {}
    for row in rows:
        content = ring.blind_index(f"opening:v1:{source}", row.content())
        before = known.get(row.key) or seen.get(row.key)
        if before is None and row.key in ready:
            before = ready[row.key].content
        try:
            if before is None:
                ready[row.key] = _ready(session, row, content)
            elif before == content:
                verdicts.append(_verdict(row, Verdict.ALREADY))
            else:
                raise Invalid("row", "该行号已导入过其他内容", "this key was another row's")
        except AppError as error:
            verdicts.append(refused(row.line, error, row=row.key))
    return verdicts, list(ready.values())


def _ready(session: Session, row: OpeningLine, content: bytes) -> _Ready:
    today = business_date(now_of(session))
    if row.expires_on is not None and row.expires_on < today:
        raise Invalid("expires_on", "已过期", "it has expired already")
    merchant = get_directory(session).get_merchant(row.issuer)
    merchant.require_staying()
    terms = merchant.terms_at(today)
    meaning = Meaning(
        issuer_id=merchant.id,
        cost=terms.cost_fen_per_point,
        redemption=terms.redemption_fen_per_point,
        expires_on=row.expires_on,
    )
    return _Ready(line=row, merchant=merchant, meaning=meaning, content=content)


def _enrol(
    session: Session, ready: Sequence[_Ready], *, by: str
) -> tuple[dict[int, KnownMember], list[Judged]]:
    """Return the member of each row, by line: all at once, or row by row if one is refused."""
    people = [row.line.person for row in ready]
    try:
        with session.begin_nested():
            enrolled = enrolment.enrol_many(session, people, by=by) if people else []
        return {row.line.line: each.member for row, each in zip(ready, enrolled, strict=True)}, []
    except AppError:
        pass
    members: dict[int, KnownMember] = {}
    turned_down = []
    for row in ready:
        try:
            with session.begin_nested():
                members[row.line.line] = enrolment.enrol(session, row.line.person, by=by).member
        except AppError as error:
            turned_down.append(refused(row.line.line, error, row=row.line.key))
    return members, turned_down


def _post(
    session: Session,
    taken: Sequence[_Ready],
    members: dict[int, KnownMember],
    *,
    source: str,
    by: str,
) -> None:
    now = now_of(session)
    people = {member.id: member for member in members.values()}
    wallets = lots.lock_many(session, people.values(), day=business_date(now))
    wanted = {(members[row.line.line].id, row.meaning) for row in taken}
    accounts = {
        (member, meaning): lot.account_id
        for member, meaning in wanted
        if (lot := wallets[member].find(meaning)) is not None
    }
    opened = lots.open_many(
        session,
        [
            NewLot(member=people[member], meaning=meaning, earned_at=now)
            for member, meaning in sorted(wanted - accounts.keys(), key=str)
        ],
    )
    accounts |= {named: lot.account_id for named, lot in opened.items()}
    targets = {row.line.key: accounts[members[row.line.line].id, row.meaning] for row in taken}
    _remember(session, taken, targets, source=source)
    promised = opening_accounts(session, {row.merchant.public_id for row in taken})
    ledger.post(
        session,
        [
            Journal(
                key=f"opening:{source}:{row.line.key}",
                kind=Kind.OPENING,
                occurred_at=now,
                postings=[
                    move(promised[row.merchant.public_id], targets[row.line.key], row.line.points)
                ],
                details={"source": source, "row": row.line.key},
            )
            for row in taken
        ],
    )
    audit.record(
        session,
        actor=by,
        action="points.import_opening",
        object=f"source:{source}",
        after={"rows": len(taken), "points": sum(row.line.points for row in taken)},
    )


def _remember(
    session: Session, taken: Iterable[_Ready], targets: dict[str, int], *, source: str
) -> None:
    rows = [
        {
            "source": source,
            "key": row.line.key,
            "content": row.content,
            "account_id": targets[row.line.key],
            "points": row.line.points,
        }
        for row in taken
    ]
    written = session.scalars(
        insert(OpeningRow)
        .on_conflict_do_nothing(index_elements=["source", "key"])
        .returning(OpeningRow.key),
        rows,
    ).all()
    if len(written) < len(rows):
        raise Collision("opening", source)


def _known(session: Session, source: str, keys: Sequence[str]) -> dict[str, bytes]:
    rows = session.execute(
        select(OpeningRow.key, OpeningRow.content).where(
            OpeningRow.source == source, OpeningRow.key.in_(keys)
        )
    )
    return {row.key: row.content for row in rows}


def _verdict(row: OpeningLine, verdict: Verdict) -> Judged:
    return Judged(line=row.line, row=row.key, verdict=verdict, points=row.points)


_TOTALS = text(
    """
    SELECT (SELECT count(*) FROM member WHERE status NOT IN ('closed', 'merged')) AS members,
        (SELECT coalesce(sum(b.posted), 0)::bigint
         FROM lot l JOIN account_balance b ON b.account_id = l.account_id
         WHERE l.kind = 'lot') AS points
    """
)
