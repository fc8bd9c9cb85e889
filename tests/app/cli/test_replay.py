"""`plaza replay` shows progress, writes a report and ends with one JSON object."""

import json
import os
import subprocess
import sys
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from app.lab.replay import DISTRICT
from config.database import Database
from config.embedded import wait_until
from config.errors import UnknownDistrict
from config.settings import PROJECT
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


def test_a_replay_with_coupons_says_what_became_of_them(plaza: Plaza) -> None:
    """O5: what was tried is redeemed or refused, and the rest had no basket."""
    figures = plaza.json("replay", "--baskets", "80", "--coupons", "--report", "/dev/null")

    refused = sum(figures["refused"].values())
    assert figures["granted"] > 0
    assert (figures["redeemed"] + refused, figures["no_basket"]) == (1, 2_101)
    assert (figures["audit"], figures["trial_balance"]) == ("ok", 0)
    assert "--http" in plaza.refused("replay", "--baskets", "5", "--coupons", "--http")


def test_finishing_a_replay_by_another_plan_is_refused(plaza: Plaza) -> None:
    plaza("replay", "--baskets", "20", "--report", "/dev/null")

    assert "--resume" in plaza.refused(
        "replay", "--baskets", "21", "--resume", "--report", "/dev/null"
    )


def test_a_replay_whose_head_was_killed_leaves_no_process_and_ends_as_if_undisturbed(
    plaza: Plaza, database: Database, tmp_path: Path
) -> None:
    words = ["replay", "--baskets", "400", "--report", str(tmp_path / "replay.html")]
    undisturbed = plaza.json(*words)
    with subprocess.Popen(
        [sys.executable, "-m", "app.cli", *words],
        cwd=PROJECT,
        env={**os.environ, **plaza.environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as killed:
        assert wait_until(lambda: 0 < _orders(database) < 390, seconds=240)
        children = _children(killed.pid)
        killed.kill()

    resumed = plaza.json(*words, "--resume")

    assert len(children) >= 2
    assert wait_until(lambda: not any(map(_alive, children)), seconds=10)
    assert resumed["digest"] == undisturbed["digest"]
    assert resumed["outstanding"] == undisturbed["outstanding"]


def test_a_replay_over_http_that_was_killed_ends_as_one_in_process(
    plaza: Plaza, database: Database, tmp_path: Path
) -> None:
    words = ["replay", "--baskets", "300", "--report", str(tmp_path / "replay.html")]
    undisturbed = plaza.json(*words)
    over_http = [*words, "--http", "--tills", "3"]
    with subprocess.Popen(
        [sys.executable, "-m", "app.cli", *over_http],
        cwd=PROJECT,
        env={**os.environ, **plaza.environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as killed:
        assert wait_until(lambda: 20 < _orders(database) < 280, seconds=90)
        children = _children(killed.pid)
        killed.kill()

    resumed = plaza.json(*over_http, "--resume")

    assert children
    assert wait_until(lambda: not any(map(_alive, children)), seconds=30)
    assert resumed["digest"] == undisturbed["digest"]
    assert resumed["outstanding"] == undisturbed["outstanding"]


def test_a_server_that_is_not_there_ends_a_replay_with_words(plaza: Plaza) -> None:
    said = plaza.refused(
        "replay", "--baskets", "5", "--http", "--url", "http://127.0.0.1:1", "--report", "/dev/null"
    )

    assert "--resume" in said


def _orders(database: Database) -> int:
    try:
        with database.transaction(DISTRICT, read_only=True) as session:
            return session.scalar(text('SELECT count(*) FROM "order"')) or 0
    except (UnknownDistrict, ProgrammingError):  # Being dropped, not made anew yet.
        return 0


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()
