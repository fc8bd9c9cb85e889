"""The campaigns of the public data set, recomputed by hand (O5)."""

from datetime import date

import pytest

from app.lab import campaigns, dataset
from app.lab.campaigns import Campaigns


@pytest.fixture(scope="module")
def year() -> Campaigns:
    return campaigns.read(dataset.read(dataset.BASKETS))


def test_each_coupon_of_a_campaign_is_there_for_all_of_its_households(year: Campaigns) -> None:
    assert len(year.coupons) == 1_197
    assert sum(len(coupon.households) for coupon in year.coupons) == 800_199
    (coupon,) = [each for each in year.coupons if each.code == "51380041013-26"]
    assert (coupon.first, coupon.through) == (date(2016, 12, 28), date(2017, 2, 19))
    assert len(coupon.households) == 118


def test_every_redemption_is_tried_at_a_basket_or_counted_as_without_one(year: Campaigns) -> None:
    tried = sum(len(codes) for codes in year.tries.values())

    assert (tried, year.no_basket) == (1_836, 266)
    assert tried + year.no_basket == campaigns.REDEMPTIONS
    by_code = {coupon.code: coupon.products for coupon in year.coupons}
    assert all(
        not by_code[code].isdisjoint(year.products[basket])
        for basket, codes in year.tries.items()
        for code in codes
    )


def test_a_face_is_what_the_data_tells_of_it_or_one_yuan(year: Campaigns) -> None:
    faces = {coupon.face_fen for coupon in year.coupons}

    assert campaigns.PLAIN_FEN in faces
    assert {50, 75, 200} <= faces
    assert min(faces) > 0


def test_of_the_first_baskets_only_what_has_begun_and_who_is_there() -> None:
    sold = dataset.read(100)

    found = campaigns.read(sold)

    assert {coupon.code.rpartition("-")[2] for coupon in found.coupons} == {"24", "25", "26"}
    members = set(dataset.households(sold))
    assert all(members.issuperset(coupon.households) for coupon in found.coupons)
    assert found.no_basket == campaigns.REDEMPTIONS - 1
