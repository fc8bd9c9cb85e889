"""C4, C7, C19, C20: coupons come to their holders, and limits hold to the last one."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from config.database import now_of
from coupons import batches, invariants, issuing, redemptions, wallets
from coupons.errors import (
    AlreadyUsed,
    ClaimLimit,
    Locked,
    NoSuchCoupon,
    NotTransferable,
    NotYet,
    Over,
    SoldOut,
    Voided,
)
from coupons.issuing import Verdict
from coupons.presets import pack
from coupons.redemptions import Use
from coupons.wallets import Standing
from tests.coupons.makers import DAY, later, make_batch, make_coupon, make_template, tally, use_up
from tests.factories import unique


def test_a_claim_again_answers_the_same_even_when_all_are_gone(session: Session) -> None:
    """C4: natural key (batch, holder, n)"""
    batch = make_batch(session, limits={"total": 1})

    first = issuing.claim(session, batch=batch.code, holder="mem_1")
    again = issuing.claim(session, batch=batch.code, holder="mem_1")

    assert again == [replace(first[0], repeated=True)]
    assert tally(session, batch.code, "issued") == (0, 1)
    assert first[0].valid_until > now_of(session) + timedelta(days=30)


def test_the_stock_ends_and_a_holder_has_no_more_than_he_may(session: Session) -> None:
    """C4; semantics 36"""
    batch = make_batch(session, limits={"total": 3, "per_member": 2})
    for n in (1, 2):
        issuing.claim(session, batch=batch.code, holder="mem_1", n=n)

    with pytest.raises(ClaimLimit):
        issuing.claim(session, batch=batch.code, holder="mem_1", n=3)
    issuing.claim(session, batch=batch.code, holder="mem_2", n=7)
    with pytest.raises(SoldOut):
        issuing.claim(session, batch=batch.code, holder="mem_3")

    assert tally(session, batch.code, "issued") == (0, 3)


def test_a_day_and_a_store_have_their_own_stock(session: Session) -> None:
    """C4"""
    batch = make_batch(session, limits={"per_day": 2, "per_store": 1})
    issuing.claim(session, batch=batch.code, holder="mem_1", store="S1")

    with pytest.raises(SoldOut):
        issuing.claim(session, batch=batch.code, holder="mem_2", store="S1")
    issuing.claim(session, batch=batch.code, holder="mem_2", store="S2")
    with pytest.raises(SoldOut):
        issuing.claim(session, batch=batch.code, holder="mem_3", store="S3")
    later(session, DAY)
    issuing.claim(session, batch=batch.code, holder="mem_3", store="S3")

    assert tally(session, batch.code, "issued", "S2") == (0, 1)
    assert invariants.audit(session) == []


def test_a_batch_issues_in_its_window_alone(session: Session) -> None:
    """E14"""
    early = make_batch(session, begins=DAY)
    late = make_batch(session, begins=-10 * DAY)
    closed = make_batch(session)
    batches.close(session, closed.code, why="停")

    with pytest.raises(NotYet):
        issuing.claim(session, batch=early.code, holder="mem_1")
    for batch in (late, closed):
        with pytest.raises(Over):
            issuing.claim(session, batch=batch.code, holder="mem_1")
    with pytest.raises(NoSuchCoupon):
        issuing.claim(session, batch="nothing", holder="mem_1")


def test_a_coupon_that_would_be_over_is_not_issued(session: Session) -> None:
    today = now_of(session).date().isoformat()
    batch = make_batch(session, validity={"through": today})
    later(session, 2 * DAY)

    with pytest.raises(Over):
        issuing.claim(session, batch=batch.code, holder="mem_1")


def test_a_grant_reaches_all_once_and_passes_over_who_has_enough(session: Session) -> None:
    batch = make_batch(session)
    issuing.claim(session, batch=batch.code, holder="mem_2")
    people = ["mem_1", "mem_2", "mem_3"]

    first = issuing.grant(session, batch=batch.code, holders=people, key="birthday-2026")
    again = issuing.grant(session, batch=batch.code, holders=people[:1], key="birthday-2026")

    said = [(each.holder, each.verdict) for each in first]
    assert said == [
        ("mem_1", Verdict.ISSUED), ("mem_2", Verdict.CLAIM_LIMIT), ("mem_3", Verdict.ISSUED)
    ]  # fmt: skip
    assert again == [replace(first[0], verdict=Verdict.REPEAT)]
    assert issuing.grant(session, batch=batch.code, holders=[], key="x") == []


def test_a_grant_beyond_the_stock_gives_nobody_one(session: Session) -> None:
    """semantics 36"""
    batch = make_batch(session, limits={"total": 2})

    with pytest.raises(SoldOut):
        issuing.grant(session, batch=batch.code, holders=["mem_1", "mem_2", "mem_3"], key="x")

    assert batches.standing(session, batch.code).coupons == {}
    assert tally(session, batch.code, "issued") == (0, 0)


def test_a_grant_has_at_most_500_holders(session: Session) -> None:
    with pytest.raises(ValueError, match="500"):
        issuing.grant(session, batch=make_batch(session).code, holders=["mem_1"] * 501, key="x")


def test_a_grant_takes_one_statement(session: Session, sent: list[object]) -> None:
    batch = make_batch(session)
    sent.clear()

    issuing.grant(
        session, batch=batch.code, holders=[f"mem_{number}" for number in range(500)], key="x"
    )

    assert len(sent) == 1


def test_a_pack_gives_all_or_nothing(session: Session) -> None:
    """C7: 券包"""
    tea = make_batch(session, limits={"total": 5, "per_member": 2})
    cake = make_batch(session, limits={"total": 1})
    said = pack(
        code=unique("T"), title_zh="券包", title_en="Pack", batches=[tea.code, cake.code], total=10
    )
    batch = make_batch(session, said)

    first = issuing.claim(session, batch=batch.code, holder="mem_1")
    again = issuing.claim(session, batch=batch.code, holder="mem_1")
    with pytest.raises(SoldOut):
        issuing.claim(session, batch=batch.code, holder="mem_2")

    assert sorted(each.batch for each in first) == sorted([tea.code, cake.code])
    assert again == [replace(each, repeated=True) for each in first]
    assert [tally(session, each.code, "issued") for each in (tea, cake, batch)] == [(0, 1)] * 3
    held = wallets.wallet(session, holders=["mem_1"])
    assert {each.coupon for each in held} >= {each.coupon for each in first}
    assert all(each.batch != batch.code for each in held)
    with pytest.raises(NoSuchCoupon):
        issuing.grant(session, batch=batch.code, holders=["mem_3"], key="x")


def test_a_coupon_is_handed_on_as_often_as_it_may_be(session: Session) -> None:
    """semantics 45: same last day, both limits count, no chain over k."""
    batch = make_batch(session, transfer=2)
    coupon = issuing.claim(session, batch=batch.code, holder="mem_1")[0]

    end = issuing.hand_on(session, coupon=coupon.coupon, giver="mem_1", taker="mem_2")
    again = issuing.hand_on(session, coupon=coupon.coupon, giver="mem_1", taker="mem_2")

    assert end.valid_until == again.valid_until == coupon.valid_until
    assert (end.repeated, again.repeated) == (False, True)
    with pytest.raises(ClaimLimit):
        issuing.claim(session, batch=batch.code, holder="mem_1", n=2)
    with pytest.raises(ClaimLimit):
        issuing.claim(session, batch=batch.code, holder="mem_2")
    with pytest.raises(NoSuchCoupon):
        issuing.hand_on(session, coupon=coupon.coupon, giver="mem_1", taker="mem_3")
    issuing.hand_on(session, coupon=coupon.coupon, giver="mem_2", taker="mem_3")
    with pytest.raises(NotTransferable):
        issuing.hand_on(session, coupon=coupon.coupon, giver="mem_3", taker="mem_4")
    assert invariants.audit(session) == []


def test_who_has_enough_is_handed_no_more(session: Session) -> None:
    """semantics 45: the limit counts for the user too."""
    batch = make_batch(session, transfer=1)
    mine = issuing.claim(session, batch=batch.code, holder="mem_1")[0].coupon
    issuing.claim(session, batch=batch.code, holder="mem_2")

    with pytest.raises(ClaimLimit):
        issuing.hand_on(session, coupon=mine, giver="mem_1", taker="mem_2")


def test_what_is_personal_used_set_aside_void_or_over_stays(session: Session) -> None:
    def hand_on(coupon: str) -> None:
        issuing.hand_on(session, coupon=coupon, giver="mem_1", taker="mem_2")

    with pytest.raises(NotTransferable):
        hand_on(make_coupon(session, holder="mem_1", personal=True))
    used = make_coupon(session, holder="mem_1", transfer=1)
    use_up(session, used)
    with pytest.raises(AlreadyUsed):
        hand_on(used)
    aside = make_coupon(session, holder="mem_1", transfer=1)
    redemptions.lock(
        session, order=unique("O"), uses=[Use(coupon=aside, discount_fen=1, order_fen=1)],
        until=now_of(session) + timedelta(minutes=15),
    )  # fmt: skip
    with pytest.raises(Locked):
        hand_on(aside)
    gone = make_coupon(session, holder="mem_1", transfer=1)
    issuing.void(session, [gone], why="x")
    with pytest.raises(Voided):
        hand_on(gone)
    over = make_coupon(session, holder="mem_1", transfer=1)
    later(session, 40 * DAY)
    with pytest.raises(Over):
        hand_on(over)


def test_a_recall_names_what_is_used_and_leaves_it(session: Session) -> None:
    """C20"""
    used, open_one = make_coupon(session, holder="mem_1"), make_coupon(session, holder="mem_1")
    use_up(session, used)

    done = issuing.void(session, [used, open_one], why="印错了")
    again = issuing.void(session, [used, open_one], why="again")

    assert (done.voided, done.used) == (1, [used])
    assert (again.voided, again.used) == (0, [used])
    held = {each.coupon: each.standing for each in wallets.find(session, coupons=[used, open_one])}
    assert held == {used: Standing.USED, open_one: Standing.VOID}


def test_a_whole_batch_is_recalled_in_portions(session: Session) -> None:
    """C20"""
    batch = make_batch(session)
    people = [f"mem_{number}" for number in range(7)]
    issuing.grant(session, batch=batch.code, holders=people, key="x")

    first = issuing.void_batch(session, batch.code, why="停", limit=5)
    second = issuing.void_batch(session, batch.code, why="停", limit=5, after=first.last_id or 0)
    last = issuing.void_batch(session, batch.code, why="停", limit=5, after=second.last_id or 0)

    assert [first.voided, second.voided, last.voided, last.last_id] == [5, 2, 0, None]
    assert batches.standing(session, batch.code).coupons == {"void": 7}
    with pytest.raises(Over):
        issuing.claim(session, batch=batch.code, holder="mem_9")


def test_a_coupon_keeps_the_version_it_was_issued_with(session: Session) -> None:
    """semantics 42"""
    template = make_template()
    coupon = issuing.claim(session, batch=make_batch(session, template).code, holder="mem_v")[0]
    batches.add_template(session, replace(template, title_zh="新版"), by="stf_1")

    held = wallets.wallet(session, holders=["mem_v"])

    assert [(each.coupon, each.version, each.template) for each in held] == [
        (coupon.coupon, 1, template)
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE coupon SET state = 'issued'",
        "UPDATE coupon_tally SET used = 0",
        "DELETE FROM coupon_taking",
        "INSERT INTO coupon_transfer VALUES (1, 1, 'a', 'b', now())",
        "UPDATE coupon_lock SET state = 'released'",
        "DELETE FROM coupon_redemption",
        "UPDATE coupon_roll_back SET fen = 0",
        "UPDATE coupon_batch SET ends_at = now()",
    ],
)
def test_the_application_cannot_do_it_behind_the_functions(
    session: Session, statement: str
) -> None:
    with pytest.raises(DBAPIError, match="permission denied"):
        session.execute(text(statement))
