"""The expiry bench in its short form: it runs, and its books are proved."""

import json

from tests.app.cli.conftest import Plaza
from tests.app.cli.conftest import plaza as plaza_fixture

plaza = plaza_fixture


def test_the_short_bench_of_expiry_runs_and_ends_with_its_ratios(plaza: Plaza) -> None:
    figures = json.loads(plaza("bench", "expiry", "--short", "--json").splitlines()[-1])["expiry"]

    assert figures["alone"] > 0
    assert figures["sales_beside"] > 0
    assert figures["longest_sale_ms"] > 0
