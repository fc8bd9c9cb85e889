"""The file of an older programme: what each row says, or why it cannot be taken (O1). Pure.

A line is a row: what one line breaks harms no other.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from app.errors import AppError, Invalid
from app.members.arrivals import ChannelName, NewMember
from app.members.models import Source
from app.members.phones import normalised

COLUMNS = ("row", "issuer", "points", "expires_on")
MEMBER_COLUMNS = ("phone", "card_number", "channel", "name")
NEVER = "never"
LIMIT_POINTS = 10**12

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,13}", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class Verdict(StrEnum):
    """What became of a row: its points were taken over; had been before; cannot be."""

    IMPORTED = "imported"
    ALREADY = "already"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A row's verdict, with the reason in both languages where it is refused."""

    line: int
    row: str
    verdict: Verdict
    zh: str = ""
    en: str = ""
    points: int = 0


@dataclass(frozen=True, kw_only=True)
class OpeningLine:
    """A row that can be read: who, whose points, how many, until when.

    `key` is the older programme's own for the row, unique in it for ever. `expires_on` None: never.
    """

    line: int
    key: str
    person: NewMember = field(repr=False)
    issuer: str
    points: int
    expires_on: date | None

    def content(self) -> str:
        """Return what makes the row the same again; personal, so it is kept as an index alone."""
        person = self.person
        named = person.identity
        words = [
            person.phone, person.card_number, person.name,
            *((named.channel, named.app_id, named.identity) if named else (None, None, None)),
            self.issuer, self.points, self.expires_on,
        ]  # fmt: skip
        return "\x1f".join("" if word is None else str(word) for word in words)


def read(lines: Iterable[bytes]) -> Iterator[OpeningLine | Judged]:
    """Read a file in UTF-8 whose first line names the columns, in any order.

    Needed are `row`, `issuer` (a merchant's code), `points`, `expires_on` (a day, or `never`), and
    of `phone`, `card_number` and `channel` (CHANNEL:APP:ID) at least one; `name` may be given.

    Raises:
        Invalid: the first line does not name them.
    """
    numbered = enumerate(lines, start=1)
    head = _columns(next(numbered, (1, b""))[1])
    for number, line in numbered:
        if line.strip():
            yield _row(number, line, head)


def refused(line: int, error: AppError, *, row: str = "") -> Judged:
    """Return the verdict of a row that was refused, in the words of the refusal."""
    zh, _, en = str(error).partition(" / ")
    return Judged(line=line, row=row, verdict=Verdict.REFUSED, zh=zh, en=en or zh)


def _columns(line: bytes) -> list[str]:
    names = [name.strip() for name in _cells(line.removeprefix(b"\xef\xbb\xbf"))]
    known = {*COLUMNS, *MEMBER_COLUMNS}
    if (
        len(set(names)) != len(names)
        or not set(COLUMNS) <= set(names) <= known
        or not {"phone", "card_number", "channel"} & set(names)
    ):
        raise Invalid(
            "columns",
            "首行须为 row,issuer,points,expires_on 及 phone、card_number、channel 之一，可加 name",
            "the first line names row, issuer, points, expires_on and one of phone, card_number, "
            "channel; name may be added",
        )
    return names


def _row(number: int, line: bytes, head: list[str]) -> OpeningLine | Judged:
    key = ""
    try:
        said = _said(line, head)
        key = _key(said["row"])
        return OpeningLine(
            line=number,
            key=key,
            person=_person(said),
            issuer=said["issuer"],
            points=_points(said["points"]),
            expires_on=_day(said["expires_on"]),
        )
    except Invalid as error:
        return refused(number, error, row=key)


def _said(line: bytes, head: list[str]) -> dict[str, str]:
    cells = _cells(line)
    if len(cells) != len(head):
        raise Invalid(
            "columns",
            f"应有 {len(head)} 列，实有 {len(cells)} 列",
            f"{len(head)} cells are needed, not {len(cells)}",
        )
    return {name: cell.strip() for name, cell in zip(head, cells, strict=True)}


def _key(written: str) -> str:
    if not _KEY.fullmatch(written):
        raise Invalid(
            "row",
            "须为 1 到 64 个字母、数字或 . _ : / -",
            "1 to 64 letters, digits or . _ : / -",
        )
    return written


def _cells(line: bytes) -> list[str]:
    try:
        return next(csv.reader([line.decode().rstrip("\r\n")], strict=True), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise Invalid("line", "不是 UTF-8 的 CSV 行", "not a line of CSV in UTF-8") from error


def _person(said: Mapping[str, str]) -> NewMember:
    channel, phone = said.get("channel") or None, said.get("phone") or None
    if phone is not None:
        phone = normalised(phone)
    identity = None
    if channel is not None:
        parts = channel.split(":", 2)
        if len(parts) != 3:
            raise Invalid("channel", "应为 渠道:应用:标识", "written CHANNEL:APP:ID")
        identity = ChannelName(channel=parts[0], app_id=parts[1], identity=parts[2])
    return NewMember(
        source=Source.IMPORT,
        phone=phone,
        card_number=said.get("card_number") or None,
        identity=identity,
        name=said.get("name") or None,
    )


def _points(written: str) -> int:
    if not _NUMBER.fullmatch(written) or not 1 <= int(written) <= LIMIT_POINTS:
        raise Invalid("points", f"须为 1 到 {LIMIT_POINTS} 的整数", f"from 1 to {LIMIT_POINTS}")
    return int(written)


def _day(written: str) -> date | None:
    if written == NEVER:
        return None
    try:
        if _DAY.fullmatch(written):
            return date.fromisoformat(written)
    except ValueError:
        pass
    raise Invalid("expires_on", "应为 YYYY-MM-DD 或 never", "a day like 2027-12-31, or never")
