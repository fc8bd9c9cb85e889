"""Reliability §1, §12, decision 23: JSON is strict, bounded and exact."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api import bodies
from app.api.errors import Malformed

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18) + 1, 10**18 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_an_object_comes_in_as_it_was(value: dict[str, object]) -> None:
    assert bodies.parse(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    ("written", "number"), [("5.0", 5), ("5e1", 50), ("-0.0", 0), ("50e-1", 5)]
)
def test_a_whole_number_is_an_integer_however_it_is_written(written: str, number: int) -> None:
    parsed = bodies.parse(f'{{"n":{written}}}'.encode())

    assert parsed == {"n": number}
    assert type(parsed["n"]) is int


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"1",
        b"null",
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":5.5}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e400}',
        b'{"a":1e999999999}',
        b'{"a":1e-999999999}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":1000000000000000000}',
        b'{"a":"\\ud800"}',
        b'{"\\udfff":1}',
        b'{"a":"\xff"}',
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        b'{"a":1}x',
        b"{'a':1}",
        b'{"a":01}',
        b"[" * 500_000,
        b'{"a":' * 100_000,
        b'{"a":' + b"[" * 20 + b"]" * 20 + b"}",
    ],
)
def test_what_is_not_an_exact_object_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed, match=r"[一-鿿].* / [A-Z]"):
        bodies.parse(body)


def test_twenty_levels_are_allowed() -> None:
    assert bodies.parse(b'{"a":' + b"[" * 19 + b"1" + b"]" * 19 + b"}")


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_a_fingerprint_does_not_depend_on_the_order_of_names(value: dict[str, object]) -> None:
    turned = dict(reversed(value.items()))

    assert bodies.fingerprint("POST", "/x", value) == bodies.fingerprint("POST", "/x", turned)
    assert bodies.fingerprint("POST", "/x", value) != bodies.fingerprint("POST", "/y", value)


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), min_size=1)))
def test_lines_are_those_of_the_text_whatever_ends_them(lines: list[str]) -> None:
    """C6: a file of codes, with or without a last line's end and the mark of its encoding."""
    for end in ("\n", "\r\n"):
        text = "".join(line + end for line in lines)
        assert bodies.lines(text.encode("utf-8-sig")) == lines
        assert not lines or bodies.lines(text.removesuffix(end).encode("utf-8-sig")) == lines


def test_lines_that_are_no_utf_8_are_refused() -> None:
    with pytest.raises(Malformed):
        bodies.lines(b"\xff\xfe")
