"""Who pays for a coupon: to the fen, under caps, in the declared order (L7, semantics 19)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from coupons import funding
from coupons.errors import BadTemplate, FundersExhausted
from coupons.funding import Funder, FunderKind

DISTRICT = Funder(kind=FunderKind.DISTRICT)
M1, M2 = [Funder(kind=FunderKind.MERCHANT, name=name) for name in ("m1", "m2")]
BRAND = Funder(kind=FunderKind.BRAND, name="b")

HALVES = {
    "mode": "share",
    "parts": [
        {"funder": "district", "share_bps": 5_000},
        {"funder": "merchant", "share_bps": 5_000},
    ],
}
FIRST_DISTRICT = {
    "mode": "priority",
    "parts": [{"funder": "district", "cap_fen": 1_000}, {"funder": "merchant"}],
}


def test_by_share_each_line_is_paid_by_its_merchant_and_the_district() -> None:
    split = funding.split(funding.load(HALVES), shares=[301, 200], merchants=["m1", "m2"])

    assert split == [[(DISTRICT, 151), (M1, 150)], [(DISTRICT, 100), (M2, 100)]]


def test_by_priority_the_first_pays_up_to_its_cap() -> None:
    split = funding.split(funding.load(FIRST_DISTRICT), shares=[900, 600], merchants=["m1", "m2"])

    assert split == [[(DISTRICT, 600), (M1, 300)], [(DISTRICT, 400), (M2, 200)]]


def test_what_is_above_a_cap_goes_to_the_others_in_the_declared_order() -> None:
    """semantics 19: looked at after the shares."""
    document = {
        "parts": [
            {"funder": "brand", "name": "b", "share_bps": 8_000, "cap_fen": 500},
            {"funder": "merchant", "share_bps": 1_000, "cap_fen": 300},
            {"funder": "district", "share_bps": 1_000},
        ]
    }

    split = funding.split(funding.load(document), shares=[1_000], merchants=["m1"])

    assert split == [[(BRAND, 500), (M1, 300), (DISTRICT, 200)]]


def test_what_a_funder_has_left_holds_for_each_merchant_by_itself() -> None:
    left = {M1: 50}

    split = funding.split(
        funding.load(HALVES), shares=[200, 200], merchants=["m1", "m2"], left=left
    )

    assert split == [[(DISTRICT, 150), (M1, 50)], [(DISTRICT, 100), (M2, 100)]]
    assert left == {M1: 50}


def test_a_discount_that_nobody_can_pay_is_refused() -> None:
    """semantics 36"""
    with pytest.raises(FundersExhausted) as refusal:
        funding.split(
            funding.load(HALVES), shares=[200], merchants=["m1"], left={M1: 50, DISTRICT: 120}
        )

    assert refusal.value.missing_fen == 30


@given(data=st.data())
def test_every_line_is_paid_exactly_and_no_cap_is_passed(data: DataObject) -> None:
    merchants = data.draw(st.lists(st.sampled_from(["m1", "m2", "m3"]), min_size=1, max_size=8))
    shares = data.draw(
        st.lists(st.integers(0, 9_999), min_size=len(merchants), max_size=len(merchants))
    )
    bps = data.draw(st.integers(1, 9_998))
    cap = data.draw(st.none() | st.integers(0, 9_999))
    document = {
        "mode": "share",
        "parts": [
            {"funder": "merchant", "share_bps": bps, **({} if cap is None else {"cap_fen": cap})},
            {"funder": "brand", "name": "b", "share_bps": 9_999 - bps},
            {"funder": "district", "share_bps": 1},
        ],
    }
    left = {BRAND: data.draw(st.integers(0, 9_999)), M1: data.draw(st.integers(0, 9_999))}

    split = funding.split(funding.load(document), shares=shares, merchants=merchants, left=left)

    paid: dict[Funder, int] = {}
    for line, parts in enumerate(split):
        assert sum(fen for _, fen in parts) == shares[line]
        assert all(fen > 0 for _, fen in parts)
        for funder, fen in parts:
            paid[funder] = paid.get(funder, 0) + fen
    assert all(paid.get(funder, 0) <= most for funder, most in left.items())
    by_merchants = sum(f for who, f in paid.items() if who.kind is FunderKind.MERCHANT)
    assert cap is None or by_merchants <= cap


@pytest.mark.parametrize("document", [HALVES, FIRST_DISTRICT])
def test_a_document_survives_being_read_and_written(document: dict[str, object]) -> None:
    read = funding.load(document)

    assert funding.load(funding.dump(read)) == read
    assert funding.dump(read) == document


@pytest.mark.parametrize(
    ("parts", "path"),
    [
        ([], "funding.parts"),
        ([{"funder": "district", "share_bps": 9_999}], "funding.parts"),
        ([{"funder": "district", "share_bps": 5_000}] * 2, "funding.parts"),
        ([{"funder": "district", "share_bps": 10_000, "cap_fen": 1}], "funding.parts"),
        ([{"funder": "brand", "share_bps": 10_000}], "funding.parts[0].name"),
        ([{"funder": "district", "name": "x", "share_bps": 10_000}], "funding.parts[0].name"),
        ([{"funder": "nobody", "share_bps": 10_000}], "funding.parts[0].funder"),
        ([{"funder": "district"}], "funding.parts[0].share_bps"),
        ([{"funder": "district", "share": 1}], "funding.parts[0].share"),
    ],
)
def test_funding_that_does_not_add_up_is_refused(parts: list[dict[str, object]], path: str) -> None:
    with pytest.raises(BadTemplate) as refusal:
        funding.load({"mode": "share", "parts": parts})

    assert refusal.value.path == path
