"""The commands `show` and `propose` of a policy whose terms are set by name: NAME=VALUE."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

import click

from app.approvals import ChangeRequest
from app.cli.acting import acting, as_json, as_staff, because, echo_difference, echo_json, reading
from app.cli.context import Command, pass_command
from app.cli.deciding import add_decisions
from app.cli.parameters import Instant
from app.errors import Invalid
from app.merchants.staff import Permission
from app.policies import Policy, Terms
from config.database import now_of

T = TypeVar("T", bound=Terms)


def add_setting(
    group: click.Group,
    policy: Policy[T],
    *,
    meanings: Mapping[str, str],
    propose: Callable[..., ChangeRequest],
    readers: Mapping[str, Callable[[str], object]] = {},
    parent: str = "",
) -> None:
    """Give a group all commands of a policy: show, propose, and those of the second person.

    `meanings` say in both languages what each field is; `readers` make a field's JSON of what
    was written, and without one it is a number. `propose` is the policy's own, or its room's.
    `parent` is the group of the group, with a space behind it, if that is not `plaza`'s own.
    """

    @group.command("show")
    @as_json
    @pass_command
    def show_command(command: Command, *, in_json: bool) -> None:
        """查看现行规则 / show what is in force."""
        with reading(command) as session:
            known = policy.at(session, now_of(session)).to_json()
        if in_json:
            echo_json(known)
            return
        for name, value in known.items():
            said = ",".join(map(str, value)) if isinstance(value, list) else value
            shown = said if said not in (None, "") else "—"
            click.echo(f"{name:<24}{shown:>12}  {meanings[name]}")

    @group.command("propose")
    @click.option("--set", "wanted", multiple=True, required=True, metavar="NAME=VALUE",
                  help="一项，可重复 / one of them; repeat.")  # fmt: skip
    @click.option("--from", "begins", type=Instant(),
                  help="生效；默认审批时 / from; else at approval.")  # fmt: skip
    @because
    @as_staff
    @pass_command
    def propose_command(
        command: Command,
        *,
        wanted: tuple[str, ...],
        begins: datetime | None,
        reason: str,
        login: str,
    ) -> None:
        """提出新规则；未给出的不变 / propose a change; what is not named stays as it is."""
        with acting(command, login, Permission.PROGRAMME_PROPOSE) as (session, actor):
            known = policy.at(session, now_of(session))
            named = dict([_read(each, meanings, readers) for each in wanted])
            changed = policy.read({**known.to_json(), **named})
            if changed == known:
                raise Invalid(str(group.name), "没有任何变化", "nothing would change")
            request = propose(session, changed, begins=begins, by=actor.public_id, reason=reason)
            echo_difference(request)
        click.echo(
            f"等待审批 / waits for approval: plaza {parent}{group.name} approve "
            f"{request.public_id} --as …"
        )

    add_decisions(group, kind=policy.kind, approve=policy.approve, reject=policy.reject)


def _read(
    written: str, meanings: Mapping[str, str], readers: Mapping[str, Callable[[str], object]]
) -> tuple[str, object]:
    name, _, value = written.partition("=")
    refusal = Invalid("set", f"应为 名称=值：{written}", f"wanted NAME=VALUE: {written}")
    if name not in meanings:
        raise refusal
    try:
        return name, readers.get(name, int)(value)
    except ValueError as error:
        raise refusal from error
