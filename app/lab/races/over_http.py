"""HTTP as the door of a race: what tills and phones share, to a server of several processes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL
from threading import Lock

import requests

PATIENCE_SECONDS = 30.0
"""How long a party asks again for what nobody has answered yet."""

SERVER_ERROR = 500


@dataclass(kw_only=True)
class HttpDoor:
    """A server whose first process is `server`; `errors` counts its answers from 500 on."""

    address: str
    server: int
    errors: int = 0
    _lock: Lock = field(default_factory=Lock)

    def kill_worker(self) -> None:
        """Kill one of the server's workers; the server starts another."""
        os.kill(children(self.server)[0], SIGKILL)

    @contextmanager
    def line(self) -> Iterator[requests.Session]:
        """Open a connection of one party, or of one after the other."""
        with requests.Session() as session:
            session.trust_env = False  # No proxy stands between this machine and itself.
            session.hooks["response"].append(self._look)
            yield session

    def _look(self, answer: requests.Response, **_: object) -> None:
        if answer.status_code >= SERVER_ERROR:
            with self._lock:
                self.errors += 1


def children(pid: int) -> list[int]:
    """Return the processes that a process of this machine has started and that still run."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
