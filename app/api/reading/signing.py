"""`/docs/signing`: explains a signature, for keys of sandboxes alone; keeps nothing."""

import base64
import binascii
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from marshmallow import fields, validate
from sqlalchemy.orm import Session

from app.api import limits, signing
from app.api.auth import CallingKey, Role, get_callers, requires
from app.api.context import services
from app.api.edge import weighs
from app.api.errors import Fault, ValidationFailed
from app.api.fields import DoorSchema, Items, Part, Text, Whole, YesNo
from app.api.reading import reading
from app.api.reading.debugging import Found, explain
from app.api.reading.sent import Sent, read_headers
from app.api.signing import SCHEME, Signed
from app.errors import Invalid
from app.merchants import keys
from config.database import district_of, now_of
from config.errors import UnknownDistrict

_MOST = 200_000
_BASE64 = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_EXAMPLE_DISTRICT = "sandbox"
_EXAMPLE_TIME = 1768464000
_EXAMPLE_NONCE = "n-0123456789abcdef"
_REQUIRED: dict[str, str | list[Any] | dict[Any, Any]] = {
    "required": "required",
    "null": "null",
    "invalid": "wrong-type",
}


class Raw(fields.String):
    """A text byte for byte, line ends and all."""

    def __init__(self, *, most: int = _MOST, **kwargs: Any) -> None:
        checks = validate.Length(max=most, error="wrong-length")
        super().__init__(validate=checks, error_messages=_REQUIRED, **kwargs)


class Base64(Raw):
    """Bytes in plain base64 (RFC 4648 §4)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(metadata={"pattern": _BASE64}, **kwargs)


@dataclass(frozen=True, kw_only=True)
class AskedSignature:
    """What `DebugSignatureSchema` loads; bytes that are no text come in base64."""

    method: str
    path: str
    headers: str
    body: str
    body_base64: str | None
    string_to_sign: str | None
    string_to_sign_base64: str | None


class DebugSignatureSchema(DoorSchema):
    makes = AskedSignature
    method = Text(most=10, required=True)
    path = Text(most=4000, required=True)
    headers = Raw(most=8000, required=True)
    body = Raw(load_default="")
    body_base64 = Base64(load_default=None)
    string_to_sign = Raw(load_default=None)
    string_to_sign_base64 = Base64(load_default=None)


class SaidSchema(DoorSchema):
    """A check or a mistake; `state` is `ok`, `wrong`, or `note`, which decides nothing."""

    code = Text(most=40, required=True)
    zh = Text(most=400, required=True)
    en = Text(most=400, required=True)
    state = Text(most=10, required=True)


class ComparedLineSchema(DoorSchema):
    zh = Text(most=40, required=True)
    en = Text(most=40, required=True)
    ours = Raw(required=True)
    theirs = Raw(required=True, allow_none=True)
    at = Whole(required=True, allow_none=True)


class SignatureSchema(DoorSchema):
    """What is told about a signature; `expected_signature` is null where no key was named."""

    holds = YesNo(required=True)
    checks = Items(Part(SaidSchema), most=20, required=True)
    mistakes = Items(Part(SaidSchema), most=3, required=True)
    lines = Items(Part(ComparedLineSchema), most=_MOST, required=True)
    string_to_sign = Raw(required=True)
    body_sha256 = Text(most=64, required=True)
    body_bytes = Whole(required=True)
    expected_signature = Text(most=44, required=True, allow_none=True)


@reading.post("/docs/signing/explanations")
@requires(Role.ANYONE, limit=limits.DEBUGGER)
@weighs(DebugSignatureSchema, SignatureSchema)
def explain_signature(asked: AskedSignature) -> Found:
    """Say which check of a signature fails, what we sign in its place, and the likely mistake."""
    sent = Sent(
        method=asked.method,
        path=asked.path,
        headers=read_headers(asked.headers),
        body=_bytes("body_base64", asked.body_base64, asked.body) or b"",
        string_to_sign=_bytes(
            "string_to_sign_base64", asked.string_to_sign_base64, asked.string_to_sign
        ),
    )
    key_id = sent.part("key_id")
    known = _find(key_id) if key_id else None
    return explain(
        sent,
        secret=None if known is None else known.key.secret,
        now=int(time.time()),
        may_sign=known is None or known.is_open,
    )


def _find(key_id: str) -> CallingKey:
    """Return the key of a sandbox to explain with.

    Real keys and unknown ones are refused alike: a signature that we make for a real key would be
    one that anybody could have made here.

    Raises:
        Invalid: it is no key of a sandbox, or not valid now.
    """
    found = None
    district = keys.district_of_key(key_id)
    if district is not None:
        database = services().database
        with suppress(UnknownDistrict), database.transaction(district, read_only=True) as session:
            found = _read(session, key_id)
    if found is None:
        raise Invalid(
            "headers",
            "只解释沙盒商圈中有效的密钥",
            "only a valid key of a sandbox district is explained",
        )
    return found


def _read(session: Session, key_id: str) -> CallingKey | None:
    found = get_callers(session).get(key_id)
    if not district_of(session).sandbox or found is None:
        return None
    return found if found.key.valid_at(now_of(session)) else None


def _bytes(name: str, encoded: str | None, text: str | None) -> bytes | None:
    if encoded is None:
        return None if text is None else text.encode()
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValidationFailed([Fault(pointer=f"/{name}", code="wrong-form")]) from error


def examples() -> Mapping[str, Mapping[str, str]]:
    """Return two requests to try: one that holds, one that lacks the last newline."""
    signed = Signed(
        method="POST",
        path="/v1/pos/orders",
        query="",
        idempotency_key="T1-0001-5f0c2b9e",
        body=b'{"terminal_id":"T1","cashier_id":"007","number":"T1-0001"}',
    )
    key_id = keys.published_key_id(_EXAMPLE_DISTRICT)
    right = signed.string_to_sign(key_id=key_id, timestamp=_EXAMPLE_TIME, nonce=_EXAMPLE_NONCE)
    return {
        name: {
            "method": signed.method,
            "path": signed.path,
            "headers": _headers(key_id, text, signed.idempotency_key),
            "body": signed.body.decode(),
            "string_to_sign": text,
        }
        for name, text in (("right", right), ("wrong", right[:-1]))
    }


def _headers(key_id: str, text: str, idempotency_key: str) -> str:
    signature = base64.b64encode(signing.sign(keys.PUBLISHED_SECRET, text)).decode()
    return (
        f'Authorization: {SCHEME} key_id="{key_id}",timestamp="{_EXAMPLE_TIME}",'
        f'nonce="{_EXAMPLE_NONCE}",signature="{signature}"\n'
        f"Idempotency-Key: {idempotency_key}"
    )
