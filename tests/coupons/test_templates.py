"""A template is one strict document; presets make ready ones (A6; semantics 42)."""

from dataclasses import replace
from typing import Any, cast

import pytest

from coupons import presets, templates
from coupons.benefits import AmountOff
from coupons.errors import BadTemplate
from coupons.templates import Template

NAMED = {"code": "P1", "title_zh": "名称", "title_en": "Title"}
MADE = [
    presets.money_off(**NAMED, fen=5_000, min_fen=30_000, days=7, total=100),
    presets.discount(**NAMED, off_bps=1_500, ceiling_fen=3_000, days=7, total=100),
    presets.welcome(**NAMED, fen=1_000, days=30),
    presets.member_day(**NAMED, off_bps=1_000, ceiling_fen=5_000, month_day=8),
    presets.birthday(**NAMED, fen=2_000),
    presets.flash_sale(**NAMED, sku="TEA", pay_fen=100, total=10),
    presets.pay_gift(**NAMED, fen=500, min_fen=2_000, days=7, budget_fen=100_000),
    presets.pack(**NAMED, batches=["B1", "B2"], total=50),
    presets.cross_merchant(**NAMED, fen=500, min_fen=0, days=7, merchant="mer_2", payer="mer_1"),
    presets.stamp_card(**NAMED, sku="COFFEE", days=30),
    presets.every_off(**NAMED, every_fen=10_000, fen=2_000, times=3, days=7, total=100),
]


def test_every_preset_is_made_here() -> None:
    assert len(MADE) == len(presets.PRESETS)


@pytest.mark.parametrize("made", MADE, ids=list(presets.PRESETS))
def test_a_preset_is_read_back_the_same(made: Template) -> None:
    """A6"""
    assert templates.load(templates.dump(made)) == made


def test_a_cross_merchant_coupon_is_paid_by_who_gives_it() -> None:
    """semantics 43"""
    said: Any = templates.dump(MADE[8])

    assert said["offer"]["scope"]["include"] == {"merchants": ["mer_2"]}
    assert said["terms"]["funding"]["parts"] == [
        {"funder": "merchant", "name": "mer_1", "share_bps": 10_000}
    ]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda said: said.pop("offer"), "template"),
        (lambda said: said.update(pack=[{"batch": "B1"}]), "template"),
        (lambda said: said.update(colour="red"), "template.colour"),
        (lambda said: said.update(code="two words"), "template.code"),
        (lambda said: said.update(title_zh=" "), "template.title_zh"),
        (lambda said: said.update(title_en=None), "template.title_en"),
        (lambda said: said["terms"].update(uses=0), "template.terms.uses"),
        (
            lambda said: said["terms"].update(uses=3, returns={"policy": "proportional"}),
            "template.terms.returns.policy",
        ),
        (lambda said: said["terms"].update(offline_ok=True), "template.terms.offline_ok"),
        (lambda said: said["offer"].update(colour="red"), "template.offer.colour"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_path(change: Any, path: str) -> None:
    document: Any = templates.dump(MADE[0])
    change(document)

    with pytest.raises(BadTemplate) as refused:
        templates.load(document)

    assert refused.value.path == path


def test_only_few_coupons_that_members_claim_have_a_gate_for_a_rush() -> None:
    """Reliability 12; a flash sale has one by itself, and who has none says nothing of it."""
    flash: Any = templates.dump(MADE[5])
    assert flash["terms"]["rush"] is True
    assert "rush" not in cast("Any", templates.dump(MADE[0]))["terms"]

    changes: list[dict[str, object]] = [
        {"claim": False}, {"limits": {}}, {"limits": {"total": 10_001}}
    ]  # fmt: skip
    for change in changes:
        with pytest.raises(BadTemplate, match=r"terms\.rush"):
            templates.load({**flash, "terms": {**flash["terms"], **change}})
    many = presets.flash_sale(**NAMED, sku="TEA", pay_fen=100, total=10_001)
    assert templates.load(templates.dump(many)) == many


def test_a_pack_has_no_budget_and_names_a_batch_once() -> None:
    document: Any = templates.dump(MADE[7])
    document["terms"]["budget"] = {"fen": {"all": 5}}
    with pytest.raises(BadTemplate, match="券包"):
        templates.load(document)

    document = templates.dump(MADE[7]) | {"pack": [{"batch": "B1"}, {"batch": "B1"}]}
    with pytest.raises(BadTemplate, match="批次重复"):
        templates.load(document)


def test_stored_value_has_no_number_of_uses() -> None:
    document: Any = templates.dump(MADE[0])
    document["offer"]["benefit"] = {"kind": "stored_value", "fen": 10_000}
    with pytest.raises(BadTemplate, match=r"terms\.uses"):
        templates.load(document)

    del document["terms"]["uses"]
    card = templates.load(document)

    assert (card.value_fen, card.terms.uses) == (10_000, None)
    assert templates.load(templates.dump(card)) == card


def test_a_smaller_coupon_takes_off_its_value_from_its_part_of_the_threshold_on() -> None:
    """C15: 满300减50, of which 20 came back, is 满120减20; a part of a fen goes up."""
    whole = MADE[0]

    part = whole.offer_of(2_000)
    odd = whole.offer_of(1_667)

    assert (part.benefit, part.threshold.min_fen) == (AmountOff(fen=2_000), 12_000)
    assert odd.threshold.min_fen == 10_002
    assert whole.offer_of(None) == whole.offer
    assert replace(whole).value_fen is None


def test_a_preset_is_made_of_its_parameters_by_name() -> None:
    """A6"""
    values = {**NAMED, "batches": ["B1", "B2"], "total": 100}

    assert presets.made("pack", values) == presets.pack(**NAMED, batches=["B1", "B2"], total=100)
    assert presets.parameters("pack") == {
        "code": "text", "title_zh": "text", "title_en": "text", "batches": "codes",
        "total": "integer",
    }  # fmt: skip
    assert [presets.parameters(name)["code"] for name in presets.PRESETS] == ["text"] * 11


@pytest.mark.parametrize(
    ("name", "values", "path"),
    [
        ("free", {}, "preset"),
        ("pack", {**NAMED, "batches": ["B1"]}, "values.total"),
        ("pack", {**NAMED, "batches": ["B1"], "total": "many"}, "values.total"),
        ("pack", {**NAMED, "batches": "B1", "total": 1}, "values.batches"),
        ("pack", {**NAMED, "title_zh": 1, "batches": ["B1"], "total": 1}, "values.title_zh"),
        ("pack", {**NAMED, "batches": ["B1"], "total": 1, "colour": 1}, "values.colour"),
    ],
)
def test_a_preset_with_other_parameters_is_refused_by_their_name(
    name: str, values: dict[str, object], path: str
) -> None:
    with pytest.raises(BadTemplate) as refused:
        presets.made(name, values)

    assert refused.value.path == path
