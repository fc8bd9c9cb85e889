"""`plaza merchant standing`: what merchants have left to give, and what they owe (L6)."""

from dataclasses import asdict

import click

from app.cli.acting import as_json, echo_json, reading
from app.cli.context import Command, pass_command
from app.merchants.directory import get_directory
from app.money import yuan
from app.settlement import credit
from app.settlement.credit import Standing


@click.command()
@click.argument("code", metavar="[CODE|ID]", required=False)
@as_json
@pass_command
def standing(command: Command, *, code: str | None, in_json: bool) -> None:
    """预付余额与后付欠款 / what a merchant, or each, has left to give and owes.

    欠款 = 已结未付 + 上次结账后发放积分的成本。 / It owes what closed periods left unpaid, and what
    the points cost that it gave since the last close.
    """
    with reading(command) as session:
        directory = get_directory(session)
        named = [directory.get_merchant(code)] if code else list(directory.merchants.values())
        found = credit.stand(session, named)
    if in_json:
        echo_json([_facts(each) for each in found])
        return
    for each in found:
        click.echo(_line(each))


def _facts(each: Standing) -> dict[str, object]:
    return {
        **{name: value for name, value in asdict(each).items() if name != "merchant"},
        "merchant": each.merchant.code,
        "unpaid_fen": each.unpaid_fen,
        "points_low": each.points_low,
        "credit_used_up": each.credit_used_up,
    }


def _line(each: Standing) -> str:
    words = [
        each.merchant.code,
        f"可发 left {each.prepaid_points:,}",
        f"欠款 owes {yuan(each.unpaid_fen)}",
    ]
    if each.alert_points is not None:
        state = "余额不足，请补购 low: buy more" if each.points_low else "够用 enough"
        words.append(f"提醒线 alert {each.alert_points:,}：{state}")
    if each.limit_fen is not None:
        state = "已停发，付款后恢复 stopped until paid" if each.credit_used_up else "未满 free"
        words.append(f"信用额度 credit {yuan(each.limit_fen)}：{state}")
    return " · ".join(words)
