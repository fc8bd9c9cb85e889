"""Sales that were made while the line was down, kept until Plaza has judged each of them.

Two files that only grow, a line a sale: what was captured, and what became of it. A line counts
once it ends; one that a power cut tore was never confirmed to anybody, and is cut off. A batch is
written down with its key before it is sent: after a crash the very same one is sent again.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from plaza_client import Captured, Line, Tender, Verdict
from plaza_client.sending import new_key

from app.cli.pos.desk import Desk
from config.embedded import sync_folder, write_private

LIMIT_ORDERS = 500
LIMIT_BYTES = 900_000  # Below the server's limit of 1 MiB for a body.

_ACCEPTED = (200, 201)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Sales that are sent together, always under the same key."""

    key: str
    sales: Sequence[Captured]


class Journal:
    """The offline sales of one till; who captures holds its lock, who uploads that of uploads."""

    def __init__(self, desk: Desk) -> None:
        self._sales = desk.beside("sales.jsonl")
        self._verdicts = desk.beside("verdicts.jsonl")
        self._batch = desk.beside("batch.json")

    def capture(self, sale: Captured) -> None:
        """Keep a sale; it is on the disk when this returns."""
        fields = {**asdict(sale), "occurred_at": sale.occurred_at.isoformat()}
        _append(self._sales, [fields])

    def waiting(self, *, again: bool = False) -> list[Captured]:
        """Return the sales that nobody has judged; with `again` those too that were refused."""
        judged = self._judged()
        return [
            sale
            for sale in map(_captured, _lines(self._sales))
            if (known := judged.get(sale.number)) is None or (again and known not in _ACCEPTED)
        ]

    def holds(self, number: str) -> bool:
        """Whether a sale of this number was captured."""
        return any(line["number"] == number for line in _lines(self._sales))

    def next_batch(self, *, size: int, among: Sequence[str]) -> Batch | None:
        """Return the batch that was sent and not answered, else the next one, written down."""
        kept = self._kept()
        if kept is not None and any(
            line.get("batch") == kept["key"] for line in _lines(self._verdicts)
        ):
            self.drop_batch()  # The till was killed just after it had written the verdicts down.
            kept = None
        if kept is None:
            numbers = self._fitting(size, set(among))
            if not numbers:
                return None
            kept = {"key": new_key(), "numbers": numbers}
            write_private(self._batch, json.dumps(kept))
        wanted = set(kept["numbers"])
        sales = [sale for sale in map(_captured, _lines(self._sales)) if sale.number in wanted]
        return Batch(key=kept["key"], sales=sales)

    def judge(self, judged: Sequence[tuple[Captured, Verdict]]) -> None:
        """Keep what became of sales, and be done with the batch that they were in."""
        kept = self._kept() or {}
        _append(
            self._verdicts,
            [
                {
                    "number": sale.number,
                    "status": verdict.status,
                    "order_id": verdict.order.order_id if verdict.order else None,
                    "code": verdict.code,
                    "detail": verdict.detail,
                    "batch": kept.get("key"),
                }
                for sale, verdict in judged
            ],
        )
        self.drop_batch()

    def _kept(self) -> dict[str, Any] | None:
        if not self._batch.exists():
            return None
        kept: dict[str, Any] = json.loads(self._batch.read_text(encoding="utf-8"))
        return kept

    def drop_batch(self) -> None:
        """Forget a batch that is judged, or was refused as a whole: nothing of it was sold."""
        self._batch.unlink(missing_ok=True)
        sync_folder(self._batch.parent)

    def _judged(self) -> Mapping[str, int]:
        return {line["number"]: line["status"] for line in _lines(self._verdicts)}

    def _fitting(self, size: int, among: set[str]) -> list[str]:
        """Return the first numbers that fit into one request."""
        numbers: list[str] = []
        room = LIMIT_BYTES
        for line in _lines(self._sales):
            if line["number"] not in among:
                continue
            room -= len(json.dumps(line, ensure_ascii=False).encode())
            if len(numbers) == size or (room < 0 and numbers):
                break
            numbers.append(line["number"])
        return numbers


def _append(path: Path, lines: Sequence[Mapping[str, object]]) -> None:
    """Add lines to a file and see them onto the disk; a torn last line goes first."""
    is_new = not path.exists()
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
        file.truncate(file.seek(_whole(file.read())))
        for line in lines:
            file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        sync_folder(path.parent)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        content = path.read_bytes()
        for line in content[: _whole(content)].splitlines():
            yield json.loads(line)


def _whole(content: bytes) -> int:
    """Return how long the lines are that have an end."""
    return content.rfind(b"\n") + 1


def _captured(fields: Mapping[str, Any]) -> Captured:
    return Captured(
        number=fields["number"],
        occurred_at=datetime.fromisoformat(fields["occurred_at"]),
        lines=[Line(**line) for line in fields["lines"]],
        tenders=[Tender(**tender) for tender in fields["tenders"]],
        phone=fields["phone"],
        member_code=fields["member_code"],
        cashier_id=fields["cashier_id"],
        offline_coupon=fields.get("offline_coupon"),
    )
