"""The guide from an empty shell: its blocks run as they stand, in bash with curl (P4)."""

import json
import re
import subprocess
from collections.abc import Iterator

import pytest

from config.settings import PROJECT, Settings
from tests.serving import served

pytestmark = pytest.mark.vendor


@pytest.fixture(scope="module")
def base_url(settings: Settings, sandbox: str) -> Iterator[str]:
    with served(settings) as address:
        yield address


def test_a_newcomer_sells_burns_refunds_and_reads_the_totals(base_url: str) -> None:
    text = (PROJECT / "docs/api.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
    script = "\n".join(blocks).replace("http://127.0.0.1:8000", base_url)

    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    assert done.returncode == 0, done.stderr
    assert len(blocks) == 5
    first, again, back, totals = answers
    assert first == again
    assert (first["state"], first["earned_points"]) == ("paid", 128)
    assert (back["fen"], back["points_fen"]) == (6_400, 50)
    assert totals["terminal_id"] == "T1"
    assert totals["cashiers"][0]["orders"] >= 2
