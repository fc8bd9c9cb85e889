"""C5; reliability 10: how codes are spelled, proven, found and kept secret."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from config.database import CROCKFORD
from coupons import codes, wallets
from coupons.codes import CodeKeys
from coupons.errors import BadCode, NoSuchCoupon
from tests.coupons.makers import KEYS, make_coupon

RUN_KEY = bytes(range(64, 96))


def test_a_code_follows_from_its_run_and_number_and_tells_nothing_of_the_next() -> None:
    long = [codes.code_of(RUN_KEY, number, short=False) for number in range(1_000)]
    short = [codes.code_of(RUN_KEY, number, short=True) for number in range(1_000)]

    assert codes.code_of(RUN_KEY, 7, short=False) == long[7]
    assert len(set(long)) == len(set(short)) == 1_000
    assert {len(each) for each in long} == {20}
    assert {len(each) for each in short} == {14}
    assert all(codes.is_ours(each) for each in long + short)
    assert codes.shown(long[0]).count("-") == 3


@given(number=st.integers(0, 10**6), place=st.integers(0, 19), other=st.sampled_from(CROCKFORD))
def test_one_wrong_character_is_always_found(number: int, place: int, other: str) -> None:
    """C5: check character"""
    code = codes.code_of(RUN_KEY, number, short=False)
    wrong = code[:place] + other + code[place + 1 :]

    assert codes.is_ours(wrong) == (wrong == code)


@given(number=st.integers(0, 10**6), one=st.integers(0, 19), two=st.integers(0, 19))
def test_two_exchanged_characters_are_always_found(number: int, one: int, two: int) -> None:
    code = codes.code_of(RUN_KEY, number, short=False)
    letters = list(code)
    letters[one], letters[two] = letters[two], letters[one]
    wrong = "".join(letters)

    assert codes.is_ours(wrong) == (wrong == code)


def test_a_code_is_read_as_people_write_it() -> None:
    """C5: no look-alikes"""
    code = next(
        each for each in [codes.code_of(RUN_KEY, n, short=False) for n in range(99)]
        if "0" in each and "1" in each
    )  # fmt: skip
    written = codes.shown(code).lower().replace("0", "o").replace("1", "l")

    assert codes.normal(f"  {written} ") == code
    assert codes.normal("old-code 7") == "OLD-CODE 7"


@pytest.mark.parametrize("written", ["", "  ", "a\x00b", "x" * 65])
def test_what_is_no_code_is_refused(written: str) -> None:
    with pytest.raises(BadCode):
        codes.normal(written)


def test_keys_have_32_bytes_and_no_repr() -> None:
    assert "index" not in repr(KEYS)
    with pytest.raises(ValueError, match="32"):
        CodeKeys(index=b"short", seal=bytes(32))


def test_another_key_finds_nothing() -> None:
    other = CodeKeys(index=bytes(32), seal=KEYS.seal)

    assert codes.index_of(KEYS, "OLD") != codes.index_of(other, "OLD")


def test_a_holder_sees_the_same_code_again_and_the_database_does_not_know_it(
    session: Session,
) -> None:
    """reliability 10: keyed hash for the look-up, ciphertext for the display."""
    coupon = make_coupon(session, holder="mem_1")

    code = codes.show(session, coupon=coupon, holders=("mem_1",), keys=KEYS)
    again = codes.show(session, coupon=coupon, holders=("mem_0", "mem_1"), keys=KEYS)

    assert code == again
    index = codes.index_of(KEYS, codes.normal(codes.shown(code).lower()))
    assert [each.coupon for each in wallets.find(session, indexes=[index])] == [coupon]
    row = session.execute(
        text("SELECT sealed, index FROM coupon_code WHERE index = :index"), {"index": index}
    ).one()
    assert code.encode() not in bytes(row.sealed)
    with pytest.raises(NoSuchCoupon):
        codes.show(session, coupon=coupon, holders=("mem_2",), keys=KEYS)
