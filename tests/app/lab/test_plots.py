"""Plots are well-formed SVG whose values stand where the axis says."""

import re
from datetime import date, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest

from app.lab import plots
from app.lab.plots import Range, Series
from app.lab.report import INVARIANTS
from config.settings import PROJECT

DAYS = [date(2017, 1, 1) + timedelta(days=number) for number in range(90)]


def test_days_are_drawn_with_their_months_and_a_legend_for_two_lines() -> None:
    both = [
        Series(name="发放 <earned>", values=list(range(90))),
        Series(name="抵扣 burned", values=[0] * 90, colour=plots.WARM),
    ]

    legend, svg = plots.days(DAYS, both).split("<svg", 1)

    drawn = ElementTree.fromstring("<svg" + svg)
    assert [each.text for each in drawn.iter("text")][-3:] == ["2017", "02", "03"]
    assert len(list(drawn.iter("polyline"))) == 2
    assert "&lt;earned&gt;" in legend
    assert plots.days(DAYS, both[:1]).startswith("<svg")


def test_a_short_time_is_marked_by_weeks() -> None:
    svg = ElementTree.fromstring(plots.days(DAYS[:15], [Series(name="x", values=[1] * 15)]))

    assert [each.text for each in svg.iter("text")][-3:] == ["01-01", "01-08", "01-15"]


def test_the_highest_value_stays_under_the_top_of_the_axis() -> None:
    svg = ElementTree.fromstring(plots.days(DAYS, [Series(name="x", values=[643] * 90)]))

    (line,) = svg.iter("polyline")
    heights = {float(spot.split(",")[1]) for spot in line.attrib["points"].split()}
    assert "800" in [each.text for each in svg.iter("text")]
    assert all(plots.TOP < height < plots.HEIGHT - plots.BOTTOM for height in heights)


def test_a_histogram_counts_every_value_up_to_its_edge() -> None:
    svg = ElementTree.fromstring(
        plots.histogram([1.0] * 3 + [9.9] * 2 + [50.0], upto=10, marks=[("p50 1.0 ms", 1.0)])
    )

    heights = [float(each.attrib["height"]) for each in svg.iter("rect")]
    assert sorted(height > 0 for height in heights).count(True) == 2
    assert "p50 1.0 ms" in [each.text for each in svg.iter("text")]


@pytest.mark.parametrize("value", [5, -5])
def test_a_bar_is_as_long_as_its_share_whatever_its_sign(value: int) -> None:
    svg = ElementTree.fromstring(plots.bar(value, 10))

    assert [each.attrib["width"] for each in svg.iter("rect")] == ["160"]


def test_nothing_is_said_to_be_nothing() -> None:
    assert "nothing to show" in plots.days([], [])
    assert "nothing to show" in plots.histogram([], upto=1, marks=[])


def test_the_report_names_every_invariant_that_the_audit_checks() -> None:
    source = Path(PROJECT, "ledger/invariants.sql").read_text(encoding="utf-8")
    whole_audit = source.split("ledger_audit_recent")[0]

    assert set(re.findall(r"SELECT '([a-z ]{12,})',", whole_audit)) == set(INVARIANTS)


def test_months_draw_a_range_only_where_it_is_known() -> None:
    ends = [date(2017, 1, 31), date(2017, 2, 28), date(2017, 3, 31)]
    known = Range(name="预计", low=[None, 10, 20], middle=[None, 20, 30], high=[None, 40, 50])

    legend, svg = plots.months(ends, [Series(name="x", values=[70, 80, 90])], [known]).split(
        "<svg", 1
    )

    drawn = ElementTree.fromstring("<svg" + svg)
    (area,) = drawn.iter("polygon")
    assert [each.text for each in drawn.iter("text")][-3:] == ["2017-01", "02", "03"]
    assert len(area.attrib["points"].split()) == 4
    assert [len(each.attrib["points"].split()) for each in drawn.iter("polyline")] == [3, 2]
    assert "预计" in legend
    assert "nothing to show" in plots.months([], [], [])


def test_a_heat_map_is_darkest_where_most_is_and_says_each_number() -> None:
    svg = ElementTree.fromstring(
        plots.heat(
            ["a", "其他 <others>"],
            ["b"],
            {("a", "b"): 1_500, ("其他 <others>", "b"): -250},
            darkest=1_000,
        )
    )

    cells = list(svg.iter("rect"))
    assert [float(each.attrib["fill-opacity"]) for each in cells] == [0.8, 0.2]
    assert [each.attrib["fill"] for each in cells] == [plots.INK, plots.WARM]
    assert [each.text for each in svg.iter("text")] == ["b", "a", "1,500", "其他 <others>", "-250"]
    assert "nothing to show" in plots.heat([], [], {}, darkest=0)
