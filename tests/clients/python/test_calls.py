"""Every call of the client and every family of its errors, against the running service."""

import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import requests
from plaza_client import (
    CashierTotal,
    Conflict,
    Forbidden,
    Line,
    Malformed,
    NotFound,
    Order,
    Refund,
    RefundPart,
    RolledBack,
    RuleForbids,
    Tender,
    TenderTotal,
    Till,
    Unanswered,
    Unavailable,
    Unproven,
    Write,
)
from plaza_client.errors import refusal
from plaza_client.sending import _pause_seconds
from sqlalchemy import text

from app.checkout import takings
from app.clock import SHANGHAI
from app.members import confirming
from app.members.sealing import coupon_keys
from config.database import Database, now_of
from config.settings import PROJECT
from coupons import codes
from migrations.run import create_district
from tests.app.campaigns.test_mall import put_up
from tests.app.checkout.shops import give_points
from tests.app.checkout.test_coupons import give, off
from tests.clients.python.network import Network
from tests.clients.python.worlds import World, open_world
from tests.factories import unique

TEA = Line(sku="S1", name="龙井", amount_fen=10_000, category="tea")
README = PROJECT / "clients/python/README.md"


def test_a_member_is_known_by_code_card_or_phone_and_burns_by_the_code_alone(
    base_url: str, world: World
) -> None:
    """M3, reliability §9."""
    world.give(500)
    with world.till(base_url) as till:
        by_card = till.identify(card_number=world.phone[-9:])
        by_phone = till.identify(phone=world.phone)
        by_code = till.identify(member_code=world.spend_code())
        known = by_code.identification_id
        quoted = till.quote(lines=[TEA], identification_id=known, burn_points=300)
        sold = till.sell(
            number=unique("N"), lines=[TEA], burn_points=300, identification_id=known,
            tenders=[Tender(name="cash", fen=quoted.due_fen)],
        )  # fmt: skip
        with pytest.raises(RuleForbids) as refused:
            till.quote(lines=[TEA], identification_id=by_phone.identification_id, burn_points=1)

    assert [by_card.may_burn, by_phone.may_burn, by_code.may_burn] == [False, False, True]
    assert (quoted.due_fen, quoted.may_burn_points) == (9_700, 500)
    assert [each.code for each in quoted.limits] == []
    assert (sold.burned_points, sold.burned_fen, sold.earned_points) == (300, 300, 97)
    assert refused.value.code == "rule-not-met"


def test_coupons_are_validated_sold_with_and_given_back(base_url: str, world: World) -> None:
    """C8, C13, C14"""
    with world.database.transaction(world.district) as session:
        coupon = give(session, world.member, off(2_000, 10_000))
        far = give(session, world.member, off(100, 50_000))
        keys = coupon_keys(session)
        code = codes.show(session, coupon=coupon, holders=(world.member.public_id,), keys=keys)
    with world.till(base_url) as till:
        known = till.identify(member_code=world.spend_code()).identification_id
        found = till.look_up_coupon(code)
        checked = till.validate_coupons(lines=[TEA], coupons=[coupon, far], identification_id=known)
        quoted = till.quote(lines=[TEA], best_coupons=True, identification_id=known)
        with pytest.raises(RuleForbids) as refused:
            till.place(number=unique("N"), lines=[TEA], coupons=[far], identification_id=known)
        sold = till.sell(
            number=unique("N"), lines=[TEA], coupons=[code], identification_id=known,
            tenders=[Tender(name="cash", fen=quoted.due_fen)],
        )  # fmt: skip
        back = till.refund(sold.order_id, number=unique("R"))
        with pytest.raises(NotFound):
            till.exchange_code(codes.new_code())

    assert (found.coupon_id, found.standing) == (coupon, "usable")
    assert checked.discount_fen == 2_000
    assert [(each.coupon_id, each.unmet[0].gap_fen) for each in checked.left_out] == [(far, 40_000)]
    assert quoted.proof is not None
    assert (quoted.proof.proved, quoted.due_fen) == (True, 8_000)
    assert quoted.coupons[0].funders[0].funder == "district"
    assert [(each.coupon_id, each.fen) for each in sold.coupons] == [(coupon, 2_000)]
    assert [(each.coupon_id, each.returned) for each in back.coupons] == [(coupon, True)]
    assert refused.value.code == "rule-not-met"


def test_one_coupon_is_taken_back_alone_and_a_refund_is_tried(base_url: str, world: World) -> None:
    """C14; semantics 5, 7."""
    with world.database.transaction(world.district) as session:
        coupon = give(session, world.member, off(2_000, 5_000), returns={"claw_back": True})
    told: list[Write] = []
    with world.till(base_url, before_send=told.append) as till:
        known = till.identify(member_code=world.spend_code()).identification_id
        sold = till.sell(
            number=unique("N"),
            lines=[replace(TEA, quantity=2)],
            coupons=[coupon],
            tenders=[Tender(name="cash", fen=8_000)],
            identification_id=known,
        )
        part = [RefundPart(line=1, quantity=1)]
        due = till.try_roll_back(sold.order_id, coupon, parts=part)
        number, paid = unique("K"), [Tender(name="cash", fen=due)]
        done = till.roll_back(sold.order_id, coupon, number=number, tenders=paid, parts=part)
        again = till.roll_back(sold.order_id, coupon, number=number, tenders=paid, parts=part)
        late = till.repeat(told[-1])
        tried = till.try_refund(sold.order_id, parts=[RefundPart(amount_fen=6_000)])
        kept = till.get(sold.order_id)

    assert (due, done.fen, done.remaining_fen) == (1_000, 1_000, 1_000)
    assert (again.roll_back_id, again.replayed) == (done.roll_back_id, True)
    assert isinstance(late, RolledBack)
    assert (late.roll_back_id, late.remaining_fen) == (done.roll_back_id, 1_000)
    assert kept.rolled_back_fen == 1_000
    assert tried.unearned_fen == 0


def test_a_reward_is_handed_out_once_with_its_cash_part(base_url: str, world: World) -> None:
    """B3"""
    with world.database.transaction(world.district) as session:
        give_points(session, world.shop, world.member, 1)
        item = put_up(session, world.shop, points=1, cash_fen=990)
        taken = takings.take(session, world.member, item=item.code, points=1)
        code = takings.show_code(session, world.member, taken.public_id)
    with world.till(base_url) as till:
        found = till.look_up_reward(code)
        cash = [Tender(name="cash", fen=found.cash_fen)]
        done, again = [
            till.pick_up_reward(code, number=unique("N"), tenders=cash) for _ in range(2)
        ]

    assert (found.state, found.cash_fen, found.picked_up_at) == ("waiting", 990, None)
    assert (done.state, done.repeated, again.repeated) == ("picked_up", False, True)
    assert (again.order_id, again.picked_up_at) == (done.order_id, done.picked_up_at)


def test_dear_points_go_once_the_member_has_tapped(base_url: str, world: World) -> None:
    """Reliability §9: worth more than ¥100."""
    world.give(12_000)
    dear = Line(sku="S3", name="丝绸", amount_fen=30_000)
    number, confirmation = unique("N"), None
    with world.till(base_url) as till, world.tapping():
        known = till.identify(member_code=world.spend_code())
        for _ in range(20):
            try:
                sold = till.sell(
                    number=number,
                    lines=[dear],
                    tenders=[Tender(name="cash", fen=18_000)],
                    identification_id=known.identification_id,
                    burn_points=12_000,
                    burn_confirmation=confirmation,
                )
                break
            except Conflict as refused:
                confirmation = refused.burn_id
                time.sleep(0.2)

    assert (sold.burned_fen, sold.due_fen) == (12_000, 18_000)


def test_totals_tell_what_each_cashier_took_and_gave(base_url: str, world: World) -> None:
    """P6: without closing anything."""
    with world.till(base_url) as till:
        sold = till.sell(number=unique("N"), lines=[TEA], tenders=[Tender(name="cash", fen=10_000)])
        till.refund(sold.order_id, number=unique("R"), parts=[RefundPart(amount_fen=1_000)])
        totals = till.totals(day=datetime.now(SHANGHAI).date())
        nothing = till.totals(day=datetime.now(SHANGHAI).date() - timedelta(days=9))

    assert (totals.terminal_id, nothing.cashiers) == ("T1", ())
    assert totals.cashiers == (
        CashierTotal(
            cashier_id="007", orders=1, refunds=1, sold_fen=10_000, refunded_fen=1_000,
            burned_points=0, earned_points=0, restored_points=0, clawed_points=0,
            tenders=(TenderTotal(name="cash", taken_fen=10_000, given_fen=1_000),),
        ),
    )  # fmt: skip


def test_the_server_tells_its_time(base_url: str, world: World) -> None:
    with world.till(base_url) as till:
        assert abs((till.time() - datetime.now(UTC)).total_seconds()) < 60


def test_a_write_that_was_kept_is_repeated_as_it_was(base_url: str, world: World) -> None:
    """Semantics 39: after a power cut the till sends what it kept, and learns what became of it."""
    kept: list[Write] = []
    with world.till(base_url, before_send=kept.append) as till:
        sold = till.sell(number=unique("N"), lines=[TEA], tenders=[Tender(name="cash", fen=10_000)])
        refunded = till.refund(sold.order_id, number=unique("R"))
    with world.till(base_url) as again:
        order, refund = [again.repeat(write) for write in kept]

    assert isinstance(order, Order)
    assert isinstance(refund, Refund)
    assert (order.order_id, order.replayed) == (sold.order_id, True)
    assert (refund.refund_id, refund.replayed) == (refunded.refund_id, True)
    assert world.phone not in repr(kept)


def test_tills_share_a_connection_that_none_of_them_closes(base_url: str, world: World) -> None:
    with requests.Session() as connection:
        for _ in range(2):
            with world.till(base_url, connection=connection) as till:
                assert till.identify(phone=world.phone).name == "张*"


def test_every_family_of_problems_has_its_class(base_url: str, world: World) -> None:
    """Reliability §15: programs go by class and code, people read both languages."""
    with world.till(base_url) as till:
        with pytest.raises(NotFound) as missing:
            till.get("ord_" + "0" * 26)
        with pytest.raises(Malformed) as malformed:
            till.quote(lines=[Line(sku="S", name="", amount_fen=1)])
        with pytest.raises(Conflict) as conflict:
            till.sell(number=unique("N"), lines=[TEA], tenders=[Tender(name="cash", fen=1)])
    with pytest.raises(Unproven) as unproven:
        Till(
            base_url=base_url, key_id=world.key.key_id, secret=bytes(32), terminal_id="T1",
            cashier_id="007", connection=requests.Session(),
        ).totals()  # fmt: skip

    assert [each.value.status for each in (missing, malformed, conflict, unproven)] == [
        404, 400, 409, 401]  # fmt: skip
    assert [each["pointer"] for each in malformed.value.faults] == ["/lines/0/name"]
    assert conflict.value.code == "state-conflict"
    assert conflict.value.detail_zh == "应付 ¥100.00，实付 ¥0.01"
    assert conflict.value.detail_en == "¥100.00 is due, ¥0.01 was paid"
    assert conflict.value.instance.startswith("req_")


def test_an_answer_that_is_no_problem_of_ours_still_has_a_class() -> None:
    """A proxy on the way may answer by itself."""
    refused = refusal(status=403, problem={}, reason="Forbidden")
    gone = refusal(status=502, problem={}, reason="Bad Gateway")

    assert isinstance(refused, Forbidden)
    assert isinstance(gone, Unavailable)
    assert (refused.code, refused.detail_zh, refused.detail_en) == (
        "unknown", "Forbidden", "Forbidden")  # fmt: skip


def test_only_seconds_are_taken_from_retry_after() -> None:
    assert _pause_seconds("3") == 3.0
    assert _pause_seconds("Fri, 31 Dec 1999 23:59:59 GMT") == 0.0
    assert _pause_seconds("") == 0.0


def test_an_answer_that_breaks_off_is_asked_for_again(line: Network, world: World) -> None:
    with world.till(line.base_url) as till:
        line.faults.append("torn")
        sold = till.sell(number=unique("N"), lines=[TEA], tenders=[Tender(name="cash", fen=10_000)])

    assert sold.replayed


def test_a_server_that_cannot_answer_now_is_asked_until_the_patience_ends(
    base_url: str, database: Database, owner_url: str
) -> None:
    """Decision 9: the books of this district were found broken, so nothing is written."""
    create_district(owner_url, "standing", name="停业商圈", sandbox=True)
    world = open_world(database, "standing")
    with database.transaction("standing") as session:
        session.execute(text("UPDATE public.district SET stopped = 'broken' WHERE id = 'standing'"))

    with world.till(base_url, patience_seconds=1) as till, pytest.raises(Unanswered) as unanswered:
        till.sell(number=unique("N"), lines=[TEA], tenders=[Tender(name="cash", fen=10_000)])

    cause = unanswered.value.__cause__
    assert isinstance(cause, Unavailable)
    assert (cause.status, cause.code) == (503, "maintenance")
    assert unanswered.value.write is not None


def test_a_question_that_is_not_answered_leaves_nothing_to_repeat(
    line: Network, world: World
) -> None:
    with world.till(line.base_url, patience_seconds=0.3) as till:
        line.faults.extend(["refused"] * 20)
        with pytest.raises(Unanswered) as unanswered:
            till.totals()
        with pytest.raises(Unanswered):
            till.set_clock()

    assert unanswered.value.write is None


def test_the_readme_runs_as_it_is_written(base_url: str, world: World) -> None:
    """Every example, one after the other, with this shop's own key and this member's phone."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
    program = "\n".join(blocks)
    for written, meant in {
        '"https://plaza.example"': repr(base_url),
        '"pk_demo_…"': repr(world.key.key_id),
        'base64.b64decode("…")': repr(world.key.secret),
        "13800138000": world.phone,
        "print(": "said.append(",
    }.items():
        program = program.replace(written, meant)
    names: dict[str, object] = {"said": _Said()}

    exec(compile(program, README.name, "exec"), names)

    said = str(names["said"])
    assert "获得积分 158" in said
    assert "应付 ¥158.00，实付 ¥0.01" in said
    assert "True True" in said
    assert "[201]" in said


class _Said:
    """What the examples print."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def append(self, *words: object) -> None:
        self._lines.append(" ".join(map(str, words)))

    def __str__(self) -> str:
        return "\n".join(self._lines)


def test_points_of_sales_that_the_till_keeps_itself(base_url: str, world: World) -> None:
    """B1, reliability §9: authorised, captured in part, given up; dear ones wait for the tap."""
    world.give(20_000)
    with world.till(base_url) as till:
        known = till.identify(member_code=world.spend_code()).identification_id
        number = unique("B")
        held = till.authorise_burn(
            number=number, order_fen=9_000, points=500, identification_id=known
        )
        taken = till.capture_burn(held.burn_id, points=400)
        other = till.authorise_burn(
            number=unique("B"), order_fen=9_000, points=100, identification_id=known
        )
        gone = till.void_burn(other.burn_id)
        with pytest.raises(Conflict) as refused:
            till.sell(
                number=unique("N"), lines=[TEA] * 3, burn_points=15_000, identification_id=known,
                tenders=[Tender(name="cash", fen=15_000)],
            )  # fmt: skip
        tapped = refused.value.burn_id or ""
        with world.database.transaction(world.district) as session:
            confirming.confirm(session, tapped, member=world.member, now=now_of(session))
        sold = till.sell(
            number=unique("N"), lines=[TEA] * 3, burn_points=15_000,
            tenders=[Tender(name="cash", fen=15_000)], burn_confirmation=tapped,
        )  # fmt: skip
        found = till.find_burn(number=number)

        assert found == till.get_burn(held.burn_id)

    assert (held.state, taken.captured_points, gone.state) == ("authorised", 400, "voided")
    assert (found.state, found.order_id) == ("captured", taken.order_id)
    assert (refused.value.code, sold.burned_points) == ("burn-not-confirmed", 15_000)


def test_a_day_is_closed_and_followed(base_url: str, world: World) -> None:
    """P6: X and Z totals, and the store's orders and refunds by their last change."""
    with world.till(base_url) as till:
        sold = till.sell(number=unique("N"), lines=[TEA], tenders=[Tender(name="cash", fen=10_000)])
        back = till.refund(sold.order_id, number=unique("R"), parts=[RefundPart(amount_fen=100)])
        before = till.totals()
        closed = till.close_totals(number=unique("Z"))
        listed, after = till.list_closed_totals(), till.totals()
        time.sleep(2.1)
        orders, refunds = till.list_orders(limit=10), till.list_refunds()
        more = till.list_orders(cursor=orders.next_cursor)

    (cashier,) = closed.cashiers
    assert cashier.tenders == (TenderTotal(name="cash", taken_fen=10_000, given_fen=100),)
    assert (before.cashiers, listed) == (closed.cashiers, [closed])
    assert (after.since, after.day, after.cashiers) == (closed.closed_at, None, ())
    assert [(each.order_id, each.refunded_fen) for each in orders.rows] == [(sold.order_id, 100)]
    assert [each.refund_id for each in refunds.rows] == [back.refund_id]
    assert (more.rows, more.has_more) == ([], False)


def test_a_burn_and_a_report_that_were_kept_are_sent_again(base_url: str, world: World) -> None:
    """After a power cut: what is repeated is told and not done twice."""
    world.give(500)
    kept: list[Write] = []
    with world.till(base_url, before_send=kept.append) as till:
        known = till.identify(member_code=world.spend_code()).identification_id
        held = till.authorise_burn(
            number=unique("B"), order_fen=9_000, points=500, identification_id=known
        )
        closed = till.close_totals(number=(number := unique("Z")))
        for write in kept:
            with pytest.raises(ValueError, match="by its own call"):
                till.repeat(write)
        again = till.authorise_burn(
            number=held.number, order_fen=9_000, points=500, identification_id=known,
            key=kept[0].key,
        )  # fmt: skip
        closed_again = till.close_totals(number=number, key=kept[1].key)

    assert again == replace(held, replayed=True)
    assert closed_again == replace(closed, replayed=True)
