"""Pages of lists that a member, a store or staff may read, stable while new rows come in (P6).

A cursor says where a page ended. It is sealed for its list and its owner: nobody reads the keys
of rows out of it, and somebody else's is as good as none.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from app.api.auth import ActingStaff, SignedIn
from app.api.errors import Fault, ValidationFailed
from app.api.fields import DoorSchema, Text, Whole
from app.members import sealing
from app.merchants.directory import ListedStore
from config.keys import BadSeal, Place

LIMIT = 100

Owner = SignedIn | ListedStore | ActingStaff


class CountInQuery(Whole):
    """A whole number that stands in a query, where everything is text."""

    def _deserialize(self, value: Any, *rest: Any, **more: Any) -> int:
        if not isinstance(value, str) or not value.isascii() or not value.isdigit():
            raise self.make_error("invalid")
        return super()._deserialize(int(value[:18]), *rest, **more)


class PageSchema(DoorSchema):
    """Which page of a list, and how long."""

    cursor = Text(most=200, load_default=None)
    limit = CountInQuery(least=1, most=LIMIT, load_default=50)


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a `PageSchema` loads."""

    cursor: str | None
    limit: int


def write_cursor(session: Session, caller: Owner, *, of: str, at: tuple[int, ...]) -> str:
    """Return the cursor of a page of the list `of` that ends at a row."""
    ring = sealing.key_ring(session)
    sealed = ring.wrap(
        ".".join(map(str, at)).encode(), place=_place(caller, of=of, version=ring.version)
    )
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def read_cursor(
    session: Session, caller: Owner, cursor: str | None, *, of: str
) -> tuple[int, ...] | None:
    """Return where the page before ended; None for the first page.

    Raises:
        ValidationFailed: it is no cursor of this list and owner.
    """
    if cursor is None:
        return None
    ring = sealing.key_ring(session)
    try:
        sealed = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        opened = ring.unwrap(sealed, place=_place(caller, of=of, version=ring.version))
    except (BadSeal, binascii.Error) as error:
        raise ValidationFailed([Fault(pointer="/cursor", code="wrong-form")]) from error
    return tuple(map(int, opened.decode().split(".")))


def _place(caller: Owner, *, of: str, version: int) -> Place:
    return Place(table="cursor", column=of, row_id=caller.public_id, key_version=version)
