"""L10 by command: a bill is imported, breaks are listed, owned and closed."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from app.checkout import orders
from app.checkout.baskets import Tender
from app.clock import business_date
from app.merchants.models import Staff
from app.merchants.staff import Role
from config.database import Database, new_id, now_of
from tests.app.checkout.shops import open_shop
from tests.app.cli.conftest import Plaza
from tests.app.settlement.gateway_files import Money, alipay

Hire = Callable[..., Staff]


def test_a_bill_is_imported_and_its_breaks_are_owned_and_closed(
    plaza: Plaza, hire: Hire, database: Database, tmp_path: Path
) -> None:
    finance, other = hire(Role.FINANCE), hire(Role.FINANCE)
    login = finance.login
    with database.transaction(plaza.district) as session:
        shop, at = open_shop(session), now_of(session) - timedelta(days=2)
        basket = shop.basket(session, None, 1999, at=at)
        order = orders.sell(session, basket, [Tender(name="alipay", fen=1999)]).public_id
    day = business_date(at)
    file = tmp_path / "alipay.csv"
    stranger = Money(transaction=new_id("txn"), order=new_id("str"), fen=7)
    paid = Money(transaction=new_id("txn"), order=order, fen=1999)
    file.write_bytes(alipay([stranger], day=day))
    words = ("reconcile", "import", "alipay", str(file), "--date", str(day), "--as", login)

    first = plaza.json(*words)
    file.write_bytes(alipay([stranger, paid], day=day))
    second = plaza.json(*words)
    printed = plaza(*words)

    assert [each["open_breaks"] for each in (first["days"][-1], second["days"][-1])] == [2, 1]
    assert (second["added"], second["already"]) == (1, 1)
    assert "已有 already 2" in printed
    (found,) = plaza.json("reconcile", "list", "--gateway", "alipay", "--date", str(day))
    assert (found["kind"], found["fen"], found["age"]) == ("missing_here", -7, "2-3")
    name = found["public_id"]
    assert "须先有人负责" in plaza.refused(
        "reconcile", "close", name, "--reason", "x", "--as", login
    )
    plaza("reconcile", "own", name, "--to", other.login, "--as", login)
    assert other.public_id in plaza("reconcile", "list", "--date", str(day))
    plaza("reconcile", "close", name, "--reason", "测试单", "--as", other.login)
    assert "测试单" in plaza("reconcile", "list", "--date", str(day), "--all")
    assert "没有差异" in plaza("reconcile", "list", "--date", str(day))
    done = plaza.json("reconcile", "run", "alipay", "--date", str(day), "--as", login)
    assert done["reconciled"]
    assert "已平" in plaza("reconcile", "run", "alipay", "--date", str(day), "--as", login)
    assert str(day) in plaza("reconcile", "days")


def test_a_torn_bill_and_a_stranger_are_refused(plaza: Plaza, hire: Hire, tmp_path: Path) -> None:
    file = tmp_path / "bill.csv"
    file.write_bytes(b"torn")
    words = ("reconcile", "import", "wechat", str(file), "--date", "2026-11-26")

    assert "第 1 行" in plaza.refused(*words, "--as", hire(Role.FINANCE).login)
    assert "没有权限" in plaza.refused(*words, "--as", hire(Role.SUPPORT).login)
    assert "wechat" in plaza.refused(
        "reconcile", "run", "cash", "--date", "2026-11-26", "--as", "x"
    )
    assert "找不到" in plaza.refused(
        "reconcile", "run", "wechat", "--date", "2020-01-01", "--as", hire().login
    )
    assert plaza.json("reconcile", "days", "--from", "2020-01-01", "--through", "2020-01-02") == []
