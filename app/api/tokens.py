"""Access tokens of members: JWT for fifteen minutes, every claim checked (reliability §11).

HS256: who issues them is who reads them. The key is derived from `PLAZA_TOKEN_KEY`, and `kid` names
it in a table of our own: a header that brings or points to a key (`jwk`, `jku`, `x5u`), asks for
`crit` or another algorithm is refused before anything is computed.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt

from config.database import new_id

LIFETIME_SECONDS = 15 * 60
ISSUER = "plaza"
AUDIENCE = "plaza:member"

_ALGORITHM = "HS256"
_TYPE = "at+jwt"
_LEEWAY_SECONDS = 5
_LONGEST = 2_000
_REQUIRED = ["iss", "aud", "sub", "exp", "nbf", "iat", "jti"]
_DISTRICT = re.compile(r"[a-z][a-z0-9-]{1,30}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class MemberClaim:
    """What a proven token says: of which district, which member, signed in on which device."""

    district: str
    member: str
    device: str


@dataclass(frozen=True, kw_only=True)
class TokenKeys:
    """The keys that tokens may be signed with, by `kid`; new ones are signed with `newest`."""

    newest: str
    keys: Mapping[str, bytes] = field(repr=False)


def token_keys(secret: bytes) -> TokenKeys:
    """Return the keys that an installation's secret stands for."""
    key = hmac.new(secret, b"member-access/v1", hashlib.sha256).digest()
    kid = hashlib.sha256(b"kid" + key).hexdigest()[:16]
    return TokenKeys(newest=kid, keys={kid: key})


def issue(keys: TokenKeys, claim: MemberClaim, *, now: int) -> str:
    """Return an access token, good for fifteen minutes from `now` (seconds since 1970)."""
    return jwt.encode(
        {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": claim.member,
            "sid": claim.device,
            "district": claim.district,
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME_SECONDS,
            "jti": new_id("jti"),
        },
        keys.keys[keys.newest],
        algorithm=_ALGORITHM,
        headers={"typ": _TYPE, "kid": keys.newest},
    )


def read(keys: TokenKeys, token: str) -> MemberClaim | None:
    """Return what a token says, or None if anything about it is wrong."""
    if len(token) > _LONGEST:
        return None
    try:
        key = _key_of(keys, jwt.get_unverified_header(token))
        if key is None:
            return None
        claims = jwt.decode(
            token,
            key,
            algorithms=[_ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            leeway=_LEEWAY_SECONDS,
            options={"require": _REQUIRED, "strict_aud": True},
        )
    except jwt.InvalidTokenError:
        return None
    return _claim(claims)


def _key_of(keys: TokenKeys, header: Mapping[str, Any]) -> bytes | None:
    if set(header) != {"alg", "typ", "kid"}:
        return None
    if header["alg"] != _ALGORITHM or header["typ"] != _TYPE:
        return None
    return keys.keys.get(str(header["kid"]))


def _claim(claims: Mapping[str, Any]) -> MemberClaim | None:
    said = [claims.get(name) for name in ("district", "sub", "sid")]
    if not all(isinstance(each, str) for each in said):
        return None
    district, member, device = map(str, said)
    if not _DISTRICT.fullmatch(district):
        return None
    return MemberClaim(district=district, member=member, device=device)
