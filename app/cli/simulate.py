"""`plaza simulate`: random events on real books beside a model, for as long as one likes."""

import secrets
import subprocess
import time

import click

from app import VERSION
from app.cli.context import Command, pass_command
from app.lab.simulator import Diverged, Simulation
from config.settings import PROJECT
from migrations import run

DISTRICT = "simulation"
STEPS = 500


@click.command()
@click.option(
    "--seconds", type=click.IntRange(1), default=60, show_default=True, help="时长 / for so long."
)
@click.option("--seed", type=int, help="种子，缺省随机 / the dice; drawn by default.")
@pass_command
def simulate(command: Command, *, seconds: int, seed: int | None) -> None:
    """随机事件与内存模型逐步对照账本；种子可重现 / hold the ledger against a model; seeded.

    在沙盒商圈 simulation 中进行，每次重建。

    Works in the sandbox district `simulation`, made anew each time.
    """  # fmt: skip
    owner_url = command.settings().database.owner_url
    if DISTRICT in run.migrate(owner_url):
        run.drop_district(owner_url, DISTRICT)
    run.create_district(owner_url, DISTRICT, name="模拟 / simulation", sandbox=True)
    seed = secrets.randbits(32) if seed is None else seed
    click.echo(f"种子 seed {seed} · 版本 commit {commit()}")
    began = time.monotonic()
    rounds = steps = 0
    while time.monotonic() - began < seconds:
        simulation = Simulation(command.services().database, DISTRICT, seed=seed + rounds)
        try:
            for _ in range(STEPS):
                simulation.step()
                steps += 1
            simulation.finish()
        except Diverged as error:
            raise click.ClickException(
                f"第 {steps} 步不符（--seed {seed + rounds}）：{error} / "
                f"step {steps} diverged (--seed {seed + rounds}): {error}"
            ) from error
        rounds += 1
        click.echo(f"  {time.monotonic() - began:6.1f} s  {steps} 步 steps  ✔")
    click.echo(f"✔ {rounds} 轮 rounds · {steps} 步 steps")


def commit() -> str:
    """Return the commit that runs, or the version where there is no git."""
    try:
        found = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"],
            cwd=PROJECT, capture_output=True, text=True, check=False,
        )  # fmt: skip
    except OSError:
        return VERSION
    return found.stdout.strip() or VERSION
