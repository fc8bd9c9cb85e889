"""Semantics 46: names of one holder, whose limits count them all, until they part again."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from config.database import Database, now_of
from coupons import aliases, codes, invariants, issuing, runs, shares, wallets
from coupons.errors import ClaimLimit, NotTransferable
from coupons.issuing import Verdict
from coupons.presets import pack
from tests.coupons.makers import KEYS, make_batch
from tests.coupons.test_races import Act, race
from tests.factories import unique


def _names(count: int) -> list[str]:
    return [unique("mem_") for _ in range(count)]


def _known(session: Session, *names: str) -> dict[str, tuple[str, str]]:
    """Return alias → (holder, taker) of some names."""
    rows = session.execute(
        text("SELECT alias, holder, taker FROM coupon_alias WHERE alias = ANY (:names)"),
        {"names": list(names)},
    )
    return {row.alias: (row.holder, row.taker) for row in rows}


def _claim(session: Session, batch: str, holder: str, n: int = 1) -> str:
    return issuing.claim(session, batch=batch, holder=holder, n=n)[0].coupon


def test_what_one_name_has_counts_for_the_other_and_stays_where_it_is(session: Session) -> None:
    old, new = _names(2)
    one, two = make_batch(session).code, make_batch(session, limits={"per_member": 2}).code
    mine = [_claim(session, batch, old) for batch in (one, two)]

    aliases.take_over(session, holder=new, alias=old)

    for name in (old, new):
        with pytest.raises(ClaimLimit):
            _claim(session, one, name, 2)
    _claim(session, two, new)
    for name in (old, new):
        with pytest.raises(ClaimLimit):
            _claim(session, two, name, 2)
    assert [each.coupon for each in wallets.wallet(session, holders=[old])] == mine
    assert issuing.claim(session, batch=one, holder=old)[0].repeated
    assert invariants.audit(session) == []


def test_what_is_above_the_limit_by_it_is_kept(session: Session) -> None:
    old, new = _names(2)
    batch = make_batch(session).code
    for name in (old, new):
        _claim(session, batch, name)

    aliases.take_over(session, holder=new, alias=old)

    assert len(wallets.wallet(session, holders=[old, new])) == 2
    assert invariants.audit(session) == []


def test_names_go_on_to_who_takes_their_holder_over_and_come_back(session: Session) -> None:
    first, second, third, fourth = _names(4)
    aliases.take_over(session, holder=second, alias=first)
    aliases.take_over(session, holder=third, alias=second)
    aliases.take_over(session, holder=third, alias=fourth)
    batch = make_batch(session).code
    _claim(session, batch, first)

    with pytest.raises(ClaimLimit):
        _claim(session, batch, fourth)
    assert _known(session, first, second, third, fourth) == {
        first: (third, second), second: (third, third), fourth: (third, third)
    }  # fmt: skip

    aliases.part(session, alias=second)

    assert _known(session, first, second, third, fourth) == {
        first: (second, second), fourth: (third, third)
    }  # fmt: skip
    with pytest.raises(ClaimLimit):
        _claim(session, batch, second)
    _claim(session, batch, fourth)
    assert invariants.audit(session) == []


def test_a_name_taken_over_late_belongs_to_who_its_taker_is(session: Session) -> None:
    first, second, third = _names(3)
    aliases.take_over(session, holder=third, alias=second)

    aliases.take_over(session, holder=second, alias=first)

    assert _known(session, first) == {first: (third, second)}


def test_a_repeat_changes_nothing(session: Session) -> None:
    first, second, third = _names(3)
    for _ in range(2):
        aliases.take_over(session, holder=second, alias=first)
    aliases.take_over(session, holder=third, alias=second)
    aliases.take_over(session, holder=second, alias=first)
    assert _known(session, first, second) == {first: (third, second), second: (third, third)}

    for _ in range(2):
        aliases.part(session, alias=second)
    aliases.part(session, alias=third)

    assert _known(session, first, second, third) == {first: (second, second)}


@pytest.mark.parametrize(
    ("holder", "alias"), [("mem_b", "mem_b"), ("mem_a", "mem_b"), ("mem_c", "mem_a")]
)
def test_no_name_is_taken_over_twice_or_by_itself(
    session: Session, holder: str, alias: str
) -> None:
    aliases.take_over(session, holder="mem_b", alias="mem_a")

    with pytest.raises(IntegrityError):
        aliases.take_over(session, holder=holder, alias=alias)


def test_whoever_parts_counts_alone_again_and_no_seat_is_taken_twice(session: Session) -> None:
    old, new = _names(2)
    batch = make_batch(session, limits={"per_member": 3}).code
    for n in (1, 2):
        _claim(session, batch, old, n)
    aliases.take_over(session, holder=new, alias=old)
    _claim(session, batch, new, 1)
    with pytest.raises(ClaimLimit):
        _claim(session, batch, new, 2)

    aliases.part(session, alias=old)

    for n in (2, 3):
        _claim(session, batch, new, n)
    _claim(session, batch, old, 3)
    for name in (old, new):
        with pytest.raises(ClaimLimit):
            _claim(session, batch, name, 4)
    assert invariants.audit(session) == []


def test_a_grant_to_two_names_of_one_gives_what_one_may_have(session: Session) -> None:
    old, new = _names(2)
    batch = make_batch(session).code
    aliases.take_over(session, holder=new, alias=old)

    given = issuing.grant(session, batch=batch, holders=[old, new], key="x")
    again = issuing.grant(session, batch=batch, holders=[old, new], key="x")

    assert sorted(each.verdict for each in given) == [Verdict.CLAIM_LIMIT, Verdict.ISSUED]
    assert sorted(each.verdict for each in again) == [Verdict.CLAIM_LIMIT, Verdict.REPEAT]


def test_a_pack_gives_nothing_where_another_name_has_its_coupons(session: Session) -> None:
    old, new = _names(2)
    inner, other = make_batch(session), make_batch(session)
    outer = make_batch(
        session,
        pack(code=unique("P"), title_zh="包", title_en="pack", batches=[inner.code, other.code],
             total=9),
    )  # fmt: skip
    _claim(session, inner.code, old)
    aliases.take_over(session, holder=new, alias=old)

    with pytest.raises(ClaimLimit):
        issuing.claim(session, batch=outer.code, holder=new)

    assert wallets.wallet(session, holders=[new]) == []


def test_codes_and_what_friends_give_count_for_all_names(session: Session) -> None:
    old, new, friend = _names(3)
    batch = make_batch(session, transfer=1)
    _claim(session, batch.code, old)
    friends = _claim(session, batch.code, friend)
    run = runs.open_run(session, batch=batch.code, name="r", wanted=1, keys=KEYS, by="x")
    runs.fill(session, run, keys=KEYS, limit=1)
    index = codes.index_of(KEYS, codes.normal(next(run.lines(start=0)).decode()))
    link = shares.share(
        session, coupon=friends, giver=friend, until=now_of(session) + timedelta(days=1), keys=KEYS
    )
    aliases.take_over(session, holder=new, alias=old)

    with pytest.raises(ClaimLimit):
        issuing.exchange(session, index=index, holder=new)
    with pytest.raises(ClaimLimit):
        issuing.hand_on(session, coupon=friends, giver=friend, taker=new)
    with pytest.raises(ClaimLimit):
        shares.accept(session, token=link.token, taker=new, keys=KEYS)
    aliases.part(session, alias=old)
    shares.accept(session, token=link.token, taker=new, keys=KEYS)
    with pytest.raises(ClaimLimit):
        issuing.exchange(session, index=index, holder=new)

    assert invariants.audit(session) == []


def test_nobody_takes_by_a_link_what_another_name_of_his_has_shared(session: Session) -> None:
    old, new = _names(2)
    batch = make_batch(session, transfer=1, limits={"per_member": 5}).code
    coupon = _claim(session, batch, old)
    link = shares.share(
        session, coupon=coupon, giver=old, until=now_of(session) + timedelta(days=1), keys=KEYS
    )
    aliases.take_over(session, holder=new, alias=old)

    with pytest.raises(NotTransferable):
        shares.accept(session, token=link.token, taker=new, keys=KEYS)


def test_two_names_at_many_doors_get_what_one_may(database: Database, district: str) -> None:
    names = _names(3)
    with database.transaction(district) as session:
        batch = make_batch(session, limits={"per_member": 3, "total": 99}).code
        aliases.take_over(session, holder=names[1], alias=names[0])
        aliases.take_over(session, holder=names[2], alias=names[1])

    def claim(name: str, n: int) -> Act:
        return lambda session: issuing.claim(session, batch=batch, holder=name, n=n)

    said = race(database, district, [claim(name, n) for n in range(8) for name in names])

    assert said == {"done": 3, "ClaimLimit": 21}
    _leave(database, district, names)


def test_whoever_claims_while_names_become_one_is_counted(
    database: Database, district: str
) -> None:
    """Of two names with a claim each only what came before may be above the limit."""
    for _ in range(8):
        names = _names(2)
        with database.transaction(district) as session:
            batch = make_batch(session, limits={"per_member": 2, "total": 99}).code

        def claim(name: str, n: int, batch: str = batch) -> Act:
            return lambda session: issuing.claim(session, batch=batch, holder=name, n=n)

        def become_one(session: Session, names: list[str] = names) -> None:
            aliases.take_over(session, holder=names[1], alias=names[0])

        acts = [claim(names[0], 1), claim(names[1], 1), become_one, claim(names[0], 2),
                claim(names[1], 2)]  # fmt: skip
        race(database, district, acts)
        race(database, district, [claim(name, n) for n in range(3, 7) for name in names])

        _leave(database, district, names)


def _leave(database: Database, district: str, names: list[str]) -> None:
    """Find the district sound, and leave it with the names that its members have."""
    with database.transaction(district, repeatable_read=True, read_only=True) as session:
        assert invariants.audit(session) == []
    with database.transaction(district) as session:
        for name in reversed(names):
            aliases.part(session, alias=name)
