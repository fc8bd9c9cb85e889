"""`plaza bench` in its short form: every part runs, the books are proved, one object is printed."""

import json

import pytest

from app.cli.bench import SLICE
from app.lab import replay, seed
from app.lab.bench import LEDGER
from app.lab.replay import Plan
from config.settings import Settings
from tests.app.cli.conftest import Plaza


@pytest.fixture
def year(settings: Settings) -> None:
    """The district of a replay with as many sales as the short form asks for, from dice."""
    plan = Plan(baskets=SLICE, seed=1, burn_share=0.05, refund_share=0.03)
    sold = seed.made_up(SLICE)
    replay.open_district(settings, sold, plan)
    replay.work(settings, replay.events(sold, plan), lambda: None)


def test_the_short_bench_runs_every_part_and_ends_with_its_ratios(plaza: Plaza, year: None) -> None:
    printed = plaza("bench", "--short", "--json").splitlines()

    figures = json.loads(printed[-1])
    assert list(figures) == ["tpcb_like_tps", "ledger", "sale", "proofs", "settle", "expiry"]
    assert tuple(figures["ledger"]) == LEDGER
    assert list(figures["sale"]) == ["in_process", "round_trips", "after_year"]
    assert figures["tpcb_like_tps"] > 0
    assert all(ratio > 0 for ratio in figures["ledger"].values())
    assert all(ratio > 0 for ratio in figures["sale"].values())
    assert figures["sale"]["round_trips"] <= 12
    assert list(figures["proofs"]) == ["seal", "beside", "verify"]
    assert all(figure > 0 for figure in figures["proofs"].values())
    assert figures["settle"]["close"] > 0
    assert figures["expiry"]["alone"] > 0
    assert printed.count("✔ 账目无误 / the books are sound") == 3
    assert "bench" not in plaza("district", "list").split()


def test_the_short_bench_of_a_close_ends_with_its_ratios(plaza: Plaza) -> None:
    figures = json.loads(plaza("bench", "settle", "--short", "--json").splitlines()[-1])

    assert list(figures["settle"]) == [
        "close", "close_and_marks", "close_seconds", "aggregate_seconds"
    ]  # fmt: skip
    assert all(figure > 0 for figure in figures["settle"].values())
    assert "bench-settle" not in plaza("district", "list").split()
    shown = plaza("bench", "settle", "--short").splitlines()
    assert [line.split()[1] for line in shown if "demand ≤ 4" in line] == ["close"]
