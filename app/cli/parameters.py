"""Values that several commands take: rates, instants, lines of a basket, money in yuan."""

from datetime import UTC, date, datetime
from fractions import Fraction

import click

from app.checkout.baskets import ALL_POINTS, BasketLine, Tender
from app.clock import day_start
from app.members.arrivals import ChannelName
from app.points.policy import Activity


class Rate(click.ParamType[Fraction]):
    """An exact rate: 1, 0.9 or 2/3."""

    name = "RATE"

    def convert(
        self, value: str | Fraction, param: click.Parameter | None, ctx: click.Context | None
    ) -> Fraction:
        try:
            return Fraction(value)
        except (ValueError, ZeroDivisionError):
            self.fail(f"不是分数：{value} / not a fraction: {value}", param, ctx)


class Activities(click.ParamType[list[str]]):
    """Activities of members, such as purchase,check_in."""

    name = ",".join(Activity)

    def convert(
        self, value: str | list[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> list[str]:
        named = value.split(",") if isinstance(value, str) else value
        if not named or not set(named) <= set(Activity):
            self.fail(f"只能是 {self.name} / only {self.name}", param, ctx)
        return sorted(set(named))


class Instant(click.ParamType[datetime]):
    """An instant with its offset (2026-12-01T10:00+08:00), or a business day, from its beginning.

    A time without an offset is refused: nobody can tell which instant is meant.
    """

    name = "INSTANT"

    def convert(
        self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return parse_instant(value)
        except ValueError:
            self.fail(
                f"不是时刻：{value}；应为 2026-12-01 或 2026-12-01T10:00+08:00（须带时区） / "
                f"not an instant: {value}; like 2026-12-01 or 2026-12-01T10:00+08:00 "
                "(with its offset)",
                param,
                ctx,
            )


class DayOrInstant(click.ParamType[date | datetime]):
    """A business day, meant to its end, or an instant with its offset: a look back stands there."""

    name = "DAY|INSTANT"

    def convert(
        self, value: str | date, param: click.Parameter | None, ctx: click.Context | None
    ) -> date | datetime:
        if isinstance(value, date):
            return value
        try:
            if len(value) == len("2026-12-01"):
                return date.fromisoformat(value)
            return parse_instant(value)
        except ValueError:
            self.fail(
                f"应为 2026-12-01（当日结束）或 2026-12-01T10:00+08:00（须带时区）：{value} / "
                f"wanted: 2026-12-01 (its end) or 2026-12-01T10:00+08:00 (with offset): {value}",
                param,
                ctx,
            )


class Yuan(click.ParamType[int]):
    """Yuan with at most two decimals, a minus sign in front where it goes the other way."""

    name = "YUAN"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        if isinstance(value, int):
            return value
        try:
            return fen_of(value)
        except ValueError:
            self.fail(f"不是金额：{value} / not an amount: {value}", param, ctx)


class Line(click.ParamType[BasketLine]):
    """PRICE[xQUANTITY][:CATEGORY[:NAME[:MERCHANT]]], such as 64.25x2:food:拉面, two at ¥64.25."""

    name = "PRICE[xN][:CATEGORY[:NAME[:MERCHANT]]]"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> BasketLine:
        amount, *words = value.split(":")
        price, _, quantity = amount.partition("x")
        try:
            fen = fen_of(price)
            count = int(quantity or 1)
        except ValueError:
            self.fail("应为 单价x数量 / wanted: PRICE or PRICExQUANTITY", param, ctx)
        category, name, merchant = [*words, "", "", ""][:3]
        return BasketLine(
            sku=name or category or "item",
            name=name or category or "商品",
            category=category or "general",
            amount_fen=fen * count,
            quantity=count,
            merchant=merchant or None,
        )


class PaidBy(click.ParamType[Tender]):
    """NAME=YUAN, such as wechat=99.00."""

    name = "NAME=YUAN"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> Tender:
        name, _, amount = value.partition("=")
        try:
            return Tender(name=name, fen=fen_of(amount))
        except ValueError:
            self.fail("应为 支付方式=金额 / wanted: NAME=YUAN", param, ctx)


class PointsOrAll(click.ParamType[int]):
    """A number of points, or `all`."""

    name = "POINTS|all"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        if value == "all":
            return ALL_POINTS
        try:
            return int(value)
        except ValueError:
            self.fail("应为积分数或 all / wanted: a number or `all`", param, ctx)


class Channel(click.ParamType[ChannelName]):
    """CHANNEL:APP:ID, such as wechat:wxapp1:oABC."""

    name = "CHANNEL:APP:ID"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> ChannelName:
        channel, _, rest = value.partition(":")
        app_id, _, identity = rest.partition(":")
        if not identity:
            self.fail("应为 渠道:应用:标识 / wanted: CHANNEL:APP:ID", param, ctx)
        return ChannelName(channel=channel, app_id=app_id, identity=identity)


def parse_instant(written: str) -> datetime:
    """Return the instant of an ISO text with offset, or the beginning of a business day, in UTC.

    Raises:
        ValueError: neither of them.
    """
    if len(written) == len("2026-12-01"):
        return day_start(date.fromisoformat(written))
    instant = datetime.fromisoformat(written)
    if instant.utcoffset() is None:
        raise ValueError(f"no offset: {written}")
    return instant.astimezone(UTC)


def fen_of(yuan: str) -> int:
    """Return yuan as written (at most two decimals) in fen, exactly.

    Raises:
        ValueError: not such a number.
    """
    whole, _, part = yuan.strip().partition(".")
    if not whole.lstrip("-").isdigit() or len(part) > 2 or (part and not part.isdigit()):
        raise ValueError(yuan)
    sign = -1 if whole.startswith("-") else 1
    return int(whole) * 100 + sign * int(part.ljust(2, "0"))
