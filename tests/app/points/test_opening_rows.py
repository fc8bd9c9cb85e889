"""O1: what a row of an older programme says, and why one cannot be taken."""

from datetime import date

import pytest

from app.errors import Invalid
from app.points.opening_rows import Judged, OpeningLine, Verdict, read

HEAD = b"row,phone,issuer,points,expires_on"


def _read(*lines: bytes) -> list[OpeningLine | Judged]:
    return list(read([HEAD, *lines]))


def test_a_row_says_who_whose_how_many_and_until_when() -> None:
    head = "\ufeffchannel,card_number,name,row,issuer,points,expires_on\r\n".encode()
    (row,) = read([head, "wechat:wx1:o:1,C-1,张小明,A/1,tea,250,never\r\n".encode(), b"\n"])

    assert isinstance(row, OpeningLine)
    assert (row.line, row.key, row.issuer, row.points, row.expires_on) == (
        2,
        "A/1",
        "tea",
        250,
        None,
    )
    assert row.person.card_number == "C-1"
    assert row.person.identity is not None
    assert row.person.identity.identity == "o:1"


def test_a_phone_is_the_same_however_it_is_written() -> None:
    one, two = _read(b"1,13800138000,tea,5,2030-01-31", b"1,+86 138-0013-8000,tea,5,2030-01-31")

    assert isinstance(one, OpeningLine)
    assert isinstance(two, OpeningLine)
    assert one.expires_on == date(2030, 1, 31)
    assert one.content() == two.content()


@pytest.mark.parametrize(
    "line",
    [
        b"1,13800138000,tea,5",
        b"1,13800138000,tea,5,never,more",
        b'1,"13800138000,tea,5,never',
        b"1,\xff,tea,5,never",
        b"1,1380013800,tea,5,never",
        b"1,,tea,5,never",
        b"1,13800138000,tea,-5,never",
        b"1,13800138000,tea,0,never",
        b"1,13800138000,tea,5.0,never",
        b"1,13800138000,tea,5,",
        b"1,13800138000,tea,5,2030-02-30",
        b"1,13800138000,tea,5,20300228",
        b"=1+1,13800138000,tea,5,never",
        b",13800138000,tea,5,never",
    ],
)
def test_a_row_that_cannot_be_read_is_refused_by_its_line_and_harms_no_other(line: bytes) -> None:
    bad, good = _read(line, b"2,13800138001,tea,5,never")

    assert isinstance(bad, Judged)
    assert (bad.line, bad.verdict) == (2, Verdict.REFUSED)
    assert bad.zh
    assert bad.en
    assert "1380013800" not in bad.zh + bad.en
    assert isinstance(good, OpeningLine)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"row,issuer,points,expires_on",
        b"row,phone,issuer,points",
        HEAD + b",phone",
        HEAD + b",age",
    ],
)
def test_a_file_without_the_columns_is_refused_whole(head: bytes) -> None:
    with pytest.raises(Invalid, match="row, issuer"):
        list(read([head]))


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(Invalid):
        list(read([]))
