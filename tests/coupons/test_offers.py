"""Documents of offers: read strictly, written canonically, refused with their path (C1, C2)."""

import json
import random
from datetime import date

import pytest

from coupons import conditions, offers
from coupons.benefits import AmountOff, Kind, PercentOff, Pick, Rounding, Units
from coupons.errors import BadTemplate
from coupons.offers import Base, Birthday, FirstPurchase, Hours, PercentOf
from tests.coupons.wallets import basket, item, random_offer

FULL = {
    "benefit": {
        "kind": "percent_off",
        "off_bps": 1_500,
        "ceiling_fen": 5_000,
        "rounding": "half_up",
    },
    "scope": {
        "include": {"merchants": ["m1", "m2"], "categories": ["tea"]},
        "exclude": {"skus": ["k9"], "stores": ["s9"], "trades": ["gold"]},
    },
    "when": {
        "weekdays": [1, 7],
        "month_days": [8],
        "hours": ["18:00-21:00", "22:00-02:00"],
        "blackout": ["2026-10-01"],
    },
    "who": {
        "tiers": ["gold"],
        "segments": ["new"],
        "first_purchase": "merchant",
        "birthday": "month",
    },
    "tenders": ["alipay"],
    "threshold": {"min_fen": 30_000, "min_quantity": 2, "base": "after"},
    "stacking": {
        "place": 5,
        "owner": "m1",
        "at_most": 2,
        "exclusive": False,
        "percent_of": "initial",
        "group": "g",
        "carries": ["x"],
        "accepts": ["y"],
    },
}

BENEFITS = [
    {"kind": "amount_off", "fen": 5_000},
    {"kind": "every_off", "every_fen": 10_000, "fen": 2_000, "times": 3},
    {"kind": "every_off", "every_fen": 10_000, "fen": 10_000},
    {"kind": "percent_off", "off_bps": 1_500, "rounding": "down"},
    {"kind": "fixed_price", "units": 3, "pay_fen": 9_900, "pick": "dearest"},
    {"kind": "fixed_price", "pay_fen": 9_900, "pick": "cheapest"},
    {
        "kind": "nth_item",
        "nth": 2,
        "off_bps": 5_000,
        "times": 1,
        "pick": "cheapest",
        "rounding": "up",
    },
    {"kind": "buy_get", "buy": 3, "get": 2, "times": 2, "pick": "cheapest"},
    {"kind": "exchange", "units": 1, "pay_fen": 0, "pick": "cheapest"},
    {"kind": "parking", "units": 4, "pick": "cheapest"},
    {"kind": "delivery", "ceiling_fen": 600},
    {"kind": "delivery"},
    {"kind": "stored_value", "fen": 10_000},
]


def test_a_full_document_is_read_and_written_as_it_is() -> None:
    offer = offers.load(FULL)

    assert json.loads(json.dumps(offers.dump(offer))) == FULL
    assert offer.who.first_purchase is FirstPurchase.MERCHANT
    assert offer.who.birthday is Birthday.MONTH
    assert offer.when.blackout == {date(2026, 10, 1)}
    assert offer.when.hours == (Hours(start=1_080, end=1_260), Hours(start=1_320, end=120))
    assert offer.threshold.base is Base.AFTER
    assert offer.stacking.percent_of is PercentOf.INITIAL


@pytest.mark.parametrize("benefit", BENEFITS, ids=str)
def test_every_kind_of_benefit_is_read_and_written_as_it_is(benefit: dict[str, object]) -> None:
    """C1"""
    written = offers.dump(offers.load({"benefit": benefit}))

    assert written["benefit"] == benefit


@pytest.mark.parametrize("seed", range(50))
def test_any_offer_is_read_back_as_it_was_written(seed: int) -> None:
    offer = random_offer(random.Random(seed))

    assert offers.load(json.loads(json.dumps(offers.dump(offer)))) == offer


def test_what_is_left_out_has_its_default_and_switches_are_written_out() -> None:
    """semantics 22, 23: a later default does not change what was frozen."""
    offer = offers.load({"benefit": {"kind": "percent_off", "off_bps": 100}})

    assert offer.benefit == PercentOff(off_bps=100, rounding=Rounding.HALF_UP)
    assert offers.dump(offer) == {
        "benefit": {"kind": "percent_off", "off_bps": 100, "rounding": "half_up"},
        "threshold": {"base": "before"},
        "stacking": {
            "place": 20,
            "owner": "district",
            "at_most": 1,
            "exclusive": False,
            "percent_of": "remaining",
        },
    }


def test_units_are_one_shape_under_many_names() -> None:
    gifts = offers.load({"benefit": {"kind": "buy_get", "buy": 2, "get": 1}}).benefit
    exchange = offers.load({"benefit": {"kind": "exchange"}}).benefit

    assert gifts == Units(kind=Kind.BUY_GET, group=3, given=1, pick=Pick.CHEAPEST)
    assert exchange == Units(kind=Kind.EXCHANGE, most=1)
    assert offers.load({"benefit": {"kind": "amount_off", "fen": 1}}).benefit == AmountOff(fen=1)


OFF = {"kind": "amount_off", "fen": 1}


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ([], "offer"),
        ({}, "offer.benefit"),
        ({"benefit": {}}, "offer.benefit.kind"),
        ({"benefit": {"kind": "free"}}, "offer.benefit.kind"),
        ({"benefit": {"kind": "amount_off"}}, "offer.benefit.fen"),
        ({"benefit": {"kind": "amount_off", "fen": 0}}, "offer.benefit.fen"),
        ({"benefit": {"kind": "amount_off", "fen": 1.5}}, "offer.benefit.fen"),
        ({"benefit": {"kind": "amount_off", "fen": True}}, "offer.benefit.fen"),
        ({"benefit": {"kind": "amount_off", "fen": "1"}}, "offer.benefit.fen"),
        ({"benefit": {"kind": "amount_off", "fen": 1, "pick": "dearest"}}, "offer.benefit.pick"),
        ({"benefit": {"kind": "percent_off", "off_bps": 10_001}}, "offer.benefit.off_bps"),
        ({"benefit": {"kind": "nth_item", "nth": 1, "off_bps": 1}}, "offer.benefit.nth"),
        ({"benefit": OFF, "price": 1}, "offer.price"),
        ({"benefit": OFF, "scope": {"include": {"sku": []}}}, "offer.scope.include.sku"),
        (
            {"benefit": OFF, "scope": {"include": {"skus": ["a b"]}}},
            "offer.scope.include.skus[0]",
        ),
        ({"benefit": OFF, "scope": {"exclude": {"skus": "k1"}}}, "offer.scope.exclude.skus"),
        ({"benefit": OFF, "when": {"weekdays": [0]}}, "offer.when.weekdays[0]"),
        ({"benefit": OFF, "when": {"hours": ["9-10"]}}, "offer.when.hours[0]"),
        ({"benefit": OFF, "when": {"hours": ["09:00-09:00"]}}, "offer.when.hours[0]"),
        ({"benefit": OFF, "when": {"hours": ["24:00-09:00"]}}, "offer.when.hours[0]"),
        ({"benefit": OFF, "when": {"blackout": ["2026-02-30"]}}, "offer.when.blackout[0]"),
        ({"benefit": OFF, "when": {"blackout": [20260230]}}, "offer.when.blackout[0]"),
        ({"benefit": OFF, "who": {"birthday": "week"}}, "offer.who.birthday"),
        ({"benefit": OFF, "who": {"first_purchase": True}}, "offer.who.first_purchase"),
        ({"benefit": OFF, "tenders": ["a\u0000"]}, "offer.tenders[0]"),
        ({"benefit": OFF, "threshold": {"min_fen": -1}}, "offer.threshold.min_fen"),
        ({"benefit": OFF, "threshold": {"base": "now"}}, "offer.threshold.base"),
        ({"benefit": OFF, "stacking": {"exclusive": 1}}, "offer.stacking.exclusive"),
        ({"benefit": OFF, "stacking": {"group": ""}}, "offer.stacking.group"),
        ({"benefit": OFF, "stacking": {"place": 1_001}}, "offer.stacking.place"),
    ],
    ids=str,
)
def test_a_bad_document_is_refused_with_its_path_in_two_languages(
    document: object, path: str
) -> None:
    with pytest.raises(BadTemplate) as refusal:
        offers.load(document)

    assert refusal.value.path == path
    assert any("\u4e00" <= sign <= "\u9fff" for sign in refusal.value.zh)
    assert refusal.value.en.isascii()
    assert path in str(refusal.value)


def test_what_comes_off_for_every_so_much_asks_for_one_step_at_least() -> None:
    """C8: so whoever is short of it hears the gap."""
    said = offers.load({"benefit": {"kind": "every_off", "every_fen": 10_000, "fen": 2_000}})

    assert said.threshold.min_fen == 10_000
    (short,) = conditions.unmet(said, basket(item(1, 8_750)))
    assert (short.code, short.gap_fen) == ("below-amount", 1_250)
    with pytest.raises(BadTemplate) as refused:
        offers.load({"benefit": {"kind": "every_off", "every_fen": 100, "fen": 101}})
    assert refused.value.path == "offer.benefit.fen"
