"""Proves what Plaza's books said, without Plaza and without a database.

    python verifying.py --public-key KEY FILE

One file that runs alone: the standard library and `cryptography`. It believes nobody but the public
keys that it is given. FILE is an exported day, the proof of one transfer, or the proof that a later
day stands on an earlier one; docs/proofs.md says what each byte means and how to check by hand.

Trees are those of RFC 6962 (Merkle tree hash, audit paths): SHA-256, leaves and nodes told apart.
"""

import argparse
import base64
import binascii
import hashlib
import io
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LEAF, NODE, RECORD = b"\x00", b"\x01", b"\x02"
HASH_BYTES = 32
EMPTY = hashlib.sha256(b"").digest()
NOTHING_BEFORE = "0" * 64  # What the first day names as the record before it.

DAY, TRANSFER, DAYS = "day", "transfer", "days"
_SHAPES = {
    DAY: ("plaza", "record", "key", "signature"),
    TRANSFER: ("plaza", "entry", "transfer", "path", "record", "key", "signature"),
    DAYS: ("plaza", "path", "earlier", "later"),
}
_SIGNED = ("record", "key", "signature")
_RECORD = {
    "district": str,
    "day": str,
    "number": int,
    "transfers": int,
    "points": int,
    "fen": int,
    "root": str,
    "previous": str,
    "history": str,
}
_ENTRY = {
    "key": str,
    "line": int,
    "kind": str,
    "occurred_at": str,
    "recorded_at": str,
    "booked_on": str,
    "debit": str,
    "credit": str,
    "unit": str,
    "amount": int,
    "details": str,
}
_TEXT = r'"[^"\\]*(?:\\.[^"\\]*)*"'
#: A line of an exported day: its number, its hash, and an entry as `_ENTRY` has it.
_LINE = re.compile(
    (
        rf'([0-9]{{1,18}}) ([0-9a-f]{{64}}) (\{{"key":{_TEXT},"line":[0-9]+,"kind":{_TEXT},'
        rf'"occurred_at":{_TEXT},"recorded_at":{_TEXT},"booked_on":"([0-9-]+)","debit":{_TEXT},'
        rf'"credit":{_TEXT},"unit":"(points|fen)","amount":([0-9]{{1,19}}),'
        r'"details":"[0-9a-f]*"\})\n'
    ).encode()
)
#: The same, many at a time, in text of which it is known that nothing in it is escaped.
_PLAIN = re.compile(
    _LINE.pattern.split(b" ", 2)[2]
    .replace(_TEXT.encode(), b'"[^"]*"')
    .replace(b'"[0-9a-f]*"', b'"([^"]*)"')
)
_HEX = b"0123456789abcdef"
_WHY_NOT = {
    False: ("缺失", "is missing"),
    True: ("不是此处应有的一行", "is not the line that stands here"),
}
_LEAF = hashlib.sha256(LEAF)
_PERFECT = 1024
_LONGEST_LINE = 1 << 20
_PIECE = 1 << 18
_KEY = re.compile(r"[0-9a-f]{64}")
_HASH = re.compile(r"[0-9a-f]{64}")

Keys = Mapping[str, Ed25519PublicKey]


class BadProof(Exception):
    """The file does not prove what it says; `place` is the first thing that is wrong in it."""

    def __init__(self, place: str, zh: str, en: str) -> None:
        super().__init__(f"{place}：{zh} / {place}: {en}")
        self.place = place


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a file proves: `says` in words, of how many entries, as a key that is trusted signed."""

    kind: str
    says: str
    entries: int
    key: str


@dataclass(frozen=True, kw_only=True)
class _Read:
    """What some lines of an exported day say: the hashes of their entries, and the sums."""

    leaves: list[bytes]
    points: int
    fen: int


class Tree:
    """A Merkle tree that only grows; it keeps a hash a level."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Add the hash of one leaf on the right."""
        rest = self.size
        while rest & 1:
            leaf = node(self._peaks.pop(), leaf)
            rest >>= 1
        self._peaks.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Return the hash of the whole tree as it stands."""
        return _folded(reversed(self._peaks))


def node(left: bytes, right: bytes) -> bytes:
    """Return the hash of two hashes."""
    return hashlib.sha256(NODE + left + right).digest()


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the root over hashes of leaves."""
    level = list(leaves)
    while len(level) > 1:
        level = _paired(level)
    return level[0] if level else EMPTY


def path_of(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return what has to be hashed to a leaf, from the ground up, to come to the root."""
    path, level = [], list(leaves)
    while len(level) > 1:
        beside = index ^ 1
        if beside < len(level):
            path.append(level[beside])
        level = _paired(level)
        index >>= 1
    return path


def climb(leaf: bytes, *, index: int, size: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Return the root that a leaf's path comes to, and the root of all that stands before the leaf.

    The hashes that join from the left are the tree of the first `index` leaves.

    Raises:
        ValueError: a path of this length does not belong to this place.
    """
    at, last, before = index, size - 1, []
    for each in path:
        if last == 0:
            raise ValueError("too long")
        if at & 1 or at == last:
            leaf = node(each, leaf)
            before.append(each)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            leaf = node(leaf, each)
        at, last = at >> 1, last >> 1
    if last:
        raise ValueError("too short")
    return leaf, _folded(before)


def written(value: Mapping[str, object]) -> bytes:
    """Return the one way in which an object is written: JSON without blanks, in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def record_hash(record: bytes) -> bytes:
    """Return the hash of a day's record, by which later days name it."""
    return hashlib.sha256(RECORD + record).digest()


def key_id(public_key: bytes) -> str:
    """Return the short name of a public key."""
    return hashlib.sha256(public_key).hexdigest()[:16]


def trusted(given: Iterable[str]) -> Keys:
    """Return the public keys that are named as 64 hex digits, or lie in files, one a line.

    Raises:
        BadProof: one is no key, or a file of keys cannot be read.
    """
    found: dict[str, Ed25519PublicKey] = {}
    for each in given:
        for word in [each] if _KEY.fullmatch(each) else _pinned(Path(each)):
            raw = bytes.fromhex(word)
            found[key_id(raw)] = Ed25519PublicKey.from_public_bytes(raw)
    return found


def verify(stream: BinaryIO, keys: Keys) -> Verdict:
    """Return what a file proves under the keys that are trusted.

    Raises:
        BadProof: it proves nothing; `place` is the first line or entry that is wrong.
    """
    first = stream.readline(_LONGEST_LINE)
    envelope = _envelope(first)
    if envelope["plaza"] == DAY:
        record = _signed(envelope, "record", keys)
        if not first.endswith(b"\n"):
            raise BadProof("record", "其后应换行", "must end its line")
        _entries(stream, record)
        return _verdict(envelope, record, f"{_named(record)}", record["transfers"])
    if stream.read(1):
        raise BadProof("file", "结尾多出内容", "something stands after its end")
    if envelope["plaza"] == TRANSFER:
        record = _signed(envelope, "record", keys)
        _included(envelope, record)
        what = f"{envelope['transfer']['key']}/{envelope['transfer']['line']}"
        return _verdict(envelope, record, f"{what} ∈ {_named(record)}", 1)
    earlier = _signed(_part(envelope, "earlier"), "earlier", keys)
    later = _signed(_part(envelope, "later"), "later", keys)
    _consistent(envelope, earlier, later)
    says = f"{_named(earlier)} → {_named(later)}"
    return _verdict(envelope["later"], later, says, later["number"] - earlier["number"], kind=DAYS)


def _entries(stream: BinaryIO, record: Mapping[str, Any]) -> None:
    """Hash every line that follows and compare with what was signed."""
    number, points, fen = 0, 0, 0
    leaves: list[bytes] = []
    roots: list[bytes] = []  # Of perfect trees, so that a day of any size takes little memory.
    while piece := stream.read(_PIECE) + stream.readline(_LONGEST_LINE):
        found = _read_at_once(piece, number, record) or _read_each(piece, number, record)
        number, points, fen = number + len(found.leaves), points + found.points, fen + found.fen
        leaves += found.leaves
        while len(leaves) >= _PERFECT:
            roots.append(root_of(leaves[:_PERFECT]))
            del leaves[:_PERFECT]
    if number < record["transfers"]:
        raise BadProof(f"entry {number}", *_WHY_NOT[False])
    if root_of([*roots, *([root_of(leaves)] if leaves else [])]).hex() != record["root"]:
        raise BadProof("root", "各条与所签的根不符", "is not what the entries give")
    if (points, fen) != (record["points"], record["fen"]):
        raise BadProof("totals", "与各条之和不符", "are not the sums of the entries")


def _read_at_once(piece: bytes, first: int, record: Mapping[str, Any]) -> _Read | None:
    """Return what some lines say; None where anything is unusual, for `_read_each` to judge.

    Takes no line that `_read_each` would refuse: nothing is escaped, no string has an end of line
    in it, and what stands there is, byte by byte, what would be written for these entries.
    """
    found = _PLAIN.findall(piece)
    if b"\\" in piece or piece.count(b"\n") != len(found):
        return None
    if first + len(found) > record["transfers"] or b"".join([each[4] for each in found]).strip(
        _HEX
    ):
        return None
    leaves = [_leaf_hash(each[0]) for each in found]
    lines = [
        b"%d %s %s\n" % (number, leaf.hex().encode(), each[0])
        for number, (leaf, each) in enumerate(zip(leaves, found, strict=True), first)
    ]
    if b"".join(lines) != piece or {each[1] for each in found} != {record["day"].encode()}:
        return None
    sums = {
        unit: sum([int(each[3]) for each in found if each[2] == unit])
        for unit in (b"points", b"fen")
    }
    return _Read(leaves=leaves, points=sums[b"points"], fen=sums[b"fen"])


def _read_each(piece: bytes, first: int, record: Mapping[str, Any]) -> _Read:
    """Return what some lines say, or which is the first that is wrong, and how."""
    day, sums = record["day"].encode(), {b"points": 0, b"fen": 0}
    leaves = []
    for number, line in enumerate(io.BytesIO(piece), first):
        if number == record["transfers"]:
            raise BadProof(f"entry {number}", "多出", "is one more than was signed")
        found, digest = _checked(line, number)
        if found[4] != day:
            raise BadProof(f"entry {number}", "不属于这一天", "is not of this day")
        sums[found[5]] += int(found[6])
        leaves.append(digest)
    return _Read(leaves=leaves, points=sums[b"points"], fen=sums[b"fen"])


def _checked(line: bytes, number: int) -> tuple[re.Match[bytes], bytes]:
    """Return what stands in the line of an entry, and its hash."""
    found = _LINE.fullmatch(line)
    if found is None or found[1] != b"%d" % number:
        raise BadProof(f"entry {number}", *_WHY_NOT[bool(line)])
    leaf = _leaf_hash(found[3])
    if leaf.hex().encode() != found[2]:
        raise BadProof(f"entry {number}", "与其摘要不符", "does not agree with its hash")
    return found, leaf


def _leaf_hash(leaf: bytes) -> bytes:
    hashed = _LEAF.copy()  # To begin a hash takes as long as to hash an entry.
    hashed.update(leaf)
    return hashed.digest()


def _included(envelope: Mapping[str, Any], record: Mapping[str, Any]) -> None:
    transfer, number = _part(envelope, "transfer"), envelope["entry"]
    place = "transfer"
    leaf = hashlib.sha256(LEAF + written(transfer)).digest()
    _typed(transfer, _ENTRY, place)
    if type(number) is not int or not 0 <= number < record["transfers"]:
        raise BadProof("entry", "序号不对", "is no number of an entry of this day")
    root, _ = _climbed(leaf, number, record["transfers"], envelope["path"])
    if root.hex() != record["root"] or transfer["booked_on"] != record["day"]:
        raise BadProof(place, "不在所签的这一天内", "is not in the day that was signed")


def _consistent(
    envelope: Mapping[str, Any], earlier: Mapping[str, Any], later: Mapping[str, Any]
) -> None:
    if earlier["number"] >= later["number"] or earlier["day"] >= later["day"]:
        raise BadProof("days", "先后颠倒", "stand in the wrong order")
    leaf = record_hash(written(earlier))
    root, before = _climbed(leaf, earlier["number"], later["number"], envelope["path"])
    if root.hex() != later["history"]:
        raise BadProof("path", "较晚一日并非建立在较早一日之上", "does not lead to the later day")
    if before.hex() != earlier["history"]:
        raise BadProof("path", "较早一日的历史被改写", "rewrites what stood before the earlier day")


def _climbed(leaf: bytes, index: int, size: int, path: object) -> tuple[bytes, bytes]:
    packed = _base64(path, "path")
    steps = [packed[i : i + HASH_BYTES] for i in range(0, len(packed), HASH_BYTES)]
    try:
        return climb(leaf, index=index, size=size, path=steps)
    except ValueError as error:
        raise BadProof("path", f"长度不对（{error}）", f"has the wrong length ({error})") from error


def _signed(envelope: Mapping[str, Any], place: str, keys: Keys) -> dict[str, Any]:
    """Return a day's record, once a key that is trusted has signed exactly these bytes."""
    record = _part(envelope, "record")
    _typed(record, _RECORD, place)
    hashes = ("root", "previous", "history")
    if not all(_HASH.fullmatch(record[name]) for name in hashes):
        raise BadProof(place, "摘要格式不对", "has a hash that is none")
    key = keys.get(str(envelope["key"]))
    if key is None:
        raise BadProof(
            place,
            f"由密钥 {envelope['key']} 签名，不在所信任的公钥之列（--public-key）",
            f"is signed by key {envelope['key']}, which is not trusted (--public-key)",
        )
    try:
        key.verify(_base64(envelope["signature"], "signature"), RECORD + written(record))
    except InvalidSignature as error:
        raise BadProof(place, "签名不符", "is not what was signed") from error
    return record


def _envelope(line: bytes) -> dict[str, Any]:
    found = _parsed(line.removesuffix(b"\n"), "line 1")
    if _SHAPES.get(str(found.get("plaza"))) != tuple(found):
        raise BadProof("line 1", "不是 Plaza 的证明", "is no proof of Plaza's")
    return found


def _parsed(line: bytes, place: str) -> dict[str, Any]:
    """Return an object that stands there in the one way of writing it."""
    try:
        found = json.loads(line)
        same = type(found) is dict and written(found) == line
    except (ValueError, RecursionError) as error:
        raise BadProof(place, "不是 JSON", "is no JSON") from error
    if not same:
        raise BadProof(place, "写法不规范", "is not written in the one way")
    return dict(found)


def _part(envelope: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = envelope[name]
    if name in ("earlier", "later") and (type(found) is not dict or tuple(found) != _SIGNED):
        raise BadProof(name, "字段不对", "has other fields")
    if type(found) is not dict:
        raise BadProof(name, "应为对象", "must be an object")
    return dict(found)


def _typed(found: Mapping[str, Any], kinds: Mapping[str, type], place: str) -> None:
    same = tuple(found) == tuple(kinds)
    if not same or any(type(found[name]) is not kind for name, kind in kinds.items()):
        raise BadProof(place, "字段不对", "has other fields")


def _base64(text: object, place: str) -> bytes:
    try:
        found = base64.b64decode(str(text), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadProof(place, "不是 base64", "is no base64") from error
    if base64.b64encode(found).decode() != text:
        raise BadProof(place, "不是规范的 base64", "is not base64 in the one way of writing it")
    return found


def _paired(level: list[bytes]) -> list[bytes]:
    """Return the level above; what is left over at the end moves up as it is."""
    sha256 = hashlib.sha256
    pairs = zip(level[::2], level[1::2], strict=False)
    above = [sha256(NODE + left + right).digest() for left, right in pairs]
    return above + level[len(above) * 2 :]


def _folded(peaks: Iterable[bytes]) -> bytes:
    """Return the root over perfect trees, given from the smallest, which is on the right, on."""
    root: bytes | None = None
    for peak in peaks:
        root = peak if root is None else node(peak, root)
    return EMPTY if root is None else root


def _verdict(
    envelope: Mapping[str, Any],
    record: Mapping[str, Any],
    says: str,
    entries: int,
    kind: str | None = None,
) -> Verdict:
    full = f"{says} · {record['district']} · key {envelope['key']}"
    return Verdict(kind=kind or envelope["plaza"], says=full, entries=entries, key=envelope["key"])


def _named(record: Mapping[str, Any]) -> str:
    return (
        f"{record['day']}（#{record['number']}，{record['transfers']:,} 条 transfers，"
        f"{record['points']:,} points，{record['fen']:,} fen）"
    )


def _pinned(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="ascii").split("\n")
    except (OSError, ValueError) as error:
        raise BadProof(str(path), "不是公钥，也读不出", "is no public key, nor a file") from error
    words = [line.split("#")[0].strip() for line in lines]
    if not all(_KEY.fullmatch(word) for word in words if word):
        raise BadProof(str(path), "每行应为一个 64 位十六进制公钥", "has 64 hex digits a line")
    return [word for word in words if word]


def main(words: Sequence[str] | None = None) -> int:
    """Verify one file; return 0, or 1 and say what is wrong first."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("file", type=Path)
    parser.add_argument(
        "--public-key",
        action="append",
        required=True,
        help="64 位十六进制，或每行一个公钥的文件 / 64 hex digits, or a file with one a line",
    )
    asked = parser.parse_args(words)
    try:
        with asked.file.open("rb") as stream:
            verdict = verify(stream, trusted(asked.public_key))
    except (BadProof, OSError) as error:
        sys.stderr.write(f"✘ {error}\n")
        return 1
    sys.stdout.write(f"✔ {verdict.entries:,} · {verdict.says}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
