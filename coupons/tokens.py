"""Offline tokens: what a till without the network knows of a coupon (C18; reliability 10).

`OCT1.`, the payload in base64url, a dot, and the Ed25519 signature of all before that dot. There is
one way to write a token: what is written otherwise is refused. Pure; nothing here keeps a key.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from coupons.errors import BadToken

PREFIX = "OCT1."
LONGEST = 600
"""Characters of a token; what is longer is none."""

_VERSION = 1
_FIELDS: Mapping[str, type] = {
    "exp": int, "fen": int, "jti": str, "kid": str, "nbf": int, "st": str, "tpl": str, "v": int,
}  # fmt: skip
_LATEST = 253_402_300_799  # The last second of the year 9999.


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """A coupon as it is made out for one store: `fen` off, between two instants of whole seconds.

    `jti` names this making-out for ever, `kid` the key that signs.
    """

    kid: str
    jti: str
    template: str
    store: str
    fen: int
    starts_at: datetime
    ends_at: datetime


def key_id(key: Ed25519PublicKey) -> str:
    """Return the name of a public key, as tokens and tills use it."""
    return "oct-" + sha256(raw(key)).hexdigest()[:12]


def raw(key: Ed25519PublicKey) -> bytes:
    """Return the 32 bytes of a public key."""
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def write(token: Token, key: Ed25519PrivateKey) -> str:
    """Return a token, signed; the same every time."""
    signed = PREFIX + _encoded(_payload(token))
    return f"{signed}.{_encoded(key.sign(signed.encode()))}"


def read(written: str, keys: Mapping[str, Ed25519PublicKey]) -> Token:
    """Return what a token says, once a key of `keys` is found to have signed it.

    Raises:
        BadToken: it is none, was altered, or is of another key.
    """
    signed, _, signature = written.rpartition(".")
    if len(written) > LONGEST or not signed.startswith(PREFIX):
        raise BadToken
    payload = _decoded(signed[len(PREFIX) :])
    token = _token(payload)
    key = keys.get(token.kid)
    if key is None or _payload(token) != payload:
        raise BadToken
    try:
        key.verify(_decoded(signature), signed.encode())
    except InvalidSignature:
        raise BadToken from None
    return token


def _payload(token: Token) -> bytes:
    said = {
        "exp": int(token.ends_at.timestamp()),
        "fen": token.fen,
        "jti": token.jti,
        "kid": token.kid,
        "nbf": int(token.starts_at.timestamp()),
        "st": token.store,
        "tpl": token.template,
        "v": _VERSION,
    }
    return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _token(payload: bytes) -> Token:
    try:
        said = json.loads(payload)
    except (ValueError, RecursionError):
        raise BadToken from None
    if not isinstance(said, dict) or {name: type(each) for name, each in said.items()} != _FIELDS:
        raise BadToken
    if said["v"] != _VERSION or not all(0 <= said[name] <= _LATEST for name in ("nbf", "exp")):
        raise BadToken
    return Token(
        kid=said["kid"],
        jti=said["jti"],
        template=said["tpl"],
        store=said["st"],
        fen=said["fen"],
        starts_at=datetime.fromtimestamp(said["nbf"], UTC),
        ends_at=datetime.fromtimestamp(said["exp"], UTC),
    )


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _decoded(written: str) -> bytes:
    """Return the bytes of unpadded base64url; of the ways to write them one alone is taken."""
    try:
        content = base64.b64decode(written + "=" * (-len(written) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadToken from None
    if _encoded(content) != written:
        raise BadToken
    return content
