"""What a till keeps on disk: who it is, its numbers, and a write whose answer it has not seen.

Everything is written through to the disk before it is sent, so a power cut repeats a write and
never uses a number twice. All files are for their owner alone, since they hold the store's secret
and members' phones.
"""

import base64
import binascii
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from plaza_client import (
    Exchange,
    Forbidden,
    Order,
    Refund,
    Refused,
    RolledBack,
    Till,
    Unproven,
    Verdict,
    Write,
)
from plaza_client.sending import TIMEOUT_SECONDS

from config.database import CROCKFORD
from config.embedded import write_private
from config.errors import ConfigError
from config.keeper import locked
from config.keys import KEY_BYTES

#: A cashier with a customer waits no longer for an answer: the write is kept.
PATIENCE_SECONDS = 15

_SERIES_LETTERS = 4


class NoProfile(ConfigError):
    """This till was not set up, or its file is torn."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"没有可用的收银机档案 {path}，请先运行 plaza pos setup / "
            f"There is no sound profile of a till in {path}: run plaza pos setup first"
        )


class BadSecret(ConfigError):
    """The file holds no secret of a store's key."""

    def __init__(self) -> None:
        super().__init__(
            "密钥文件应为 32 字节的 base64，如 plaza terminal key approve 所示 / "
            "The file must hold 32 bytes in base64, as plaza terminal key approve shows them"
        )


class SalesWait(ConfigError):
    """A till that changes its place would send its sales under another name."""

    def __init__(self) -> None:
        super().__init__(
            "还有未确认的一笔或未上传的离线单，请先 plaza pos upload / "
            "A write or sales made offline wait here: run plaza pos upload first"
        )


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Who this till is: where the server is, which key signs, which terminal, who stands there."""

    base_url: str
    key_id: str
    secret: str = field(repr=False)
    terminal_id: str
    cashier_id: str
    shop: str = ""
    patience_seconds: int = PATIENCE_SECONDS


@dataclass(frozen=True, kw_only=True)
class _State:
    """The till's numbers, and the write that has been sent and not been answered yet."""

    series: str
    last: int = 0
    write: dict[str, str] | None = field(default=None, repr=False)


Answer = Order | Refund | Exchange | RolledBack | list[Verdict]


class Desk:
    """One till on this machine; its files lie beside the profile."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.in_json = False

    def beside(self, name: str) -> Path:
        """Return a file of this till."""
        return self.path.with_name(f"{self.path.stem}.{name}")

    def profile(self) -> Profile:
        """Return who this till is.

        Raises:
            NoProfile: it was not set up.
        """
        try:
            return Profile(**json.loads(self.path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            raise NoProfile(self.path) from None

    def set_up(self, profile: Profile) -> None:
        """Keep who this till is; one that becomes another begins a series of numbers of its own."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(self.path, json.dumps(asdict(profile), ensure_ascii=False, indent=2) + "\n")
        with locked(self.beside("lock")):
            known = self._state()
            if known is None or known.series.rpartition("-")[0] != profile.terminal_id:
                series = "".join(secrets.choice(CROCKFORD) for _ in range(_SERIES_LETTERS))
                self._keep(_State(series=f"{profile.terminal_id}-{series}"))

    def leaves_for(self, profile: Profile) -> bool:
        """Tell whether this till would send to another server, district or terminal from now on."""
        try:
            return _place(self.profile()) != _place(profile)
        except NoProfile:
            return False

    def waits(self) -> bool:
        """Tell whether a write has not been answered yet."""
        state = self._state()
        return state is not None and state.write is not None

    @contextmanager
    def alone(self, *, lock: str = "lock") -> Iterator[None]:
        """Let one command at a time work on this till's files; uploads have a lock of their own.

        Raises:
            NoProfile: it was not set up.
        """
        self.profile()
        with locked(self.beside(lock)):
            yield

    def next_number(self) -> str:
        """Return a number that this till has never used, written down before it is returned."""
        state = self._known()
        state = replace(state, last=state.last + 1)
        self._keep(state)
        return f"{state.series}-{state.last:06d}"

    def connect(self, *, keeps: bool = True, times: int = 1) -> Till:
        """Return the client of this till; with `keeps` each write is kept before it is sent.

        `times` makes it as many times more patient, for what takes long.
        """
        return self.client_of(self.profile(), keeps=keeps, times=times)

    def client_of(self, profile: Profile, *, keeps: bool, times: int = 1) -> Till:
        """Return the client of a till that may not be set up yet."""
        return Till(
            base_url=profile.base_url,
            key_id=profile.key_id,
            secret=base64.b64decode(profile.secret),
            terminal_id=profile.terminal_id,
            cashier_id=profile.cashier_id,
            timeout_seconds=TIMEOUT_SECONDS * times,
            patience_seconds=profile.patience_seconds * times,
            before_send=self._keep_write if keeps else None,
        )

    def finish(self, till: Till) -> Answer | Refused | None:
        """Send again the write that had no answer; return what became of it, or None without one.

        Raises:
            Unanswered: there is still no answer.
            Unproven, Forbidden: the till may not ask now; the write is kept.
        """
        kept = self._known().write
        if kept is None:
            return None
        try:
            answer = till.repeat(
                Write(path=kept["path"], key=kept["key"], body=kept["body"].encode())
            )
        except (Unproven, Forbidden):
            raise
        except Refused as refused:
            self.answered()
            return refused
        self.answered()
        return answer

    def answered(self) -> None:
        """Forget the write that was kept: its answer, be it a refusal, is known."""
        self._keep(replace(self._known(), write=None))

    def _keep_write(self, write: Write) -> None:
        kept = {"path": write.path, "key": write.key, "body": write.body.decode()}
        self._keep(replace(self._known(), write=kept))

    def _state(self) -> _State | None:
        path = self.beside("numbers.json")
        if not path.exists():
            return None
        state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return _State(**state)

    def _known(self) -> _State:
        state = self._state()
        if state is None:
            raise NoProfile(self.path)
        return state

    def _keep(self, state: _State) -> None:
        write_private(self.beside("numbers.json"), json.dumps(vars(state), ensure_ascii=False))


def read_secret(text: str) -> str:
    """Return a key's secret as it is kept, base64 of 32 bytes.

    Raises:
        BadSecret: it is none.
    """
    try:
        secret = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise BadSecret from None
    if len(secret) != KEY_BYTES:
        raise BadSecret
    return base64.b64encode(secret).decode()


def _place(profile: Profile) -> tuple[str, str, str]:
    return profile.base_url, profile.key_id.rpartition("_")[0], profile.terminal_id
