"""Logs: one JSON line per event on standard error, with the request it belongs to.

`with bound(request="req_…")` puts fields on every line written inside. Secrets are kept out twice:
by the name of a field, and by the shape of a text (phone numbers, member codes, passwords in
addresses); reliability §0 rule 9.
"""

import json
import logging
import logging.config
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

_BOUND: ContextVar[Mapping[str, object]] = ContextVar("bound", default={})  # noqa: B039  (frozen by use)

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}
_SECRET_NAME = re.compile(
    r"pass(word)?|secret|token|authori[sz]ation|cookie|phone|mobile|openid|unionid|body|_key$|otp"
    r"|member_code|coupon_code"
)
_SECRET_TEXT = (
    (re.compile(r"(?<!\d)(?:\+?86)?1[3-9]\d{9}(?!\d)"), "[phone]"),
    (re.compile(r"(?<!\d)9[12]\d{18}(?!\d)"), "[member code]"),
    (re.compile(r"(?<=://)[^/@\s:]*:[^/@\s]+(?=@)"), "[secret]"),
    (re.compile(r"(?i)\b(bearer|signature=)\s*\"?[\w.+/=-]{16,}"), r"\1 [secret]"),
)


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """Put fields on every log line written inside."""
    token = _BOUND.set({**_BOUND.get(), **fields})
    try:
        yield
    finally:
        _BOUND.reset(token)


def bound_fields() -> Mapping[str, object]:
    """Return the fields that are bound now, such as `request`."""
    return _BOUND.get()


class JsonLines(logging.Formatter):
    """One line of JSON for an event: instant, level, logger, event, then its fields."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": redacted(record.getMessage()),
            **{name: _clean(name, value) for name, value in {**_BOUND.get(), **fields}.items()},
        }
        if record.exc_info:
            line["error"] = redacted(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


def redacted(text: str) -> str:
    """Return a text without phone numbers, member codes and secrets; one line of it stays one."""
    for pattern, instead in _SECRET_TEXT:
        text = pattern.sub(instead, text)
    return text


def log_config(level: str) -> dict[str, Any]:
    """Return the dictionary that makes every logger of the process write such lines."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonLines}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"level": level, "handlers": ["stderr"]},
        "loggers": {
            "gunicorn.error": {"level": level, "handlers": [], "propagate": True},
            "gunicorn.access": {"level": "WARNING", "handlers": [], "propagate": True},
            "celery.worker.strategy": {"level": "WARNING"},  # two lines for each task otherwise
            "celery.app.trace": {"level": "WARNING"},
            "alembic": {"level": "WARNING"},
        },
    }


def configure(level: str) -> None:
    """Set up logging for this process."""
    logging.config.dictConfig(log_config(level))


def _clean(name: str, value: object) -> object:
    if _SECRET_NAME.search(name.lower()):
        return "[secret]"
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return {str(key): _clean(str(key), each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(name, each) for each in value]
    return value
