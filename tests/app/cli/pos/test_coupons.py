"""C10, C13, C18: `plaza pos` sells with coupons on the line, and takes offline ones without it."""

from datetime import timedelta

import pytest
from plaza_client import Tender, Unanswered

from app.checkout import offline
from app.cli.pos.coupons import check, take
from app.cli.pos.desk import Desk
from app.cli.pos.paper import row
from app.members.sealing import coupon_keys
from config.database import now_of
from coupons import codes, issuing
from coupons.offline import MadeOutCoupon
from tests.app.checkout.shops import open_shop
from tests.app.checkout.test_coupons import give, off
from tests.app.cli.pos.conftest import SetUp, Terminal
from tests.clients.python.network import Network
from tests.clients.python.worlds import World

TEA = ("--line", "100:tea:龙井")


def own(world: World, fen: int, least: int = 0) -> str:
    """Return a coupon of the member."""
    with world.database.transaction(world.district) as session:
        return give(session, world.member, off(fen, least))


def code_of(world: World, coupon: str) -> str:
    with world.database.transaction(world.district) as session:
        return codes.show(
            session, coupon=coupon, holders=(world.member.public_id,), keys=coupon_keys(session)
        )


def made_out(world: World, *, fen: int = 1_000, hours_ago: int = 0) -> MadeOutCoupon:
    """Return a coupon that the member made out for the shop."""
    with world.database.transaction(world.district) as session:
        session.info["now"] = now_of(session) - timedelta(hours=hours_ago)
        coupon = give(session, world.member, off(fen), offline_ok=True)
        store = world.shop.till.store
        return offline.make_out(session, member=world.member, coupon=coupon, store=store)


def test_the_best_coupons_are_taken_by_one_word(till: Terminal, world: World) -> None:
    own(world, 2_000)
    own(world, 500, 50_000)

    quoted = till("quote", *TEA, "--code", world.spend_code(), "--coupon", "best")
    sold = till.json("sell", *TEA, "--code", world.spend_code(), "--coupon", "best")

    assert "券 测试券" in quoted
    assert "再买 ¥400.00" in quoted
    assert (sold["discount_fen"], sold["due_fen"], sold["earned_points"]) == (2_000, 8_000, 80)


def test_one_coupon_is_taken_back_alone_for_money(till: Terminal, world: World) -> None:
    """C14; semantics 7"""
    coupon = own(world, 2_000)
    sold = till.json("sell", "--line", "50x2", "--coupon", code_of(world, coupon))
    half = ("--line", "1", "--quantity", "1")

    tried = till("rollback", sold["number"], coupon, *half, "--try")
    part = till("rollback", sold["number"], coupon, *half, "--pay", "wechat=10")
    rest = till.json("rollback", sold["order_id"], coupon)
    more = till.refused("rollback", sold["number"], coupon)

    assert row("应补付 To pay", "¥10.00") in tried
    assert "退券小票 COUPON TAKEN BACK" in part
    assert row("微信支付 WeChat Pay", "¥10.00") in part
    assert row("券仍让 It still gives", "¥10.00") in part
    assert (rest["fen"], rest["remaining_fen"], rest["returned"]) == (1_000, 0, True)
    assert "✘" in more


def test_a_coupon_taken_back_without_an_answer_is_settled_later(
    set_up: SetUp, line: Network, world: World
) -> None:
    """C14; semantics 39"""
    till, coupon = set_up(line.base_url), own(world, 2_000)
    sold = till.json("sell", *TEA, "--coupon", code_of(world, coupon))

    desk = Desk(till.profile)
    with desk.alone(), desk.connect() as client:
        line.faults.extend(["lost"] * 20)
        with pytest.raises(Unanswered):
            client.roll_back(
                sold["order_id"],
                coupon,
                number=desk.next_number(),
                tenders=[Tender(name="cash", fen=2_000)],
            )
    line.faults.clear()
    settled = till("repeat")

    assert "退券小票 COUPON TAKEN BACK" in settled
    assert "此前已完成" in settled
    assert "没有待查明" in till("repeat")


def test_a_coupon_is_taken_by_its_code_or_its_id_and_stands_on_the_paper(
    till: Terminal, world: World
) -> None:
    shown, known = own(world, 2_000), own(world, 700)

    by_code = till("sell", *TEA, "--coupon", code_of(world, shown))
    placed = till.json("place", *TEA, "--code", world.spend_code(), "--coupon", known)
    paid = till.json("pay", placed["number"], "--pay", "wechat=93")
    again = till.refused("sell", *TEA, "--coupon", code_of(world, shown))

    assert "用券 测试券 -¥20.00" in by_code
    assert "应付 Due                          ¥80.00" in by_code
    assert (placed["discount_fen"], placed["due_fen"], paid["state"]) == (700, 9_300, "paid")
    assert "券已用完" in again


def test_best_stands_alone(till: Terminal) -> None:
    assert "best 不与其他券同用" in till.refused("sell", *TEA, "--coupon", "best", "--coupon", "X")
    assert "plaza pos offline --coupon" in till.refused("sell", *TEA, "--coupon", "OCT1.x.y")


def test_a_coupon_is_taken_offline_once_and_uploaded(till: Terminal, world: World) -> None:
    made = made_out(world)

    captured = till("offline", *TEA, "--phone", world.phone, "--coupon", made.token)
    twice = till.refused("offline", *TEA, "--coupon", made.token)
    said = till("upload")

    assert "离线券 Offline coupon            -¥10.00" in captured
    assert "应付 Due                          ¥90.00" in captured
    assert "现金 Cash                         ¥90.00" in captured
    assert "此券已在本店用过" in twice
    assert "离线券 Offline coupon          -¥10.00" in said
    assert "accepted 1" in said
    assert world.points() == 90


def test_what_it_would_not_take_it_says_and_keeps_nothing(till: Terminal, world: World) -> None:
    """Forged, of another store, over, and called back as the kept list says."""
    ended, good, gone = made_out(world, hours_ago=25), made_out(world), made_out(world)
    with world.database.transaction(world.district) as session:
        issuing.void(session, [gone.coupon], why="印错")
        elsewhere = offline.make_out(
            session, member=world.member, store=open_shop(session).till.store,
            coupon=give(session, world.member, off(100), offline_ok=True),
        )  # fmt: skip
    stale = till("offline", *TEA, "--coupon", gone.token)
    till("keys")

    flipped = good.token.replace(".eyJ", ".eyK")
    assert "不是有效的离线券" in till.refused("offline", *TEA, "--coupon", flipped)
    assert "激活给另一家门店" in till.refused("offline", *TEA, "--coupon", elsewhere.token)
    assert "已过期" in till.refused("offline", *TEA, "--coupon", ended.token)
    with world.database.transaction(world.district) as session:
        issuing.void(session, [good.coupon], why="印错")
    said = till("keys")
    assert "作废 Called back                       2\n" in said
    assert "已作废" in till.refused("offline", *TEA, "--coupon", good.token)
    assert "离线小票" in stale
    assert len(till.beside("sales.jsonl").read_text(encoding="utf-8").splitlines()) == 1


def test_a_break_is_told_when_the_store_bears_a_coupon(till: Terminal, world: World) -> None:
    """The list of what was called back was old: the sale stands, and its coupon is a break."""
    made = made_out(world)
    with world.database.transaction(world.district) as session:
        issuing.void(session, [made.coupon], why="印错")
    till("offline", *TEA, "--coupon", made.token)

    said = till("upload")

    assert "离线券由门店承担 Borne by the store" in said
    assert "coupon_revoked brk_" in said
    assert "accepted 1" in said


def test_two_lanes_that_share_a_folder_take_a_token_once(till: Terminal, world: World) -> None:
    """One journal a store, UNIQUE(jti): the lanes' profiles lie in one folder."""
    made = made_out(world)
    second = Desk(till.profile.with_name("lane2.json"))
    for name in ("", ".offline-keys"):
        source = till.profile if not name else till.beside("offline-keys.json")
        target = second.path if not name else second.beside("offline-keys.json")
        target.write_text(
            source.read_text(encoding="utf-8").replace('"T1"', '"T2"'), encoding="utf-8"
        )

    first = till("offline", *TEA, "--coupon", made.token)
    lane = Terminal(plaza=till.plaza, profile=second.path)
    lane.beside("numbers.json").write_text('{"series": "T2-AAAA", "last": 0}', encoding="utf-8")
    twice = lane.refused("offline", *TEA, "--coupon", made.token)

    assert "离线小票" in first
    assert "此券已在本店用过（T1-" in twice


def test_a_token_whose_sale_a_power_cut_took_may_be_taken_again(
    till: Terminal, world: World
) -> None:
    made = made_out(world)
    desk = Desk(till.profile)
    coupon = check(desk, made.token, at=made.starts_at)
    take(desk, coupon, number="T1-LOST-000001")

    assert "离线小票" in till("offline", *TEA, "--coupon", made.token)
    assert "此券已在本店用过" in till.refused("offline", *TEA, "--coupon", made.token)


def test_without_keys_no_coupon_is_taken_and_the_line_brings_them(
    set_up: SetUp, line: Network, world: World
) -> None:
    line.faults.extend(["refused"] * 30)
    till = set_up(line.base_url)
    made = made_out(world)
    refused = till.refused("offline", *TEA, "--coupon", made.token)
    line.faults.clear()

    till("keys")
    taken = till("offline", *TEA, "--coupon", made.token)
    line.faults.append("lost")
    done = till.json("upload")

    assert "plaza pos keys" in refused
    assert "离线小票" in taken
    (verdict,) = done["verdicts"]
    assert verdict["order"]["offline_coupon"]["honoured"] is True
