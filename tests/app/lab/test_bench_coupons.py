"""The coupon bench in its short form: it runs, and leaves nothing behind."""

from tests.app.cli.conftest import Plaza
from tests.app.cli.conftest import plaza as plaza_fixture

plaza = plaza_fixture


def test_the_short_bench_of_coupons_runs_and_ends_with_its_figures(plaza: Plaza) -> None:
    figures = plaza.json("bench", "coupons", "--short")["coupons"]

    assert list(figures) == [
        "quote_median_ms", "quote_p99_ms", "codes", "codes_grown_mb", "hot_batch", "offers"
    ]  # fmt: skip
    assert figures["quote_p99_ms"] >= figures["quote_median_ms"] > 0
    assert figures["codes"] > 0
    assert figures["hot_batch"] > 0
    assert figures["offers"] > 0
    assert not {"bench-coupons", "bench-claims"} & set(plaza("district", "list").split())
