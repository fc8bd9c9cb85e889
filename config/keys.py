"""The key ring: what personal data is sealed with, and how it is found again without being read.

Each member has a data key of its own, kept in the member's row and wrapped by the master key, so
that destroying one row's key shreds one person (reliability §13). The index key is another one: it
turns a phone number into a blind index, equal for equal numbers and telling nothing else.
"""

import hashlib
import hmac
import secrets
import unicodedata
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from config.errors import ConfigError

KEY_BYTES = 32
_NONCE_BYTES = 12
_INDEX_BYTES = 16


class BadSeal(ConfigError):
    """A sealed value does not open: another key, another place, or an altered value."""

    def __init__(self, place: str) -> None:
        super().__init__(
            f"无法解密 {place}：密钥不对，或数据被改动。请核对 PLAZA 的主密钥。 / "
            f"Cannot open {place}: another key, or altered data. Check the master key."
        )
        self.place = place


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a sealed value stands; it opens nowhere else (the AAD of the encryption)."""

    table: str
    column: str
    row_id: str
    key_version: int

    def __str__(self) -> str:
        return f"{self.table}:{self.column}:{self.row_id}:{self.key_version}"


@dataclass(frozen=True, kw_only=True)
class KeyRing:
    """The master key and the index key of this installation, 32 bytes each.

    Never printed: neither key has a repr. `version` names the master key in every place that it
    wraps a data key for.
    """

    master: bytes = field(repr=False)
    index: bytes = field(repr=False)
    version: int = 1

    def __post_init__(self) -> None:
        for name in ("master", "index"):
            if len(getattr(self, name)) != KEY_BYTES:
                raise ValueError(f"{name}：密钥须为 32 字节 / {name}: a key has 32 bytes")
        if hmac.compare_digest(self.master, self.index):
            raise ValueError("两把密钥不得相同 / the master and the index key must differ")

    def wrap(self, data_key: bytes, *, place: Place) -> bytes:
        """Return a data key sealed by the master key."""
        return seal(self.master, data_key, place=place)

    def unwrap(self, wrapped: bytes, *, place: Place) -> bytes:
        """Return the data key that `wrap` sealed.

        Raises:
            BadSeal: the master key is another one, or the row was altered.
        """
        return open_seal(self.master, wrapped, place=place)

    def blind_index(self, kind: str, value: str) -> bytes:
        """Return the 16 bytes by which a secret value is looked up.

        `kind` keeps the uses apart and carries its version: `phone:v1` for numbers in E.164,
        `openid:v1:<channel>:<app id>` for identities of a channel.
        """
        message = f"{kind}:{unicodedata.normalize('NFC', value)}".encode()
        return hmac.new(self.index, message, hashlib.sha256).digest()[:_INDEX_BYTES]


def hotp(key: bytes, counter: int, *, digits: int, digest: str) -> str:
    """Return the one-time password of a counter: HOTP of RFC 4226 §5.3 over a digest of hashlib."""
    made = hmac.digest(key, counter.to_bytes(8), digest)
    offset = made[-1] & 15
    number = int.from_bytes(made[offset : offset + 4]) & 0x7FFFFFFF
    return f"{number % 10**digits:0{digits}d}"


def new_data_key() -> bytes:
    """Return a random key for one member's data."""
    return secrets.token_bytes(KEY_BYTES)


def seal(key: bytes, value: bytes, *, place: Place) -> bytes:
    """Encrypt a value for its place: 96-bit random nonce, then AES-256-GCM with its tag."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, value, str(place).encode())


def open_seal(key: bytes, sealed: bytes, *, place: Place) -> bytes:
    """Decrypt what `seal` made for the same place.

    Raises:
        BadSeal: another key, another place, or an altered value.
    """
    try:
        return AESGCM(key).decrypt(
            sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], str(place).encode()
        )
    except (InvalidTag, ValueError) as error:
        raise BadSeal(str(place)) from error
