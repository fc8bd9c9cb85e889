"""M4, semantics 46: two members who are one person; nothing is lost, and it can be undone."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

import ledger
from app import audit
from app.approvals import SamePerson
from app.checkout import exchanges, invariants, orders, payments
from app.checkout.baskets import Tender
from app.checkout.refunds import RefundRequest
from app.checkout.returns import RefundWhole
from app.errors import StateConflict
from app.members import closing, consents, devices, enrolment, freezing, refreshing
from app.members.arrivals import ChannelName, NewMember
from app.members.closing import Leftover
from app.members.consents import Decision, Matter
from app.members.errors import MemberNotActive
from app.members.identification import (
    KnownMember,
    find_by_card,
    find_by_phone,
    find_by_public_id,
    list_by_cards,
    list_by_phones,
    list_unmerged,
)
from app.members.models import MemberStatus, Source
from app.members.purposes import Channel, Purpose, current_text
from app.points import lots, merging
from app.points.lapsing import lapse
from app.points.merging import Outcome
from app.points.policy import BurnTerms
from config.database import Database, now_of
from ledger import upkeep
from tests.app.checkout.shops import (
    Shop,
    agree_burn_terms,
    books_digest,
    give_points,
    open_shop,
    points_of,
)
from tests.app.checkout.test_races import meanwhile
from tests.factories import make_member, new_phone, unique


@pytest.fixture
def shop(session: Session) -> Shop:
    return open_shop(session)


def merge(session: Session, loser: KnownMember, survivor: KnownMember) -> Outcome:
    request = merging.propose(
        session, loser=loser.public_id, survivor=survivor.public_id, by="lin", reason="本人换号"
    )
    return merging.approve(session, request.public_id, by="wang")


def undo(session: Session, merge_id: str) -> Outcome:
    request = merging.propose_undo(session, merge_id, by="lin", reason="并非同一人")
    return merging.approve(session, request.public_id, by="wang")


def sound(session: Session) -> bool:
    return (
        sum(ledger.statements.trial_balance(session).values()) == 0
        and not upkeep.audit_all(session)
        and not invariants.audit(session)
    )


def status_of(session: Session, member: KnownMember) -> MemberStatus:
    return list_unmerged(session, [member.id])[member.id].status


def test_points_go_over_lot_by_lot_and_keep_issuer_and_expiry(session: Session, shop: Shop) -> None:
    other = open_shop(session)
    loser, survivor = make_member(session), make_member(session)
    give_points(session, shop, loser, 500)
    give_points(session, other, loser, 70)
    give_points(session, shop, survivor, 30)

    done = merge(session, loser, survivor)

    assert done.points == 570
    assert books_digest(session, loser) == []
    assert sorted(points for _, points in books_digest(session, survivor)) == [70, 530]
    assert points_of(session, survivor) == 600
    assert status_of(session, loser) is MemberStatus.MERGED
    assert sound(session)


def test_whoever_looks_for_the_loser_finds_the_survivor(session: Session) -> None:
    phone, card = new_phone(), unique("C")
    loser, survivor = make_member(session, phone=phone, card_number=card), make_member(session)
    device = devices.open_on(session, member=loser, source="web", now=now_of(session))
    token = refreshing.issue(session, device, now=now_of(session)).token

    merge(session, loser, survivor)

    assert find_by_phone(session, phone) == survivor
    assert find_by_card(session, card) == survivor
    assert find_by_public_id(session, loser.public_id) == survivor
    assert list_by_cards(session, [card]) == {card: survivor}
    assert list_by_phones(session, [phone]) == {phone: survivor}
    assert enrolment.enrol(session, NewMember(source=Source.WEB, phone=phone)).member == survivor
    rotated = refreshing.rotate(session, token, now=now_of(session))
    assert rotated is not None
    assert rotated.device.member == survivor
    identity = ChannelName(channel="wechat", app_id="wx1", identity=unique("o"))
    by_card = NewMember(source=Source.WECHAT, card_number=card, identity=identity)
    assert enrolment.enrol(session, by_card).member == survivor


def test_a_debt_goes_over_too(session: Session, shop: Shop) -> None:
    """L3: what the loser owes the survivor owes."""
    loser, survivor = make_member(session), make_member(session)
    sale = give_points(session, shop, loser, 100)
    shop.sell(session, loser, 100, burn=100)
    shop.refund(session, sale.public_id)
    give_points(session, shop, survivor, 30)

    merge(session, loser, survivor)

    assert books_digest(session, loser) == []
    assert points_of(session, survivor) == 30 - 100
    assert sound(session)


def test_two_people_are_needed_and_a_repeat_changes_nothing(session: Session, shop: Shop) -> None:
    """G1"""
    loser, survivor = make_member(session), make_member(session)
    give_points(session, shop, loser, 10)
    request = merging.propose(
        session, loser=loser.public_id, survivor=survivor.public_id, by="lin", reason="x"
    ).public_id

    with pytest.raises(SamePerson):
        merging.approve(session, request, by="lin")
    merging.approve(session, request, by="wang")
    with pytest.raises(StateConflict):
        merging.approve(session, request, by="wang")

    assert points_of(session, survivor) == 10
    for each in (loser, survivor):
        assert audit.list_records(session, about=each.public_id)[0].action == "member.merge"


def test_a_second_request_for_the_same_merge_is_refused(session: Session) -> None:
    loser, survivor = make_member(session), make_member(session)
    first, second = [
        merging.propose(
            session, loser=loser.public_id, survivor=survivor.public_id, by="lin", reason="x"
        ).public_id
        for _ in range(2)
    ]
    merging.approve(session, first, by="wang")

    with pytest.raises(StateConflict):
        merging.approve(session, second, by="wang")


def test_a_request_may_be_turned_down(session: Session) -> None:
    loser, survivor = make_member(session), make_member(session)
    request = merging.propose(
        session, loser=loser.public_id, survivor=survivor.public_id, by="lin", reason="x"
    ).public_id

    merging.reject(session, request, by="wang", reason="不是同一人")

    assert status_of(session, loser) is MemberStatus.ACTIVE
    with pytest.raises(StateConflict):
        merging.approve(session, request, by="wang")


def test_who_is_frozen_leaving_or_the_same_is_not_merged(session: Session) -> None:
    one, two, three = [make_member(session) for _ in range(3)]
    freezing.freeze(session, two.public_id, by="lin", reason="x")
    closing.ask(session, member=three, points=Leftover.DONATE, evidence={}, now=now_of(session))
    pseudonym = enrolment.enrol_by_payment(
        session, ChannelName(channel="wechat", app_id="wx1", identity=unique("o"))
    ).member

    for loser, survivor in ((one, two), (two, one)):
        with pytest.raises(MemberNotActive):
            merging.preview(session, loser=loser.public_id, survivor=survivor.public_id)
    for loser, survivor in ((one, three), (three, one), (one, one), (one, pseudonym)):
        with pytest.raises(StateConflict):
            merging.preview(session, loser=loser.public_id, survivor=survivor.public_id)
    assert merging.preview(session, loser=pseudonym.public_id, survivor=one.public_id).lots == []


def test_a_hold_of_the_loser_finishes_where_it_is(session: Session, shop: Shop) -> None:
    """Semantics 46: an open order of the loser is paid with his points and earns the survivor's."""
    loser, survivor = make_member(session), make_member(session)
    give_points(session, shop, loser, 100)
    placed = orders.place(session, shop.basket(session, loser, 10_000, burn=60))

    merge(session, loser, survivor)
    paid = payments.pay(session, order=placed.public_id, tenders=[Tender(name="cash", fen=9_940)])

    assert paid.earned_points == 99
    assert books_digest(session, loser) == []
    assert points_of(session, survivor) == 40 + 99
    assert sound(session)


def test_what_a_hold_gives_back_follows_to_the_survivor(session: Session, shop: Shop) -> None:
    """O4: late or twice, the job does no harm."""
    loser, survivor = make_member(session), make_member(session)
    give_points(session, shop, loser, 100)
    placed = orders.place(session, shop.basket(session, loser, 10_000, burn=60))
    done = merge(session, loser, survivor)
    orders.cancel(session, order=placed.public_id)
    assert points_of(session, survivor) == 40

    assert merging.gather(session) == 1
    assert merging.gather(session) == 0

    assert points_of(session, survivor) == 100
    assert books_digest(session, loser) == []
    assert undo(session, done.merge).points == 100
    assert sound(session)


def test_refunds_of_the_losers_old_orders_go_to_the_survivor(session: Session, shop: Shop) -> None:
    loser, survivor = make_member(session), make_member(session)
    give_points(session, shop, loser, 100)
    burned = shop.sell(session, loser, 10_000, burn=80)
    merge(session, loser, survivor)
    assert points_of(session, survivor) == 20 + 99

    refund = shop.refund(session, burned.public_id)

    assert (refund.restored_points, refund.clawed_points, refund.debt_points) == (80, 99, 0)
    assert points_of(session, survivor) == 100
    assert books_digest(session, loser) == []
    assert sound(session)


def test_an_exchange_of_an_old_order_is_the_survivors(session: Session, shop: Shop) -> None:
    loser, survivor = make_member(session), make_member(session)
    give_points(session, shop, loser, 100)
    old = shop.sell(session, loser, 10_000, burn=80)
    merge(session, loser, survivor)

    request = RefundRequest(
        order=old.public_id,
        terminal=shop.till,
        number=unique("R"),
        occurred_at=now_of(session),
        parts=[RefundWhole()],
    )
    exchanges.exchange(
        session,
        request=request,
        basket=shop.basket(session, None, 5_000),
        tenders=[Tender(name="cash", fen=5_000)],
    )

    assert points_of(session, survivor) == 100 + 50
    assert sound(session)


def test_an_undo_gives_each_his_own(session: Session, shop: Shop) -> None:
    loser, survivor = make_member(session), make_member(session)
    give_points(session, shop, loser, 500)
    give_points(session, shop, survivor, 30)
    before = books_digest(session, loser), books_digest(session, survivor)
    done = merge(session, loser, survivor)

    back = undo(session, done.merge)

    assert (back.undone, back.points) == (True, 500)
    assert (books_digest(session, loser), books_digest(session, survivor)) == before
    assert status_of(session, loser) is MemberStatus.ACTIVE
    assert find_by_public_id(session, loser.public_id) == loser
    assert sound(session)
    again = merge(session, loser, survivor)
    assert again.merge != done.merge


def test_an_undo_of_a_spent_balance_shares_what_is_left(session: Session, shop: Shop) -> None:
    """Semantics 46: a split by lots, to the last point."""
    loser, survivor = make_member(session), make_member(session)
    give_points(session, shop, loser, 200)
    give_points(session, shop, survivor, 100)
    done = merge(session, loser, survivor)
    shop.sell(session, survivor, 150, burn=150)

    back = undo(session, done.merge)

    assert back.points == 100
    assert (points_of(session, loser), points_of(session, survivor)) == (100, 50)
    assert sound(session)


@given(
    points=st.tuples(st.integers(1, 300), st.integers(0, 300), st.integers(0, 600)),
    owed=st.booleans(),
)
@settings(max_examples=25)
def test_no_point_is_made_or_lost_by_merge_and_undo(
    session: Session, shop: Shop, points: tuple[int, int, int], owed: bool
) -> None:
    moved, own, spent = points
    loser, survivor = make_member(session), make_member(session)
    sale = give_points(session, shop, loser, moved)
    if owed:
        shop.sell(session, loser, moved, burn=moved)
        shop.refund(session, sale.public_id)
    if own:
        give_points(session, shop, survivor, own)
    done = merge(session, loser, survivor)
    burn = min(spent, max(points_of(session, survivor), 0))
    if burn:
        shop.sell(session, survivor, burn, burn=burn)
    together = points_of(session, survivor)

    undo(session, done.merge)

    assert points_of(session, loser) + points_of(session, survivor) == together
    assert sum(ledger.statements.trial_balance(session).values()) == 0


def test_an_undo_has_thirty_days(session: Session, shop: Shop) -> None:
    loser, survivor = make_member(session), make_member(session)
    done = merge(session, loser, survivor)
    request = merging.propose_undo(session, done.merge, by="lin", reason="x").public_id
    session.info["now"] = now_of(session) + timedelta(days=30)

    with pytest.raises(StateConflict, match="30"):
        merging.propose_undo(session, done.merge, by="lin", reason="x")
    with pytest.raises(StateConflict):
        merging.approve(session, request, by="wang")


def test_merges_of_merges_are_found_and_undone_from_the_last(session: Session, shop: Shop) -> None:
    first, second, third = [make_member(session) for _ in range(3)]
    give_points(session, shop, first, 10)
    one = merge(session, first, second)
    two = merge(session, second, third)
    assert find_by_public_id(session, first.public_id) == third
    assert points_of(session, third) == 10

    with pytest.raises(StateConflict, match="较晚"):
        merging.propose_undo(session, one.merge, by="lin", reason="x")
    undo(session, two.merge)

    assert find_by_public_id(session, first.public_id) == second
    assert points_of(session, second) == 10
    undo(session, one.merge)
    assert points_of(session, first) == 10


def test_consent_becomes_the_stricter_and_comes_back(session: Session) -> None:
    loser, survivor = make_member(session), make_member(session)
    sms, app = Matter(Purpose.MARKETING, Channel.SMS), Matter(Purpose.MARKETING, Channel.APP)
    version = current_text(Purpose.MARKETING).version

    def say(member: KnownMember, matter: Matter, decision: Decision) -> None:
        consents.decide(
            session, member=member, matter=matter, decision=decision, version=version, evidence={}
        )

    say(survivor, sms, Decision.GIVEN)
    say(survivor, app, Decision.GIVEN)
    say(loser, sms, Decision.DECLINED)
    foreseen = merging.preview(session, loser=loser.public_id, survivor=survivor.public_id)
    assert foreseen.stricter == [("marketing", "sms")]

    done = merge(session, loser, survivor)
    merged = consents.list_stances(session, survivor.id)
    undo(session, done.merge)

    assert (merged[sms].decision, merged[app].decision) == (Decision.WITHDRAWN, Decision.GIVEN)
    assert consents.list_stances(session, survivor.id)[sms].decision is Decision.GIVEN


def test_a_limit_exceeded_by_merging_is_kept_but_no_more_is_burned(
    session: Session, shop: Shop
) -> None:
    """Semantics 46, B2."""
    agree_burn_terms(session, BurnTerms(effective_from=now_of(session), daily_limit_points=100))
    loser, survivor = make_member(session), make_member(session)
    for member in (loser, survivor):
        give_points(session, shop, member, 200)
        shop.sell(session, member, 10_000, burn=80, worth=80)
    foreseen = merging.preview(session, loser=loser.public_id, survivor=survivor.public_id)
    assert foreseen.over_limit == 60

    merge(session, loser, survivor)
    basket = shop.basket(session, survivor, 10_000, burn=10)

    sale = orders.sell(session, basket, [Tender(name="cash", fen=10_000)])
    assert sale.burned_points == 0


def test_a_number_that_went_on_parks_nobody_who_was_merged(session: Session) -> None:
    """Semantics 47: the newcomer gets the number; the survivor goes on under his own."""
    phone = new_phone()
    loser, survivor = make_member(session, phone=phone), make_member(session)
    done = merge(session, loser, survivor)

    newcomer = enrolment.enrol_after_challenge(
        session, NewMember(source=Source.WEB, phone=phone), by="stf_1", reason="x"
    )

    assert newcomer.created
    assert status_of(session, survivor) is MemberStatus.ACTIVE
    undo(session, done.merge)
    assert status_of(session, loser) is MemberStatus.PARKED


def test_who_leaves_is_erased_under_every_name(session: Session, shop: Shop) -> None:
    """Semantics 49: what has come back to the loser since lapses with the rest."""
    phone = new_phone()
    loser, survivor = make_member(session, phone=phone), make_member(session)
    give_points(session, shop, loser, 10)
    done = merge(session, loser, survivor)
    closing.ask(session, member=survivor, points=Leftover.DONATE, evidence={}, now=now_of(session))
    closing.erase_due(session, now=now_of(session) + timedelta(days=8))
    lapse(session)

    assert status_of(session, loser) is MemberStatus.CLOSED
    assert find_by_phone(session, phone) is None
    assert books_digest(session, survivor) == []
    with pytest.raises(StateConflict):
        merging.propose_undo(session, done.merge, by="lin", reason="x")


def test_a_merge_that_dies_leaves_nothing(database: Database, district: str) -> None:
    with database.transaction(district) as session:
        shop = open_shop(session)
        loser, survivor = make_member(session), make_member(session)
        give_points(session, shop, loser, 10)
        request = merging.propose(
            session, loser=loser.public_id, survivor=survivor.public_id, by="lin", reason="x"
        ).public_id
    with database.transaction(district) as session:
        merging.approve(session, request, by="wang")
        session.rollback()  # As a process that is killed before its COMMIT.

    with database.transaction(district) as session:
        assert points_of(session, loser) == 10
        assert merging.approve(session, request, by="wang").points == 10
        assert points_of(session, survivor) == 10


def test_the_wallet_of_another_person_has_no_heirs(session: Session, shop: Shop) -> None:
    member = make_member(session)
    give_points(session, shop, member, 10)
    wallet = lots.lock(session, member, day=now_of(session).date())

    assert merging.heirs(session, wallet, [lot.account_id for lot in wallet.lots]) == (wallet, {})


def test_a_sale_that_waits_for_a_merge_is_not_the_losers(database: Database, district: str) -> None:
    """Semantics 46: who was identified before the merge is identified again."""
    with database.transaction(district) as session:
        shop = open_shop(session)
        loser, survivor = make_member(session), make_member(session)
        give_points(session, shop, loser, 100)

    ended = meanwhile(
        database,
        district,
        lambda session: merge(session, loser, survivor),
        lambda session: shop.sell(session, loser, 1_000, burn=10),
    )

    with pytest.raises(MemberNotActive):
        ended.result()
    with database.transaction(district) as session:
        assert books_digest(session, loser) == []
        assert points_of(session, survivor) == 100


def test_a_merge_that_waits_for_a_sale_finds_what_it_left(
    database: Database, district: str
) -> None:
    with database.transaction(district) as session:
        shop = open_shop(session)
        loser, survivor = make_member(session), make_member(session)
        give_points(session, shop, loser, 100)

    ended = meanwhile(
        database,
        district,
        lambda session: shop.sell(session, loser, 1_000, burn=10),
        lambda session: merge(session, loser, survivor),
    )

    assert ended.result().points == 99
