"""`plaza settle statement` and `vouchers`: what a merchant gets of a closed period, to hand on."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click

from app.cli.acting import as_json, echo_json, reading
from app.cli.context import Command, pass_command
from app.cli.settle.opening import of_merchant, of_period, settle
from app.money import yuan
from app.settlement import statements
from app.settlement import vouchers as booking
from app.settlement.papers import as_html, as_pdf, as_xlsx
from app.settlement.papers.paper import Paper, gather, list_merchants
from app.settlement.spans import Span
from app.settlement.statements import Statement

_FORMATS = ("html", "pdf", "xlsx")
_PAGES: dict[str, Callable[[Paper], bytes]] = {"html": as_html.render, "pdf": as_pdf.render}


@settle.command()
@of_period
@click.option("--merchant", help="商户编号 / a merchant's code.")
@click.option("--all", "everyone", is_flag=True, help="该账期所有商户 / every merchant of it.")
@click.option("--format", "form", type=click.Choice(_FORMATS), help="写成文件 / write a file.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="文件；用 --all 时为文件夹 / the file, or with --all the folder.",
)
@as_json
@pass_command
def statement(
    command: Command,
    *,
    span: Span,
    merchant: str | None,
    everyone: bool,
    form: str | None,
    out: Path | None,
    in_json: bool,
) -> None:
    """商户对账单：终端、HTML、PDF 或 Excel / what a merchant's period comes to, shown or written.

    数字在各种格式中相同；Excel 另附每个数字背后的明细。 / The figures are the same in each; the
    spreadsheet also has the transfers behind them.
    """
    if (merchant is None) is not everyone:
        raise click.UsageError("--merchant 与 --all 选其一 / --merchant or --all, one of them")
    if (form is None) is not (out is None):
        raise click.UsageError("--format 与 --out 须同时使用 / --format and --out go together")
    if form is not None and out is not None:
        if merchant is not None:
            return _write(command, span, merchant, form, out)
        return _write_all(command, span, form, out)
    if merchant is None:
        raise click.UsageError("--all 需要 --format 与 --out / --all needs --format and --out")
    with reading(command) as session:
        paper = gather(session, statements.get_period(session, span.code), merchant=merchant)
    if in_json:
        told = paper.statement
        return echo_json({**asdict(told), **_sums(told)})
    return _show(paper)


@settle.command()
@of_period
@of_merchant
@click.option("--out", type=click.Path(path_type=Path), required=True, help="CSV 文件 / file.")
@pass_command
def vouchers(command: Command, *, span: Span, merchant: str, out: Path) -> None:
    """记账凭证 CSV，供商户入账 / a period as vouchers for the merchant's own books, in CSV."""
    with reading(command) as session:
        period = statements.get_period(session, span.code)
        made = booking.make(session, period, merchant=merchant)
    with _replacing(out) as part:
        part.write_bytes(booking.as_csv(made))
    total = sum(each.fen for voucher in made for each in voucher.entries if each.debit)
    click.echo(
        f"✔ {out}  {len(made)} 张凭证 vouchers  借方合计 = 贷方合计 debit = credit {yuan(total)}"
    )


def show_row(name: str, points: int | None, fen: int | None) -> None:
    """Print a row of points and yuan in columns."""
    width = 44 - sum(ord(letter) > 0x2E80 for letter in name)  # A Chinese letter is two wide.
    shown = "" if points is None else f"{points:,}"
    click.echo(f"{name:<{width}}{shown:>14}{'' if fen is None else yuan(fen):>16}")


def _sums(told: Statement) -> dict[str, object]:
    return {
        "net_points": told.net_points,
        "net_fen": told.net_fen,
        "closing_fen": told.closing_fen,
        "payable_fen": told.payable_fen,
        "state": told.state,
    }


def _show(paper: Paper) -> None:
    told = paper.statement
    click.echo(
        f"{told.merchant} {told.name_zh} {told.name_en}  {told.period}"
        f"（{told.starts_on} – {told.ends_on}）"
    )
    for row in paper.figures:
        show_row(" ".join(row.name), row.points, row.fen)
    for paid in told.payments:
        click.echo(f"  {paid.paid_on} {yuan(paid.fen)} {paid.reference}")
    click.echo("")
    for row in paper.outstanding:
        show_row(" ".join(row.name), row.points, row.fen)


def _write(command: Command, span: Span, merchant: str, form: str, out: Path) -> None:
    """Write one merchant's file, whole or not at all."""
    complete = True
    with reading(command) as session, _replacing(out) as part:
        period = statements.get_period(session, span.code)
        paper = gather(session, period, merchant=merchant)
        if form in _PAGES:
            part.write_bytes(_PAGES[form](paper))
        else:
            entries = statements.stream_entries(session, period, paper.statement)
            complete = as_xlsx.write(paper, entries, part)
    if not complete:
        click.echo(
            f"{out}：明细超过 Excel 的行数上限，文件末行已注明；全部明细见 plaza settle entries / "
            "more transfers than Excel holds; its last row says so: see plaza settle entries",
            err=True,
        )


def _write_all(command: Command, span: Span, form: str, folder: Path) -> None:
    with reading(command) as session:
        codes = list_merchants(session, statements.get_period(session, span.code))
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with click.progressbar(codes, label=f"{span.code} {form}", show_pos=True) as progress:
        for code in progress:
            _write(command, span, code, form, folder / f"{span.code}-{code}.{form}")
    click.echo(f"✔ {folder}  {len(codes)} 份 statements")


@contextmanager
def _replacing(out: Path) -> Iterator[Path]:
    """Lend a file beside `out` that takes its place once it is whole."""
    part = out.with_name(f".{out.name}.part")
    with _writing(out):
        try:
            yield part
            os.replace(part, out)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise click.ClickException(
            f"无法写入 {out}：{error.strerror} / Cannot write {out}: {error.strerror}"
        ) from error
