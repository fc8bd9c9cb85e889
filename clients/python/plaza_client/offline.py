"""Coupons that a till takes without the network: it needs the keys and nothing else.

`check_offline_coupon` proves a token by itself. That one is used once only the store's own journal
can tell: keep each `jti` there, shared by all lanes, before the sale is made.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from plaza_client.errors import PlazaError
from plaza_client.values import Line

SLOW_CLOCK = timedelta(minutes=10)
"""So much may the till's clock be behind that of the phone that made the coupon out."""

_PREFIX = "OCT1."
_LONGEST = 600
_FIELDS: Mapping[str, type] = {
    "exp": int, "fen": int, "jti": str, "kid": str, "nbf": int, "st": str, "tpl": str, "v": int,
}  # fmt: skip
_NOT_GOODS = frozenset({"delivery", "gift-card", "parking", "stored-value"})


@dataclass(frozen=True, kw_only=True)
class OfflineKeys:
    """What a till keeps to take coupons offline: public keys by name, and what was called back."""

    store_id: str
    now: datetime
    keys: Mapping[str, str]
    revoked: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class OfflineCoupon:
    """A coupon whose token was proven: `fen` off the goods of one sale, until `ends_at`."""

    token: str
    jti: str
    template: str
    fen: int
    ends_at: datetime

    def discount_fen(self, lines: Sequence[Line]) -> int:
        """Return what it takes off a sale: at most what the goods cost."""
        return min(
            self.fen, sum(line.amount_fen for line in lines if line.category not in _NOT_GOODS)
        )


class BadOfflineCoupon(PlazaError):
    """The coupon is not to be taken; `zh` and `en` say why, for the cashier."""

    def __init__(self, code: str, zh: str, en: str) -> None:
        super().__init__(f"{zh} / {en}")
        self.code = code
        self.zh = zh
        self.en = en


def check_offline_coupon(token: str, known: OfflineKeys, *, at: datetime) -> OfflineCoupon:
    """Return the coupon of a token that was scanned, if this store may take it now.

    Raises:
        BadOfflineCoupon: forged or altered, of another store, not yet, over, or called back.
    """
    said = _proven(token, known.keys)
    if said["st"] != known.store_id:
        raise BadOfflineCoupon(
            "wrong-store", "此券激活给另一家门店", "it is made out for another store"
        )
    if at < datetime.fromtimestamp(said["nbf"], UTC) - SLOW_CLOCK:
        raise BadOfflineCoupon(
            "not-yet", "未到使用时间，请核对时钟", "its time has not begun: look at the clock"
        )
    ends_at = datetime.fromtimestamp(said["exp"], UTC)
    if at >= ends_at:
        raise BadOfflineCoupon("expired", "离线券已过期", "its time is over")
    if said["jti"] in known.revoked:
        raise BadOfflineCoupon("revoked", "此券已作废", "it was called back")
    return OfflineCoupon(
        token=token, jti=said["jti"], template=said["tpl"], fen=said["fen"], ends_at=ends_at
    )


def keys_of(said: Mapping[str, Any]) -> OfflineKeys:
    """Return the keys as the server tells them, or as a till has kept that answer.

    Raises:
        ValueError, KeyError, TypeError: it is something else.
    """
    return OfflineKeys(
        store_id=said["store_id"],
        now=datetime.fromisoformat(said["now"]),
        keys={each["kid"]: each["public_key"] for each in said["keys"]},
        revoked=frozenset(each["jti"] for each in said["revoked"]),
    )


def _proven(token: str, keys: Mapping[str, str]) -> Mapping[str, Any]:
    signed, _, signature = token.rpartition(".")
    if len(token) > _LONGEST or not signed.startswith(_PREFIX):
        raise _forged()
    payload = _decoded(signed[len(_PREFIX) :])
    try:
        said = json.loads(payload)
    except (ValueError, RecursionError):
        raise _forged() from None
    if not isinstance(said, dict) or {name: type(each) for name, each in said.items()} != _FIELDS:
        raise _forged()
    one_way = json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
    if said["v"] != 1 or one_way != payload or said["kid"] not in keys:
        raise _forged()
    try:
        key = Ed25519PublicKey.from_public_bytes(_decoded(keys[said["kid"]]))
        key.verify(_decoded(signature), signed.encode())
    except InvalidSignature:
        raise _forged() from None
    return said


def _decoded(written: str) -> bytes:
    """Return the bytes of base64url as it is written here: without padding, in one way alone."""
    try:
        content = base64.b64decode(written + "=" * (-len(written) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _forged() from None
    if base64.urlsafe_b64encode(content).rstrip(b"=").decode() != written:
        raise _forged()
    return content


def _forged() -> BadOfflineCoupon:
    return BadOfflineCoupon(
        "forged",
        "不是有效的离线券，或公钥未更新",
        "not an offline coupon of this district, or the keys are old",
    )
