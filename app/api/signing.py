"""`POS1-HMAC-SHA256`: what a till signs and how it is written (reliability §8). Pure."""

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass

SCHEME = "POS1-HMAC-SHA256"

_PART = re.compile(r'\s*([a-z_]+)="([^"]*)"\s*', re.ASCII)
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)
_TIMESTAMP = re.compile(r"\d{10}", re.ASCII)
_NAMES = {"key_id", "timestamp", "nonce", "signature"}


@dataclass(frozen=True, kw_only=True)
class Signature:
    """An `Authorization` header as it was sent; nothing of it is proven."""

    key_id: str
    timestamp: int
    nonce: str
    signature: bytes


@dataclass(frozen=True, kw_only=True)
class Signed:
    """The parts of a request that a signature covers, as they were sent."""

    method: str
    path: str
    query: str
    idempotency_key: str
    body: bytes

    def string_to_sign(self, *, key_id: str, timestamp: int | str, nonce: str) -> str:
        """Return the nine lines, each ended by a newline."""
        lines = (
            SCHEME,
            key_id,
            str(timestamp),
            nonce,
            self.method,
            self.path,
            self.query,
            self.idempotency_key,
            hashlib.sha256(self.body).hexdigest(),
        )
        return "".join(f"{line}\n" for line in lines)


def sign(secret: bytes, string_to_sign: str) -> bytes:
    """Return the HMAC of a string to sign; a header carries it in base64."""
    return hmac.new(secret, string_to_sign.encode(), hashlib.sha256).digest()


def parse(header: str) -> Signature | None:
    """Return what an `Authorization` header says, or None if it is not of this scheme's form."""
    scheme, _, rest = header.partition(" ")
    if scheme != SCHEME or len(rest) > 512:
        return None
    found = [_PART.fullmatch(part) for part in rest.split(",")]
    named = {match[1]: match[2] for match in found if match is not None}
    if len(found) != len(_NAMES) or set(named) != _NAMES:
        return None
    if not _TIMESTAMP.fullmatch(named["timestamp"]) or not _NONCE.fullmatch(named["nonce"]):
        return None
    try:
        signature = base64.b64decode(named["signature"], validate=True)
    except (binascii.Error, ValueError):
        return None
    return Signature(
        key_id=named["key_id"],
        timestamp=int(named["timestamp"]),
        nonce=named["nonce"],
        signature=signature,
    )
