"""`plaza pos setup`: this terminal becomes a till."""

from typing import TextIO

import click
from plaza_client import Unanswered

from app.cli.pos import paper
from app.cli.pos.asking import at_till, say
from app.cli.pos.coupons import forget_keys, keep_keys
from app.cli.pos.desk import PATIENCE_SECONDS, Desk, Profile, SalesWait, read_secret
from app.cli.pos.journal import Journal


@click.command()
@click.option("--url", required=True, metavar="ADDRESS", help="服务地址 / the server.")
@click.option("--key-id", required=True, help="密钥编号 / the key's id, pk_….")
@click.option(
    "--secret-file",
    "secret",
    type=click.File(encoding="utf-8"),
    required=True,
    help="存放密钥的文件，- 为标准输入 / the file of its secret; - is the standard input.",
)
@click.option("--terminal", default="T1", show_default=True, help="收银机编号 / the terminal.")
@click.option("--cashier", required=True, help="收银员 / who stands at it.")
@click.option("--shop", default="", help="小票抬头 / the name on top of receipts.")
@click.option(
    "--patience",
    type=click.IntRange(1, 600),
    default=PATIENCE_SECONDS,
    show_default=True,
    help="最多等几秒应答 / seconds to wait for an answer.",
)
@at_till
def setup(
    desk: Desk,
    *,
    url: str,
    key_id: str,
    secret: TextIO,
    terminal: str,
    cashier: str,
    shop: str,
    patience: int,
) -> None:
    """设置本机为收银机，并试连一次 / make this machine a till, and try the key once.

    \b
    plaza pos setup --url http://127.0.0.1:8000 --key-id pk_… --secret-file secret.txt --cashier 007

    密钥保存在本机档案里（权限 0600），不写在命令行上。

    The secret is kept in the till's profile, for its owner alone, and never on the command line.
    """
    profile = Profile(
        base_url=url,
        key_id=key_id,
        secret=read_secret(secret.read()),
        terminal_id=terminal,
        cashier_id=cashier,
        shop=shop,
        patience_seconds=patience,
    )
    if desk.leaves_for(profile) and (desk.waits() or Journal(desk).waiting()):
        raise SalesWait
    answered, found = True, None
    try:
        with desk.client_of(profile, keeps=False) as till:
            till.totals()
            found = till.offline_keys()
    except Unanswered:
        answered = False  # It may sell offline at once; the key is tried with the first call.
    moves = desk.leaves_for(profile)
    desk.set_up(profile)
    if found is not None:
        keep_keys(desk, found)
    elif moves:
        forget_keys(desk)  # They would take what is made out for the store that it leaves.
    reached = "✔ 已连通 reached" if answered else "✘ 没有应答，可先离线销售 no answer; sell offline"
    say(
        desk,
        {"profile": str(desk.path), "answered": answered},
        [
            paper.row("收银机 Terminal", profile.terminal_id),
            paper.row("收银员 Cashier", profile.cashier_id),
            paper.row("档案 Profile", str(desk.path)),
            paper.row(profile.base_url, reached),
        ],
    )
