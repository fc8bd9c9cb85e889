"""JSON as the door takes it: strict, bounded, exact (reliability §1, §5; decision 23)."""

import hashlib
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from app.api.errors import Malformed

MAX_DEPTH = 20
_MAX_DIGITS = 18
_SURROGATE = re.compile("[\ud800-\udfff]")


def parse(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a body; 5.0 is the integer 5.

    Raises:
        Malformed: no UTF-8, no JSON object, a name twice, a number that is no integer or too long,
            half of a surrogate pair, or more than twenty levels.
    """
    try:
        parsed = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_float=_integer,
            parse_int=_integer,
            parse_constant=_constant,
        )
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise Malformed("请求体不是 UTF-8 的 JSON / The body is no JSON in UTF-8") from error
    if not isinstance(parsed, dict):
        raise Malformed("请求体须为 JSON 对象 / The body must be a JSON object")
    _check(parsed)
    return parsed


def lines(body: bytes) -> list[str]:
    """Return the lines of a text, without their ends and without an empty last one.

    Raises:
        Malformed: no UTF-8.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed("请求体不是 UTF-8 文本 / The body is no text in UTF-8") from error
    found = [line.removesuffix("\r") for line in text.split("\n")]
    return found[:-1] if found[-1] == "" else found


def fingerprint(method: str, path: str, body: dict[str, Any]) -> bytes:
    """Return what makes two requests the same: method, path and content, however it was written."""
    canonical = json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{method}\n{path}\n{canonical}".encode()).digest()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise Malformed("字段重复 / A name stands twice in one object")
    return made


def _integer(written: str) -> int:
    # The exponent first: 1e999999999 is an integer that no memory holds.
    _, _, exponent = written.lower().partition("e")
    if len(written) > 40 or len(exponent) > 3:
        raise Malformed("数字过长 / A number is too long")
    number = Decimal(written)
    if number != number.to_integral_value() or abs(number) >= Decimal(10) ** _MAX_DIGITS:
        raise Malformed("金额与积分须为整数 / Numbers must be integers of at most 18 digits")
    return int(number)


def _constant(_: str) -> None:
    raise Malformed("不接受 NaN 与 Infinity / NaN and Infinity are no numbers")


def _check(parsed: dict[str, Any]) -> None:
    level: list[Any] = [parsed]
    for _ in range(MAX_DEPTH):
        level = [inner for each in level for inner in _containers(each)]
        if not level:
            return
    raise Malformed(f"嵌套超过 {MAX_DEPTH} 层 / More than {MAX_DEPTH} levels")


def _containers(container: dict[str, Any] | list[Any]) -> Iterator[Any]:
    """Return the objects and arrays right inside one; its texts are looked at on the way."""
    values = container
    if isinstance(container, dict):
        values = [*container.keys(), *container.values()]
    for value in values:
        if isinstance(value, dict | list):
            yield value
        elif isinstance(value, str) and _SURROGATE.search(value):
            raise Malformed("文本含不成对的代理字符 / A text holds half of a surrogate pair")
