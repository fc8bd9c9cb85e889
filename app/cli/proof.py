"""`plaza seal`, `plaza proof …` and `plaza verify`: what the books said, provable without them."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path

import click

from app import sealing
from app.cli.acting import reading
from app.cli.context import Command, pass_command
from app.clock import business_date
from app.errors import Invalid, StateConflict
from config.database import district_of, now_of
from config.settings import parse_key
from ledger import proofs, upkeep, verifying

DAY = click.DateTime(["%Y-%m-%d"])
_OWN_KEYS = ("PLAZA_PROOF_KEY", "PLAZA_PROOF_RETIRED")


@click.command()
@click.option(
    "--through", type=DAY, help="封到哪一天，缺省为全部已关账之日 / the last day to seal."
)
@pass_command
def seal(command: Command, *, through: datetime | None) -> None:
    """封账：为已关账的每一天签名 / sign each closed day, and the audit; a repeat does nothing.

    每日由时钟自动进行。沙盒没有时钟：--through 会先关账。

    The clock does it each day. A sandbox has none: there --through closes the days first.
    """
    database = command.services().database
    last = through.date() if through else None
    if last is not None:
        with database.transaction(command.district) as session:
            if district_of(session).sandbox and last < business_date(now_of(session)):
                upkeep.close_days(session, through=last)
    days: list[date] = []
    while True:
        with database.transaction(command.district) as session:
            sealed = sealing.seal(session, through=last)
        if sealed is None:
            zh, en = "有更早的事务未结束，请稍后再试", "an older transaction still runs: try again"
            raise StateConflict("district", command.district, "busy", zh, en)
        if not sealed:
            break
        days += sealed
    span = f" · {days[0]} → {days[-1]}" if days else ""
    click.echo(f"✔ {len(days)} 日 days{span}")


@click.group()
def proof() -> None:
    """证明 / proofs for whoever does not see the books; check them with `plaza verify`.

    \b
    plaza proof export --day 2017-03-05 day.proof
    plaza proof of ord_01J…:earn/1 one.proof
    plaza proof days --from 2017-03-05 --to 2017-12-31 days.proof
    plaza proof key
    """


@proof.command("export")
@click.option("--day", type=DAY, required=True, help="哪一天 / which day.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@pass_command
def export_day(command: Command, *, day: datetime, file: Path) -> None:
    """导出一天的全部分录及其签名 / write all transfers of a day, with its signed record."""
    with reading(command) as session:
        count = _write(file, proofs.export_day(session, day.date())) - 1
    click.echo(f"✔ {day.date()} → {file} · {count:,}")


@proof.command("of")
@click.argument("transfer", metavar="KEY/LINE")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@pass_command
def prove_transfer(command: Command, *, transfer: str, file: Path | None) -> None:
    """证明一条分录在已签名的一天内 / prove that a transfer stands in its signed day."""
    key, _, line = transfer.rpartition("/")
    if not key or not line.isascii() or not line.isdigit() or not 1 <= int(line[:6]) < 2**15:
        raise Invalid("transfer", "应为 凭证键/行号，如 ord_…:earn/1", "is a journal's key/line")
    with reading(command) as session:
        found = proofs.prove_transfer(session, key, int(line))
    _tell(found, file)


@proof.command("days")
@click.option("--from", "earlier", type=DAY, required=True, help="较早一日 / the earlier day.")
@click.option("--to", "later", type=DAY, required=True, help="较晚一日 / the later day.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@pass_command
def prove_days(command: Command, *, earlier: datetime, later: datetime, file: Path | None) -> None:
    """证明较晚一日建立在较早一日之上 / prove that a later day rewrote nothing before an earlier."""
    if earlier >= later:
        raise Invalid("to", "应晚于 --from", "must be later than --from")
    with reading(command) as session:
        found = proofs.prove_days(session, earlier=earlier.date(), later=later.date())
    _tell(found, file)


@proof.command("key")
@pass_command
def show_key(command: Command) -> None:
    """本系统签名密钥的公钥，交给审计方 / the public key, for whoever verifies."""
    keys = sealing.keys_of(command.settings())
    click.echo(f"{keys.public.hex()}  # {verifying.key_id(keys.public)}")


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@click.option(
    "--public-key", "given", multiple=True, metavar="KEY",
    help="所信任的公钥：64 位十六进制，或每行一个的文件；缺省为本系统的 / a key that is trusted, "
    "or a file with one a line; by default ours.",
)  # fmt: skip
@click.pass_context
@pass_command
def verify(command: Command, ctx: click.Context, *, file: Path, given: Sequence[str]) -> None:
    """核验一个证明文件，不需要数据库 / verify a file of proof; needs no database.

    退出码 0 为无误；1 则指出第一处错误。

    Ends with 0, or with 1 and the first thing that is wrong.
    """
    try:
        with file.open("rb") as stream:
            verdict = verifying.verify(stream, verifying.trusted(given or _own_keys(command)))
    except verifying.BadProof as error:
        click.echo(f"✘ {error}", err=True)
        ctx.exit(1)
    click.echo(f"✔ {verdict.entries:,} · {verdict.says}")


def _own_keys(command: Command) -> list[str]:
    """Return our own public keys by the settings alone, without a server."""
    secret, retired = (command.named.get(name, "") for name in _OWN_KEYS)
    known = [word.strip() for word in retired.split(",") if word.strip()]
    try:
        own = [sealing.keys_from(parse_key(secret)).public.hex()] if secret else []
    except ValueError as error:
        raise Invalid("PLAZA_PROOF_KEY", *error.args) from error
    if not own and not known:
        raise click.UsageError("请用 --public-key 给出所信任的公钥 / name a key that is trusted")
    return own + known


def _tell(found: dict[str, object], file: Path | None) -> None:
    """Write a proof into a file, or onto standard output."""
    line = verifying.written(found) + b"\n"
    if file is None:
        click.echo(line.decode(), nl=False)
    else:
        _write(file, [line])
        click.echo(f"✔ {file} · {len(line):,} B")


def _write(file: Path, lines: Iterable[bytes]) -> int:
    """Write a file as a whole or not at all; return how many lines it has."""
    partial = file.with_suffix(file.suffix + ".part")
    count = 0
    try:
        with partial.open("wb") as out:
            for line in lines:
                out.write(line)
                count += 1
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    return count
