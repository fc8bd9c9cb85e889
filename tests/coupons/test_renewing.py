"""Semantics 42: issued coupons keep their version, and follow a kinder one by explicit renewal."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from coupons import batches, invariants, issuing, renewing, templates, wallets
from coupons.batches import ListedBatch
from coupons.errors import NoSuchCoupon, NotKinder
from coupons.wallets import Standing
from tests.coupons.makers import DAY, make_batch, make_template, use_up
from tests.factories import unique


def document(**changed: Any) -> dict[str, Any]:
    """Return a template's document with leaves changed by their paths; None: left out."""
    written: dict[str, Any] = {
        "code": "T", "title_zh": "满300减50", "title_en": "50 off 300",
        "offer": {
            "benefit": {"kind": "percent_off", "off_bps": 1_000, "ceiling_fen": 5_000},
            "threshold": {"min_fen": 30_000},
            "scope": {"include": {"merchants": ["a"]}, "exclude": {"skus": ["x"]}},
            "who": {"tiers": ["gold"], "birthday": "day"},
            "when": {"weekdays": [6, 7], "hours": ["10:00-12:00"], "blackout": ["2026-12-31"]},
            "tenders": ["wechat"],
            "stacking": {"place": 10},
        },
        "terms": {
            "validity": {"days": 30},
            "returns": {"policy": "never", "claw_back": True},
            "funding": {"parts": [{"funder": "district", "share_bps": 10_000}]},
        },
    }  # fmt: skip
    for path, value in changed.items():
        *places, last = path.split("__")
        spot = written
        for place in places:
            spot = spot.setdefault(place, {})
        if value is None:
            spot.pop(last, None)
        else:
            spot[last] = value
    return written


@pytest.mark.parametrize(
    ("path", "kind", "unkind"),
    [
        ("title_zh", ["新名"], []),
        ("offer__benefit__off_bps", [1_500], [500]),
        ("offer__benefit__ceiling_fen", [6_000, None], [4_000]),
        ("offer__threshold__min_fen", [20_000], [40_000]),
        ("offer__threshold__min_quantity", [], [2]),
        ("offer__scope__include__merchants", [["a", "b"], None], [["b"]]),
        ("offer__scope__include__skus", [], [["x"]]),
        ("offer__scope__exclude__skus", [None], [["x", "y"], ["z"]]),
        ("offer__who__tiers", [["gold", "silver"], None], [["silver"]]),
        ("offer__who__segments", [], [["vip"]]),
        ("offer__who__birthday", [None], ["month"]),
        ("offer__when__weekdays", [[5, 6, 7], None], [[7]]),
        ("offer__when__hours", [None], [["10:00-11:00"]]),
        ("offer__when__blackout", [None], [["2026-12-31", "2027-01-01"]]),
        ("offer__tenders", [["alipay", "wechat"], None], [["alipay"]]),
        ("offer__stacking__exclusive", [], [True]),
        ("terms__returns__policy", ["whole"], []),
        ("terms__returns__claw_back", [False], []),
        ("terms__returns__courtesy_days", [7], []),
        ("terms__limits__total", [5], []),
        ("terms__validity__days", [60, 10], []),
        ("terms__funding__parts", [], [[{"funder": "brand", "name": "x", "share_bps": 10_000}]]),
        ("terms__transfer", [], [1]),
    ],
)
def test_what_no_holder_can_lose_by_is_kinder(
    path: str, kind: list[object], unkind: list[object]
) -> None:
    old = templates.load(document())
    for value in (*kind, *unkind):
        new = templates.load(document(**{path: value}))
        changed = renewing.changes(old, new)
        assert changed
        assert all(each.kinder for each in changed) == (value in kind), (path, value)


def next_version(session: Session, batch: ListedBatch, **terms: Any) -> int:
    """Write down a kinder version of a batch's template: a fen more off, a lower threshold."""
    wanted: Any = templates.dump(batch.template)
    wanted["offer"]["benefit"]["fen"] += 1
    wanted["offer"]["threshold"]["min_fen"] -= 100
    wanted["terms"] |= terms
    return batches.add_template(session, templates.load(wanted), by="system:test").version


def test_issued_coupons_follow_and_live_as_long_as_the_version_says(session: Session) -> None:
    batch = make_batch(session, make_template(limits={"per_member": 9}))
    holder = unique("mem_")
    live, used, void, over = [
        issuing.claim(session, batch=batch.code, holder=holder, n=n)[0].coupon for n in range(1, 5)
    ]
    use_up(session, used)
    issuing.void(session, [void], why="误发")
    before = wallets.find(session, coupons=[live])[0]
    version = next_version(session, batch, validity={"days": 90})

    assert _renew(session, batch, version) == 2
    assert _renew(session, batch, version) == 0

    after = {each.coupon: each for each in wallets.wallet(session, holders=[holder])}
    assert [after[each].version for each in (live, over, used, void)] == [version, version, 1, 1]
    assert after[live].valid_until > before.valid_until + 30 * DAY
    assert after[live].offer.threshold.min_fen == before.offer.threshold.min_fen - 100
    assert invariants.audit(session) == []


def test_what_is_over_stays_over_and_no_life_gets_shorter(session: Session) -> None:
    batch = make_batch(session, make_template())
    coupon = issuing.claim(session, batch=batch.code, holder=unique("mem_"))[0].coupon
    before = wallets.find(session, coupons=[coupon])[0].valid_until
    version = next_version(session, batch, validity={"days": 0})
    assert _renew(session, batch, version) == 1
    assert wallets.find(session, coupons=[coupon])[0].valid_until == before

    session.info["now"] = before + timedelta(seconds=1)
    assert _renew(session, batch, next_version(session, batch, validity={"days": 3_000})) == 0
    assert wallets.find(session, coupons=[coupon])[0].standing is Standing.EXPIRED


def test_who_has_better_by_an_earlier_renewal_keeps_it(session: Session) -> None:
    batch = make_batch(session, make_template())
    best = issuing.claim(session, batch=batch.code, holder=unique("mem_"))[0].coupon
    generous: Any = templates.dump(batch.template)
    generous["offer"]["benefit"]["fen"] += 1_000
    version = batches.add_template(session, templates.load(generous), by="system:test").version
    assert _renew(session, batch, version) == 1
    plain = issuing.claim(session, batch=batch.code, holder=unique("mem_"))[0].coupon

    later_version = next_version(session, batch)
    renewing.require_kinder(session, batch.code, version=later_version)

    assert _renew(session, batch, later_version) == 1
    held = {each.coupon: each.version for each in wallets.find(session, coupons=[best, plain])}
    assert held == {best: version, plain: later_version}


def test_it_goes_on_where_it_was_stopped(session: Session) -> None:
    batch = make_batch(session, make_template())
    for _ in range(5):
        issuing.claim(session, batch=batch.code, holder=unique("mem_"))
    version = next_version(session, batch)

    first = renewing.renew_some(session, batch.code, version=version, limit=2)
    assert (first.coupons, first.last_id is None) == (2, False)
    assert _renew(session, batch, version) == 3


def test_an_unkind_version_or_none_is_refused(session: Session) -> None:
    batch = make_batch(session, make_template())
    harsh: Any = templates.dump(batch.template)
    harsh["offer"]["benefit"]["fen"] -= 1
    version = batches.add_template(session, templates.load(harsh), by="system:test").version

    for wanted, refusal in ((version, NotKinder), (1, NotKinder), (9, NoSuchCoupon)):
        with pytest.raises(refusal):
            renewing.require_kinder(session, batch.code, version=wanted)
    with pytest.raises(NotKinder, match=r"offer\.benefit\.fen"):
        renewing.require_kinder(session, batch.code, version=version)


def _renew(session: Session, batch: ListedBatch, version: int) -> int:
    """Renew in steps of three; return how many coupons changed."""
    done, after = 0, 0
    while True:
        step = renewing.renew_some(session, batch.code, version=version, after=after, limit=3)
        done += step.coupons
        if step.last_id is None:
            return done
        after = step.last_id
