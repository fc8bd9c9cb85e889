"""The gateways' daily bills as they are downloaded: read whole, or refused by line (L10). Pure.

WeChat Pay writes UTF-8, every value behind a backtick (so a product's name may hold commas), and
two lines of totals. Alipay writes GBK, every value padded by tabs, between lines that begin with
`#`, and the totals in words below. A bill that does not add up to its totals is torn. Amounts are
yuan there and fen from here on.
"""

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, DecimalException
from enum import StrEnum

from app.clock import SHANGHAI, business_date
from app.errors import Invalid

_SHOWN = 20
_LIMIT_YUAN = 10**9

_WECHAT_HEAD = ("交易时间", "微信订单号", "商户订单号", "交易状态", "微信退款单号", "商户退款单号",
                "订单金额", "申请退款金额")  # fmt: skip
_WECHAT_TOTALS = ("总交易单数", "订单总金额", "申请退款总金额")
_ALIPAY_HEAD = ("支付宝交易号", "商户订单号", "业务类型", "完成时间", "订单金额（元）",
                "商家实收（元）", "退款批次号/请求号")  # fmt: skip
_ALIPAY_TOTAL = re.compile(r"#+(交易|退款)合计：(\d+)笔，\D*?(-?\d[\d.]*)元")
_ALIPAY_DAY = re.compile(r"#起始日期：\[(\d{4})年(\d\d)月(\d\d)日")


class Gateway(StrEnum):
    """Whose bill it is; the tender of an order has the same name."""

    WECHAT = "wechat"
    ALIPAY = "alipay"


class Way(StrEnum):
    """Money that came in, or went back."""

    PAYMENT = "payment"
    REFUND = "refund"

    def signed(self, fen: int) -> int:
        """Return fen as they change what came in."""
        return fen if self is Way.PAYMENT else -fen


@dataclass(frozen=True, kw_only=True)
class BillLine:
    """One row of a bill. `fen` is above zero both ways; a payment has no refund's id and number."""

    line: int
    way: Way
    transaction_id: str
    refund_id: str
    order_number: str
    refund_number: str
    fen: int
    at: datetime

    @property
    def key(self) -> tuple[str, str]:
        """What the gateway calls it, once in a bill."""
        return self.transaction_id, self.refund_id


@dataclass(frozen=True, kw_only=True)
class BadLine:
    """A line that cannot be taken, and why."""

    line: int
    zh: str
    en: str


class BadBill(Invalid):
    """The bill is torn, or is none: nothing of it is taken. Says the first lines and why."""

    def __init__(self, lines: Sequence[BadLine]) -> None:
        shown = lines[:_SHOWN]
        more = (f"；共 {len(lines)} 处", f"; {len(lines)} in all") if lines[_SHOWN:] else ("", "")
        super().__init__(
            "bill",
            "；".join(f"第 {each.line} 行：{each.zh}" for each in shown) + more[0],
            "; ".join(f"line {each.line}: {each.en}" for each in shown) + more[1],
        )
        self.lines = lines


class _Torn(Exception):
    """A row that cannot be read."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh = zh
        self.en = en


@dataclass(frozen=True, kw_only=True)
class _Read:
    """What could be read of a bill; `received` are the fen that its totals add up."""

    rows: list[BillLine]
    received: list[int]
    bad: list[BadLine]


_Row = Mapping[str, str]


def read(content: bytes, *, gateway: Gateway, day: date) -> list[BillLine]:
    """Return the rows of a gateway's bill of a business day, in their order.

    Raises:
        BadBill: names every line that is torn, unknown, of another day or twice in the bill; or
            says that the totals are missing or differ.
    """
    if gateway is Gateway.WECHAT:
        lines = _text(content, "utf-8-sig")
        found = _read(_wechat_rows(lines), _WECHAT_HEAD, _wechat_line, day)
        bad = found.bad or _wechat_totals(lines, found)
    else:
        lines = _text(content, "gbk")
        found = _read(_alipay_rows(lines), _ALIPAY_HEAD, _alipay_line, day)
        bad = found.bad or _alipay_totals(lines, found, day)
    bad = [*bad, *_repeated(found.rows)]
    if bad:
        raise BadBill(sorted(bad, key=lambda each: each.line))
    return found.rows


def _read(
    numbered: Iterator[tuple[int, list[str]]],
    head: Sequence[str],
    parse: Callable[[int, _Row], tuple[BillLine, int]],
    day: date,
) -> _Read:
    """Read rows by the names in their head; one that cannot be read is told by its line."""
    found = _Read(rows=[], received=[], bad=[])
    first, names = next(numbered, (1, []))
    missing = "、".join(each for each in head if each not in names)
    if missing:
        found.bad.append(BadLine(line=first, zh=f"缺少列 {missing}", en=f"no column {missing}"))
        return found
    for number, cells in numbered:
        try:
            row, received = parse(number, _named(names, cells))
            _require_day(row, day)
        except _Torn as torn:
            found.bad.append(BadLine(line=number, zh=torn.zh, en=torn.en))
        else:
            found.rows.append(row)
            found.received.append(received)
    return found


def _named(names: Sequence[str], cells: Sequence[str]) -> _Row:
    if len(names) != len(cells):
        raise _Torn(
            f"应有 {len(names)} 列，实有 {len(cells)} 列",
            f"{len(names)} cells are needed, not {len(cells)}",
        )
    return dict(zip(names, cells, strict=True))


def _require_day(row: BillLine, day: date) -> None:
    """Payments stand in the bill of their day; a refund may bear the instant of its payment."""
    if row.way is Way.PAYMENT and business_date(row.at) != day:
        raise _Torn("不是这一天的交易", "not a payment of this day")


def _wechat_rows(lines: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(lines, start=1):
        if line.startswith(_WECHAT_TOTALS[0]):
            return
        if number == 1:
            yield number, [name.strip() for name in line.split(",")]
        elif line.strip():
            yield number, _behind_backticks(line)


def _behind_backticks(line: str) -> list[str]:
    return [cell.strip() for cell in line.removeprefix("`").split(",`")]


def _wechat_line(number: int, row: _Row) -> tuple[BillLine, int]:
    ways = {"SUCCESS": Way.PAYMENT, "REFUND": Way.REFUND, "REVOKED": Way.REFUND}
    way = _way(ways, row["交易状态"])
    fen = _fen(row["订单金额" if way is Way.PAYMENT else "申请退款金额"])
    return _line(
        number,
        way,
        transaction=row["微信订单号"],
        refund=row["微信退款单号"],
        numbers=(row["商户订单号"], row["商户退款单号"]),
        fen=fen,
        at=row["交易时间"],
    ), fen


def _wechat_totals(lines: Sequence[str], found: _Read) -> list[BadLine]:
    for number, line in enumerate(lines, start=1):
        if line.startswith(_WECHAT_TOTALS[0]):
            names = [name.strip() for name in line.split(",")]
            said = _behind_backticks(lines[number]) if number < len(lines) else []
            totals = dict(zip(names, said, strict=False))
            try:
                wanted = [totals.get(name, "") for name in _WECHAT_TOTALS]
                right = (int(wanted[0] or -1), _fen(wanted[1]), _fen(wanted[2])) == (
                    len(found.rows), _sum(found, Way.PAYMENT), _sum(found, Way.REFUND),
                )  # fmt: skip
            except (_Torn, ValueError):
                right = False
            return [] if right else [_differ(number + 1)]
    return [_no_totals(len(lines))]


def _alipay_rows(lines: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(lines, start=1):
        if line.strip() and not line.startswith("#"):
            yield number, _cells(line)


def _cells(line: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line]))]
    except csv.Error:  # A cell without an end; too few cells are refused by their number.
        return []


def _alipay_line(number: int, row: _Row) -> tuple[BillLine, int]:
    way = _way({"交易": Way.PAYMENT, "退款": Way.REFUND}, row["业务类型"])
    return _line(
        number,
        way,
        transaction=row["支付宝交易号"],
        refund=row["退款批次号/请求号"],
        numbers=(row["商户订单号"], row["退款批次号/请求号"]),
        fen=abs(_fen(row["订单金额（元）"])),
        at=row["完成时间"],
    ), abs(_fen(row["商家实收（元）"]))


def _alipay_totals(lines: Sequence[str], found: _Read, day: date) -> list[BadLine]:
    bad = []
    totals: dict[str, tuple[int, int, int]] = {}
    for number, line in enumerate(lines, start=1):
        try:
            _require_begin(line, day)
            total = _ALIPAY_TOTAL.match(line)
            if total:
                totals[total[1]] = number, _count(total[2]), abs(_fen(total[3]))
        except _Torn as torn:
            bad.append(BadLine(line=number, zh=torn.zh, en=torn.en))
    if bad:
        return bad
    for word, way in (("交易", Way.PAYMENT), ("退款", Way.REFUND)):
        if word not in totals:
            return [_no_totals(len(lines))]
        number, count, fen = totals[word]
        if (count, fen) != (sum(row.way is way for row in found.rows), _sum(found, way)):
            bad.append(_differ(number))
    return bad


def _require_begin(line: str, day: date) -> None:
    """The line that says from which day a bill of Alipay is, if it is that one."""
    begins = _ALIPAY_DAY.match(line)
    if begins and "-".join(begins.groups()) != day.isoformat():
        raise _Torn("不是这一天的账单", "a bill of another day")


def _line(
    number: int,
    way: Way,
    *,
    transaction: str,
    refund: str,
    numbers: tuple[str, str],
    fen: int,
    at: str,
) -> BillLine:
    back = way is Way.REFUND
    if not transaction or not numbers[0] or (back and not refund):
        raise _Torn("缺少交易号或订单号", "an id or the order's number is missing")
    if fen <= 0:
        raise _Torn("金额须大于 0", "the amount is not above 0")
    try:
        when = datetime.strptime(" ".join(at.split()) + "+0800", "%Y-%m-%d %H:%M:%S%z")
        when = when.astimezone(SHANGHAI)
    except (ValueError, OverflowError) as error:
        raise _Torn(f"不是时间：{at[:40]}", f"not a time: {at[:40]}") from error
    return BillLine(
        line=number,
        way=way,
        transaction_id=transaction,
        refund_id=refund if back else "",
        order_number=numbers[0],
        refund_number=numbers[1] if back else "",
        fen=fen,
        at=when,
    )


def _way(ways: Mapping[str, Way], said: str) -> Way:
    if said not in ways:
        raise _Torn(f"未知的类型 {said[:40]}", f"an unknown kind {said[:40]}")
    return ways[said]


def _fen(yuan: str) -> int:
    """Turn yuan, as a gateway writes them, into fen: exactly, or not at all."""
    try:
        fen = Decimal(yuan) * 100
    except DecimalException as error:
        raise _Torn(f"不是金额：{yuan[:40]}", f"not an amount: {yuan[:40]}") from error
    # The limit first: what is far above it takes for ever to turn into a whole number.
    if not fen.is_finite() or abs(fen) > _LIMIT_YUAN * 100 or fen != int(fen):
        raise _Torn(f"不是金额：{yuan[:40]}", f"not an amount: {yuan[:40]}")
    return int(fen)


def _count(said: str) -> int:
    try:
        return int(said)
    except ValueError as error:  # More digits than a number may have.
        raise _Torn(f"不是笔数：{said[:40]}", f"not a number of rows: {said[:40]}") from error


def _sum(found: _Read, way: Way) -> int:
    return sum(fen for row, fen in zip(found.rows, found.received, strict=True) if row.way is way)


def _repeated(rows: Sequence[BillLine]) -> list[BadLine]:
    first: dict[tuple[str, str], int] = {}
    return [
        BadLine(
            line=row.line,
            zh=f"与第 {first[row.key]} 行重复",
            en=f"the same as line {first[row.key]}",
        )
        for row in rows
        if first.setdefault(row.key, row.line) != row.line
    ]


def _text(content: bytes, encoding: str) -> list[str]:
    """Turn a bill into lines; a disk that lost its power may have left zeros in the file."""
    zero = content.find(b"\0")
    try:
        if zero < 0:
            return content.decode(encoding).splitlines()
        start = zero
    except UnicodeDecodeError as error:
        start = error.start
    line = content[:start].count(b"\n") + 1
    raise BadBill([BadLine(line=line, zh=f"不是 {encoding} 文本", en=f"not text in {encoding}")])


def _differ(line: int) -> BadLine:
    return BadLine(line=line, zh="与合计不符，账单不完整", en="the totals differ: the bill is torn")


def _no_totals(line: int) -> BadLine:
    return BadLine(line=max(line, 1), zh="没有合计，账单不完整", en="no totals: the bill is torn")
