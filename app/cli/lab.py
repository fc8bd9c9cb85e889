"""`plaza lab`: the experiments that abuse the product, each in a district of its own."""

import secrets

import click

from app.cli.acting import as_json, echo_json
from app.cli.context import Command, pass_command
from app.cli.simulate import commit
from app.lab.experiments import catalogue
from app.lab.experiments.catalogue import EXPERIMENTS
from app.lab.experiments.findings import Report

_ALL = "all"


@click.command()
@click.argument("experiment", required=False, metavar="[E16|…|all]")
@click.option("--short", is_flag=True, help="少量用例，供 CI / few cases, for CI.")
@click.option("--seed", type=int, help="种子，缺省随机 / the dice; drawn by default.")
@as_json
@click.pass_context
@pass_command
def lab(
    command: Command,
    ctx: click.Context,
    *,
    experiment: str | None,
    short: bool,
    seed: int | None,
    in_json: bool,
) -> None:
    """滥用实验：计数并与阈值比较，未达标退出码 1 / abuse, counted; exit 1 below the threshold.

    在沙盒商圈 lab 中进行，每次重建；不带参数列出全部实验。

    Works in the sandbox district `lab`, made anew each time; alone it lists the experiments.

    \b
    plaza lab E18
    plaza lab all --short
    plaza lab E16 --seed 7 --json
    """
    if experiment is None:
        _list()
        return
    if experiment not in (_ALL, *EXPERIMENTS):
        raise click.BadParameter(
            f"没有这个实验 / no such experiment: {experiment}; {', '.join(EXPERIMENTS)}, {_ALL}"
        )
    seed = secrets.randbits(32) if seed is None else seed
    reports = []
    for name in EXPERIMENTS if experiment == _ALL else (experiment,):
        click.echo(f"{name} {_title(name)} · 种子 seed {seed} · 版本 commit {commit()}", err=True)
        report = catalogue.run(
            command.settings(), name, seed=seed, commit=commit(), short=short, tell=_tell
        )
        reports.append(report)
        if not in_json:
            _show(report)
    if in_json:
        echo_json([report.to_json() for report in reports])
    ctx.exit(0 if all(report.met for report in reports) else 1)


def _list() -> None:
    for name, each in EXPERIMENTS.items():
        cases = f"{each.full:,}" if each.full else "全部 all"
        click.echo(f"{name}  {_title(name)}（{cases}）")


def _title(name: str) -> str:
    return " / ".join(EXPERIMENTS[name].module.TITLE)


def _show(report: Report) -> None:
    wide = max(len(each.what) for each in report.findings) + 2
    row = f"{{:{wide}}}  {{:34}}  {{:34}}  {{}}".format
    click.echo(row("", "应为 expected", "实为 got", "阈值 threshold"))
    for each in report.findings:
        what = f"{'✔' if each.met else '✘'} {each.what}"
        click.echo(row(what, each.expected, each.got, each.threshold))
    for example in report.examples:
        click.echo(f"    {example}")
    verdict = "达标 / met" if report.met else "未达标 / not met"
    click.echo(
        f"{'✔' if report.met else '✘'} {report.experiment} {verdict} · "
        f"{report.cases} 例 cases · {report.seconds} s"
    )


def _tell(line: str) -> None:
    click.echo(line, err=True)
