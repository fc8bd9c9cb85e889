"""Reliability §11: an access token is good as it was issued, and in no other way."""

import base64
import hashlib
import json
import time
from typing import Any

import jwt
import pytest

from app.api import tokens
from app.api.tokens import AUDIENCE, ISSUER, MemberClaim, TokenKeys

CLAIM = MemberClaim(district="test", member="mem_1", device="ses_1")
KEYS = tokens.token_keys(hashlib.sha256(b"token").digest())


def signed(
    claims: dict[str, Any], *, headers: dict[str, Any] | None = None, algorithm: str = "HS256",
    keys: TokenKeys = KEYS,
) -> str:  # fmt: skip
    return jwt.encode(
        {**good_claims(), **claims},
        keys.keys[keys.newest],
        algorithm="HS256",
        headers={"typ": "at+jwt", "kid": KEYS.newest, **(headers or {})},
    )


def good_claims() -> dict[str, Any]:
    now = int(time.time())
    return {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "mem_1", "sid": "ses_1", "district": "test",
        "iat": now, "nbf": now, "exp": now + 60, "jti": "jti_1",
    }  # fmt: skip


def test_a_token_says_district_member_and_device() -> None:
    assert tokens.read(KEYS, tokens.issue(KEYS, CLAIM, now=int(time.time()))) == CLAIM
    assert tokens.read(KEYS, signed({})) == CLAIM


@pytest.mark.parametrize("age", [15 * 60 + 10, -60])
def test_a_token_lives_for_fifteen_minutes_and_not_before(age: int) -> None:
    assert tokens.read(KEYS, tokens.issue(KEYS, CLAIM, now=int(time.time()) - age)) is None


@pytest.mark.parametrize(
    "name", ["iss", "aud", "sub", "exp", "nbf", "iat", "jti", "sid", "district"]
)
def test_a_token_that_lacks_a_claim_is_refused(name: str) -> None:
    claims = good_claims()
    del claims[name]
    token = jwt.encode(
        claims, KEYS.keys[KEYS.newest], headers={"typ": "at+jwt", "kid": KEYS.newest}
    )

    assert tokens.read(KEYS, token) is None


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "other"},
        {"aud": "plaza:console"},
        {"aud": [AUDIENCE]},
        {"sub": 1},
        {"district": 1},
        {"district": "Test"},
        {"district": "a'; DROP"},
    ],
)
def test_a_token_for_somebody_or_something_else_is_refused(claims: dict[str, Any]) -> None:
    claims = {**good_claims(), **claims}
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    header, _, _ = signed({}).split(".")
    key = KEYS.keys[KEYS.newest]
    signature = jwt.api_jws.PyJWS().get_algorithm_by_name("HS256").sign(
        f"{header}.{body}".encode(), key
    )  # fmt: skip
    sealed = base64.urlsafe_b64encode(signature).rstrip(b"=").decode()

    assert tokens.read(KEYS, f"{header}.{body}.{sealed}") is None


@pytest.mark.parametrize(
    "headers",
    [
        {"kid": "other"},
        {"typ": "JWT"},
        {"jku": "https://evil.example"},
        {"x5u": "https://evil.example"},
        {"jwk": {"kty": "oct"}},
        {"crit": ["exp"]},
        {"alg": "none"},
        {"alg": "HS384"},
    ],
)
def test_a_header_that_asks_for_anything_is_refused(headers: dict[str, Any]) -> None:
    header = {"alg": "HS256", "typ": "at+jwt", "kid": KEYS.newest, **headers}
    encoded = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    _, body, signature = signed({}).split(".")

    assert tokens.read(KEYS, f"{encoded}.{body}.{signature}") is None


def test_another_key_and_nonsense_are_refused() -> None:
    other = tokens.token_keys(hashlib.sha256(b"other").digest())

    assert tokens.read(KEYS, signed({}, keys=other)) is None
    for token in ("", "a.b", "a.b.c", "é" * 10, "a" * 3_000, signed({})[:-4]):
        assert tokens.read(KEYS, token) is None


def test_the_key_is_not_the_installation_s_own_and_is_never_printed() -> None:
    secret = hashlib.sha256(b"token").digest()

    assert KEYS.keys[KEYS.newest] != secret
    assert repr(KEYS.keys[KEYS.newest]) not in repr(KEYS)
