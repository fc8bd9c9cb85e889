"""What a call may end with instead of an answer: one class for each family of problems."""

from collections.abc import Mapping, Sequence

from plaza_client.values import Write


class PlazaError(Exception):
    """Root of the client's errors."""


class Refused(PlazaError):
    """Plaza said no: programs go by the class and by `code`, the cashier reads `detail`.

    Texts are in Chinese and English, `_zh` and `_en` are the halves. `instance` is the request's
    id in Plaza's logs: tell it to whoever is asked for help. `faults` point into the request,
    `fields` is all that the problem said.
    """

    def __init__(
        self,
        *,
        status: int,
        code: str,
        title: str,
        detail: str,
        instance: str,
        faults: Sequence[Mapping[str, str]] = (),
        fields: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.instance = instance
        self.faults = faults
        self.fields = fields or {}

    @property
    def detail_zh(self) -> str:
        """What to do, in Chinese."""
        return _halves(self.detail)[0]

    @property
    def detail_en(self) -> str:
        """What to do, in English."""
        return _halves(self.detail)[1]


class Malformed(Refused):
    """The request can never be right: the program that made it is at fault (400, 405, 413, 415)."""


class Unproven(Refused):
    """The key, the signature or the clock is wrong (401)."""


class Forbidden(Refused):
    """The store may not do this (403)."""


class NotFound(Refused):
    """Nothing of this name is there for this store: no such order, member or code (404)."""


class Conflict(Refused):
    """Not as things stand: too few points, a code or number used before, a wrong state (409)."""

    @property
    def burn_id(self) -> str | None:
        """The burn that waits for the member's tap on the phone, if that is what is missing."""
        burn = self.fields.get("burn_id")
        return burn if isinstance(burn, str) else None


class Expired(Refused):
    """The quote or identification has had its time (410)."""


class RuleForbids(Refused):
    """The rules do not allow it: more than can be refunded, a code that only earns (422)."""


class RateLimited(Refused):
    """Too many requests (429). Repeated by itself; seen only as the cause of `Unanswered`."""


class Unavailable(Refused):
    """Plaza cannot answer now (5xx). Repeated by itself; seen only as the cause of `Unanswered`."""


class Unanswered(PlazaError):
    """Nobody knows whether it was done: send `write` again, with `Till.repeat`, until one does.

    `write` is None if what was asked changes nothing; then it may simply be asked again.
    """

    def __init__(self, *, reason: str, write: Write | None = None) -> None:
        key = "" if write is None else write.key
        what = f"没有应答，请用同一幂等键重试 / no answer ({reason}); repeat {key}"
        super().__init__(what.strip())
        self.reason = reason
        self.write = write
        self.key = key


def refusal(*, status: int, problem: Mapping[str, object], reason: str) -> Refused:
    """Return the refusal of a problem's family; `reason` is said where the problem says nothing."""
    title = str(problem.get("title") or reason)
    faults = problem.get("errors")
    return _family(status)(
        status=status,
        code=str(problem.get("code") or "unknown"),
        title=title,
        detail=str(problem.get("detail") or title),
        instance=str(problem.get("instance") or ""),
        faults=faults if isinstance(faults, list) else (),
        fields=problem,
    )


def _family(status: int) -> type[Refused]:
    return Unavailable if status >= _SERVER_ERROR else _FAMILIES.get(status, Malformed)


def _halves(text: str) -> tuple[str, str]:
    """Return the Chinese and the English half of a text; both are the whole if it has no halves."""
    zh, _, en = text.partition(" / ")
    return zh, en or zh


_SERVER_ERROR = 500
_FAMILIES: Mapping[int, type[Refused]] = {
    401: Unproven,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Expired,
    422: RuleForbids,
    429: RateLimited,
}
