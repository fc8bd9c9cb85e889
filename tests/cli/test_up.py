"""`plaza up`: one start, kills of its parts and of itself, and a start again (G1, G6, E01, E02)."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import main
from config import servers
from config.keeper import locked

PROJECT = Path(__file__).parents[2]
START_SECONDS = 180  # Beside other tests; how fast it is stands elsewhere.


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with `.env` and data of its own, as a fresh clone would have."""
    made = tmp_path_factory.mktemp("plaza")
    yield made
    shutil.rmtree((made / ".plaza").resolve(), ignore_errors=True)


@pytest.fixture(scope="module")
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def up(folder: Path, port: int) -> Iterator[Callable[[], "subprocess.Popen[bytes]"]]:
    """Starts a supervisor; one that a failed test leaves would hold up those after it for ever."""
    started = []

    def start() -> "subprocess.Popen[bytes]":
        started.append(_up(folder, port))
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.wait()


def test_it_serves_and_comes_back_whatever_is_killed(
    folder: Path, port: int, up: Callable[[], "subprocess.Popen[bytes]"]
) -> None:
    first = up()
    assert _within(START_SECONDS, lambda: _ready(port)), _output(folder)
    created = _plaza(folder, "district", "create", "kept", "--name", "留存")
    assert "pk_sandbox_PUBLISHED" in _output(folder)

    for part in ("gunicorn", "app.tasks worker"):
        _kill_child(first.pid, part)
        assert _within(30, lambda: _ready(port)), part

    family = _family(first.pid)
    first.kill()
    first.wait()
    assert _within(30, lambda: not any(_command(pid) for pid in family)), "left behind"

    again = up()
    assert _within(START_SECONDS, lambda: _ready(port)), _output(folder)
    listed = _plaza(folder, "district", "list")
    family = _family(again.pid)
    again.send_signal(signal.SIGINT)
    assert again.wait(60) == 0
    assert not any(_command(pid) for pid in family)

    assert created.returncode == 0, created.stderr
    assert "kept 留存" in listed.stdout
    assert (folder / ".env").stat().st_mode & 0o777 == 0o600


def test_a_busy_port_says_what_to_do(folder: Path, port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        refused = _plaza(folder, "up", PLAZA_PORT=str(port))

    assert refused.returncode == 1
    assert f"端口 {port} 已被占用" in refused.stderr
    assert f"PLAZA_PORT={port + 1}" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_second_supervisor_is_refused(folder: Path) -> None:
    home = servers.home_of(folder)
    with locked(home / "up.lock"):
        refused = _plaza(folder, "up")

    assert refused.returncode == 1
    assert "already runs" in refused.stderr


def test_a_setting_nobody_knows_is_refused_before_anything_starts(tmp_path: Path) -> None:
    refused = _plaza(tmp_path, "up", PLAZA_PROT="8001")
    started = (tmp_path / ".plaza" / "postgres").exists()
    shutil.rmtree((tmp_path / ".plaza").resolve(), ignore_errors=True)

    assert refused.returncode == 1
    assert "PLAZA_PROT：没有这个设置" in refused.stderr
    assert not started


def test_too_little_free_disk_is_told_before_anything_starts(tmp_path: Path) -> None:
    refused = _plaza(tmp_path, "up", PLAZA_MIN_FREE_MB="1000000000")
    started = (tmp_path / ".plaza" / "postgres").exists()
    shutil.rmtree((tmp_path / ".plaza").resolve(), ignore_errors=True)

    assert refused.returncode == 1
    assert "磁盘空间不足" in refused.stderr
    assert "1000000000 MB are needed" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not started


def test_a_misused_command_ends_with_status_2(folder: Path) -> None:
    runner = CliRunner(env={"PLAZA_FOLDER": str(folder)})

    assert runner.invoke(main, ["district", "create"]).exit_code == 2
    assert runner.invoke(main, ["nonsense"]).exit_code == 2


def test_help_lists_every_command() -> None:
    shown = CliRunner().invoke(main, ["--help"])

    assert shown.exit_code == 0
    assert all(name in shown.output for name in ("up", "migrate", "district", "setup"))


def _environment(folder: Path, **settings: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PLAZA_")}
    return {**kept, "PLAZA_FOLDER": str(folder), **settings}


def _up(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    with (folder / "up.log").open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "app.cli", "up"],
            cwd=PROJECT,
            env=_environment(folder, PLAZA_PORT=str(port), PLAZA_WORKERS="1"),
            stdout=output,
            stderr=output,
        )


def _plaza(folder: Path, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        cwd=PROJECT,
        env=_environment(folder, **settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def _ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        return answer.status == 200 and json.load(answer)["ready"] is True
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []


def _kill_child(pid: int, part: str) -> None:
    (victim,) = [child for child in _children(pid) if part in _command(child)]
    os.kill(victim, signal.SIGKILL)
    assert _within(30, lambda: victim not in _children(pid))


def _family(pid: int) -> list[int]:
    below = [grandchild for child in _children(pid) for grandchild in _family(child)]
    return [pid, *below]


def _command(pid: int) -> str:
    """Return how a process was called; nothing when it is gone, or dead and not yet buried."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except FileNotFoundError:
        return ""


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def _output(folder: Path) -> str:
    logs = [folder / "up.log", *(folder / ".plaza" / "log").glob("*.log")]
    return "\n".join(f"== {log}\n{log.read_text()[-2000:]}" for log in logs if log.exists())
