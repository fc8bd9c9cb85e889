"""Decision 20, 23: one wire form for each kind of value; wrong ones are told where and how."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from app.api.errors import UnknownField, ValidationFailed
from app.api.fields import (
    Code,
    DoorSchema,
    Fen,
    Instant,
    Items,
    Part,
    PublicId,
    Text,
    YesNo,
    instance,
    load,
)


@dataclass(frozen=True, kw_only=True)
class Bit:
    fen: int
    name: str


class BitSchema(DoorSchema):
    makes = Bit
    fen = Fen(required=True)
    name = Text(most=4, load_default="")


class Whole(DoorSchema):
    bits = Items(Part(BitSchema), least=1, most=2)
    code = Code()
    order = PublicId("ord")
    at = Instant()
    open = YesNo()


def _codes(sent: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(ValidationFailed) as refused:
        load(Whole, sent)
    return [(fault.pointer, fault.code) for fault in refused.value.faults]


def test_out_comes_a_value_not_a_dict() -> None:
    assert load(BitSchema, {"fen": 5, "name": "茶"}) == Bit(fen=5, name="茶")


@pytest.mark.parametrize(
    ("sent", "pointer", "code"),
    [
        ({"bits": [{"fen": -1}]}, "/bits/0/fen", "out-of-range"),
        ({"bits": [{"fen": 2**53}]}, "/bits/0/fen", "out-of-range"),
        ({"bits": [{"fen": 1}, {"fen": True}]}, "/bits/1/fen", "wrong-type"),
        ({"bits": [{"fen": "1"}]}, "/bits/0/fen", "wrong-type"),
        ({"bits": [{"fen": None}]}, "/bits/0/fen", "null"),
        ({"bits": [{}]}, "/bits/0/fen", "required"),
        ({"bits": ["x"]}, "/bits/0", "wrong-type"),
        ({"bits": []}, "/bits", "wrong-length"),
        ({"bits": {}}, "/bits", "wrong-type"),
        ({"bits": [{"fen": 1, "name": "12345"}]}, "/bits/0/name", "wrong-length"),
        ({"bits": [{"fen": 1, "name": "a\x00"}]}, "/bits/0/name", "control-character"),
        ({"bits": [{"fen": 1, "name": 7}]}, "/bits/0/name", "wrong-type"),
        ({"code": "a b"}, "/code", "wrong-form"),
        ({"order": "ref_01J00000000000000000000000"}, "/order", "wrong-form"),
        ({"at": "2026-12-01T10:00:00"}, "/at", "wrong-form"),
        ({"at": "2026-13-01T10:00:00Z"}, "/at", "wrong-form"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "/at", "wrong-form"),
        ({"at": 1768464000}, "/at", "wrong-form"),
        ({"open": 1}, "/open", "wrong-type"),
    ],
)
def test_a_wrong_value_is_told_where_it_stands_and_what_is_wrong(
    sent: dict[str, Any], pointer: str, code: str
) -> None:
    assert _codes(sent) == [(pointer, code)]


def test_unknown_fields_are_refused_with_their_places() -> None:
    with pytest.raises(UnknownField) as refused:
        load(Whole, {"bits": [{"fen": 1, "a/b": 1}], "x": 1})

    assert sorted(fault.pointer for fault in refused.value.faults) == ["/bits/0/a~1b", "/x"]
    assert _codes({"x": 1, "open": 1}) == [("/open", "wrong-type"), ("/x", "unknown-field")]


def test_names_that_somebody_made_up_are_told_short_and_without_control_characters() -> None:
    """Reliability §14: a refusal gives nothing back that could write into a log or a screen."""
    sent = {f"{number}\x1b[2J{'x' * 1_000}": 1 for number in range(300)}

    with pytest.raises(UnknownField) as refused:
        load(Whole, {**sent, "bits": [{"fen": 1}]})

    pointers = [fault.pointer for fault in refused.value.faults]
    assert len(pointers) == 100
    assert {len(pointer) for pointer in pointers} == {81}
    assert all("\ufffd[2J" in pointer and "\x1b" not in pointer for pointer in pointers)
    assert len(str(refused.value)) < 2_000


def test_instants_go_in_and_out_with_their_offset() -> None:
    loaded = load(Whole, {"at": "2026-12-01T10:00:00.5+08:00"})

    assert loaded["at"] == datetime(2026, 12, 1, 2, 0, 0, 500_000, tzinfo=UTC)
    assert instance(Whole).dump(loaded) == {"at": "2026-12-01T02:00:00.500+00:00"}
