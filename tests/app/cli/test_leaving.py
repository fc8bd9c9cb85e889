"""A merchant leaves by command, by two people; every refusal says what to do (L6, L9, G1)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest
from sqlalchemy.orm import Session

from app.clock import business_date
from app.members import closing
from app.members.closing import Leftover
from app.merchants.directory import get_directory
from app.merchants.models import Staff
from app.merchants.staff import Role
from app.points.expiry import Place, expire_some
from app.points.lapsing import lapse
from config.database import Database, now_of
from ledger import upkeep
from migrations.run import create_district, drop_district
from tests.app.checkout.shops import Shop, open_shop
from tests.app.cli.conftest import Plaza
from tests.factories import make_member, make_staff, make_terms, make_till

Hire = Callable[..., Staff]


@pytest.fixture
def shop(database: Database, district: str) -> Shop:
    """A postpaid merchant with a limit of ¥5.00 that has given 100 points, at a fen each."""
    with database.transaction(district) as session:
        opened = open_shop(session, terms=make_terms(credit_limit_fen=500))
        opened.sell(session, make_member(session), 100_00)
    return opened


@dataclass(frozen=True, kw_only=True)
class Parting:
    """A sandbox of two merchants in January 2017, with staff `wang` and `lin`."""

    plaza: Plaza
    database: Database
    owner_url: str
    leaver: str
    redeemer: str

    def clock(self, day: str) -> None:
        """Move its clock to noon of a day."""
        with psycopg.connect(self.owner_url) as connection:
            connection.execute(
                "UPDATE public.district SET clock = %s WHERE id = 'parting'", [f"{day} 12:00+08"]
            )

    def sell(self, fen: int, *, burn: int = 0) -> None:
        """Let a member buy at the one, and spend points at the other."""
        with self.database.transaction("parting") as session:
            a, b = (_shop(session, code) for code in (self.leaver, self.redeemer))
            member = make_member(session)
            a.sell(session, member, fen)
            if burn:
                b.sell(session, member, burn, burn=burn)

    def give_away(self, points: int) -> None:
        """Let a member who has points leave and donate them."""
        with self.database.transaction("parting") as session:
            member = make_member(session)
            _shop(session, self.leaver).sell(session, member, points * 100)
            now, choice = now_of(session), Leftover.DONATE
            closing.ask(session, member=member, points=choice, evidence={}, now=now)
            closing.erase_due(session, now=now + choice.notice)
            lapse(session)

    def let_expire(self) -> None:
        """Let a year pass, book what expired, and close the months through February 2018."""
        self.clock("2018-03-03")
        with self.database.transaction("parting") as session:
            expire_some(session, day=date(2018, 3, 3), place=Place(), most=1_000)
        for month in range(2, 15):
            code = f"{2017 + (month - 1) // 12}-{(month - 1) % 12 + 1:02}"
            self.plaza("settle", "close", "--period", code, "--as", "wang")


def _shop(session: Session, code: str) -> Shop:
    merchant = get_directory(session).get_merchant(code)
    return Shop(merchant=merchant, till=make_till(session, merchant))


@pytest.fixture
def parting(plaza: Plaza, database: Database, owner_url: str) -> Iterator[Parting]:
    create_district(owner_url, "parting", name="退出", sandbox=True)
    began = datetime(2017, 1, 10, 4, tzinfo=UTC)
    with database.transaction("parting", at=began) as session:
        upkeep.open_books(session, start=date(2017, 1, 1), through=date(2018, 5, 31))
        make_staff(session, login="wang")
        make_staff(session, login="lin")
        leaver, redeemer = (open_shop(session).merchant.code for _ in range(2))
    opened = Parting(
        plaza=replace(plaza, district="parting"), database=database, owner_url=owner_url,
        leaver=leaver, redeemer=redeemer,
    )  # fmt: skip
    opened.clock("2017-01-11")
    yield opened
    drop_district(owner_url, "parting")


def test_standing_tells_what_is_left_and_owed(plaza: Plaza, shop: Shop) -> None:
    (found,) = plaza.json("merchant", "standing", shop.merchant.code)

    assert found["merchant"] == shop.merchant.code
    assert (found["unpaid_fen"], found["limit_fen"], found["credit_used_up"]) == (100, 500, False)
    told = plaza("merchant", "standing", shop.merchant.code)
    assert "欠款 owes ¥1.00" in told
    assert "信用额度 credit ¥5.00" in told
    assert shop.merchant.code in plaza("merchant", "standing")


def test_levels_are_agreed_with_the_terms(plaza: Plaza, hire: Hire, shop: Shop) -> None:
    finance, other = hire(Role.FINANCE).login, hire(Role.FINANCE).login
    code = shop.merchant.code
    words = ["merchant", "terms", "set", code, "--from", str(_tomorrow()), "--cost", "1",
             "--redemption", "9/10", "--may-burn", "any", "--reason", "续约",
             "--as", finance]  # fmt: skip
    wrong = plaza.refused(*words, "--funding", "postpaid", "--alert-points", "5")
    assert "for prepaid merchants alone" in wrong

    request = _request(plaza(*words, "--funding", "prepaid", "--alert-points", "5000"))
    plaza("merchant", "terms", "approve", request, "--as", other)

    assert "提醒 alert 5,000" in plaza("merchant", "terms", "list", code)
    assert plaza.json("merchant", "terms", "list", code)[-1]["alert_points"] == 5000


def test_a_merchant_leaves_by_two_people_and_its_deposit_is_paid(
    plaza: Plaza, hire: Hire, shop: Shop
) -> None:
    one, two, code = hire(Role.FINANCE).login, hire(Role.FINANCE).login, shop.merchant.code
    asked = plaza(
        "merchant", "exit", "propose", code, "--breakage", "1/10", "--reason", "到期", "--as", one
    )
    request = _request(asked)
    assert request in plaza("merchant", "exit", "pending")
    assert "提出人不能审批" in plaza.refused("merchant", "exit", "approve", request, "--as", one)

    told = plaza("merchant", "exit", "approve", request, "--as", two)

    assert "应留押金 deposit: ¥0.90" in told
    assert plaza.json("merchant", "show", code)["status"] == "exiting"
    paid = ("merchant", "exit", "deposit", code, "--reference", "D1", "--as", one)
    assert "待交 to pay ¥0.00" in plaza(*paid, "--yuan", "0.90")
    assert "at most ¥0.00 go back" in plaza.refused(
        "merchant", "exit", "deposit", code, "--reference", "D2", "--yuan", "-0.01", "--as", one
    )
    found = plaza.json("merchant", "exit", "show", code)
    assert (found["begun"]["deposit_fen"], found["held_fen"], found["free_fen"]) == (90, 90, 0)
    assert (found["breakage"], found["now"]["balance_fen"], found["steps"]) == ("1/10", 90, [])
    assert "已有押金 held: ¥0.90" in plaza("merchant", "exit", "show", code)
    refused = plaza.refused("merchant", "exit", "finish", code, "--as", one)
    assert "100 points are in members' hands" in refused
    assert "尚未清结" in refused
    assert "there is no loss" in plaza.refused(
        "merchant", "exit", "loss", code, "--reason", "破产", "--as", one
    )
    assert "nobody bore a loss" in plaza.refused("merchant", "exit", "recover", code, "--as", one)


def test_an_exit_is_turned_down(plaza: Plaza, hire: Hire, shop: Shop) -> None:
    one, code = hire(Role.FINANCE).login, shop.merchant.code
    asked = plaza(
        "merchant", "exit", "propose", code, "--breakage", "0", "--reason", "到期", "--as", one
    )

    plaza("merchant", "exit", "reject", _request(asked), "--reason", "续约", "--as", one)

    assert plaza.json("merchant", "show", code)["status"] == "active"
    assert "找不到 exit" in plaza.refused("merchant", "exit", "show", code)


def test_who_bears_losses_is_declared_by_two_people(plaza: Plaza, hire: Hire) -> None:
    one, two = hire(Role.FINANCE).login, hire(Role.FINANCE).login
    words = ("settle", "losses", "propose", "--fund", "500", "--redeemer-months", "12")
    request = _request(plaza(*words, "--reason", "年度", "--as", one))

    assert "起生效" in plaza("settle", "losses", "approve", request, "--as", two)

    declared = {"fund_limit_fen": 50_000, "redeemer_months": 12}
    assert plaza.json("settle", "losses", "show") == declared
    assert "¥500.00" in plaza("settle", "losses", "show")
    assert "nothing would change" in plaza.refused(*words, "--reason", "x", "--as", one)


def test_a_merchant_that_cannot_pay_is_borne_as_declared_and_leaves_in_the_end(
    parting: Parting,
) -> None:
    """Semantics 50: deposit, fund, redeemers; what comes back goes to them; nothing is out."""
    plaza, code, other = parting.plaza, parting.leaver, parting.redeemer
    declare = ("settle", "losses", "propose", "--fund", "0.60", "--redeemer-months", "12")
    declared = _request(plaza(*declare, "--reason", "年度", "--as", "wang"))
    plaza("settle", "losses", "approve", declared, "--as", "lin")
    parting.sell(200_00, burn=50)
    parting.clock("2017-02-05")
    plaza("settle", "close", "--period", "2017-01", "--as", "wang")
    propose = ("merchant", "exit", "propose", code, "--breakage", "1/5", "--reason", "关店")
    request = _request(plaza(*propose, "--as", "wang"))
    assert "应留押金 deposit: ¥1.70" in plaza("merchant", "exit", "approve", request, "--as", "lin")
    deposit = ("merchant", "exit", "deposit", code, "--as", "wang")
    plaza(*deposit, "--yuan", "1", "--reference", "D1")
    loss = ("merchant", "exit", "loss", code, "--reason", "破产", "--as", "wang")
    dropped = _request(plaza(*loss))
    plaza("merchant", "exit", "loss-reject", dropped, "--reason", "再等", "--as", "lin")
    asked = plaza(*loss)
    assert f"{other} ¥0.40" in asked

    borne = plaza("merchant", "exit", "loss-approve", _request(asked), "--as", "lin")

    assert "押金 deposit ¥1.00 · 商圈基金 fund ¥0.60" in borne
    assert f"{other} ¥0.40" in borne
    again = plaza.refused("merchant", "exit", "loss-approve", _request(asked), "--as", "lin")
    assert "已有决定" in again
    parting.let_expire()
    recovered = plaza("merchant", "exit", "recover", code, "--as", "wang")
    assert "fund ¥0.60" in recovered
    assert f"{other} ¥0.40" in recovered
    still = plaza.refused("merchant", "exit", "finish", code, "--as", "wang")
    assert "its account stands at ¥0.50: pay it" in still
    pay = ("settle", "pay", "--period", "2018-02", "--merchant", code, "--reference", "B9")
    plaza(*pay, "--yuan", "-0.50", "--as", "wang")
    assert "exited" in plaza("merchant", "exit", "finish", code, "--as", "wang")
    assert "exited" in plaza("merchant", "exit", "finish", code, "--as", "wang")
    assert "2018-02 · 核销 redeemed 0 · 过期 expired 150" in plaza("merchant", "exit", "show", code)
    plaza("audit")


def test_donated_points_find_a_purpose_by_two_people(parting: Parting) -> None:
    plaza, show = parting.plaza, ("settle", "donations", "show")
    assert "No donated points wait" in plaza(*show)
    nothing = ("settle", "donations", "propose", "--to", "charity", "--reason", "x")
    assert "no donated points wait" in plaza.refused(*nothing, "--as", "wang")
    parting.give_away(60)

    assert f"{parting.leaver} · 60 分" in plaza(*show)
    dropped = _request(plaza(*nothing, "--as", "wang"))
    assert dropped in plaza("settle", "donations", "pending")
    plaza("settle", "donations", "reject", dropped, "--reason", "再议", "--as", "lin")
    words = ("settle", "donations", "propose", "--to", "issuers", "--reason", "退回")
    request = _request(plaza(*words, "--as", "wang"))
    assert "60 分" in plaza("settle", "donations", "approve", request, "--as", "lin")

    assert plaza.json(*show) == []
    plaza("audit")


def test_an_exit_is_cancelled_and_charity_pays_by_two_people(parting: Parting) -> None:
    plaza, code = parting.plaza, parting.leaver
    propose = ("merchant", "exit", "propose", code, "--breakage", "1/5", "--reason", "关店")
    plaza("merchant", "exit", "approve", _request(plaza(*propose, "--as", "wang")), "--as", "lin")
    cancel = ("merchant", "exit", "cancel", code, "--reason", "续约", "--as", "wang")
    dropped, request = _request(plaza(*cancel)), _request(plaza(*cancel))
    plaza("merchant", "exit", "cancel-reject", dropped, "--reason", "再议", "--as", "lin")
    assert f"{request} · merchant.exit_cancel · {code}" in plaza("merchant", "exit", "pending")
    assert "active" in plaza("merchant", "exit", "cancel-approve", request, "--as", "lin")
    parting.give_away(60)
    words = ("settle", "donations", "propose", "--to", "charity", "--reason", "助老")
    plaza("settle", "donations", "approve", _request(plaza(*words, "--as", "wang")), "--as", "lin")
    pay = ("settle", "donations", "pay", "--to", "红十字会", "--reason", "助老", "--as", "wang")
    assert "公益账户只有" in plaza.refused(*pay, "--yuan", "0.10", "--reference", "B9")
    parting.clock("2017-02-05")
    plaza("settle", "close", "--period", "2017-01", "--as", "wang")

    request = _request(plaza(*pay, "--yuan", "0.10", "--reference", "B9"))

    assert f"{request} · ¥0.10 → 红十字会 · B9" in plaza("settle", "donations", "pending")
    paid = plaza("settle", "donations", "pay-approve", request, "--as", "lin")
    assert "¥0.10 → 红十字会 · 余额 left ¥0.50" in paid
    plaza("audit")


def _request(printed: str) -> str:
    return next(word for word in printed.split() if word.startswith("chg_"))


def _tomorrow() -> date:
    return business_date(datetime.now(UTC)) + timedelta(days=1)
