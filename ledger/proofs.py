"""Seals: each closed day as one signed record, and proofs of what stands in it (docs/proofs.md).

Nothing here is on the posting path. The functions in proofs.sql hash transfers; records, trees and
proofs are made with the very functions that a verifier has (verifying.py). Signing is the caller's.
"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta
from decimal import Decimal
from hashlib import sha256
from itertools import zip_longest

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from config.database import district_of
from ledger import verifying
from ledger.errors import LedgerError, NoSuchJournal
from ledger.models import DaySeal, SealBlock
from ledger.upkeep import Violation

BLOCK = 1024


class NotSealedYet(LedgerError):
    """The day is not closed and sealed yet; the clock does both during the next day."""

    def __init__(self, day: date) -> None:
        super().__init__(
            f"{day} 尚未封账；该日关账后才封账 / "
            f"{day} is not sealed yet; a day is sealed once it is closed"
        )
        self.day = day


class NothingSealed(LedgerError):
    """The day lies before the first on which anything was booked: it is never sealed."""

    def __init__(self, day: date, *, first: date) -> None:
        super().__init__(
            f"{day} 没有可证明的账目：首个有账的日子是 {first} / "
            f"nothing was booked by {day}: the first day with a booking is {first}"
        )
        self.day = day
        self.first = first


class SealBroken(LedgerError):
    """The books of a sealed day are not what was sealed."""

    def __init__(self, day: date) -> None:
        super().__init__(
            f"{day} 的账目与封账不符，请运行 plaza audit / the books of {day} are not what was "
            "sealed; run plaza audit"
        )
        self.day = day


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """What a key said of a record: `key_id` is `verifying.key_id` of its public half."""

    key_id: str
    signature: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Up to 1,024 transfers of a day: where they begin, their sums, and their node of its tree."""

    number: int
    first_journal_id: int
    first_line: int
    transfers: int
    points: int
    fen: int
    root: bytes


Sign = Callable[[bytes], Signature]


def seal_days(session: Session, *, through: date, sign: Sign, most: int = 400) -> list[date] | None:
    """Seal every closed day through one, oldest first, `most` at a time; return those newly sealed.

    Begins with the first day on which anything is booked; a day without transfers is sealed too.
    A sealed day is left as it is, so a repeat does nothing. `sign` gets the bytes to be signed.

    None: a transaction that began before the day was closed is still running; try again later. It
    waits two seconds for them. Wants a READ COMMITTED transaction that was begun after the closing
    had committed; one sealer works at a time.
    """
    start = session.execute(_BEGIN, {"through": through}).one()
    if start.sealed is None:
        return None
    if start.next_day is None or start.next_day > through:
        return []
    count = min((through - start.next_day).days + 1, most)
    days = [start.next_day + timedelta(days=n) for n in range(count)]
    hashes = list(session.scalars(select(DaySeal.hash).order_by(DaySeal.number)))
    history = verifying.Tree()
    for each in hashes:
        history.add(each)
    previous = hashes[-1].hex() if hashes else verifying.NOTHING_BEFORE
    for day in days:
        record = _seal(session, day, history=history, previous=previous, sign=sign)
        digest = verifying.record_hash(record)
        history.add(digest)
        previous = digest.hex()
    return days


def last_sealed(session: Session) -> date | None:
    """Return the newest day that is sealed."""
    return session.scalar(select(DaySeal.day).order_by(DaySeal.day.desc()).limit(1))


def transfers_of(session: Session, day: date) -> int:
    """Return how many transfers of a day are sealed."""
    found = session.scalar(select(func.sum(SealBlock.transfers)).where(SealBlock.day == day))
    return found or 0


def signed_records(session: Session) -> Iterator[tuple[date, bytes, Signature]]:
    """Return of every sealed day what was signed, and the signature."""
    for seal in session.scalars(select(DaySeal).order_by(DaySeal.number)):
        signature = Signature(key_id=seal.key_id, signature=seal.signature)
        yield seal.day, verifying.RECORD + seal.record.encode(), signature


def export_day(session: Session, day: date) -> Iterator[bytes]:
    """Return the lines of a day's export: its signed record, then each transfer with its hash.

    Streams: a day of any size takes the memory of some thousand lines.

    Raises:
        NotSealedYet: the day has no seal.
        NothingSealed: it lies before the first day that has one.
        SealBroken: at the end, when the lines do not give the root that was sealed.
    """
    seal = _sealed(session, day)
    yield verifying.written({"plaza": verifying.DAY, **_signed(seal)}) + b"\n"
    tree = verifying.Tree()
    rows = session.execute(_LEAVES, {"day": day}, execution_options={"yield_per": 5_000})
    for number, row in enumerate(rows):
        leaf = row.leaf.encode()
        digest = _leaf_hash(leaf)
        tree.add(digest)
        yield b"%d %s %s\n" % (number, digest.hex().encode(), leaf)
    if tree.root().hex() != json.loads(seal.record)["root"]:
        raise SealBroken(day)


def prove_transfer(session: Session, key: str, line: int) -> dict[str, object]:
    """Return the proof that a transfer stands in its sealed day, as JSON for `verifying.verify`.

    Reads one block of the day, not the day.

    Raises:
        NoSuchJournal: there is no such line of a journal of this key.
        NotSealedYet: its day has no seal.
        SealBroken: its block is not what was sealed.
    """
    found = session.execute(_FIND, {"key": key, "line": line}).one_or_none()
    if found is None:
        raise NoSuchJournal(f"{key}/{line}")
    seal = _sealed(session, found.booked_on)
    blocks = _sealed_blocks(session, seal.day)
    number = _block_of(blocks, (found.journal_id, line), day=seal.day)
    rows = session.execute(_BLOCK, {"day": seal.day, **_bounds(blocks, number)}).all()
    leaves = [_leaf_hash(row.leaf.encode()) for row in rows]
    places = [(row.journal_id, row.line) for row in rows]
    if verifying.root_of(leaves) != blocks[number].root or (found.journal_id, line) not in places:
        raise SealBroken(seal.day)
    index = places.index((found.journal_id, line))
    path = verifying.path_of(leaves, index)
    path += verifying.path_of([block.root for block in blocks], number)
    return {
        "plaza": verifying.TRANSFER,
        "entry": number * BLOCK + index,
        "transfer": json.loads(rows[index].leaf),
        "path": base64.b64encode(b"".join(path)).decode(),
        **_signed(seal),
    }


def prove_days(session: Session, *, earlier: date, later: date) -> dict[str, object]:
    """Return the proof that a later day's record stands on an earlier one, and on all before it.

    A kilobyte and some hashes, however many days lie between.

    Raises:
        NotSealedYet: one of the days has no seal.
        NothingSealed: one lies before the first day that has one.
        ValueError: they are not in this order.
    """
    if earlier >= later:
        raise ValueError(f"{earlier} is not before {later}")
    first, last = _sealed(session, earlier), _sealed(session, later)
    hashes = session.scalars(
        select(DaySeal.hash).where(DaySeal.number < last.number).order_by(DaySeal.number)
    ).all()
    path = verifying.path_of(hashes, first.number)
    return {
        "plaza": verifying.DAYS,
        "path": base64.b64encode(b"".join(path)).decode(),
        "earlier": _signed(first),
        "later": _signed(last),
    }


def audit(session: Session) -> list[Violation]:
    """Hash every sealed day anew and follow the chain of records; return what does not hold.

    Reads all sealed transfers. Wants a repeatable-read transaction.
    """
    found = [Violation(**row._mapping) for row in session.execute(_TOO_EARLY)]
    history, previous = verifying.Tree(), verifying.NOTHING_BEFORE
    day: date | None = None
    for seal in session.scalars(select(DaySeal).order_by(DaySeal.number)):
        day = day or seal.day
        blocks = _sealed_blocks(session, seal.day)
        found += _altered(seal.day, sealed=blocks, now=_blocks_now(session, seal.day))
        wanted = _record(
            blocks,
            district=json.loads(seal.record)["district"],
            day=day,
            history=history,
            previous=previous,
        )
        digest = verifying.record_hash(seal.record.encode())
        if (seal.day, seal.record.encode(), seal.hash) != (day, wanted, digest):
            found.append(
                Violation(
                    invariant="the records of days are a chain over their blocks",
                    subject=str(seal.day),
                    expected=Decimal(1),
                    found=Decimal(0),
                )
            )
        history.add(digest)
        previous, day = digest.hex(), day + timedelta(days=1)
    return found


def _seal(
    session: Session, day: date, *, history: verifying.Tree, previous: str, sign: Sign
) -> bytes:
    blocks = _blocks_now(session, day)
    record = _record(
        blocks,
        district=district_of(session).id,
        day=day,
        history=history,
        previous=previous,
    )
    signed = sign(verifying.RECORD + record)
    columns = {each.name: [getattr(block, each.name) for block in blocks] for each in fields(Block)}
    session.execute(
        _WRITE,
        {
            "day": day,
            "at": history.size,
            "record": record.decode(),
            "key_id": signed.key_id,
            "signature": signed.signature,
            **columns,
        },
    )
    return record


def _blocks_now(session: Session, day: date) -> list[Block]:
    """Return the blocks that the transfers of a day give now."""
    rows = session.execute(_BLOCKS, {"day": day}, execution_options={"yield_per": 100})
    return [
        Block(
            number=row.number,
            first_journal_id=row.first_journal_id,
            first_line=row.first_line,
            transfers=row.transfers,
            points=row.points,
            fen=row.fen,
            root=verifying.root_of(_unpacked(row.hashes)),
        )
        for row in rows
    ]


def _sealed_blocks(session: Session, day: date) -> list[Block]:
    """Return the blocks of a day as they were sealed."""
    rows = session.scalars(select(SealBlock).where(SealBlock.day == day).order_by(SealBlock.number))
    names = [each.name for each in fields(Block)]
    return [Block(**{name: getattr(row, name) for name in names}) for row in rows]


def _altered(day: date, *, sealed: Sequence[Block], now: Sequence[Block]) -> list[Violation]:
    """Return the blocks of a day that are not what was sealed."""
    return [
        Violation(
            invariant="a sealed day is as it was sealed",
            subject=f"{day} block {number}",
            expected=Decimal(was.transfers if was else 0),
            found=Decimal(found.transfers if found else 0),
        )
        for number, (was, found) in enumerate(zip_longest(sealed, now))
        if was != found
    ]


def _unpacked(hashes: bytes) -> Iterator[bytes]:
    size = verifying.HASH_BYTES
    return (hashes[at : at + size] for at in range(0, len(hashes), size))


def _record(
    blocks: Sequence[Block], *, district: str, day: date, history: verifying.Tree, previous: str
) -> bytes:
    """Return the bytes that are signed for a day with these blocks, after this history."""
    return verifying.written(
        {
            "district": district,
            "day": day.isoformat(),
            "number": history.size,
            "transfers": sum(block.transfers for block in blocks),
            "points": sum(block.points for block in blocks),
            "fen": sum(block.fen for block in blocks),
            "root": verifying.root_of(block.root for block in blocks).hex(),
            "previous": previous,
            "history": history.root().hex(),
        }
    )


_FIRST = text(
    "SELECT coalesce((SELECT min(day) FROM day_seal), (SELECT min(booked_on) FROM journal))"
)


def _sealed(session: Session, day: date) -> DaySeal:
    seal = session.get(DaySeal, day)
    if seal is None:
        first = session.scalar(_FIRST)
        if first is not None and day < first:
            raise NothingSealed(day, first=first)
        raise NotSealedYet(day)
    return seal


def _signed(seal: DaySeal) -> dict[str, object]:
    signed = Signature(key_id=seal.key_id, signature=seal.signature)
    return envelope(json.loads(seal.record), signed)


def envelope(record: Mapping[str, object], signed: Signature) -> dict[str, object]:
    """Return a record with its signature, as proofs carry it."""
    return {
        "record": record,
        "key": signed.key_id,
        "signature": base64.b64encode(signed.signature).decode(),
    }


def _block_of(blocks: Sequence[Block], place: tuple[int, int], *, day: date) -> int:
    """Return the number of the block in which a transfer stands."""
    number = sum((b.first_journal_id, b.first_line) <= place for b in blocks) - 1
    if number < 0:
        raise SealBroken(day)
    return number


def _bounds(blocks: Sequence[Block], number: int) -> dict[str, int]:
    """Return where a block begins, and where the next one does."""
    first = blocks[number]
    last = blocks[number + 1] if number + 1 < len(blocks) else None
    return {
        "journal": first.first_journal_id,
        "line": first.first_line,
        "next_journal": last.first_journal_id if last else 2**62,
        "next_line": last.first_line if last else 0,
    }


def _leaf_hash(leaf: bytes) -> bytes:
    return sha256(verifying.LEAF + leaf).digest()


_BEGIN = text("SELECT * FROM ledger_begin_sealing(:through)")
_BLOCKS = text("SELECT * FROM ledger_day_blocks(:day)")
_WRITE = text(
    "SELECT ledger_write_seal(:day, :at, :record, :key_id, :signature, "
    "CAST(:number AS int[]), CAST(:first_journal_id AS bigint[]), "
    "CAST(:first_line AS smallint[]), CAST(:transfers AS int[]), CAST(:points AS bigint[]), "
    "CAST(:fen AS bigint[]), CAST(:root AS bytea[]))"
)
_LEAVES = text("SELECT leaf FROM ledger_leaf WHERE booked_on = :day ORDER BY journal_id, line")
_FIND = text(
    "SELECT t.journal_id, t.booked_on FROM journal j JOIN transfer t ON t.journal_id = j.id "
    "AND t.booked_on = j.booked_on WHERE j.key = :key AND t.line = :line"
)
_BLOCK = text(
    "SELECT journal_id, line, leaf FROM ledger_leaf WHERE booked_on = :day "
    "AND (journal_id, line) >= (:journal, :line) "
    "AND (journal_id, line) < (:next_journal, :next_line) ORDER BY journal_id, line"
)
_TOO_EARLY = text(
    """
    SELECT 'no transfer stands before the first sealed day' AS invariant,
           to_char(t.booked_on, 'YYYY-MM-DD') AS subject, 0::numeric AS expected,
           count(*)::numeric AS found
    FROM transfer t WHERE t.booked_on < (SELECT min(s.day) FROM day_seal s)
    GROUP BY t.booked_on ORDER BY t.booked_on LIMIT 20
    """
)
