"""The children of `plaza up`: started, watched, started again with a growing pause, stopped.

They die with the supervisor (PR_SET_PDEATHSIG), however that ends.
"""

import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from config.embedded import become
from config.settings import PROJECT

_STOP_SECONDS = 25
_CALM_SECONDS = 60
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30
_LOG_BYTES = 50 * 1024 * 1024


@dataclass(kw_only=True)
class Child:
    """One process under the supervisor; `death_signal` is what it gets when that dies."""

    name: str
    arguments: Sequence[str]
    environ: Mapping[str, str]
    death_signal: signal.Signals
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    began: float = field(default=0.0, init=False)
    pause: float = field(default=0.0, init=False)
    again_at: float | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it, its output added to its log; a log that has grown large is put aside first."""
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES:
            self.log.rename(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.arguments,
                cwd=PROJECT,
                env=dict(self.environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for the supervisor, which stops them in order.
                preexec_fn=become(None, self.death_signal),  # noqa: PLW1509  (one thread)
            )
        self.began = time.monotonic()
        self.again_at = None

    def alive(self) -> bool:
        """Tell whether it runs."""
        return self.process is not None and self.process.poll() is None

    def watch(self, tell: Callable[[str], None]) -> None:
        """Start it again when it has died, after a pause that doubles unless it lived for long."""
        if self.process is None or self.process.poll() is None:
            return
        now = time.monotonic()
        if self.again_at is not None:
            if now >= self.again_at:
                self.start()
            return
        calm = now - self.began > _CALM_SECONDS or not self.pause
        self.pause = _FIRST_PAUSE_SECONDS if calm else self.pause * 2
        self.pause = min(self.pause, _LONGEST_PAUSE_SECONDS)
        self.again_at = now + self.pause
        tell(
            f"✘ {self.name} 已退出，{self.pause:g} 秒后重启；日志 {self.log} / "
            f"{self.name} ended ({self.process.returncode}), again in {self.pause:g} s"
        )

    def tell_to_stop(self) -> None:
        """Ask it to end in its own time."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.terminate()

    def stop(self) -> None:
        """Wait for the end it was told of, and use force when that takes too long."""
        if self.process is None:
            return
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
