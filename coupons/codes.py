"""Coupon codes: how they are spelled, proven, found again and kept secret (C5; reliability 10).

A code has a letter for its length, random base32 characters and one to check the others by. The
database knows its keyed hash, and what it takes to show it again only under another key. Both keys
are the caller's; nothing here knows where they come from.
"""

import hmac
import re
import secrets
import unicodedata
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import text
from sqlalchemy.orm import Session

from config.database import CROCKFORD, fetch
from coupons.errors import BadCode, NoSuchCoupon

KEY_BYTES = 32
LONG_CHARACTERS = 18  # 90 bits
SHORT_CHARACTERS = 12  # 60 bits: needs the member code too

_NONCE_BYTES = 12
_INDEX_BYTES = 16
_GROUP = 5
_OURS = re.compile(
    rf"(C[{CROCKFORD}]{{{LONG_CHARACTERS + 1}}}|S[{CROCKFORD}]{{{SHORT_CHARACTERS + 1}}})"
)
_ANY = re.compile(
    r"[^\s\x00-\x1f\x7f-\x9f\ud800-\udfff](?:[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{0,62}\S)?"
)
_ALIKE = str.maketrans("OIL", "011", " -")


@dataclass(frozen=True, kw_only=True)
class CodeKeys:
    """The key that codes are found by and the one that they are sealed with, 32 bytes each."""

    index: bytes = field(repr=False)
    seal: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.index) != KEY_BYTES or len(self.seal) != KEY_BYTES:
            raise ValueError("密钥须为 32 字节 / a key has 32 bytes")


def new_code() -> str:
    """Return a new long code."""
    return _spelled(secrets.token_bytes(16), short=False)


def code_of(run_key: bytes, number: int, *, short: bool) -> str:
    """Return the code of a run by its number: the same for ever, and telling nothing of others."""
    return _spelled(hmac.digest(run_key, number.to_bytes(8), "sha256"), short=short)


def normal(written: str) -> str:
    """Return a code as it is looked up: capitals, and of ours no blanks, dashes or look-alikes.

    Codes of other systems keep their characters.

    Raises:
        BadCode: no code could be written so.
    """
    shown = unicodedata.normalize("NFKC", written).strip().upper()
    ours = shown.translate(_ALIKE)
    if is_ours(ours):
        return ours
    if not _ANY.fullmatch(shown):
        raise BadCode
    return shown


def is_ours(code: str) -> bool:
    """Whether a normal code is spelled as ours are, its check character included.

    One wrong character is always found, and so are two that were exchanged.
    """
    return bool(_OURS.fullmatch(code)) and _check(code[:-1]) == code[-1]


def shown(code: str) -> str:
    """Return one of our codes in groups, as it is printed."""
    return "-".join(code[start : start + _GROUP] for start in range(0, len(code), _GROUP))


def index_of(keys: CodeKeys, code: str) -> bytes:
    """Return the 16 bytes by which a normal code is found."""
    message = b"coupon-code:v1:" + code.encode()
    return hmac.digest(keys.index, message, sha256)[:_INDEX_BYTES]


def seal(keys: CodeKeys, secret: bytes, *, place: bytes) -> bytes:
    """Encrypt a code, or the key of a run, for its place: it opens nowhere else."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(keys.seal).encrypt(nonce, secret, b"coupon-code:v1:" + place)


def open_seal(keys: CodeKeys, sealed: bytes, *, place: bytes) -> bytes:
    """Decrypt what `seal` made; another key or place is a bug, and raises the library's error."""
    nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    return AESGCM(keys.seal).decrypt(nonce, rest, b"coupon-code:v1:" + place)


def show(session: Session, *, coupon: str, holders: tuple[str, ...], keys: CodeKeys) -> str:
    """Return the code of a holder's own coupon; at the first time it is made.

    Raises:
        NoSuchCoupon: none of the holders has such a coupon.
    """
    code = new_code()
    index = index_of(keys, code)
    asked = {"coupon": coupon, "holders": list(holders)}
    known = fetch(session, _KNOWN, asked)
    if not known:
        raise NoSuchCoupon("coupon", coupon)
    if known[0].index is None:
        sealed = seal(keys, code.encode(), place=index)
        session.execute(_KEEP, {"index": index, "sealed": sealed, "id": known[0].id})
        known = fetch(session, _KNOWN, asked)  # Somebody may have asked at the same time.
    row = known[0]
    if row.sealed is not None:
        return open_seal(keys, row.sealed, place=row.index).decode()
    run_key = open_seal(keys, row.sealed_key, place=row.run.encode())
    return code_of(run_key, row.number, short=row.short)


def _spelled(random: bytes, *, short: bool) -> str:
    """Return a code of random bytes: character `n` is five bits, two at a time (by the million)."""
    letter, length = ("S", SHORT_CHARACTERS) if short else ("C", LONG_CHARACTERS)
    number = int.from_bytes(random[:12])
    pairs = [number >> shift & 1023 for shift in range(0, 5 * length, 10)]
    total = _WEIGHTS[0][letter]
    for row, pair in zip(_PAIR_WEIGHTS, pairs, strict=False):
        total ^= row[pair]
    return letter + "".join([_PAIRS[pair] for pair in pairs]) + CROCKFORD[total]


def _check(code: str) -> str:
    """Return the sum of the characters, each times its own power of a root of GF(32)."""
    total = 0
    for row, character in zip(_WEIGHTS, code, strict=False):
        total ^= row[character]
    return CROCKFORD[total]


def _times_root(value: int) -> int:
    value <<= 1
    return value ^ 0b100101 if value & 32 else value


def _weights() -> list[dict[str, int]]:
    row = list(range(32))
    rows = []
    for _ in range(LONG_CHARACTERS + 1):
        row = [_times_root(value) for value in row]
        rows.append(dict(zip(CROCKFORD, row, strict=True)))
    return rows


_WEIGHTS = _weights()
_PAIRS = [CROCKFORD[pair & 31] + CROCKFORD[pair >> 5] for pair in range(1024)]
_PAIR_WEIGHTS = [
    [first[pair[0]] ^ second[pair[1]] for pair in _PAIRS]
    for first, second in zip(_WEIGHTS[1::2], _WEIGHTS[2::2], strict=True)
]

_KNOWN = """
SELECT c.id, k.index, k.sealed, k.number, r.sealed_key, r.short, r.public_id AS run
FROM coupon c LEFT JOIN coupon_code k ON k.coupon_id = c.id
LEFT JOIN coupon_code_run r ON r.id = k.run_id
WHERE c.public_id = %(coupon)s AND c.holder = ANY (%(holders)s::text[]) AND c.state <> 'opened'
"""
_KEEP = text(
    "INSERT INTO coupon_code (index, sealed, coupon_id) VALUES (:index, :sealed, :id) "
    "ON CONFLICT DO NOTHING"
)
