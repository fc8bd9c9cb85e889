"""P1-P3, P7: a cashier's day at `plaza pos`, over HTTP against the running service."""

from tests.app.cli.pos.conftest import Terminal
from tests.clients.python.worlds import World


def test_a_sale_prints_a_receipt_chinese_first(till: Terminal, world: World) -> None:
    said = till("sell", "--line", "64.25x2:tea:龙井", "--phone", world.phone)

    lines = said.splitlines()
    assert lines[0].strip() == "湖滨茶馆"
    assert lines[1].strip() == "销售小票 SALE"
    assert "会员 Member" in said
    assert "张*" in said
    assert world.phone not in said
    assert lines[lines.index("  × 2") - 1].startswith("龙井")
    assert "应付 Due                         ¥128.50" in said
    assert "现金 Cash                        ¥128.50" in said
    assert lines.index("获得积分 128") < lines.index("Points earned 128")
    assert world.points() == 128


def test_the_code_of_the_phone_lets_points_be_burned(till: Terminal, world: World) -> None:
    """B1, reliability §9: who is known by phone earns alone."""
    world.give(500)

    quoted = till.json("quote", "--line", "100", "--code", world.spend_code(), "--burn", "all")
    sold = till.json("sell", "--line", "100", "--code", world.spend_code(), "--burn", "300")
    status, said = till.run("sell", "--line", "100", "--phone", world.phone, "--burn", "1")

    assert (quoted["burn_points"], quoted["due_fen"]) == (500, 9_500)
    assert (sold["burned_points"], sold["due_fen"], sold["earned_points"]) == (300, 9_700, 97)
    assert status == 1
    assert "rule-not-met" in said
    assert world.points() == 500 - 300 + 97


def test_all_points_are_burned_in_one_step(till: Terminal, world: World) -> None:
    world.give(500)

    said = till("sell", "--line", "100", "--code", world.spend_code(), "--burn", "all")

    assert "积分抵扣 500 Points" in said
    assert "-¥5.00" in said
    assert "应付 Due                          ¥95.00" in said


def test_dear_points_wait_for_the_members_tap(till: Terminal, world: World) -> None:
    """Reliability §9: the till waits, and the member scans nothing a second time."""
    world.give(30_000)

    with world.tapping():
        sold = till.json("sell", "--line", "300", "--code", world.spend_code(), "--burn", "12000")
        placed = till.json("place", "--line", "300", "--code", world.spend_code(), "--burn", "all")

    assert (sold["burned_points"], sold["due_fen"]) == (12_000, 18_000)
    assert (placed["state"], placed["burned_points"]) == ("awaiting_payment", 18_180)


def test_an_order_is_placed_and_paid_or_given_up(till: Terminal, world: World) -> None:
    world.give(500)

    placed = till.json("place", "--line", "100", "--code", world.spend_code(), "--burn", "all")
    longer = till("extend", placed["number"])
    paid = till("pay", placed["number"], "--pay", "wechat=95")
    given_up = till.json("place", "--line", "5")
    cancelled = till("cancel", given_up["order_id"])

    assert (placed["state"], placed["burned_points"]) == ("awaiting_payment", 500)
    assert "请在此前付款 Pay before" in longer
    assert "微信支付 WeChat Pay               ¥95.00" in paid
    assert "已取消 Cancelled" in cancelled


def test_what_was_sold_comes_back_in_parts(till: Terminal, world: World) -> None:
    sold = till.json("sell", "--line", "50x2", "--line", "30", "--phone", world.phone)

    by_units = till.json("refund", sold["number"], "--line", "1", "--quantity", "1")
    by_amount = till("refund", sold["number"], "--amount", "10")
    rest = till.json("refund", sold["order_id"])
    more = till.refused("refund", sold["number"], "--amount", "1")
    printed = till("receipt", sold["number"])

    assert (by_units["fen"], by_units["clawed_points"]) == (5_000, 50)
    assert "退款小票 REFUND" in by_amount
    assert "¥10.00" in by_amount
    assert rest["fen"] == 7_000
    assert "refund-exceeds-remaining" in more
    assert "补打 REPRINT" in printed
    assert "已退 Refunded                   -¥130.00" in printed
    assert world.points() == 0


def test_a_sale_of_today_is_undone_as_a_whole(till: Terminal, world: World) -> None:
    sold = till.json("sell", "--line", "50", "--phone", world.phone)

    voided = till("void", sold["number"])

    assert "撤销小票 VOID" in voided
    assert world.points() == 0


def test_an_exchange_says_what_is_to_pay(till: Terminal, world: World) -> None:
    """Semantics 13."""
    sold = till.json("sell", "--line", "50x2", "--phone", world.phone)

    said = till("exchange", sold["number"], "--back", "1x1", "--line", "80:silk:丝巾")

    assert "应补 To pay                       ¥30.00" in said
    assert world.points() == 130


def test_totals_show_what_each_cashier_took(till: Terminal) -> None:
    """P6."""
    assert "没有交易" in till("totals")
    sold = till.json("sell", "--line", "50", "--pay", "wechat=50")
    till("refund", sold["number"], "--amount", "20")

    said = till("totals")

    assert "收银员 Cashier                       007" in said
    assert "销售 Sales 1                      ¥50.00" in said
    assert "微信支付 WeChat Pay               ¥30.00" in said


def test_identifying_shows_a_masked_name(till: Terminal, world: World) -> None:
    known = till.json("identify", "--phone", world.phone)
    sold = till.json("sell", "--line", "10", "--identification", known["identification_id"])

    assert (known["name"], known["may_burn"]) == ("张*", False)
    assert sold["earned_points"] == 10
    assert "--phone" in till.refused("identify")
    assert "只给一个" in till.refused("identify", "--phone", world.phone, "--card", "1")


def test_a_refusal_is_told_in_both_languages_and_to_programs_as_json(till: Terminal) -> None:
    status, said = till.run("sell", "--line", "50", "--pay", "cash=49")
    error = till.run("sell", "--line", "50", "--pay", "cash=49", "--json")[1]

    assert status == 1
    assert "✘ 应付 ¥50.00，实付 ¥49.00\n  ¥50.00 is due, ¥49.00 was paid\n" in said
    assert '"code": "state-conflict"' in error
    assert "--line" in till.refused("refund", "x", "--quantity", "1")
    assert "12.50" in till.refused("refund", "x", "--amount", "much")
    assert "LINExQUANTITY" in till.refused("exchange", "x", "--back", "y", "--line", "1")
    assert "会员" in till.refused("sell", "--line", "5", "--burn", "1")
