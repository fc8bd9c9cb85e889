"""Semantics 38, 39: a till keeps its numbers and its unanswered write over any crash."""

import base64
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.pos.desk import BadSecret, read_secret
from config.embedded import wait_until
from config.settings import PROJECT
from tests.app.cli.conftest import Plaza
from tests.app.cli.pos.conftest import SetUp, Terminal
from tests.clients.python.network import Network
from tests.clients.python.worlds import World


def test_a_number_is_never_used_twice(till: Terminal) -> None:
    """A refusal uses its number up; a new profile of another terminal has a series of its own."""
    first = till.json("sell", "--line", "5")["number"]
    till.refused("sell", "--line", "5", "--pay", "cash=4")
    second = till.json("sell", "--line", "5")["number"]

    series, _, count = first.rpartition("-")
    assert (series[:3], len(series), count) == ("T1-", 7, "000001")
    assert second == f"{series}-000003"


def test_what_a_till_keeps_is_for_its_owner_alone(till: Terminal, world: World) -> None:
    till("sell", "--line", "5", "--phone", world.phone)
    till("offline", "--line", "5", "--phone", world.phone)

    kept = [path for path in till.profile.parent.iterdir() if path.name.startswith("till.")]

    assert len(kept) >= 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}


def test_a_sale_without_an_answer_is_settled_before_the_next_one(
    set_up: SetUp, line: Network, world: World
) -> None:
    till = set_up(line.base_url)
    known = till.json("identify", "--phone", world.phone)["identification_id"]
    line.faults.extend(["lost"] * 50)
    status, said = till.run("sell", "--line", "70", "--identification", known)
    assert status == 3
    assert "plaza pos repeat" in said
    line.faults.clear()

    said = till("sell", "--line", "30", "--phone", world.phone)

    before, _, now = said.partition("\n\n")
    assert "上一笔当时没有应答" in before
    assert "¥70.00" in before
    assert "000001" in before
    assert "¥30.00" in now
    assert world.points() == 100


def test_a_question_without_an_answer_did_nothing(set_up: SetUp, line: Network) -> None:
    till = set_up(line.base_url)
    line.faults.extend(["refused"] * 50)

    status, said = till.run("totals")
    error = till.run("totals", "--json")[1]

    assert (status, "什么也没做" in said) == (3, True)
    assert '"code": "no-answer"' in error
    assert not json.loads(till.beside("numbers.json").read_text(encoding="utf-8"))["write"]


def test_a_till_that_was_killed_repeats_what_it_had_sent(
    set_up: SetUp, line: Network, world: World
) -> None:
    till = set_up(line.base_url)
    known = till.json("identify", "--phone", world.phone)["identification_id"]
    line.faults.extend(["lost"] * 1000)
    with subprocess.Popen(
        [sys.executable, "-m", "app.cli",
         *till.arguments("sell", "--line", "70", "--identification", known)],
        cwd=PROJECT,
        env={**os.environ, **till.plaza.environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as killed:  # fmt: skip
        assert wait_until(lambda: world.points() == 70, seconds=30)
        killed.kill()
    line.faults.clear()

    said = till("repeat")

    assert "此前已完成" in said
    assert world.points() == 70
    assert "没有待查明的一笔" in till("repeat")


def test_a_write_that_was_refused_after_all_is_told_and_forgotten(
    set_up: SetUp, line: Network, world: World
) -> None:
    till = set_up(line.base_url)
    line.faults.extend(["lost"] * 50)
    assert till.run("sell", "--line", "50", "--pay", "cash=49")[0] == 3
    line.faults.clear()

    said = till("repeat")

    assert "应付 ¥50.00" in said
    assert till.json("repeat") == {"waited": False}


def test_setting_up_tries_the_key_and_keeps_nothing_that_is_refused(
    plaza: Plaza, base_url: str, world: World, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text(base64.b64encode(bytes(32)).decode(), encoding="utf-8")
    till = Terminal(plaza=plaza, profile=tmp_path / "till.json")

    said = till.refused(
        "setup", "--url", base_url, "--key-id", world.key.key_id, "--secret-file", str(secret),
        "--cashier", "007",
    )  # fmt: skip

    assert "bad-signature" in said
    assert not till.profile.exists()
    assert "plaza pos setup" in till.refused("sell", "--line", "5")


def test_a_till_is_set_up_without_a_network_and_sells_offline(
    set_up: SetUp, line: Network, world: World
) -> None:
    line.faults.extend(["refused"] * 100)
    till = set_up(line.base_url)

    assert "OFFLINE SALE" in till("offline", "--line", "5")


def test_a_till_with_sales_that_wait_does_not_become_another(
    till: Terminal, base_url: str, world: World, tmp_path: Path
) -> None:
    till("offline", "--line", "5")
    words = ["setup", "--url", base_url, "--key-id", world.key.key_id, "--secret-file",
             str(tmp_path / "secret.txt"), "--cashier", "008"]  # fmt: skip

    assert "plaza pos upload" in till.refused(*words, "--terminal", "T2")
    till(*words)  # Another cashier at the same terminal goes on with its numbers.

    numbers = json.loads(till.beside("numbers.json").read_text(encoding="utf-8"))
    assert numbers["last"] == 1


@pytest.mark.parametrize("text", ["", "abc", "é", base64.b64encode(bytes(31)).decode()])
def test_a_file_without_a_secret_is_refused(text: str) -> None:
    with pytest.raises(BadSecret):
        read_secret(text)
