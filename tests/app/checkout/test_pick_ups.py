"""B3: goods of the mall are handed out once, by their code, against their cash part."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.orm import Session

import ledger
from app.checkout import invariants, pick_ups, takings
from app.checkout.baskets import Tender
from app.checkout.errors import BusinessKeyConflict, PaymentMismatch
from app.checkout.models import TakingState
from app.checkout.takings import Taken
from app.errors import Invalid, NotFound, StateConflict
from app.members.identification import KnownMember
from app.members.sealing import coupon_keys
from config.database import Database
from coupons import codes
from tests.app.campaigns.test_mall import put_up
from tests.app.checkout.shops import Shop, give_points, open_shop, points_of
from tests.factories import make_member, unique

CASH = [Tender(name="cash", fen=990)]


@pytest.fixture
def shop(session: Session) -> Shop:
    return open_shop(session)


@pytest.fixture
def member(session: Session, shop: Shop) -> KnownMember:
    made = make_member(session)
    give_points(session, shop, made, 1_200)
    return made


def _take(session: Session, shop: Shop, member: KnownMember, **fields: int) -> Taken:
    item = put_up(session, shop, **fields)
    return takings.take(session, member, item=item.code, points=500)


def _index(session: Session, member: KnownMember, taken: Taken) -> bytes:
    code = takings.show_code(session, member, taken.public_id)
    return codes.index_of(coupon_keys(session), code)


def test_goods_are_handed_out_once_and_told_again(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    taken = _take(session, shop, member)
    index = _index(session, member, taken)
    waiting = pick_ups.look_up(session, shop.till, index=index)

    first = pick_ups.pick_up(session, shop.till, index=index)
    again = pick_ups.pick_up(session, shop.till, index=index)

    assert (waiting.taken.state, waiting.member.id) == (TakingState.WAITING, member.id)
    assert (first.taken.state, first.repeated) == (TakingState.PICKED_UP, False)
    assert (again.taken, again.repeated) == (first.taken, True)
    assert points_of(session, member) == 700
    with pytest.raises(StateConflict):
        takings.cancel(session, member, taking=taken.public_id)
    assert _broken(session) == []


def test_the_cash_part_is_a_sale_of_the_till(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    taken = _take(session, shop, member, cash_fen=990)
    index, number = _index(session, member, taken), unique("N")

    done = pick_ups.pick_up(session, shop.till, index=index, number=number, tenders=CASH)

    assert done.taken.order is not None
    assert points_of(session, member) == 709  # A point a yuan of ¥9.90.
    refund = shop.refund(session, done.taken.order)
    assert (refund.money_fen, refund.restored_points) == ({"cash": 990}, 0)
    assert points_of(session, member) == 700
    assert _broken(session) == []


def test_a_cash_part_that_is_not_paid_hands_out_nothing(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    taken = _take(session, shop, member, cash_fen=990)
    index = _index(session, member, taken)
    free = _index(session, member, _take(session, shop, member))

    with pytest.raises(Invalid):
        pick_ups.pick_up(session, shop.till, index=index, tenders=CASH)
    for given in ([], [Tender(name="cash", fen=989)]):
        with pytest.raises(PaymentMismatch):
            pick_ups.pick_up(session, shop.till, index=index, number=unique("N"), tenders=given)
    with pytest.raises(PaymentMismatch):
        pick_ups.pick_up(session, shop.till, index=free, tenders=CASH)

    assert takings.get_own(session, member, taken.public_id).state is TakingState.WAITING


def test_two_pick_ups_never_share_a_sale(session: Session, shop: Shop, member: KnownMember) -> None:
    item = put_up(session, shop, cash_fen=990, per_member=2)
    number = unique("N")
    first, second = [
        _index(session, member, takings.take(session, member, item=item.code, points=500))
        for _ in range(2)
    ]
    pick_ups.pick_up(session, shop.till, index=first, number=number, tenders=CASH)

    with pytest.raises(BusinessKeyConflict):
        pick_ups.pick_up(session, shop.till, index=second, number=number, tenders=CASH)


def test_every_code_by_which_nothing_waits_here_has_one_answer(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """C17, semantics 44: unknown, another merchant's, cancelled, out of its days."""
    elsewhere = open_shop(session)
    item = put_up(session, shop, points=1, per_member=9, pick_up_days=1)
    mine = [takings.take(session, member, item=item.code, points=1) for _ in range(3)]
    cancelled, late, foreign = [_index(session, member, each) for each in mine]
    takings.cancel(session, member, taking=mine[0].public_id)
    said = []

    for till, index in ((shop.till, bytes(16)), (shop.till, cancelled), (elsewhere.till, foreign)):
        with pytest.raises(NotFound) as refused:
            pick_ups.pick_up(session, till, index=index)
        said.append(str(refused.value))
    session.info["now"] = mine[1].until
    with pytest.raises(NotFound) as refused:
        pick_ups.pick_up(session, shop.till, index=late)

    assert {*said, str(refused.value)} == {said[0]}


def test_many_tills_with_one_code_hand_out_once(database: Database, district: str) -> None:
    with database.transaction(district) as session:
        shop, member = open_shop(session), make_member(session)
        give_points(session, shop, member, 500)
        taken = _take(session, shop, member, cash_fen=990)
        index = _index(session, member, taken)

    def hand_out(_: int) -> bool:
        return database.run(
            district,
            lambda session: pick_ups.pick_up(
                session, shop.till, index=index, number=unique("N"), tenders=CASH
            ),
        ).repeated

    with ThreadPoolExecutor(8) as pool:
        repeats = list(pool.map(hand_out, range(8)))

    assert sorted(repeats) == [False, *[True] * 7]
    with database.transaction(district) as session:
        assert points_of(session, member) == 9


def test_a_pick_up_and_a_cancellation_at_once_are_one_of_them(
    database: Database, district: str
) -> None:
    for _ in range(6):
        with database.transaction(district) as session:
            shop, member = open_shop(session), make_member(session)
            give_points(session, shop, member, 500)
            taken = _take(session, shop, member)
            index = _index(session, member, taken)

        def act(
            number: int,
            *,
            shop: Shop = shop,
            member: KnownMember = member,
            taken: Taken = taken,
            index: bytes = index,
        ) -> bool:
            try:
                if number:
                    database.run(
                        district, lambda session: pick_ups.pick_up(session, shop.till, index=index)
                    )
                else:
                    database.run(
                        district,
                        lambda session: takings.cancel(session, member, taking=taken.public_id),
                    )
            except (NotFound, StateConflict):
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            done = list(pool.map(act, range(2)))

        assert sorted(done) == [False, True]
        with database.transaction(district) as session:
            assert points_of(session, member) == (500 if done[0] else 0)


def _broken(session: Session) -> list[object]:
    return [*ledger.upkeep.audit_all(session), *invariants.audit(session)]
