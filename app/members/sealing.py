"""A member's data key and what it seals: phone, name, birthday, identities (reliability §13)."""

from dataclasses import dataclass
from typing import cast

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.members.models import Member
from config.keys import KeyRing, Place, new_data_key, open_seal, seal
from coupons.codes import KEY_BYTES, CodeKeys


def key_ring(session: Session) -> KeyRing:
    """Return the key ring that the process gave its sessions."""
    return cast("KeyRing", session.info["key_ring"])


def coupon_keys(session: Session) -> CodeKeys:
    """Return the keys of coupon codes: their own, made of those of the installation."""
    ring = key_ring(session)
    return CodeKeys(
        index=_derived(ring.index, b"coupon-code/v1/index"),
        seal=_derived(ring.master, b"coupon-code/v1/seal"),
    )


def _derived(key: bytes, use: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=use).derive(key)


def phone_index(session: Session, phone: str) -> bytes:
    """Return the blind index of a phone number in E.164."""
    return key_ring(session).blind_index("phone:v1", phone)


def identity_index(session: Session, *, channel: str, app_id: str, identity: str) -> bytes:
    """Return the blind index of an identity in a channel's app."""
    return key_ring(session).blind_index(f"openid:v1:{channel}:{app_id}", identity)


@dataclass(frozen=True, kw_only=True)
class DataKey:
    """One member's key, open, for as long as it is used; never stored so, never printed."""

    member: str
    version: int
    _key: bytes

    def __repr__(self) -> str:
        return f"DataKey(member={self.member!r})"

    def seal(self, value: str, *, table: str, column: str, row: str | None = None) -> bytes:
        """Seal a text for its row, which is the member's own unless named."""
        return seal(self._key, value.encode(), place=self._place(table, column, row))

    def open(self, sealed: bytes, *, table: str, column: str, row: str | None = None) -> str:
        """Open what `seal` made.

        Raises:
            BadSeal: another key, another place, or an altered value.
        """
        return open_seal(self._key, sealed, place=self._place(table, column, row)).decode()

    def wrapped(self, ring: KeyRing) -> bytes:
        """Return the key as the member's row keeps it."""
        return ring.wrap(self._key, place=_key_place(self.member, self.version))

    def _place(self, table: str, column: str, row: str | None) -> Place:
        return Place(
            table=table, column=column, row_id=row or self.member, key_version=self.version
        )


def make_data_key(session: Session, member: str) -> DataKey:
    """Return a new key for a member (public id) that is about to be written."""
    return DataKey(member=member, version=key_ring(session).version, _key=new_data_key())


def open_data_key(session: Session, member: Member) -> DataKey:
    """Return a member's key.

    Raises:
        NotFound: the key was destroyed; what it sealed is gone for ever.
        BadSeal: the master key is another one, or the row was altered.
    """
    if member.data_key is None:
        raise NotFound("data-key", member.public_id)
    return open_wrapped_key(
        session, member=member.public_id, wrapped=member.data_key, version=member.key_version
    )


def open_wrapped_key(session: Session, *, member: str, wrapped: bytes, version: int) -> DataKey:
    """Return a member's key as his row keeps it.

    Raises:
        BadSeal: the master key is another one, or the row was altered.
    """
    key = key_ring(session).unwrap(wrapped, place=_key_place(member, version))
    return DataKey(member=member, version=version, _key=key)


def _key_place(member: str, version: int) -> Place:
    return Place(table="member", column="data_key", row_id=member, key_version=version)
