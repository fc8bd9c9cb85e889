"""Coupons at `plaza pos`: by code, id or `best` on the line, and by their tokens without it (C18).

The keys and the list of what was called back lie beside the profile. Which tokens were taken lies
in one file for all tills whose profiles lie in the same folder: each is taken once.
"""

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any

import click
from plaza_client import (
    BadOfflineCoupon,
    OfflineCoupon,
    OfflineKeys,
    Refused,
    Till,
    Unanswered,
    check_offline_coupon,
)
from plaza_client.offline import keys_of

from app.cli.pos import paper
from app.cli.pos.asking import Command, at_till, say
from app.cli.pos.desk import Desk
from app.cli.pos.journal import Journal
from app.clock import SHANGHAI
from config.embedded import write_private

BEST = "best"

_PATIENCE_SECONDS = 10
_TOKEN = "OCT1."  # noqa: S105  (how a token begins)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """The coupons that a cashier asks for: some by name, or those of the member that save most."""

    named: Sequence[str] = ()
    best: bool = False

    @property
    def any(self) -> bool:
        """Whether coupons are asked for at all."""
        return self.best or bool(self.named)

    @property
    def fields(self) -> dict[str, Any]:
        """Return what the client is told."""
        return {"coupons": self.named, "best_coupons": self.best}


def coupon_option(function: Command) -> Command:
    """Let a command take coupons: its `coupons`."""

    @wraps(function)
    def command(*words: Any, named: tuple[str, ...], **given: Any) -> None:
        if BEST in named and len(named) > 1:
            raise click.UsageError("best 不与其他券同用 / best is not together with others")
        if any(name.startswith(_TOKEN) for name in named):
            raise click.UsageError(
                "离线券请用 plaza pos offline --coupon，再 upload / "
                "an offline coupon is taken by plaza pos offline --coupon, then upload"
            )
        best = named == (BEST,)
        function(*words, coupons=Wish(named=() if best else named, best=best), **given)

    return click.option(
        "--coupon",
        "named",
        multiple=True,
        metavar="CODE|ID|best",
        help="券码、券编号，或 best 由系统选最省的 / a code, an id, or best; repeat.",
    )(command)


def refresh_keys(desk: Desk, till: Till) -> None:
    """Fetch what it takes to take coupons offline; if it cannot be had, the last one stands."""
    with suppress(Unanswered, Refused):
        keep_keys(desk, till.offline_keys())


def keep_keys(desk: Desk, found: OfflineKeys) -> None:
    """Keep what it takes to take coupons offline beside the profile."""
    written = {
        "store_id": found.store_id,
        "now": found.now.isoformat(),
        "keys": [{"kid": kid, "public_key": key} for kid, key in found.keys.items()],
        "revoked": [{"jti": jti} for jti in sorted(found.revoked)],
    }
    write_private(_path(desk), json.dumps(written, indent=1) + "\n")


def forget_keys(desk: Desk) -> None:
    """Take no coupons offline until the keys are fetched anew."""
    _path(desk).unlink(missing_ok=True)


def check(desk: Desk, token: str, *, at: datetime) -> OfflineCoupon:
    """Return the coupon of a token, by what this till has kept.

    Raises:
        click.UsageError: the till has no keys, or the coupon is not to be taken here and now.
    """
    try:
        known = keys_of(json.loads(_path(desk).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        raise click.UsageError(
            "本机没有离线券公钥，请联网后运行 plaza pos keys / "
            "this till has no keys of offline coupons: run plaza pos keys on the line"
        ) from None
    try:
        return check_offline_coupon(token, known, at=at)
    except BadOfflineCoupon as refused:
        raise click.UsageError(f"✘ {refused.zh} / {refused.en}") from None


def take(desk: Desk, coupon: OfflineCoupon, *, number: str) -> None:
    """Write down that a sale of this till takes a token; it is on the disk when this returns.

    What this till took for a sale that it never captured, for the power failed, it may take again.

    Raises:
        click.UsageError: another sale has taken it.
    """
    mine = desk.profile().terminal_id
    with _store_journal(desk) as journal:
        row = journal.execute(
            "SELECT terminal, number FROM taken WHERE jti = ?", (coupon.jti,)
        ).fetchone()
        if row is not None and (row[0] != mine or Journal(desk).holds(row[1])):
            raise click.UsageError(
                f"✘ 此券已在本店用过（{row[1]}） / this store has taken it already ({row[1]})"
            )
        journal.execute(
            "INSERT INTO taken (jti, terminal, number, at) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (jti) DO UPDATE SET number = excluded.number, at = excluded.at",
            (coupon.jti, mine, number, datetime.now(UTC).isoformat()),
        )


@click.command()
@at_till
def keys(desk: Desk) -> None:
    """更新离线券的公钥与作废名单 / fetch what it takes to take coupons offline.

    \b
    plaza pos keys
    """
    with desk.alone(), desk.connect(keeps=False) as till:
        known = till.offline_keys()
    keep_keys(desk, known)
    say(
        desk,
        {"store_id": known.store_id, "keys": sorted(known.keys), "revoked": sorted(known.revoked)},
        [
            paper.row("门店 Store", known.store_id),
            paper.row("公钥 Keys", ", ".join(sorted(known.keys))),
            paper.row("作废 Called back", str(len(known.revoked))),
            paper.row("时间 As of", f"{known.now.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"),
        ],
    )


@contextmanager
def _store_journal(desk: Desk) -> Iterator[sqlite3.Connection]:
    """Lend the store's journal of tokens to one lane at a time, in one transaction."""
    known = keys_of(json.loads(_path(desk).read_text(encoding="utf-8")))
    path = desk.path.with_name(f"offline-coupons-{known.store_id}.sqlite")
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(path, timeout=_PATIENCE_SECONDS, isolation_level=None)
    with closing(connection) as journal:
        journal.execute("PRAGMA synchronous = EXTRA")
        journal.execute("BEGIN IMMEDIATE")
        journal.execute(
            "CREATE TABLE IF NOT EXISTS taken (jti TEXT PRIMARY KEY, terminal TEXT NOT NULL, "
            "number TEXT NOT NULL, at TEXT NOT NULL)"
        )
        try:
            yield journal
        except BaseException:
            journal.execute("ROLLBACK")
            raise
        journal.execute("COMMIT")


def _path(desk: Desk) -> Path:
    return desk.beside("offline-keys.json")
