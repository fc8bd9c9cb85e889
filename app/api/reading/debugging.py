"""Why a signature does not hold: the door's checks one by one, and our string beside theirs. Pure.

A signature can only be explained by somebody who can make it, so this is for keys of sandboxes
alone; the secret itself is in no answer.
"""

import base64
import binascii
import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from app.api import signing
from app.api.auth import SKEW_SECONDS
from app.api.reading.mistakes import find_mistakes
from app.api.reading.sent import NAMES, Said, Sent, State, noted, said
from app.api.signing import SCHEME

_LINES = (
    ("方案", "scheme"),
    ("密钥编号", "key id"),
    ("时间戳", "timestamp"),
    ("随机数", "nonce"),
    ("方法", "method"),
    ("路径", "path"),
    ("查询", "query"),
    ("幂等键", "Idempotency-Key"),
    ("请求体 SHA-256", "SHA-256 of the body"),
    ("多余", "too much"),
)
_UNSEEN = {"\n": "«LF»", "\r": "«CR»", "\t": "«TAB»"}
_NONCE = noted(
    "nonce-unused",
    "此处不查随机数是否用过；用过的会被拒绝",
    "whether the nonce was used is not looked up here; a used one is refused",
)


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of the string to sign; `at` is the first character that differs, from 1."""

    zh: str
    en: str
    ours: str
    theirs: str | None
    at: int | None


@dataclass(frozen=True, kw_only=True)
class Found:
    """What is told about a signature; `expected_signature` is null where no key could be read."""

    holds: bool
    checks: Sequence[Said]
    mistakes: Sequence[Said]
    lines: Sequence[Line]
    string_to_sign: str
    body_sha256: str
    body_bytes: int
    expected_signature: str | None


def explain(sent: Sent, *, secret: bytes | None, now: int, may_sign: bool = True) -> Found:
    """Return every check in the order in which the door makes them, and what explains a failure.

    `may_sign` says whether the store of the key is open.
    """
    ours = sent.text_of(sent.signed)
    checks = [*_header_checks(sent), *_clock_check(sent.part("timestamp"), now)]
    if not may_sign:
        checks.append(said("store", "门店已停用", "the store is closed"))
    if sent.string_to_sign is not None:
        checks.append(_string_check(ours, sent.string_to_sign))
    expected, mistakes = None, []
    if secret is not None:
        expected = base64.b64encode(signing.sign(secret, ours)).decode()
        right = sent.part("signature") == expected
        checks.append(_signature_check(right=right))
        mistakes = [] if right else find_mistakes(sent, secret)
    return Found(
        holds=expected is not None and all(each.state is not State.WRONG for each in checks),
        checks=[*checks, _NONCE],
        mistakes=mistakes,
        lines=_lines(ours, sent.string_to_sign),
        string_to_sign=ours,
        body_sha256=hashlib.sha256(sent.body).hexdigest(),
        body_bytes=len(sent.body),
        expected_signature=expected,
    )


def visible(text: str) -> str:
    """Return a text with all that cannot be seen made visible: line ends, BOM, odd spaces."""
    return "".join(_UNSEEN.get(each) or _named(each) for each in text)


def _named(character: str) -> str:
    hidden = unicodedata.category(character) in ("Cc", "Cf", "Zs", "Zl", "Zp") and character != " "
    return f"«U+{ord(character):04X}»" if hidden else character


def _header_checks(sent: Sent) -> Iterator[Said]:
    header, parts = sent.authorization, sent.parts
    if signing.parse(header) is not None:
        yield said("authorization", "请求头格式正确", "the header has the right form", ok=True)
        return
    if not header:
        yield said("authorization", "没有 Authorization 请求头", "there is no Authorization header")
        return
    if not header.startswith(f"{SCHEME} "):
        yield said("scheme", f"须以「{SCHEME} 」开头", f"it must begin with “{SCHEME} ”")
    for name in NAMES:
        if name not in parts:
            yield said(
                f"missing-{name}", f'缺少 {name}="…"', f'{name}="…" is missing, quotes included'
            )
    found = list(_form_checks(parts))
    yield from found
    if header.startswith(f"{SCHEME} ") and set(NAMES) <= set(parts) and not found:
        yield said(
            "form",
            '须为四个 名="值"，以逗号分隔，等号旁无空格，共 512 字符以内',
            'it must be four of name="value", commas between them, no spaces at the equals signs, '
            "512 characters at most",
        )


def _form_checks(parts: Mapping[str, str]) -> Iterator[Said]:
    timestamp = parts.get("timestamp", "")
    if re.fullmatch(r"\d{13}", timestamp, re.ASCII):
        yield said("milliseconds", "时间戳是毫秒，须为秒", "the timestamp is in milliseconds")
    elif timestamp and not re.fullmatch(r"\d{10}", timestamp, re.ASCII):
        yield said("timestamp", "时间戳须为 10 位数字", "the timestamp must have ten digits")
    nonce = parts.get("nonce", "")
    if nonce and not re.fullmatch(r"[A-Za-z0-9_-]{16,64}", nonce, re.ASCII):
        yield said(
            "nonce",
            "随机数须为 16 到 64 个字母、数字、_ 或 -",
            "the nonce must be 16 to 64 letters, digits, _ or -",
        )
    if not _is_base64(parts.get("signature", "")):
        yield said("base64", "签名不是标准 base64", "the signature is no plain base64")
    for name in sorted(set(parts) - set(NAMES)):
        yield said("unknown-part", f"多余的 {name}", f"{name} does not belong there")


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _clock_check(timestamp: str, now: int) -> Iterator[Said]:
    if not re.fullmatch(r"\d{10}", timestamp, re.ASCII):
        return
    off = int(timestamp) - now
    if abs(off) <= SKEW_SECONDS:
        yield said("clock", f"与服务器相差 {off} 秒", f"{off} s off the server's clock", ok=True)
        return
    yield noted(
        "clock",
        f"与现在相差 {off} 秒；若发送时就超过 {SKEW_SECONDS} 秒，会得到 clock-skew",
        f"{off} s off now; if it was more than {SKEW_SECONDS} s when it was sent, "
        "the answer was clock-skew",
    )


def _string_check(ours: str, theirs: bytes) -> Said:
    if ours.encode() == theirs:
        return said("string", "待签字符串一致", "the strings to sign are the same", ok=True)
    try:
        theirs.decode()
    except UnicodeDecodeError:
        return said("string", "你的待签字符串不是 UTF-8", "your string is not UTF-8")
    return said("string", "待签字符串不同，见下表", "the strings to sign differ, see below")


def _signature_check(*, right: bool) -> Said:
    if right:
        return said("signature", "签名正确", "the signature holds", ok=True)
    return said("signature", "签名不符", "the signature does not hold")


def _lines(ours: str, theirs: bytes | None) -> list[Line]:
    mine = _with_ends(ours)
    yours = [] if theirs is None else _with_ends(theirs.decode(errors="replace"))
    rows = []
    for number, (left, right) in enumerate(zip_longest(mine, yours, fillvalue="")):
        zh, en = _LINES[min(number, len(_LINES) - 1)]
        shown, other = visible(left), visible(right)
        rows.append(
            Line(
                zh=zh,
                en=en,
                ours=shown,
                theirs=None if theirs is None else other,
                at=None if theirs is None else _first_difference(shown, other),
            )
        )
    return rows


def _with_ends(text: str) -> list[str]:
    """Return the lines of a text, each with its newline; only `\\n` ends one."""
    *whole, rest = text.split("\n")
    return [f"{each}\n" for each in whole] + ([rest] if rest else [])


def _first_difference(left: str, right: str) -> int | None:
    if left == right:
        return None
    pairs = enumerate(zip_longest(left, right), start=1)
    return next(number for number, (one, other) in pairs if one != other)
