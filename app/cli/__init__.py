"""The `plaza` command: a module per group of commands, each one only opening a transaction."""

import click
import psycopg
from sqlalchemy.exc import OperationalError

from app import VERSION
from app.cli import (
    audit,
    bench,
    coupons,
    districts,
    importing,
    lab,
    liability,
    mall,
    member,
    merchant,
    perks,
    points,
    pos,
    programme,
    proof,
    race,
    reconcile,
    replay,
    rewards,
    rule,
    segment,
    settle,
    setup,
    simulate,
    staff,
    terminal,
    tier,
    till,
    up,
)
from app.cli.context import Command
from app.errors import AppError
from config.database import is_disk_full
from config.errors import ConfigError, DiskFull
from coupons.errors import CouponError
from ledger.errors import LedgerError

REFUSALS = (ConfigError, AppError, LedgerError, CouponError)

COMMANDS: tuple[click.Command, ...] = (
    setup.setup,
    audit.audit,
    proof.seal,
    proof.proof,
    proof.verify,
    bench.bench,
    up.up,
    districts.migrate,
    districts.district,
    merchant.merchant,
    member.member,
    importing.importing,
    rule.rule,
    programme.programme,
    settle.settle,
    reconcile.reconcile,
    tier.tier,
    perks.perks,
    coupons.coupons,
    segment.segment,
    rewards.rewards,
    mall.mall,
    staff.staff,
    terminal.terminal,
    points.points,
    liability.liability,
    pos.pos,
    till.quote,
    till.sell,
    till.refund,
    till.roll_back,
    replay.replay_command,
    simulate.simulate,
    lab.lab,
    race.race,
)


class _Main(click.Group):
    """Ends a refused command with its message and status 1, never with a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except REFUSALS as error:
            raise click.ClickException(str(error)) from error
        except psycopg.errors.DiskFull as error:  # Of an import, past SQLAlchemy.
            raise click.ClickException(str(DiskFull())) from error
        except OperationalError as error:
            if is_disk_full(error):  # Of a migration, past `Database`.
                raise click.ClickException(str(DiskFull())) from error
            raise click.ClickException(
                f"数据库无应答：{error.orig} / The database does not answer: {error.orig}"
            ) from error


@click.group(cls=_Main, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--district", default="demo", show_default=True, help="商圈 / the district to work in."
)
@click.version_option(VERSION, message="plaza %(version)s")
@click.pass_context
def main(ctx: click.Context, district: str) -> None:
    """Plaza 商圈通：会员、积分与卡券 / members, points and coupons of a business district.

    每个命令使用设置中的服务器；未设置时使用正在运行的 plaza up，否则临时启动内置服务器。

    Each command uses the servers that are named in the settings, or those of a running `plaza up`,
    and else starts the embedded ones for its own time.
    """
    command = Command(district=district)
    ctx.obj = command
    ctx.call_on_close(command.close)


for _each in COMMANDS:
    main.add_command(_each)
main.add_command(member.member, "members")
