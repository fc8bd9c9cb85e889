"""Phone numbers have one written form; whatever cannot be one is refused without repeating it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.members.errors import BadPhone
from app.members.phones import masked_name, masked_phone, normalised


@pytest.mark.parametrize(
    "written",
    [
        "13800138000",
        "+8613800138000",
        "86 138 0013 8000",
        "0086-138-0013-8000",
        " +86 (138) 0013.8000 ",
        "１３８００１３８０００",
        "+86 138–0013–8000",
    ],
)
def test_every_way_of_writing_one_number_is_one_number(written: str) -> None:
    assert normalised(written) == "+8613800138000"


@pytest.mark.parametrize(
    "written", ["+85291234567", "+852 9123 4567", "+14155552671", "+33 6 12 34 56 78"]
)
def test_numbers_abroad_keep_their_country_code(written: str) -> None:
    assert normalised(written) == written.replace(" ", "")


@pytest.mark.parametrize(
    "written",
    [
        "",
        "12345",
        "12800138000",
        "1380013800",
        "138001380000",
        "+8612345678901",
        "+86138001380001",
        "+0123456789",
        "+1234567890123456",
        "0571-87654321",
        "１38oo138000",
        "13800138000; DROP TABLE member",
        "١٣٨٠٠١٣٨٠٠٠0",
    ],
)
def test_what_cannot_be_a_mobile_number_is_refused_unrepeated(written: str) -> None:
    with pytest.raises(BadPhone, match="手机号须为") as refused:
        normalised(written)
    assert len(written) < 5 or written not in str(refused.value)


@given(number=st.from_regex(r"\A1[3-9][0-9]{9}\Z"))
def test_a_normal_form_is_its_own_normal_form(number: str) -> None:
    assert normalised(normalised(number)) == f"+86{number}"


@given(written=st.text(max_size=30))
def test_any_text_is_a_number_in_e164_or_refused(written: str) -> None:
    try:
        number = normalised(written)
    except BadPhone:
        return
    assert number[0] == "+"
    assert number[1:].isascii()
    assert number[1:].isdigit()
    assert 8 <= len(number) <= 16


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+8613800138000", "138****8000"),
        ("+85291234567", "+852****4567"),
        ("+6512345", "+6****"),
    ],
)
def test_a_number_is_shown_without_its_middle(number: str, shown: str) -> None:
    assert masked_phone(number) == shown


def test_a_name_is_shown_by_its_first_character() -> None:
    assert masked_name("张小明") == "张*"
