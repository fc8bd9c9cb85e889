"""wrk and files of requests written down beforehand: load over HTTP (docs/performance.md).

wrk comes from the system's packages, as it has no wheel. A run that was refused anything, lost
anything, sent a request twice or was held up by wrk itself counts for nothing.
"""

import json
import resource
import shutil
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import StateConflict

CONNECTIONS = 16
_BUSY = 0.9
_SCRIPT = Path(__file__).parent / "scripts" / "requests.lua"


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a run came to. `client_cpu` is the share of one core that wrk itself took."""

    rate: float
    p50_ms: float
    p99_ms: float
    client_cpu: float


def find_wrk(folders: str | None = None) -> str:
    """Return the path of wrk, from some folders or from where programs are found.

    Raises:
        StateConflict: it is not installed; says how to get it.
    """
    found = shutil.which("wrk", path=folders)
    if found is None:
        raise StateConflict(
            "bench", "wrk", "missing",
            "需要 wrk：apt-get install wrk（Debian、Ubuntu）或 brew install wrk",
            "wrk is needed: apt-get install wrk (Debian, Ubuntu) or brew install wrk",
        )  # fmt: skip
    return found


def write(path: Path, requests: Iterable[bytes]) -> None:
    """Write requests down, each behind its length."""
    with path.open("wb") as file:
        for each in requests:
            file.write(b"%d\n%b\n" % (len(each), each))


def send(
    wrk: str,
    path: Path,
    *,
    address: str,
    seconds: float,
    pause_ms: float = 0,
    again: bool = False,
) -> Load:
    """Send a file's requests for so long over sixteen connections.

    `pause_ms` is the mean pause of a connection before each request: between nothing and twice it.
    With `again` a file that is used up is sent from its start; else that spoils the run.

    Raises:
        StateConflict: the run counts for nothing; says why.
    """
    before, began = _cpu(), time.perf_counter()
    done = subprocess.run(
        [
            wrk, "-t1", f"-c{CONNECTIONS}", f"-d{max(round(seconds), 1)}s", "--timeout", "10s",
            "-s", str(_SCRIPT), address, "--", str(path), str(pause_ms),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    client_cpu = (_cpu() - before) / (time.perf_counter() - began)
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines or not lines[-1].startswith("{"):
        raise _worthless(done.stderr.strip() or done.stdout.strip())
    said = json.loads(lines[-1])
    return judge({**said, "missing": 0} if again else said, client_cpu=client_cpu)


def judge(said: dict[str, Any], *, client_cpu: float) -> Load:
    """Return what a run came to.

    Raises:
        StateConflict: it counts for nothing.
    """
    if not said["requests"]:
        raise _worthless("nothing was answered in time")
    for trouble in ("missing", "refused", "lost"):
        if said[trouble]:
            raise _worthless(f"{trouble}: {said[trouble]} of {said['requests']} {said['refusal']}")
    if client_cpu > _BUSY:
        raise _worthless(f"wrk itself was busy: {client_cpu:.0%} of a core")
    return Load(
        rate=said["requests"] / said["seconds"],
        p50_ms=said["p50_ms"],
        p99_ms=said["p99_ms"],
        client_cpu=client_cpu,
    )


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _worthless(why: str) -> StateConflict:
    return StateConflict("bench", "http", "worthless", f"wrk：{why}", f"wrk: {why}")
