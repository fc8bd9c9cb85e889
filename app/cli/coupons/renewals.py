"""`plaza coupons renewal …`: issued coupons follow a kinder version; two people agree."""

from functools import partial

import click

from app.campaigns import renewals as room
from app.cli.acting import acting, as_staff, because, echo_difference
from app.cli.context import Command, pass_command
from app.cli.coupons.group import coupons
from app.cli.deciding import add_pending, add_reject
from app.merchants.staff import Permission


@coupons.group()
def renewal() -> None:
    """已发的券改用对持券人更优的新版本 / issued coupons follow a kinder version of their template.

    \b
    plaza coupons template add FILE --as lin
    plaza coupons renewal propose BATCH --reason 加码 --as lin
    plaza coupons renewal approve chg_01J… --as wang
    """


@renewal.command()
@click.argument("batch")
@because
@as_staff
@pass_command
def propose(command: Command, *, batch: str, reason: str, login: str) -> None:
    """提出：批次已发的券改用模板最新版本 / let a batch's coupons follow the newest version."""
    with acting(command, login, Permission.COUPON_WRITE) as (session, actor):
        request = room.propose(session, batch, by=actor.public_id, reason=reason)
        echo_difference(request)
    approve = f"plaza coupons renewal approve {request.public_id} --as …"
    click.echo(f"等待审批 / waits for approval: {approve}")


@renewal.command()
@click.argument("request")
@as_staff
@pass_command
def approve(command: Command, *, request: str, login: str) -> None:
    """审批并执行；中断后再次执行即继续 / agree, and renew; stopped, it goes on when run again."""
    with acting(command, login, Permission.COUPON_APPROVE) as (session, actor):
        agreed = room.approve(session, request, by=actor.public_id)
        subject = agreed.subject
    database, renewed, after = command.services().database, 0, 0
    while True:
        done = database.run(
            command.district, partial(room.renew_some, request=request, after=after)
        )
        renewed += done.coupons
        if done.last_id is None:
            break
        after = done.last_id
        click.echo(f"… {renewed:,}", err=True)
    click.echo(f"✔ {subject} · {renewed:,} 张已改用新版本 / coupons follow the new version")


add_reject(renewal, room.reject, may=Permission.COUPON_WRITE)
add_pending(renewal, kind=room.KIND, title=lambda request: f"{request.subject} · {request.reason}")
