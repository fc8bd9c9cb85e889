"""Values that several commands take: exact rates, instants with their offset."""

from datetime import UTC, date, datetime
from fractions import Fraction

import click

from app.clock import day_start
from app.members.arrivals import ChannelName


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
