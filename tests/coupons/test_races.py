"""C4, C16; E12, E14, E15; semantics 35, 36: many at once, on connections of their own."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

from sqlalchemy.orm import Session

from config.database import Database, now_of
from coupons import batches, invariants, issuing, redemptions, wallets
from coupons.errors import CouponError
from coupons.redemptions import Use
from tests.coupons.makers import make_batch, make_coupon, tally
from tests.factories import unique

AT_ONCE = 16  # connections; the pool of the tests has twenty
Act = Callable[[Session], object]


def race(database: Database, district: str, acts: Sequence[Act]) -> Counter[str]:
    """Run the acts, each in a transaction, as many at once as there are connections."""
    barrier = Barrier(min(AT_ONCE, len(acts)))

    def run(number: int) -> str:
        if number < barrier.parties:
            barrier.wait()
        try:
            database.run(district, acts[number])
        except CouponError as refused:
            return type(refused).__name__
        return "done"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return Counter(pool.map(run, range(len(acts))))


def _broken(database: Database, district: str) -> list[invariants.Broken]:
    with database.transaction(district, repeatable_read=True, read_only=True) as session:
        return invariants.audit(session)


def _claim(batch: str, holder: str) -> Act:
    return lambda session: issuing.claim(session, batch=batch, holder=holder)


def test_64_claims_of_one_coupon_give_one(database: Database, district: str) -> None:
    """C4"""
    with database.transaction(district) as session:
        batch = make_batch(session, limits={"total": 1}).code

    said = race(database, district, [_claim(batch, f"mem_{n}") for n in range(64)])

    assert said == {"done": 1, "SoldOut": 63}
    with database.transaction(district) as session:
        assert tally(session, batch, "issued") == (0, 1)
        assert batches.standing(session, batch).coupons == {"issued": 1}


def test_a_rush_with_repeats_sells_out_exactly(database: Database, district: str) -> None:
    """E12: 100 coupons, 1,000 claims by 400 members, half of them twice and more."""
    with database.transaction(district) as session:
        batch = make_batch(session, limits={"total": 100}).code
    people = [f"mem_{n}" for n in range(400)]
    acts = [_claim(batch, each) for each in [*people, *people[:200], *people[:200], *people[200:]]]

    said = race(database, district, acts)

    assert said.keys() <= {"done", "SoldOut"}
    with database.transaction(district) as session:
        assert batches.standing(session, batch).coupons == {"issued": 100}
        holders = {each.holder for n in people for each in wallets.wallet(session, holders=[n])
                   if each.batch == batch}  # fmt: skip
    assert len(holders) == 100
    assert _broken(database, district) == []


def test_a_holder_at_many_doors_gets_what_he_may(database: Database, district: str) -> None:
    with database.transaction(district) as session:
        batch = make_batch(session, limits={"per_member": 3}).code

    def claim(n: int) -> Act:
        return lambda session: issuing.claim(session, batch=batch, holder="mem_x", n=n)

    same = race(database, district, [claim(1)] * 16)
    others = race(database, district, [claim(n) for n in range(1, 33)])

    assert same == {"done": 16}
    assert others == {"done": 3, "ClaimLimit": 29}
    assert _broken(database, district) == []


def test_20_tills_redeem_one_coupon_once(database: Database, district: str) -> None:
    """E15"""
    with database.transaction(district) as session:
        coupons = [make_coupon(session) for _ in range(8)]

    def redeem(coupon: str) -> Act:
        use = Use(coupon=coupon, discount_fen=100, order_fen=1_000)
        order = unique("O")
        return lambda session: redemptions.redeem(session, order=order, uses=[use])

    for coupon in coupons:
        said = race(database, district, [redeem(coupon) for _ in range(20)])
        assert said == {"done": 1, "AlreadyUsed": 19}
    assert _broken(database, district) == []


def test_two_coupons_in_either_order_do_not_lock_each_other_out(
    database: Database, district: str
) -> None:
    with database.transaction(district) as session:
        batch = make_batch(session, limits={"per_member": 99}, budget={"fen": {"all": 10**6}}).code
        pair = [issuing.claim(session, batch=batch, holder="mem_1", n=n)[0].coupon for n in (1, 2)]

    def lock(order: str, coupons: Sequence[str]) -> Act:
        uses = [Use(coupon=each, discount_fen=10, order_fen=10) for each in coupons]

        def act(session: Session) -> None:
            until = now_of(session) + timedelta(minutes=1)
            redemptions.lock(session, order=order, uses=uses, until=until)
            redemptions.release(session, order=order)

        return act

    acts = [lock(unique("O"), pair[::step]) for _ in range(40) for step in (1, -1)]

    assert race(database, district, acts) == {"done": 80}
    assert _broken(database, district) == []


def test_redeem_and_recall_race_to_one_end(database: Database, district: str) -> None:
    """E15: redeem, void and a look at the wallet at once."""
    with database.transaction(district) as session:
        coupons = [make_coupon(session, holder="mem_1") for _ in range(12)]

    def redeem(coupon: str) -> Act:
        use = Use(coupon=coupon, discount_fen=100, order_fen=1_000)
        order = unique("O")
        return lambda session: redemptions.redeem(session, order=order, uses=[use])

    def void(coupon: str) -> Act:
        return lambda session: issuing.void(session, [coupon], why="x")

    acts = [act for each in coupons for act in (redeem(each), void(each), redeem(each))]
    race(database, district, acts)

    with database.transaction(district) as session:
        states = {each.standing for each in wallets.find(session, coupons=coupons)}
    assert states <= {wallets.Standing.USED, wallets.Standing.VOID}
    assert _broken(database, district) == []


def test_the_last_fen_of_a_budget_is_spent_once(database: Database, district: str) -> None:
    """C16; semantics 36, 37: undersold by nothing, overspent by nothing."""
    with database.transaction(district) as session:
        batch = make_batch(session, budget={"fen": {"all": 1_000}, "count": {"day": 50}}).code
        people = [f"mem_{n}" for n in range(40)]
        coupons = [each.coupon for each in
                   issuing.grant(session, batch=batch, holders=people, key="x")]  # fmt: skip

    def sell(coupon: str | None) -> Act:
        assert coupon is not None
        order, use = unique("O"), Use(coupon=coupon, discount_fen=100, order_fen=1_000)

        def act(session: Session) -> None:
            until = now_of(session) + timedelta(minutes=1)
            redemptions.lock(session, order=order, uses=[use], until=until)
            redemptions.redeem(session, order=order)

        return act

    said = race(database, district, [sell(each) for each in coupons])

    assert said == {"done": 10, "BudgetExhausted": 30}
    with database.transaction(district) as session:
        assert tally(session, batch, "fen") == (0, 1_000)
    assert _broken(database, district) == []


def test_refunds_at_once_give_back_no_more_than_was_taken(
    database: Database, district: str
) -> None:
    """C14"""
    with database.transaction(district) as session:
        use = Use(coupon=make_coupon(session), discount_fen=1_000, order_fen=10_000)
        redemption = redemptions.redeem(session, order=unique("O"), uses=[use])[0].redemption

    def refund(key: str) -> Act:
        return lambda session: redemptions.roll_back(
            session, redemption=redemption, key=key, fen=300
        )

    said = race(database, district, [refund(f"ref_{n % 8}") for n in range(16)])

    assert set(said) == {"done", "RollBackExceeds"}
    assert _broken(database, district) == []


def test_nothing_is_issued_behind_the_back_of_a_recall(database: Database, district: str) -> None:
    """C20; E14"""
    with database.transaction(district) as session:
        batch = make_batch(session).code

    def void(session: Session) -> object:
        return issuing.void_batch(session, batch, why="停")

    acts = [_claim(batch, f"mem_{n}") for n in range(30)]
    race(database, district, [*acts[:15], void, *acts[15:]])

    with database.transaction(district) as session:
        assert set(batches.standing(session, batch).coupons) <= {"void"}
