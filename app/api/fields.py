"""The JSON types of the door, each with one wire form, and the base of its schemas.

Wrong values are told by a code (`required`, `out-of-range`, …) at a JSON pointer; texts for people
are the problem's own. What a schema loads is a frozen value, never a dict.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, ClassVar

from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate

from app.api.errors import Fault, UnknownField, ValidationFailed
from app.checkout.baskets import LIMIT_FEN

UNKNOWN = "unknown-field"

_CODES: dict[str, str | list[Any] | dict[Any, Any]] = {
    "required": "required",
    "null": "null",
    "type": "wrong-type",
    "invalid": "wrong-type",
    "format": "wrong-form",
}
_SCHEMA_CODES = {"unknown": UNKNOWN, "type": "wrong-type"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
#: A birthday, with the year to say the age.
BIRTHDAY = r"^([0-9]{4}-)?[0-9]{2}-[0-9]{2}$"
_PRINTED = r"^[^\x00-\x1f\x7f]*$"
_MOBILE = r"^(\+86|0086|86)?1[3-9][0-9]{9}$|^\+([1-79][0-9]{6,14}|8[0-57-9][0-9]{5,13})$"
_MOST_FAULTS = 100
_LONGEST_NAME = 80
_LONGEST_POINTER = 500
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)


class DoorSchema(Schema):
    """Base of all schemas: unknown fields are refused, and out comes what `makes` makes."""

    class Meta:
        unknown = RAISE

    error_messages = _SCHEMA_CODES
    makes: ClassVar[type[Any] | None] = None
    also: ClassVar[Mapping[str, Any]] = {}  # What JSON Schema says of how its fields go together.

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> Any:
        """Turn what was loaded into a value."""
        return data if self.makes is None else self.makes(**data)


class Whole(fields.Integer):
    """A whole number in its limits; `true` and texts are refused."""

    def __init__(self, *, least: int = 0, most: int = LIMIT_FEN, **kwargs: Any) -> None:
        limits = validate.Range(min=least, max=most, error="out-of-range")
        super().__init__(strict=True, validate=limits, error_messages=_CODES, **kwargs)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> int:
        if type(value) is not int:
            raise self.make_error("invalid")
        return value


class Fen(Whole):
    """Money in fen (1/100 yuan)."""


class Points(Whole):
    """A number of points."""


class Sum(Whole):
    """Fen or points of many sales together, which may be more than one sale can have."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(most=2**63 - 1, **kwargs)


class Text(fields.String):
    """A text of some length, without control characters."""

    def __init__(self, *, most: int, least: int = 1, pattern: str | None = None, **kw: Any) -> None:
        checks: list[Any] = [validate.Length(min=least, max=most, error="wrong-length")]
        if pattern is not None:
            checks.append(validate.Regexp(pattern, re.ASCII, error="wrong-form"))
        else:
            kw.setdefault("metadata", {"pattern": _PRINTED})
        checks.append(_without_control)
        super().__init__(validate=checks, error_messages=_CODES, **kw)


class Phone(Text):
    """A mobile number; spaces, hyphens and full-width digits are taken too, but not described."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(least=7, most=24, metadata={"pattern": _MOBILE}, **kwargs)


class Code(Text):
    """A code that people chose: of a merchant, a store, a till, a cashier."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(most=40, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", **kwargs)


class PublicId(Text):
    """A public id of one kind, such as `ord_…`."""

    def __init__(self, prefix: str, **kwargs: Any) -> None:
        super().__init__(most=40, pattern=rf"^{prefix}_[0-9A-Z]{{26}}$", **kwargs)


class Instant(fields.DateTime):
    """An instant with its offset from UTC, as RFC 3339 writes it; without one it is refused."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(error_messages=_CODES, **kwargs)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> datetime:
        if not isinstance(value, str) or not _INSTANT.fullmatch(value):
            raise self.make_error("format")
        try:
            return datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise self.make_error("format") from error

    def _serialize(self, value: datetime | None, *_: Any, **__: Any) -> str | None:
        return None if value is None else value.astimezone(UTC).isoformat(timespec="milliseconds")


class Day(fields.Date):
    """A business date."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(error_messages=_CODES, **kwargs)

    def _serialize(self, value: date | None, *_: Any, **__: Any) -> str | None:
        return None if value is None else value.isoformat()


class YesNo(fields.Boolean):
    """`true` or `false`, nothing like them."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(error_messages=_CODES, **kwargs)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> bool:
        if type(value) is not bool:
            raise self.make_error("invalid")
        return value


class Part(fields.Nested):
    """An object inside another."""

    def __init__(self, schema: type[DoorSchema], **kwargs: Any) -> None:
        super().__init__(schema, error_messages=_CODES, **kwargs)


class Document(fields.Dict):
    """A JSON object that is read by whom it is meant for, strictly, with the paths of its own."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(error_messages=_CODES, **kwargs)


class Items(fields.List[Any]):
    """A list of so many things."""

    def __init__(self, inner: Any, *, most: int, least: int = 0, **kwargs: Any) -> None:
        checks = validate.Length(min=least, max=most, error="wrong-length")
        super().__init__(inner, validate=checks, error_messages=_CODES, **kwargs)


@cache
def instance(schema: type[DoorSchema]) -> DoorSchema:
    """Return a schema to load and dump with; making one copies all its fields."""
    return schema()


def load(schema: type[DoorSchema], sent: Mapping[str, Any]) -> Any:
    """Return the value that a schema makes of JSON.

    Raises:
        UnknownField: nothing is wrong but names that the schema does not know.
        ValidationFailed: values that can never be right.
    """
    try:
        return instance(schema).load(sent)
    except ValidationError as error:
        faults = list(_faults(error.messages, ""))
        told = faults[:_MOST_FAULTS]
        if all(fault.code == UNKNOWN for fault in faults):
            raise UnknownField(told) from error
        raise ValidationFailed(told) from error


def _without_control(text: str) -> None:
    if _CONTROL.search(text):
        raise ValidationError("control-character")


def _faults(messages: Any, pointer: str) -> Iterator[Fault]:
    """Return marshmallow's tree of messages as a flat list of pointers and codes."""
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            whole = name == "_schema"
            step = "" if whole else step_to(str(name))
            yield from _faults(inner, pointer + step)
    elif isinstance(messages, Sequence) and not isinstance(messages, str):
        for inner in messages:
            yield from _faults(inner, pointer)
    else:
        yield Fault(pointer=pointer[:_LONGEST_POINTER], code=str(messages))


def step_to(name: str) -> str:
    """Return a name as a step of a JSON Pointer (RFC 6901), fit to be told.

    Who sent it may have written anything: it is cut, and control characters are replaced.
    """
    shown = _CONTROL.sub("\ufffd", name[:_LONGEST_NAME])
    return "/" + shown.replace("~", "~0").replace("/", "~1")
