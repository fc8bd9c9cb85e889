"""A signed request as somebody's program sent it, and what is said about it. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.api.signing import SCHEME, Signed

NAMES = ("key_id", "timestamp", "nonce", "signature")

_PART = re.compile(r'([A-Za-z_]+)\s*=\s*"([^"]*)"')


class State(StrEnum):
    """How a check ended; a note decides nothing."""

    OK = "ok"
    WRONG = "wrong"
    NOTE = "note"


@dataclass(frozen=True, kw_only=True)
class Said:
    """One check or hint, in both languages."""

    code: str
    zh: str
    en: str
    state: State = State.WRONG


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A request as somebody's program sent it, and the string that it signed, if they know."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    string_to_sign: bytes | None = None

    @property
    def authorization(self) -> str:
        """The header that carries the signature."""
        return self.headers.get("authorization", "")

    @property
    def parts(self) -> Mapping[str, str]:
        """What the header says, whatever is wrong with its form."""
        return dict(_PART.findall(self.authorization))

    def part(self, name: str) -> str:
        """Return a part of the header, empty if it is missing."""
        return self.parts.get(name, "")

    @property
    def signed(self) -> Signed:
        """What the signature has to cover."""
        path, _, query = self.path.partition("?")
        key = self.headers.get("idempotency-key", "").strip()
        if len(key) >= 2 and key.startswith('"') and key.endswith('"'):
            key = key[1:-1]
        return Signed(
            method=self.method, path=path, query=query, idempotency_key=key, body=self.body
        )

    def text_of(self, signed: Signed) -> str:
        """Return the string to sign of a request that is signed by this header."""
        return signed.string_to_sign(
            key_id=self.part("key_id"), timestamp=self.part("timestamp"), nonce=self.part("nonce")
        )


def read_headers(text: str) -> dict[str, str]:
    """Return headers by lower-case name; a bare `POS1-…` line is the signature's."""
    named: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if line.strip().startswith(SCHEME):
            named["authorization"] = line.strip()
        elif colon:
            named[name.strip().lower()] = value.strip()
    return named


def said(code: str, zh: str, en: str, *, ok: bool = False) -> Said:
    """Return what decides: it is right, or it is wrong."""
    return Said(code=code, zh=zh, en=en, state=State.OK if ok else State.WRONG)


def noted(code: str, zh: str, en: str) -> Said:
    """Return what is good to know and decides nothing."""
    return Said(code=code, zh=zh, en=en, state=State.NOTE)
