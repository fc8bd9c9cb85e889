"""C7, semantics 45: a coupon goes to a friend by a link, once, and no further than it may."""

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from config.database import Database, now_of
from coupons import invariants, issuing, shares, wallets
from coupons.errors import (
    AlreadyUsed,
    ClaimLimit,
    CouponError,
    NoSuchCoupon,
    NotTransferable,
    Over,
    Voided,
)
from coupons.shares import Shared
from tests.coupons.makers import DAY, KEYS, later, make_batch, make_coupon, use_up
from tests.coupons.test_races import Act, race
from tests.factories import unique


def _share(session: Session, coupon: str, giver: str, *, days: int = 3) -> Shared:
    until = now_of(session) + days * DAY
    return shares.share(session, coupon=coupon, giver=giver, until=until, keys=KEYS)


def _holder(session: Session, coupon: str) -> str | None:
    return wallets.find(session, coupons=[coupon])[0].holder


def test_a_friend_takes_the_coupon_once_and_is_told_again(session: Session) -> None:
    coupon = make_coupon(session, holder="mem_a", transfer=1)
    link = _share(session, coupon, "mem_a")
    assert _holder(session, coupon) == "mem_a"

    first = shares.accept(session, token=link.token, taker="mem_b", keys=KEYS)
    again = shares.accept(session, token=link.token, taker="mem_b", keys=KEYS)

    assert (first.coupon, first.giver, first.repeated) == (coupon, "mem_a", False)
    assert (again.coupon, again.repeated) == (coupon, True)
    assert first.valid_until == wallets.find(session, coupons=[coupon])[0].valid_until
    assert _holder(session, coupon) == "mem_b"
    assert invariants.audit(session) == []


def test_a_token_is_long_and_the_database_does_not_know_it(session: Session) -> None:
    coupon = make_coupon(session, holder="mem_a", transfer=1)

    tokens = {_share(session, coupon, "mem_a").token for _ in range(20)}

    assert len(tokens) == 20
    assert {len(token) for token in tokens} == {32}  # 24 bytes in base64.


def test_every_token_that_is_not_good_has_one_answer(session: Session) -> None:
    """Semantics 44: unknown, used, revoked, over, replaced by another; used or void coupons too."""
    batch = make_batch(session, transfer=1, limits={"per_member": 9, "total": 99}).code
    mine = [issuing.claim(session, batch=batch, holder="mem_a", n=n)[0].coupon for n in range(1, 8)]
    links = [_share(session, coupon, "mem_a", days=1 if at == 6 else 3).token
             for at, coupon in enumerate(mine)]  # fmt: skip
    shares.accept(session, token=links[0], taker="mem_b", keys=KEYS)
    assert shares.revoke(session, coupon=mine[1], giver="mem_a")
    assert not shares.revoke(session, coupon=mine[1], giver="mem_a")
    _share(session, mine[2], "mem_a")
    use_up(session, mine[3])
    issuing.void(session, [mine[4]], why="test")
    issuing.hand_on(session, coupon=mine[5], giver="mem_a", taker="mem_d")
    later(session, 2 * DAY)
    said = set()

    for token in [*links, "unknown"]:
        with pytest.raises(NoSuchCoupon) as refused:
            shares.accept(session, token=token, taker="mem_c", keys=KEYS)
        said.add(str(refused.value))

    assert len(said) == 1
    assert _holder(session, mine[1]) == "mem_a"


def test_a_shared_coupon_goes_no_further_than_it_may(session: Session) -> None:
    coupon = make_coupon(session, holder="mem_a", transfer=1)
    shares.accept(session, token=_share(session, coupon, "mem_a").token, taker="mem_b", keys=KEYS)

    with pytest.raises(NotTransferable):
        _share(session, coupon, "mem_b")


def test_the_limit_counts_for_who_claimed_and_for_who_took(session: Session) -> None:
    batch = make_batch(session, transfer=1).code
    (mine,) = issuing.claim(session, batch=batch, holder="mem_a")
    issuing.claim(session, batch=batch, holder="mem_b")
    link = _share(session, mine.coupon, "mem_a")

    with pytest.raises(ClaimLimit):
        shares.accept(session, token=link.token, taker="mem_b", keys=KEYS)
    shares.accept(session, token=link.token, taker="mem_c", keys=KEYS)

    with pytest.raises(ClaimLimit):
        issuing.claim(session, batch=batch, holder="mem_a", n=2)
    with pytest.raises(ClaimLimit):
        issuing.claim(session, batch=batch, holder="mem_c")


def test_ones_own_link_is_told_so_and_stays_good(session: Session) -> None:
    coupon = make_coupon(session, holder="mem_a", transfer=1)
    link = _share(session, coupon, "mem_a")

    with pytest.raises(NotTransferable):
        shares.accept(session, token=link.token, taker="mem_a", keys=KEYS)

    assert shares.accept(session, token=link.token, taker="mem_b", keys=KEYS).coupon == coupon


def test_a_link_is_good_no_longer_than_its_coupon(session: Session) -> None:
    coupon = make_coupon(session, holder="mem_a", transfer=1)
    end = wallets.find(session, coupons=[coupon])[0].valid_until

    assert _share(session, coupon, "mem_a", days=999).until == end


def test_what_cannot_be_handed_on_is_not_shared(session: Session) -> None:
    void, used, over = [make_coupon(session, holder="mem_a", transfer=1) for _ in range(3)]
    issuing.void(session, [void], why="test")
    use_up(session, used)
    cases: list[tuple[str, str, type[CouponError]]] = [
        (make_coupon(session, holder="mem_a"), "mem_a", NotTransferable),
        (make_coupon(session, holder="mem_a", transfer=1), "mem_b", NoSuchCoupon),
        (void, "mem_a", Voided),
        (used, "mem_a", AlreadyUsed),
    ]

    for coupon, giver, refusal in cases:
        with pytest.raises(refusal):
            _share(session, coupon, giver)
    later(session, timedelta(days=40))
    with pytest.raises(Over):
        _share(session, over, "mem_a")


def test_many_friends_with_one_link_are_one(database: Database, district: str) -> None:
    with database.transaction(district) as session:
        giver = unique("mem_")
        coupon = make_coupon(session, holder=giver, transfer=3)
        link = _share(session, coupon, giver)

    def accept(taker: str) -> Act:
        return lambda session: shares.accept(session, token=link.token, taker=taker, keys=KEYS)

    said = race(database, district, [accept(unique("mem_")) for _ in range(32)])

    assert said == Counter({"done": 1, "NoSuchCoupon": 31})


def test_a_link_and_a_phone_at_once_are_one_of_them(database: Database, district: str) -> None:
    for _ in range(6):
        with database.transaction(district) as session:
            giver = unique("mem_")
            coupon = make_coupon(session, holder=giver, transfer=1)
            link = _share(session, coupon, giver)

        said = race(database, district, [_by_link(link), _by_phone(coupon, giver)])

        assert said == Counter({"done": 1, "NoSuchCoupon": 1})


def _by_link(link: Shared) -> Act:
    return lambda session: shares.accept(session, token=link.token, taker="mem_x", keys=KEYS)


def _by_phone(coupon: str, giver: str) -> Act:
    return lambda session: issuing.hand_on(session, coupon=coupon, giver=giver, taker="mem_y")
