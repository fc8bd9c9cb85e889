"""`plaza race`: many want what there is too little of; afterwards exactly so much is gone."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from signal import SIGKILL

import click

from app.cli.acting import as_json, echo_json
from app.cli.context import Command, pass_command
from app.cli.serving import Served, serving
from app.lab.races import district, running
from app.lab.races.over_http import HttpDoor, children
from app.lab.races.phones import Act, PhonesDoor
from app.lab.races.running import Ask, Found, Verdict
from app.lab.races.tills import TillsDoor
from config import servers
from coupons.templates import MOST_IN_A_RUSH

RIVALS = 4
"""Tills that show the same code."""

_PROCESSES = 2
_CLAIMANTS = click.IntRange(1, 20_000)
_STOCK = click.IntRange(1, MOST_IN_A_RUSH)
_TILLS = click.IntRange(1, 64)


@click.group()
def race() -> None:
    """抢券竞赛：恰好发完、恰好核销 / races for coupons: exactly so many, under any crowd.

    在沙盒商圈 race 中进行，每次重建；结果不精确则退出码 1。

    Works in the sandbox district `race`, made anew each time; exit 1 where it is not exact.
    """


_KILL = click.option(
    "--kill", type=click.Choice(["worker", "redis"]), help="中途杀死 / kill it midway."
)


@race.command()
@click.option("--stock", type=_STOCK, default=100, show_default=True, help="张 / left.")
@click.option("--claimants", type=_CLAIMANTS, default=1_000, show_default=True, help="人 / people.")
@click.option("--gate", is_flag=True, help="批次设抢券闸门 / the batch has a gate for rushes.")
@_KILL
@as_json
@pass_command
@click.pass_context
def claim(
    ctx: click.Context,
    command: Command,
    *,
    stock: int,
    claimants: int,
    gate: bool,
    kill: str | None,
    in_json: bool,
) -> None:
    """多名会员抢领同一批券 / many members claim coupons of one batch over HTTP.

    \b
    plaza race claim --stock 100 --claimants 1000
    plaza race claim --kill worker --json
    plaza race claim --gate --kill redis
    """
    with _open(command, tills=1) as place:
        district.open_batch(command.services().database, district.terms_of(total=stock, rush=gate))
        asks = [Ask(party=number, name=district.BATCH) for number in range(claimants)]
        found = _claimed(command, place, Act.CLAIM, asks, kill=kill)
    _tell(ctx, found, wanted=min(stock, claimants), in_json=in_json)


@race.command("last-code")
@click.option("--claimants", type=_CLAIMANTS, default=200, show_default=True, help="人 / people.")
@_KILL
@as_json
@pass_command
@click.pass_context
def last_code(
    ctx: click.Context, command: Command, *, claimants: int, kill: str | None, in_json: bool
) -> None:
    """多名会员兑换同一个券码 / many members exchange the same printed code over HTTP."""
    with _open(command, tills=1) as place:
        database = command.services().database
        district.open_batch(database, district.terms_of(total=1))
        (code,) = district.print_codes(database, count=1, exchanged=False)
        asks = [Ask(party=number, name=code) for number in range(claimants)]
        found = _claimed(command, place, Act.EXCHANGE, asks, kill=kill)
    _tell(ctx, found, wanted=1, in_json=in_json)


@race.command()
@click.option("--tills", type=_TILLS, default=20, show_default=True, help="收银机 / tills.")
@click.option(
    "--coupons", type=click.IntRange(1), default=500, show_default=True, help="张 / codes."
)
@_KILL
@as_json
@pass_command
@click.pass_context
def redeem(
    ctx: click.Context,
    command: Command,
    *,
    tills: int,
    coupons: int,
    kill: str | None,
    in_json: bool,
) -> None:
    """多台收银机核销同样的券码 / several tills redeem the same codes over HTTP.

    \b
    plaza race redeem --tills 20 --coupons 500
    plaza race redeem --kill redis --json
    """
    found = _redeemed(command, tills=tills, coupons=coupons, budget_fen=None, kill=kill)
    _tell(ctx, found, wanted=coupons, in_json=in_json)


@race.command()
@click.option("--tills", type=_TILLS, default=20, show_default=True, help="收银机 / tills.")
@click.option(
    "--coupons", type=click.IntRange(1), default=200, show_default=True, help="张 / codes."
)
@click.option(
    "--budget", type=click.IntRange(1), help="分，缺省为一半 / fen; half of all by default."
)
@_KILL
@as_json
@pass_command
@click.pass_context
def budget(
    ctx: click.Context,
    command: Command,
    *,
    tills: int,
    coupons: int,
    budget: int | None,
    kill: str | None,
    in_json: bool,
) -> None:
    """多台收银机抢用同一预算 / several tills use up one budget over HTTP."""
    fen = budget or coupons * district.FACE_FEN // 2
    found = _redeemed(command, tills=tills, coupons=coupons, budget_fen=fen, kill=kill)
    _tell(ctx, found, wanted=min(fen // district.FACE_FEN, coupons), in_json=in_json)


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where a race is run: tills with keys, a server of several processes, a Redis of its own."""

    desks: Sequence[district.Desk]
    server: Served
    keeper: int


@contextmanager
def _open(command: Command, *, tills: int) -> Iterator[_Place]:
    settings = command.settings()
    desks = district.open_district(settings, tills=tills)
    try:
        with _own_redis(command) as valkey:
            environ = {
                "PLAZA_WORKERS": str(_PROCESSES),
                "PLAZA_REDIS_URL": f"{valkey.addresses['url']}/0",
            }
            with serving(command, environ=environ) as server:
                keeper = int(valkey.addresses["keeper_pid"])
                yield _Place(desks=desks, server=server, keeper=keeper)
    finally:
        district.drop_district(settings)


def _claimed(
    command: Command, place: _Place, act: Act, asks: Sequence[Ask], *, kill: str | None
) -> Found:
    """Race members over HTTP, each signed in and asking once."""
    database = command.services().database
    door = PhonesDoor(
        address=place.server.address,
        server=place.server.pid,
        act=act,
        tokens=district.sign_in(command.settings(), database, members=len(asks)),
    )
    outcomes = running.run(door, asks, kill=_killing(kill, door, keeper=place.keeper))
    issued, _, audit = district.held(database)
    return _found(door, outcomes, had=issued, audit=audit)


def _redeemed(
    command: Command, *, tills: int, coupons: int, budget_fen: int | None, kill: str | None
) -> Found:
    """Race tills over HTTP: each code is shown at several of them at once."""
    database = command.services().database
    with _open(command, tills=tills) as place:
        district.open_batch(database, district.terms_of(budget_fen=budget_fen))
        codes = district.print_codes(database, count=coupons, exchanged=True)
        asks = [
            Ask(party=(number + rival) % tills, name=code)
            for number, code in enumerate(codes)
            for rival in range(min(RIVALS, tills))
        ]
        door = TillsDoor(address=place.server.address, server=place.server.pid, desks=place.desks)
        outcomes = running.run(door, asks, kill=_killing(kill, door, keeper=place.keeper))
        _, redeemed, audit = district.held(database)
        return _found(door, outcomes, had=redeemed, audit=audit)


@contextmanager
def _own_redis(command: Command) -> Iterator[servers.Running]:
    """Run a Redis of the race's own, that may be killed: another may serve others too."""
    folder = command.home / f"race-valkey-{os.getpid()}"
    try:
        with servers.attach_valkey(folder, durable=False) as valkey:
            yield valkey
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _killing(kill: str | None, door: HttpDoor, *, keeper: int) -> Callable[[], None] | None:
    """Return what is killed midway: a worker of the server, or the race's own Redis."""
    if kill == "redis":
        return lambda: os.kill(children(keeper)[0], SIGKILL)
    return door.kill_worker if kill == "worker" else None


def _found(door: HttpDoor, outcomes: Sequence[running.Outcome], *, had: int, audit: str) -> Found:
    return Found(
        accepted=running.count(outcomes, Verdict.ACCEPTED),
        issued=had,
        errors_5xx=door.errors,
        p99_ms=running.p99_ms(outcomes),
        audit=audit,
    )


def _tell(ctx: click.Context, found: Found, *, wanted: int, in_json: bool) -> None:
    exact = found.is_exact(wanted)
    if in_json:
        echo_json(found.to_json())
    else:
        for name, figure in found.to_json().items():
            click.echo(f"{name:<12}{figure}")
        click.echo(f"{'✔' if exact else '✘'} 应为 wanted {wanted}")
    ctx.exit(0 if exact else 1)
