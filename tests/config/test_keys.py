"""Reliability §13: sealed fields, wrapped data keys and blind indexes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.keys import BadSeal, KeyRing, Place, new_data_key, open_seal, seal

MASTER = bytes(range(0x00, 0x20))
INDEX = bytes(range(0x20, 0x40))
PHONE = Place(table="member", column="phone", row_id="mem_1", key_version=1)


def ring() -> KeyRing:
    return KeyRing(master=MASTER, index=INDEX)


def test_blind_index_of_a_phone_is_the_published_vector() -> None:
    index = ring().blind_index("phone:v1", "+8613800138000")

    assert index.hex() == "8dbcd02178f91c1564bc5913ff5ed943"


def test_equal_values_of_two_kinds_have_two_indexes() -> None:
    keys = ring()

    wechat = keys.blind_index("openid:v1:wechat:wxapp1", "o-1")
    other_app = keys.blind_index("openid:v1:wechat:wxapp2", "o-1")

    assert wechat != other_app
    assert len(wechat) == 16


@given(value=st.binary(max_size=200))
def test_what_is_sealed_opens_to_the_same_bytes(value: bytes) -> None:
    key = new_data_key()

    sealed = seal(key, value, place=PHONE)

    assert open_seal(key, sealed, place=PHONE) == value
    assert len(sealed) == 12 + len(value) + 16


def test_sealing_twice_gives_two_texts() -> None:
    key = new_data_key()

    assert seal(key, b"+8613800138000", place=PHONE) != seal(key, b"+8613800138000", place=PHONE)


@pytest.mark.parametrize(
    "elsewhere",
    [
        Place(table="member", column="name", row_id="mem_1", key_version=1),
        Place(table="member", column="phone", row_id="mem_2", key_version=1),
        Place(table="staff", column="phone", row_id="mem_1", key_version=1),
        Place(table="member", column="phone", row_id="mem_1", key_version=2),
    ],
)
def test_a_sealed_value_moved_elsewhere_does_not_open(elsewhere: Place) -> None:
    key = new_data_key()
    sealed = seal(key, b"+8613800138000", place=PHONE)

    with pytest.raises(BadSeal, match="无法解密"):
        open_seal(key, sealed, place=elsewhere)


@pytest.mark.parametrize("position", [0, 12, -1])
def test_one_altered_bit_is_noticed(position: int) -> None:
    key = new_data_key()
    sealed = bytearray(seal(key, b"+8613800138000", place=PHONE))
    sealed[position] ^= 1

    with pytest.raises(BadSeal):
        open_seal(key, bytes(sealed), place=PHONE)


@pytest.mark.parametrize("length", [0, 5, 12, 27])
def test_a_torn_value_is_refused(length: int) -> None:
    with pytest.raises(BadSeal):
        open_seal(new_data_key(), bytes(length), place=PHONE)


def test_a_data_key_is_wrapped_by_the_master_key_alone() -> None:
    place = Place(table="member", column="data_key", row_id="mem_1", key_version=1)
    data_key = new_data_key()

    wrapped = ring().wrap(data_key, place=place)

    assert ring().unwrap(wrapped, place=place) == data_key
    with pytest.raises(BadSeal):
        KeyRing(master=INDEX, index=MASTER).unwrap(wrapped, place=place)


def test_no_secret_is_printed() -> None:
    printed = repr(ring()) + str(ring())

    assert "x00" not in printed
    assert "x20" not in printed
    assert printed.startswith("KeyRing(version=1)")


@pytest.mark.parametrize(
    ("master", "index"),
    [(b"short", INDEX), (MASTER, b""), (MASTER, MASTER)],
)
def test_weak_keys_are_refused_at_once(master: bytes, index: bytes) -> None:
    with pytest.raises(ValueError, match="密钥"):
        KeyRing(master=master, index=index)
