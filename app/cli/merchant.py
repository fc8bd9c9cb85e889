"""`plaza merchant …`: register, list, show, freeze; stores, tills, cashiers, trades."""

import click

from app.cli.acting import acting, as_json, as_staff, because, echo_json, reading
from app.cli.context import Command, pass_command
from app.cli.leaving import leaving
from app.cli.standing import standing
from app.cli.terms import described, terms
from app.merchants import freezing, prepaying, registration
from app.merchants.directory import Directory, ListedMerchant, get_directory
from app.merchants.locking import lock_merchant, lock_terminal
from app.merchants.registration import NewMerchant, NewStore
from app.merchants.staff import Permission


@click.group()
def merchant() -> None:
    """商户、门店、收银机与合同条款 / merchants, stores, tills and contract terms.

    \b
    plaza merchant add tea --zh 湖滨茶馆 --en "Lakeside Tea" --trade cafe --as lin
    plaza merchant store-add tea tea-1 --name 一号店 --floor 1F --terminal T1 --as lin
    plaza merchant show tea
    plaza merchant standing
    """


merchant.add_command(terms)
merchant.add_command(standing)
merchant.add_command(leaving)

_name_zh = click.option("--zh", "name_zh", required=True, help="中文名 / the Chinese name.")
_name_en = click.option("--en", "name_en", required=True, help="英文名 / the English name.")


@merchant.command()
@click.argument("code")
@_name_zh
@_name_en
@click.option("--trade", required=True, help="业态编号 / code of its trade; see `merchant trades`.")
@as_staff
@pass_command
def add(command: Command, *, code: str, name_zh: str, name_en: str, trade: str, login: str) -> None:
    """登记商户并开立账户 / register a merchant, with its accounts; terms come next."""
    new = NewMerchant(code=code, name_zh=name_zh, name_en=name_en, trade=trade)
    with acting(command, login, Permission.MERCHANT_WRITE) as (session, actor):
        public_id = registration.register(session, new, by=actor.public_id)
    click.echo(f"✔ {code} · {name_zh} · {public_id}")
    click.echo(f"下一步 / next: plaza merchant terms set {code} …")


@merchant.command()
@click.argument("code")
@_name_zh
@_name_en
@as_staff
@pass_command
def rename(command: Command, *, code: str, name_zh: str, name_en: str, login: str) -> None:
    """更名；编号不变 / give a merchant new names; its code stays."""
    with acting(command, login, Permission.MERCHANT_WRITE) as (session, actor):
        registration.rename(
            session, merchant=code, name_zh=name_zh, name_en=name_en, by=actor.public_id
        )
    click.echo(f"✔ {code} · {name_zh}")


@merchant.command("list")
@as_json
@pass_command
def list_(command: Command, *, in_json: bool) -> None:
    """列出商户 / list the merchants."""
    with reading(command) as session:
        directory = get_directory(session)
    if in_json:
        echo_json([_facts(directory, each) for each in directory.merchants.values()])
        return
    for each in directory.merchants.values():
        trade = directory.trades[each.trade].name_zh
        click.echo(f"{each.code} · {each.name_zh} {each.name_en} · {trade} · {each.status.value}")


@merchant.command()
@click.argument("code", metavar="CODE|ID")
@as_json
@pass_command
def show(command: Command, *, code: str, in_json: bool) -> None:
    """查看商户 / show a merchant with its stores, tills and terms."""
    with reading(command) as session:
        directory = get_directory(session)
    found = directory.get_merchant(code)
    if in_json:
        echo_json(_facts(directory, found))
        return
    click.echo(f"{found.code} · {found.name_zh} {found.name_en} · {found.status.value}")
    click.echo(f"{found.public_id} · {directory.trades[found.trade].name_zh}")
    for store in directory.stores.values():
        if store.merchant.id != found.id:
            continue
        click.echo(f"  {store.code} · {store.name} · {store.floor or '—'} · {store.status.value}")
        for till in directory.terminals.values():
            if till.store.id == store.id:
                click.echo(f"    {till.code} · {till.status.value} · {till.public_id}")
    for each in found.terms:
        click.echo(f"  {described(each)}")


@merchant.command()
@click.argument("code")
@because
@as_staff
@pass_command
def freeze(command: Command, *, code: str, reason: str, login: str) -> None:
    """冻结商户，停止交易 / stop all sales of a merchant."""
    with acting(command, login, Permission.MERCHANT_FREEZE) as (session, actor):
        freezing.freeze(session, lock_merchant(session, code), by=actor.public_id, reason=reason)
    click.echo(f"✔ {code} · frozen")


@merchant.command()
@click.argument("code")
@because
@as_staff
@pass_command
def unfreeze(command: Command, *, code: str, reason: str, login: str) -> None:
    """解冻商户 / let a merchant sell again."""
    with acting(command, login, Permission.MERCHANT_FREEZE) as (session, actor):
        freezing.unfreeze(session, lock_merchant(session, code), by=actor.public_id, reason=reason)
    click.echo(f"✔ {code} · active")


@merchant.command("store-add")
@click.argument("merchant_code", metavar="MERCHANT")
@click.argument("code")
@click.option("--name", required=True, help="店名 / the store's name.")
@click.option("--floor", help="楼层 / the floor.")
@click.option("--terminal", "terminals", multiple=True, help="收银机号，可重复 / a till's id.")
@as_staff
@pass_command
def store_add(
    command: Command,
    *,
    merchant_code: str,
    code: str,
    name: str,
    floor: str | None,
    terminals: tuple[str, ...],
    login: str,
) -> None:
    """开设门店 / open a store of a merchant, with its tills."""
    store = NewStore(code=code, name=name, floor=floor, terminals=terminals)
    with acting(command, login, Permission.MERCHANT_WRITE) as (session, actor):
        public_id = registration.open_store(
            session, merchant=merchant_code, store=store, by=actor.public_id
        )
    click.echo(f"✔ {code} · {name} · {public_id}")


@merchant.command("terminal-add")
@click.argument("store")
@click.argument("code")
@as_staff
@pass_command
def terminal_add(command: Command, *, store: str, code: str, login: str) -> None:
    """添加收银机 / add a till to a store."""
    with acting(command, login, Permission.MERCHANT_WRITE) as (session, actor):
        public_id = registration.add_terminal(session, store=store, code=code, by=actor.public_id)
    click.echo(f"✔ {store}/{code} · {public_id}")


@merchant.command("terminal-freeze")
@click.argument("store")
@click.argument("code")
@because
@as_staff
@pass_command
def terminal_freeze(command: Command, *, store: str, code: str, reason: str, login: str) -> None:
    """冻结收银机 / stop sales at one till."""
    with acting(command, login, Permission.MERCHANT_FREEZE) as (session, actor):
        till = lock_terminal(session, store=store, code=code)
        freezing.freeze(session, till, by=actor.public_id, reason=reason)
    click.echo(f"✔ {store}/{code} · frozen")


@merchant.command("terminal-unfreeze")
@click.argument("store")
@click.argument("code")
@because
@as_staff
@pass_command
def terminal_unfreeze(command: Command, *, store: str, code: str, reason: str, login: str) -> None:
    """解冻收银机 / let a till sell again."""
    with acting(command, login, Permission.MERCHANT_FREEZE) as (session, actor):
        till = lock_terminal(session, store=store, code=code)
        freezing.unfreeze(session, till, by=actor.public_id, reason=reason)
    click.echo(f"✔ {store}/{code} · active")


@merchant.command("cashier-add")
@click.argument("store")
@click.argument("code")
@click.option("--name", required=True, help="姓名 / the name.")
@as_staff
@pass_command
def cashier_add(command: Command, *, store: str, code: str, name: str, login: str) -> None:
    """登记收银员 / name somebody who works at a store's tills."""
    with acting(command, login, Permission.MERCHANT_WRITE) as (session, actor):
        registration.add_cashier(session, store=store, code=code, name=name, by=actor.public_id)
    click.echo(f"✔ {store}/{code} · {name}")


@merchant.command()
@pass_command
def trades(command: Command) -> None:
    """列出业态 / list the trades."""
    with reading(command) as session:
        for trade in get_directory(session).trades.values():
            click.echo(f"{trade.code} · {trade.name_zh} · {trade.name_en}")


@merchant.command("trade-add")
@click.argument("code")
@_name_zh
@_name_en
@as_staff
@pass_command
def trade_add(command: Command, *, code: str, name_zh: str, name_en: str, login: str) -> None:
    """添加业态 / add a trade."""
    with acting(command, login, Permission.MERCHANT_WRITE) as (session, actor):
        registration.add_trade(
            session, code=code, name_zh=name_zh, name_en=name_en, by=actor.public_id
        )
    click.echo(f"✔ {code} · {name_zh}")


def _facts(directory: Directory, listed: ListedMerchant) -> dict[str, object]:
    return {
        "id": listed.public_id,
        "code": listed.code,
        "name_zh": listed.name_zh,
        "name_en": listed.name_en,
        "trade": listed.trade,
        "status": listed.status.value,
        "stores": [
            {
                "id": store.public_id,
                "code": store.code,
                "name": store.name,
                "floor": store.floor,
                "status": store.status.value,
                "terminals": [
                    {"id": till.public_id, "code": till.code, "status": till.status.value}
                    for till in directory.terminals.values()
                    if till.store.id == store.id
                ],
            }
            for store in directory.stores.values()
            if store.merchant.id == listed.id
        ],
        "terms": [each.to_json() for each in listed.terms],
    }


@merchant.command()
@click.argument("code")
@click.argument("points", type=int)
@click.option(
    "--reference", required=True, help="回单或发票号，重复只记一次 / receipt; counts once."
)
@as_staff
@pass_command
def prepay(command: Command, *, code: str, points: int, reference: str, login: str) -> None:
    """预付商户购买积分 / credit a prepaid merchant with the points it bought.

    \b
    plaza merchant prepay M001 100000 --reference BANK-20261123-7 --as lin
    """
    with acting(command, login, Permission.POINTS_SELL) as (session, actor):
        left = prepaying.buy_points(session, code, points, reference=reference, by=actor.public_id)
    click.echo(f"✔ {code} · 可发积分 points to give {left}")
