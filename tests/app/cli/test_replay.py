"""`plaza replay` shows progress, writes a report and ends with one JSON object."""

import json
from pathlib import Path

from tests.app.cli.conftest import Plaza


def test_a_replay_ends_with_its_figures_and_a_report(plaza: Plaza, tmp_path: Path) -> None:
    report = tmp_path / "replay.html"

    printed = plaza("replay", "--baskets", "60", "--report", str(report), "--json")

    figures = json.loads(printed.splitlines()[-1])
    assert list(figures) == [
        "baskets", "lines", "members", "merchants", "net_fen", "earned", "burned",
        "refunded_fen", "clawed_back", "outstanding", "trial_balance", "audit", "seconds",
        "orders_per_second", "digest",
    ]  # fmt: skip
    assert (figures["baskets"], figures["audit"], figures["trial_balance"]) == (60, "ok", 0)
    page = report.read_text(encoding="utf-8")
    assert page.count("<svg") >= 4
    assert "积分负债" in page


def test_finishing_a_replay_by_another_plan_is_refused(plaza: Plaza) -> None:
    plaza("replay", "--baskets", "20", "--report", "/dev/null")

    assert "--resume" in plaza.refused(
        "replay", "--baskets", "21", "--resume", "--report", "/dev/null"
    )
