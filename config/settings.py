"""The settings: one frozen tree, read from the environment once, all that is wrong told at once.

Business rates are not here; they live in tables with validity dates.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from config.errors import BadSettings
from config.keys import KEY_BYTES, KeyRing

PREFIX = "PLAZA_"
KEY_NAMES = ("PLAZA_MASTER_KEY", "PLAZA_INDEX_KEY", "PLAZA_TOKEN_KEY", "PLAZA_PROOF_KEY")
PROJECT = Path(__file__).resolve().parent.parent

T = TypeVar("T")

_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_PUBLIC_KEYS = frozenset(bytes(range(start, start + KEY_BYTES)) for start in range(0, 256 - 31))


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    """PostgreSQL as the two roles meet it: `plaza_app` for everything, `plaza_owner` to migrate."""

    url: str = field(repr=False)
    owner_url: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class WebSettings:
    """The HTTP door: one address, `workers` processes of `threads` threads each."""

    host: str
    port: int
    workers: int
    threads: int
    metrics_folder: Path | None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that a process must know before its first request.

    Below `min_free_mb` of free disk `plaza up` does not start.
    `shows_codes` is for a demonstration alone: whoever asks for a sign-in code is shown it.
    `proof_key` signs the seals of days; `retired_proof_keys` are public halves of earlier ones.
    """

    database: DatabaseSettings
    redis_url: str = field(repr=False)
    broker_url: str = field(repr=False)
    key_ring: KeyRing
    token_key: bytes = field(repr=False)
    proof_key: bytes = field(repr=False)
    retired_proof_keys: tuple[bytes, ...]
    web: WebSettings
    worker_processes: int
    min_free_mb: int
    log_level: str
    shows_codes: bool

    @property
    def connections(self) -> int:
        """The database connections that all processes together may open."""
        return self.web.workers * self.web.threads + self.worker_processes * 2

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Settings":
        """Read every `PLAZA_` setting.

        Raises:
            BadSettings: names each setting that is missing, malformed or unknown.
        """
        return _read(_Reader(environ))


def setting_names() -> Sequence[str]:
    """Return the names that `Settings.from_environ` knows, in the order it reads them."""
    reader = _Reader({})
    try:
        _read(reader)
    except BadSettings:
        return reader.known
    raise AssertionError("unreachable: some settings have no default")


def folder_from(environ: Mapping[str, str]) -> Path:
    """Return the folder that holds `.env` and the data folder `.plaza`: by default this clone."""
    return Path(environ.get("PLAZA_FOLDER") or PROJECT)


def _read(reader: "_Reader") -> Settings:
    database_url = reader.url("PLAZA_DATABASE_URL", ("postgresql",))
    owner_url = reader.url("PLAZA_OWNER_DATABASE_URL", ("postgresql",))
    redis_url = reader.url("PLAZA_REDIS_URL", ("redis", "rediss"))
    broker_url = reader.url(
        "PLAZA_BROKER_URL", ("redis", "rediss", "amqp", "amqps"), default=_beside(redis_url)
    )
    keys = [reader.key(name) for name in KEY_NAMES]
    if len(set(keys)) < len(KEY_NAMES) and b"" not in keys:
        reader.problem("PLAZA_*_KEY", "各密钥必须不同", "the keys must differ")
    master, index, token, proof = keys
    retired = reader.public_keys("PLAZA_PROOF_RETIRED")
    web = WebSettings(
        host=reader.text("PLAZA_HOST", default="127.0.0.1"),
        port=reader.number("PLAZA_PORT", default=8000, least=1, most=65535),
        workers=reader.number("PLAZA_WORKERS", default=2, least=1, most=64),
        threads=reader.number("PLAZA_THREADS", default=8, least=1, most=64),
        metrics_folder=reader.folder("PROMETHEUS_MULTIPROC_DIR"),
    )
    worker_processes = reader.number("PLAZA_WORKER_PROCESSES", default=2, least=1, most=64)
    min_free_mb = reader.number("PLAZA_MIN_FREE_MB", default=512, least=64, most=10**9)
    log_level = reader.choice("PLAZA_LOG_LEVEL", _LOG_LEVELS, default="INFO")
    shows_codes = reader.choice("PLAZA_SHOW_CODES", ("YES", "NO"), default="NO") == "YES"
    reader.folder("PLAZA_FOLDER")
    reader.finish()
    return Settings(
        database=DatabaseSettings(url=database_url, owner_url=owner_url),
        redis_url=redis_url,
        broker_url=broker_url,
        key_ring=KeyRing(master=master, index=index),
        token_key=token,
        proof_key=proof,
        retired_proof_keys=retired,
        web=web,
        worker_processes=worker_processes,
        min_free_mb=min_free_mb,
        log_level=log_level,
        shows_codes=shows_codes,
    )


def _beside(redis_url: str) -> str:
    """Return the default broker: database 1 of the Redis server, so that queues stand apart."""
    if not redis_url:
        return ""
    return urlsplit(redis_url)._replace(path="/1").geturl()


class _Reader:
    """Reads settings one by one and remembers every problem, so that all are told at once."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._problems: list[str] = []
        self.known: list[str] = []

    def problem(self, name: str, zh: str, en: str) -> None:
        self._problems.append(f"{name}：{zh} / {name}: {en}")

    def finish(self) -> None:
        """Refuse what was found wrong, and names that nobody asked for."""
        for name in sorted(self._environ):
            ours = name.startswith(PREFIX) and not name.startswith("PLAZA_TEST_")
            if ours and name not in self.known:
                self.problem(
                    name, "没有这个设置，请检查拼写", "no such setting; check its spelling"
                )
        if self._problems:
            raise BadSettings(self._problems)

    def text(self, name: str, *, default: str) -> str:
        return self._value(name, str, default=default, fallback="")

    def number(self, name: str, *, default: int, least: int, most: int) -> int:
        def parse(text: str) -> int:
            if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
                raise ValueError(
                    f"应为 {least} 到 {most} 的整数", f"must be an integer of {least} to {most}"
                )
            return int(text)

        return self._value(name, parse, default=default, fallback=default)

    def choice(self, name: str, choices: Sequence[str], *, default: str) -> str:
        def parse(text: str) -> str:
            if text.upper() not in choices:
                listed = ", ".join(choices)
                raise ValueError(f"应为 {listed} 之一", f"must be one of {listed}")
            return text.upper()

        return self._value(name, parse, default=default, fallback=default)

    def url(self, name: str, schemes: Sequence[str], *, default: str | None = None) -> str:
        def parse(text: str) -> str:
            parts = urlsplit(text)
            if parts.scheme not in schemes or not parts.hostname:
                listed = ", ".join(f"{scheme}://…" for scheme in schemes)
                raise ValueError(f"应为 {listed} 的地址", f"must be an address {listed}")
            return text

        return self._value(name, parse, default=default, fallback="")

    def folder(self, name: str) -> Path | None:
        def parse(text: str) -> Path:
            if not Path(text).is_absolute() or not Path(text).is_dir():
                raise ValueError("应为已存在文件夹的绝对路径", "must be the full path of a folder")
            return Path(text)

        return self._value(name, parse, default=None, fallback=None, optional=True)

    def key(self, name: str) -> bytes:
        return self._value(name, parse_key, default=None, fallback=b"")

    def public_keys(self, name: str) -> tuple[bytes, ...]:
        def parse(text: str) -> tuple[bytes, ...]:
            words = [word.strip() for word in text.split(",")]
            if not all(re.fullmatch(r"[0-9a-f]{64}", word) for word in words):
                raise ValueError(
                    "应为逗号分隔的 64 位十六进制公钥",
                    "must be public keys of 64 hex digits, with commas between",
                )
            return tuple(map(bytes.fromhex, words))

        return self._value(name, parse, default=(), fallback=())

    def _value(
        self,
        name: str,
        parse: Callable[[str], T],
        *,
        default: T | None,
        fallback: T,
        optional: bool = False,
    ) -> T:
        self.known.append(name)
        text = self._environ.get(name, "").strip()
        if not text:
            if default is not None:
                return default
            if not optional:
                self.problem(name, "未设置", "is not set")
            return fallback
        try:
            return parse(text)
        except ValueError as error:
            self.problem(name, *error.args)
            return fallback


def parse_key(text: str) -> bytes:
    """Return the 32 bytes of a base64 key; refuses short, uniform and published ones.

    Raises:
        ValueError: why it is refused, in Chinese and in English.
    """
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("不是 base64", "is not base64") from None
    if len(key) != KEY_BYTES:
        raise ValueError("应为 32 字节的 base64", "must be 32 bytes in base64")
    if len(set(key)) < 8 or key in _PUBLIC_KEYS or key in (key[:16] * 2, key[::-1]):
        raise ValueError("密钥过弱或已公开，请随机生成", "is weak or public; make a random one")
    return key
