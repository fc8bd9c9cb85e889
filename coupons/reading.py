"""Strict reading of a template's document: what is unknown, missing or of no sense is refused.

Every refusal is a `BadTemplate` with the path of the field, in Chinese and English.
"""

import re
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import TypeVar, cast

from coupons.errors import BadTemplate

E = TypeVar("E", bound=StrEnum)

LIMIT = 10**12
"""No amount, rate or number of a document is larger."""

# Control characters and lone surrogates cannot be stored as text.
_CODE = re.compile(r"[^\s,\x00-\x1f\ud800-\udfff]{1,60}")


def fields(document: object, *, path: str, known: Collection[str]) -> Mapping[str, object]:
    """Return the fields of a JSON object, all of them known ones."""
    if not isinstance(document, Mapping):
        raise BadTemplate(path, "须为对象", "an object is wanted")
    for name in document:
        if name not in known:
            raise BadTemplate(
                f"{path}.{name}",
                f"未知字段，可用：{'、'.join(sorted(known))}",
                f"unknown; known are {', '.join(sorted(known))}",
            )
    return cast(Mapping[str, object], document)


def integer(
    given: Mapping[str, object], name: str, *, path: str, least: int = 1, most: int = LIMIT
) -> int:
    """Return a whole number that must be given."""
    value = optional_integer(given, name, path=path, least=least, most=most)
    if value is None:
        raise BadTemplate(f"{path}.{name}", "缺少", "missing")
    return value


def optional_integer(
    given: Mapping[str, object], name: str, *, path: str, least: int = 1, most: int = LIMIT
) -> int | None:
    """Return a whole number between two limits; None where it is not given."""
    value = given.get(name)
    if value is None:
        return None
    return whole_number(value, path=f"{path}.{name}", least=least, most=most)


def flag(given: Mapping[str, object], name: str, *, path: str, default: bool) -> bool:
    """Return true or false."""
    value = given.get(name, default)
    if not isinstance(value, bool):
        raise BadTemplate(f"{path}.{name}", "须为 true 或 false", "true or false is wanted")
    return value


def code(given: Mapping[str, object], name: str, *, path: str) -> str | None:
    """Return a code of up to 60 characters without blanks or commas; None where not given."""
    value = given.get(name)
    return None if value is None else _code(value, path=f"{path}.{name}")


def codes(given: Mapping[str, object], name: str, *, path: str) -> frozenset[str]:
    """Return a list of codes as a set; none where it is not given."""
    found = [_code(each, path=where) for where, each in items(given, name, path=path)]
    return frozenset(found)


def items(given: Mapping[str, object], name: str, *, path: str) -> list[tuple[str, object]]:
    """Return the members of a list with their paths; none where it is not given."""
    value = given.get(name, [])
    if not isinstance(value, list | tuple):
        raise BadTemplate(f"{path}.{name}", "须为列表", "a list is wanted")
    return [(f"{path}.{name}[{number}]", each) for number, each in enumerate(value)]


def whole_number(value: object, *, path: str, least: int, most: int) -> int:
    """Return a whole number between two limits."""
    # True is an int to Python, and nobody's number.
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise BadTemplate(
            path,
            f"须为 {least} 到 {most} 的整数",
            f"a whole number from {least} to {most} is wanted",
        )
    return value


def choice(kind: type[E], given: Mapping[str, object], name: str, *, path: str, default: E) -> E:
    """Return one of the values of an enumeration."""
    return choose(kind, given.get(name, default), path=f"{path}.{name}")


def choose(kind: type[E], value: object, *, path: str) -> E:
    """Return the value of an enumeration that is written."""
    for each in kind:
        if value == each.value:
            return each
    raise BadTemplate(path, f"须为 {'、'.join(kind)} 之一", f"one of {', '.join(kind)} is wanted")


def _code(value: object, *, path: str) -> str:
    if not isinstance(value, str) or not _CODE.fullmatch(value):
        raise BadTemplate(path, f"不是编号：{value!r}", f"not a code: {value!r}")
    return value
