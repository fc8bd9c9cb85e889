"""The nudge: news of a transaction that committed is handed on at once, not at the next sweep.

Best effort (decisions 26): the sweep every five seconds is what is relied upon. Whoever commits
only leaves a word; a thread of the process sends it, at most once a district in 200 ms. A broker
that is down or slow costs that thread alone its time, and is then left in peace for a while.
"""

import logging
import time
from collections.abc import Callable
from threading import Event, Lock, Thread

from celery import Celery

log = logging.getLogger(__name__)

TASK = "relay_news"

_INTERVAL_SECONDS = 0.2
_PAUSE_SECONDS = 30
_TIMEOUT_SECONDS = 0.5
_EXPIRES_SECONDS = 5  # By then the sweep has been.


class Nudge:
    """Wakes the worker for a district; the thread begins with the first word, so after a fork."""

    def __init__(self, broker_url: str) -> None:
        self._celery = Celery("plaza", broker=broker_url, set_as_current=False)
        self._celery.conf.update(
            task_serializer="json",
            task_default_queue="plaza",
            broker_connection_timeout=_TIMEOUT_SECONDS,
            broker_transport_options=_transport_options(broker_url),
        )
        self._lock = Lock()
        self._waiting: set[str] = set()
        self._thread: Thread | None = None
        self._word, self._closing = Event(), Event()
        self._silent_until = 0.0
        self._failed = False

    def tell(self, district: str) -> None:
        """Leave word that a district has news; returns at once and never fails."""
        with self._lock:
            self._waiting.add(district)
            if self._thread is None:
                self._thread = _started(self._work)
        self._word.set()

    def close(self) -> None:
        """Send what waits, within a second; what does not go out is left to the sweep."""
        self._closing.set()
        self._word.set()
        if self._thread is not None:
            self._thread.join(2 * _TIMEOUT_SECONDS)

    def _work(self) -> None:
        last = False
        while not last:
            self._word.wait()
            self._word.clear()
            last = self._closing.is_set()
            with self._lock:
                waiting, self._waiting = self._waiting, set()
            for district in waiting:
                self._send(district)
            self._closing.wait(_INTERVAL_SECONDS)

    def _send(self, district: str) -> None:
        if time.monotonic() < self._silent_until:
            return
        try:
            self._celery.send_task(
                TASK, args=[district], expires=_EXPIRES_SECONDS, retry=False, ignore_result=True
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the sweep is there
            self._silent_until = time.monotonic() + _PAUSE_SECONDS
            if not self._failed:
                log.warning("nudge_failed", extra={"reason": type(error).__name__})
            self._failed = True
        else:
            self._failed = False


def _started(work: Callable[[], None]) -> Thread | None:
    thread = Thread(target=work, name="nudge", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # None to be had: the process is ending, or is full.
        return None
    return thread


def _transport_options(broker_url: str) -> dict[str, object]:
    once = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
    if not broker_url.startswith("redis"):
        return {**once, "read_timeout": _TIMEOUT_SECONDS, "write_timeout": _TIMEOUT_SECONDS}
    return {
        **once,
        "socket_connect_timeout": _TIMEOUT_SECONDS,
        "socket_timeout": _TIMEOUT_SECONDS,
        "retry_on_timeout": False,
    }
