"""Small plots as SVG text: lines over days or months, a histogram, bars, a heat map.

No script, no network.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape

WIDTH, HEIGHT = 880, 240
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 12, 26
INK, WARM = "#2f6f9f", "#c2622d"

_CELL_WIDTH, _CELL_HEIGHT = 54, 20
_NAMES = 96  # the width of the names of rows
_BUCKETS = 50
_GRID_LINES = 4
_SHORT_DAYS = 62


@dataclass(frozen=True, kw_only=True)
class Series:
    """One line of a plot: its name in both languages, its colour, a value for each day."""

    name: str
    values: Sequence[int]
    colour: str = INK


@dataclass(frozen=True, kw_only=True)
class Range:
    """An area between two lines of a plot over months; None where there is none."""

    name: str
    low: Sequence[int | None]
    middle: Sequence[int | None]
    high: Sequence[int | None]
    colour: str = WARM


def days(labels: Sequence[date], series: Sequence[Series], *, filled: bool = False) -> str:
    """Draw values over days, months (weeks of a short time) below; several lines get a legend."""
    if not labels:
        return _nothing()
    top = _round_up(max([1, *(value for each in series for value in each.values)]))
    spots = [_across(index, max(len(labels) - 1, 1)) for index in range(len(labels))]
    drawn = "".join(_line(spots, each, top, filled=filled) for each in series)
    return _legend(series) + _frame(top, drawn, _calendar(labels, spots))


def months(labels: Sequence[date], series: Sequence[Series], ranges: Sequence[Range]) -> str:
    """Draw values at the ends of months, and ranges around a line where they are known."""
    if not labels:
        return _nothing()
    tops = [value for each in series for value in each.values]
    tops += [value for each in ranges for value in each.high if value is not None]
    top = _round_up(max([1, *tops]))
    spots = [_across(index, max(len(labels) - 1, 1)) for index in range(len(labels))]
    drawn = "".join(_line(spots, each, top, filled=False) for each in series)
    drawn += "".join(_range(spots, each, top) for each in ranges)
    return _legend([*series, *ranges]) + _frame(
        top,
        drawn,
        [(x, _month(day, first=day == labels[0])) for x, day in zip(spots, labels, strict=True)],
    )


def heat(
    rows: Sequence[str],
    columns: Sequence[str],
    values: Mapping[tuple[str, str], int],
    *,
    darkest: int,
) -> str:
    """Draw numbers by row and column, the darker the larger, up to `darkest`; cells say theirs."""
    if not rows or not columns:
        return _nothing()
    top = max(darkest, 1)
    width = _NAMES + _CELL_WIDTH * len(columns) + RIGHT
    height = _CELL_HEIGHT * (len(rows) + 1)
    names = "".join(
        f'<text x="{_NAMES + _CELL_WIDTH * (at + 0.5):.0f}" y="14" text-anchor="middle">'
        f"{escape(name)}</text>"
        for at, name in enumerate(columns)
    )
    drawn = "".join(
        f'<text x="{_NAMES - 8}" y="{_CELL_HEIGHT * (down + 1) + 14}" text-anchor="end">'
        f"{escape(row)}</text>"
        + "".join(
            _cell(values.get((row, column), 0), top, across, down)
            for across, column in enumerate(columns)
        )
        for down, row in enumerate(rows)
    )
    return f'<svg role="img" viewBox="0 0 {width} {height}">{names}{drawn}</svg>'


def histogram(values: Sequence[float], *, upto: float, marks: Sequence[tuple[str, float]]) -> str:
    """Draw how often values fall where, up to a value beyond which there are few; marks named."""
    if not values:
        return _nothing()
    counts = [0] * _BUCKETS
    for value in values:
        if value <= upto:
            counts[min(int(value / upto * _BUCKETS), _BUCKETS - 1)] += 1
    top = _round_up(max(1, *counts))
    wide = (WIDTH - LEFT - RIGHT) / _BUCKETS
    bars = "".join(
        f'<rect x="{LEFT + index * wide + 0.5:.1f}" y="{_up(count, top):.1f}" '
        f'width="{wide - 1:.1f}" height="{HEIGHT - BOTTOM - _up(count, top):.1f}" fill="{INK}"/>'
        for index, count in enumerate(counts)
    )
    lines = "".join(_mark(name, value, upto) for name, value in marks if value <= upto)
    step = _round_up(upto / 8)
    ticks = [(_across(n * step, upto), f"{n * step:g}") for n in range(int(upto / step) + 1)]
    return _frame(top, bars + lines, ticks)


def bar(value: int, top: int) -> str:
    """Draw a number as a bar for a table, one below zero in another colour."""
    wide = 320 * abs(value) // max(top, 1)
    colour = INK if value >= 0 else WARM
    return (
        f'<svg class="bar" width="320" height="14">'
        f'<rect width="{wide}" height="14" rx="2" fill="{colour}"/></svg>'
    )


def _line(spots: Sequence[float], series: Series, top: float, *, filled: bool) -> str:
    corners = [
        f"{x:.1f},{_up(value, top):.1f}" for x, value in zip(spots, series.values, strict=True)
    ]
    points = " ".join(corners)
    base = HEIGHT - BOTTOM
    area = (
        f'<polygon points="{spots[0]:.1f},{base} {points} {spots[-1]:.1f},{base}" '
        f'fill="{series.colour}" opacity=".15"/>'
        if filled
        else ""
    )
    return (
        f'{area}<polyline points="{points}" fill="none" stroke="{series.colour}" '
        'stroke-width="1.5" stroke-linejoin="round"/>'
    )


def _range(spots: Sequence[float], drawn: Range, top: float) -> str:
    known = [
        (x, low, middle, high)
        for x, low, middle, high in zip(spots, drawn.low, drawn.middle, drawn.high, strict=True)
        if low is not None and middle is not None and high is not None
    ]
    there = [f"{x:.1f},{_up(high, top):.1f}" for x, _, _, high in known]
    back = [f"{x:.1f},{_up(low, top):.1f}" for x, low, _, _ in reversed(known)]
    line = " ".join(f"{x:.1f},{_up(middle, top):.1f}" for x, _, middle, _ in known)
    return (
        f'<polygon points="{" ".join([*there, *back])}" fill="{drawn.colour}" opacity=".2"/>'
        f'<polyline points="{line}" fill="none" stroke="{drawn.colour}" stroke-width="1.5"/>'
    )


def _cell(value: int, top: int, across: int, down: int) -> str:
    x, y = _NAMES + _CELL_WIDTH * across, _CELL_HEIGHT * (down + 1)
    colour = INK if value >= 0 else WARM
    return (
        f'<rect x="{x}" y="{y}" width="{_CELL_WIDTH - 1}" height="{_CELL_HEIGHT - 1}" '
        f'fill="{colour}" fill-opacity="{min(abs(value) / top, 1) * 0.8:.3f}"/>'
        f'<text x="{x + _CELL_WIDTH / 2:.0f}" y="{y + 14}" text-anchor="middle">{value:,}</text>'
    )


def _month(day: date, *, first: bool) -> str:
    return f"{day:%Y-%m}" if first or day.month == 1 else f"{day:%m}"


def _calendar(labels: Sequence[date], spots: Sequence[float]) -> list[tuple[float, str]]:
    if len(labels) < _SHORT_DAYS:
        return [(x, f"{day:%m-%d}") for x, day in list(zip(spots, labels, strict=True))[::7]]
    return [
        (x, f"{day:%m}" if day.month > 1 else f"{day:%Y}")
        for x, day in zip(spots, labels, strict=True)
        if day.day == 1
    ]


def _frame(top: float, drawn: str, ticks: Sequence[tuple[float, str]]) -> str:
    base = HEIGHT - BOTTOM
    rows = [top * n / _GRID_LINES for n in range(_GRID_LINES + 1)]
    grid = "".join(
        f'<line x1="{LEFT}" y1="{_up(row, top):.1f}" x2="{WIDTH - RIGHT}" y2="{_up(row, top):.1f}" '
        f'class="grid"/><text x="{LEFT - 8}" y="{_up(row, top) + 4:.1f}" '
        f'text-anchor="end">{row:,.10g}</text>'
        for row in rows
    )
    below = "".join(
        f'<line x1="{x:.1f}" y1="{base}" x2="{x:.1f}" y2="{base + 4}" class="tick"/>'
        f'<text x="{x:.1f}" y="{base + 18}" text-anchor="middle">{escape(label)}</text>'
        for x, label in ticks
    )
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{grid}{drawn}{below}</svg>'


def _mark(name: str, value: float, upto: float) -> str:
    x = _across(value, upto)
    late = value > upto / 2
    return (
        f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}" stroke="{WARM}" '
        f'stroke-dasharray="4 3"/><text x="{x - 4 if late else x + 4:.1f}" y="{TOP + 10}" '
        f'text-anchor="{"end" if late else "start"}" class="mark">{escape(name)}</text>'
    )


def _legend(series: Sequence[Series | Range]) -> str:
    if len(series) < 2:
        return ""
    names = "　".join(
        f'<span style="color:{each.colour}">■</span> {escape(each.name)}' for each in series
    )
    return f'<p class="legend">{names}</p>'


def _across(part: float, whole: float) -> float:
    return LEFT + part / whole * (WIDTH - LEFT - RIGHT)


def _up(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - value / top * (HEIGHT - BOTTOM - TOP)


def _round_up(value: float) -> float:
    """Return the next number that reads well on an axis: 1, 2, 4 or 8 of a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 8, 10) if value <= step * power)


def _nothing() -> str:
    return "<p>没有数据 / nothing to show</p>"
