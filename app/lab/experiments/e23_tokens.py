"""E23: tokens that were forged, borrowed or are over, and secrets that no process starts with."""

import base64
import json
import random
import string
import time
from collections.abc import Callable, Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from flask import Flask
from flask.sessions import SecureCookieSessionInterface

from app.api import tokens
from app.api.tokens import AUDIENCE, ISSUER, TokenKeys
from app.clock import server_now
from app.lab.experiments.callers import Person
from app.lab.experiments.district import DISTRICT, Lab, Size, member_of
from app.lab.experiments.findings import Tally
from app.members import devices, refreshing
from app.members.devices import Ending
from config.errors import BadSettings
from config.settings import Settings

SIZE = SHORT_SIZE = Size(stores=1, members=20)
TITLE = ("伪造与失效的令牌", "forged, borrowed and expired tokens")

COMMON = (
    "secret", "changeme", "dev", "development", "password", "secret_key", "key", "test", "flask",
    "admin", "your-256-bit-secret", "s3cr3t", "supersecret", "123456", "default", "plaza", "",
)  # fmt: skip
"""Secrets that are tried first, for tokens and for signed cookies."""

_PATH = "/v1/member/profile"
_KEY = "PLAZA_TOKEN_KEY"


class Forge:
    """What a forger may know: a good token, its parts, and at worst the key itself."""

    def __init__(self, lab: Lab, person: Person, dice: random.Random) -> None:
        self.lab, self.person, self.dice = lab, person, dice
        self.keys: TokenKeys = tokens.token_keys(lab.settings.token_key)
        self.header, self.body, self.signature = person.access.split(".")

    @property
    def claims(self) -> dict[str, Any]:
        """The claims of the good token."""
        said: dict[str, Any] = json.loads(_decoded(self.body))
        return said

    def signed(self, claims: Mapping[str, Any], header: Mapping[str, Any] | None = None) -> str:
        """Sign with the true key: only what the claims and the header say can be wrong."""
        given = {"typ": "at+jwt", "kid": self.keys.newest, **(header or {})}
        key = self.keys.keys[self.keys.newest]
        return _hmac_signed({**self.claims, **claims}, given, key)

    def word(self, length: int = 12) -> str:
        """Return letters from the dice."""
        return "".join(self.dice.choices(string.ascii_lowercase, k=length))


def run(lab: Lab, tally: Tally, *, cases: int, dice: random.Random) -> None:
    """Send one forged token after another; a true one before and after each round gets in."""
    forgeries = list(_FORGERIES.items())
    for number in range(cases):
        name, forge = forgeries[number % len(forgeries)]
        person = dice.choice(lab.people)
        token = forge(Forge(lab, person, dice))
        tally.expect(name, wanted="401 unauthenticated", got=_asked(lab, token), case=token[:80])
        if number % len(forgeries) == 0:
            tally.expect("a true token", wanted=200, got=_status(lab, person.access))
    _cookies(lab, tally)
    _start(tally, dice)


def _asked(lab: Lab, token: str) -> str:
    headers = {"Authorization": f"Bearer {token}"}
    return lab.door.send("GET", _PATH, headers=headers).code


def _status(lab: Lab, token: str) -> int:
    return lab.door.send("GET", _PATH, headers={"Authorization": f"Bearer {token}"}).status


def _cookies(lab: Lab, tally: Tally) -> None:
    """Sessions of Flask, signed with secrets that people use: there are none here to fool."""
    person = lab.people[0]
    for secret in filter(None, COMMON):
        throwaway = Flask("forger")
        throwaway.secret_key = secret
        serializer = SecureCookieSessionInterface().get_signing_serializer(throwaway)
        said = {"_user_id": person.member, "member": person.member, "role": "admin"}
        cookie = f"session={serializer.dumps(said) if serializer else ''}"
        got = lab.door.send("GET", _PATH, headers={"Cookie": cookie}).code
        tally.expect("a signed cookie", wanted="401 unauthenticated", got=got, case=secret)


def _start(tally: Tally, dice: random.Random) -> None:
    """A secret that is short, even, doubled or published is none: no process starts with it."""
    weak = [dice.randbytes(length) for length in range(32)]
    weak += [bytes([byte]) * 32 for byte in (0, 1, 65, 255)]
    weak += [bytes(range(start, start + 32)) for start in (0, 1, 32, 64, 224)]
    weak += [dice.randbytes(16) * 2, bytes(range(8)) * 4, dice.randbytes(33), dice.randbytes(64)]
    written = [base64.b64encode(key).decode() for key in weak] + list(COMMON)
    for text in written:
        tally.expect("a weak secret at start", wanted="refused", got=_started(text), case=text)


def _started(text: str) -> str:
    try:
        Settings.from_environ({_KEY: text})
    except BadSettings as refused:
        return "refused" if any(_KEY in each for each in refused.problems) else "taken"
    return "taken"


def _unsigned(forge: Forge) -> str:
    algorithm = forge.dice.choice(["none", "None", "NONE", "nOnE", ""])
    header = _encoded({"alg": algorithm, "typ": "at+jwt", "kid": forge.keys.newest})
    return f"{header}.{forge.body}.{forge.dice.choice(['', forge.signature])}"


def _confused(forge: Forge) -> str:
    """A public key as the secret of an HMAC: what a verifier falls for that goes by the header."""
    public = (
        ed25519.Ed25519PrivateKey.from_private_bytes(forge.dice.randbytes(32))
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    plain = f"{forge.header}.{forge.body}"
    made = jwt.get_algorithm_by_name("HS512").sign(plain.encode(), public)
    return f"{plain}.{base64.urlsafe_b64encode(made).rstrip(b'=').decode()}"


def _other_algorithm(forge: Forge) -> str:
    algorithm = forge.dice.choice(["HS384", "HS512", "RS256", "ES256", "PS256", "EdDSA"])
    return forge.signed({}, {"alg": algorithm})


def _kid(forge: Forge) -> str:
    word = forge.word()
    kid = forge.dice.choice(
        [
            f"../../../dev/{word}", "/dev/null", f"{word}' OR '1'='1", f"x' UNION SELECT '{word}",
            f"|/bin/{word}", f"http://{word}.example/key", "", f"{forge.keys.newest}\x00", word,
        ]
    )  # fmt: skip
    return forge.signed({}, {"kid": kid})


def _pointing(forge: Forge) -> str:
    """A header that brings a key along, or says where one is."""
    key = ed25519.Ed25519PrivateKey.from_private_bytes(forge.dice.randbytes(32)).public_key()
    raw = base64.urlsafe_b64encode(key.public_bytes_raw()).rstrip(b"=").decode()
    url = f"https://{forge.word()}.example/keys"
    more: Mapping[str, Any] = forge.dice.choice(
        [
            {"jku": url}, {"x5u": url}, {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": raw}},
            {"jwk": {"kty": "oct", "k": raw}}, {"x5c": [raw]}, {"crit": ["exp"]}, {"b64": False},
            {"cty": "JWT"}, {"zip": "DEF"},
        ]
    )  # fmt: skip
    return forge.signed({}, more)


def _foreign(forge: Forge) -> str:
    word = forge.word()
    return forge.signed(
        forge.dice.choice(
            [
                {"aud": "plaza:console"}, {"aud": [AUDIENCE]}, {"aud": word}, {"aud": None},
                {"iss": word}, {"iss": f"{ISSUER}."}, {"iss": [ISSUER]},
                {"district": word}, {"district": "no-such"}, {"district": f"{DISTRICT}' --"},
                {"sub": f"mem_{'0' * 26}"}, {"sub": 1}, {"sid": f"ses_{'0' * 26}"}, {"sid": None},
            ]
        )
    )  # fmt: skip


def _of_another(forge: Forge) -> str:
    """The device of one member under the name of another."""
    others = [person for person in forge.lab.people if person.member != forge.person.member]
    return forge.signed({"sub": forge.dice.choice(others).member})


def _over(forge: Forge) -> str:
    ago = forge.dice.randrange(10, 10**7)
    now = int(time.time())
    return forge.signed({"iat": now - ago - 900, "nbf": now - ago - 900, "exp": now - ago})


def _not_yet(forge: Forge) -> str:
    later = forge.dice.randrange(10, 10**6)
    now = int(time.time())
    return forge.signed({"nbf": now + later, "exp": now + later + 900})


def _lacking(forge: Forge) -> str:
    claims = forge.claims
    del claims[forge.dice.choice(sorted(claims))]
    key = forge.keys.keys[forge.keys.newest]
    headers = {"typ": "at+jwt", "kid": forge.keys.newest}
    return jwt.encode(claims, key, algorithm="HS256", headers=headers)


def _refresh(forge: Forge) -> str:
    with forge.lab.session() as session:
        now, member = server_now(session), member_of(session, forge.person)
        device = devices.open_on(session, member=member, source="web", now=now)
        return refreshing.issue(session, device, now=now).token


def _signed_out(forge: Forge) -> str:
    person = forge.lab.on_another_device(forge.person)
    with forge.lab.session() as session:
        now = server_now(session)
        device = devices.find(session, person.device, now=now)
        if device is not None:
            devices.end(session, device, why=Ending.SIGNED_OUT, now=now)
    return person.access


def _guessed(forge: Forge) -> str:
    headers = {"typ": "at+jwt", "kid": forge.keys.newest}
    secret = forge.dice.choice([*filter(None, COMMON), forge.lab.settings.token_key.hex()])
    return _hmac_signed(forge.claims, headers, secret.encode())


def _bent(forge: Forge) -> str:
    """One character of a good token, another one."""
    token = list(forge.person.access)
    # Not the last one: two of its bits count for nothing.
    place = forge.dice.randrange(len(token) - 1)
    token[place] = forge.dice.choice(
        [each for each in string.ascii_letters if each != token[place]]
    )
    return "".join(token)


def _hmac_signed(claims: Mapping[str, Any], header: Mapping[str, Any], secret: bytes) -> str:
    plain = f"{_encoded({'alg': 'HS256', **header})}.{_encoded(claims)}"
    made = jwt.get_algorithm_by_name("HS256").sign(plain.encode(), secret)
    return f"{plain}.{base64.urlsafe_b64encode(made).rstrip(b'=').decode()}"


def _encoded(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


_FORGERIES: Mapping[str, Callable[[Forge], str]] = {
    "alg none": _unsigned,
    "public key as secret": _confused,
    "another algorithm": _other_algorithm,
    "kid of a path, SQL, another": _kid,
    "jku, jwk, x5u, crit": _pointing,
    "foreign aud, iss, district": _foreign,
    "another's device": _of_another,
    "expired": _over,
    "not yet valid": _not_yet,
    "a claim is missing": _lacking,
    "refresh token as access": _refresh,
    "signed out": _signed_out,
    "common secret": _guessed,
    "one character altered": _bent,
}
