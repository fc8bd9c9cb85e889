"""L10: the gateways' bills are read to the fen, or refused whole with the lines that are bad."""

from datetime import UTC, datetime

import pytest

from app.settlement.bill_files import BadBill, Gateway, Way, read
from tests.app.settlement.gateway_files import DAY, Money, alipay, wechat

ROWS = [
    Money(transaction="4200001", order="ord_1", fen=1999),
    Money(transaction="4200002", order="ord_2", fen=1),
    Money(transaction="4200001", order="ord_1", fen=500, refund="5030001", refund_number="ref_1"),
]
FILES = {Gateway.WECHAT: wechat(ROWS), Gateway.ALIPAY: alipay(ROWS)}


@pytest.mark.parametrize("gateway", Gateway)
def test_a_bill_is_read_to_the_fen(gateway: Gateway) -> None:
    rows = read(FILES[gateway], gateway=gateway, day=DAY)

    assert [(row.way, row.transaction_id, row.order_number, row.fen) for row in rows] == [
        (Way.PAYMENT, "4200001", "ord_1", 1999),
        (Way.PAYMENT, "4200002", "ord_2", 1),
        (Way.REFUND, "4200001", "ord_1", 500),
    ]
    assert rows[0].at == datetime(2026, 11, 27, 2, 0, tzinfo=UTC)
    assert [row.refund_id for row in rows] == ["", "", "5030001"]
    assert rows[2].refund_number == ("ref_1" if gateway is Gateway.WECHAT else "5030001")


@pytest.mark.parametrize("make", [wechat, alipay])
def test_a_bill_of_a_day_without_sales_is_empty(make: object) -> None:
    gateway = Gateway.WECHAT if make is wechat else Gateway.ALIPAY

    assert read(make([]), gateway=gateway, day=DAY) == []  # type: ignore[operator]


@pytest.mark.parametrize("gateway", Gateway)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 0.95])
def test_a_torn_bill_is_refused(gateway: Gateway, share: float) -> None:
    whole = FILES[gateway]

    with pytest.raises(BadBill):
        read(whole[: int(len(whole) * share)], gateway=gateway, day=DAY)


@pytest.mark.parametrize("gateway", Gateway)
def test_a_bill_without_one_of_its_rows_is_refused_by_its_totals(gateway: Gateway) -> None:
    lines = FILES[gateway].split(b"\r\n")
    first = next(number for number, line in enumerate(lines) if b"4200002" in line)

    with pytest.raises(BadBill, match="totals"):
        read(b"\r\n".join(lines[:first] + lines[first + 1 :]), gateway=gateway, day=DAY)


@pytest.mark.parametrize("make", [wechat, alipay])
def test_every_bad_line_is_named(make: object) -> None:
    gateway = Gateway.WECHAT if make is wechat else Gateway.ALIPAY
    rows = [
        ROWS[0],
        Money(transaction="", order="ord_3", fen=5),
        Money(transaction="4200004", order="ord_4", fen=0),
        Money(transaction="4200005", order="ord_5", fen=5, at="yesterday"),
        Money(transaction="4200006", order="ord_6", fen=5, at="2026-11-28 00:00:00"),
        ROWS[0],
    ]

    with pytest.raises(BadBill) as refused:
        read(make(rows), gateway=gateway, day=DAY)  # type: ignore[operator]

    first = 2 if gateway is Gateway.WECHAT else 6
    assert [each.line - first for each in refused.value.lines] == [1, 2, 3, 4, 5]
    assert "重复" in refused.value.lines[-1].zh
    assert f"line {first + 1}" in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [("`SUCCESS`", "`NOTPAY`"), ("`19.99`", "`19.999`"), ("`19.99`", "`NaN`"), (",`0.60%", "")],
)
def test_an_unknown_row_is_refused_by_its_line(old: str, new: str) -> None:
    old, new = old.removesuffix("`"), new.removesuffix("`")
    content = FILES[Gateway.WECHAT].decode().replace(old, new).encode()

    with pytest.raises(BadBill) as refused:
        read(content, gateway=Gateway.WECHAT, day=DAY)

    assert refused.value.lines[0].line == 2


def test_a_bill_of_another_day_another_gateway_or_no_bill_is_refused() -> None:
    later = DAY.replace(day=28)
    for content, gateway, day in (
        (FILES[Gateway.WECHAT], Gateway.WECHAT, later),
        (alipay([]), Gateway.ALIPAY, later),
        (FILES[Gateway.WECHAT], Gateway.ALIPAY, DAY),
        (FILES[Gateway.ALIPAY], Gateway.WECHAT, DAY),
        (b"", Gateway.WECHAT, DAY),
        (b"", Gateway.ALIPAY, DAY),
        (b"\xff\xfe", Gateway.WECHAT, DAY),
    ):
        with pytest.raises(BadBill):
            read(content, gateway=gateway, day=day)


TOTAL = "商家实收共19.98元"
BEGIN = "2026年11月27日 00:00:00"


@pytest.mark.parametrize(
    ("gateway", "old", "new", "line"),
    [
        (Gateway.ALIPAY, TOTAL, "商家实收共12..30元", 10),
        (Gateway.ALIPAY, TOTAL, "商家实收共1.234元", 10),
        (Gateway.ALIPAY, "合计：2笔", f"合计：{'9' * 5000}笔", 10),
        (Gateway.ALIPAY, BEGIN, "2026年02月30日 00:00:00", 3),
        (Gateway.ALIPAY, BEGIN, "0000年00月00日 00:00:00", 3),
        (Gateway.ALIPAY, "19.99\t", "1E999999\t", 6),
        (Gateway.ALIPAY, "19.98\t", "-1E999999\t", 6),
        (Gateway.ALIPAY, "19.98\t", "1E99999\t", 6),
        (Gateway.ALIPAY, "龙井", "龙" * 140_000, 6),
        (Gateway.ALIPAY, "4200001", "42\0001", 6),
        (Gateway.ALIPAY, f"{DAY} 10:00:00", "0001-01-01 00:00:00", 6),
        (Gateway.WECHAT, "`19.99", "`1E999999", 2),
        (Gateway.WECHAT, "`20.00", "`1E999999", 6),
        (Gateway.WECHAT, f"`{DAY} 10:00:00", "`0001-01-01 00:00:00", 2),
        (Gateway.WECHAT, "4200001", "42\0001", 2),
    ],
)
def test_whatever_a_torn_bill_says_is_refused_by_its_line(
    gateway: Gateway, old: str, new: str, line: int
) -> None:
    encoding = "gbk" if gateway is Gateway.ALIPAY else "utf-8"
    content = FILES[gateway].decode(encoding)
    assert old in content

    with pytest.raises(BadBill) as refused:
        read(content.replace(old, new).encode(encoding), gateway=gateway, day=DAY)

    assert refused.value.lines[0].line == line


def test_many_bad_lines_are_counted_and_the_first_ones_shown() -> None:
    rows = [Money(transaction="", order=f"ord_{n}", fen=5) for n in range(50)]

    with pytest.raises(BadBill, match="50 in all") as refused:
        read(wechat(rows), gateway=Gateway.WECHAT, day=DAY)

    assert len(str(refused.value)) < 4000
