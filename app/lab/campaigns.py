"""The year's coupon campaigns: what each coupon was for, who had it, where it came to a till.

Mapping, so that anyone can compute it again: a coupon of a campaign is a template of its own, for
the campaign's products and days, and each household of the campaign has one. A redemption is tried
at the household's first basket of that local day that holds one of the products. The data set does
not tell what a coupon takes off: here it is the low median, in fen, of what `coupon_disc` says of
the products, households and days of its redemptions, and a round ¥1 where that says nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from pathlib import Path
from statistics import median_low
from typing import Any

from app.clock import business_date
from app.lab import dataset
from app.lab.dataset import DatasetTorn, SoldBasket

PLAIN_FEN = 100
REDEMPTIONS = 2_102

_FILES = {
    "coupons": ("coupon_upc", "product_id", "campaign_id"),
    "campaigns": ("campaign_id", "household_id"),
    "campaign_descriptions": ("campaign_id", "start_date", "end_date"),
    "coupon_redemptions": ("household_id", "coupon_upc", "campaign_id", "redemption_date"),
    "transactions": (
        "household_id", "basket_id", "product_id", "coupon_disc", "transaction_timestamp",
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class CampaignCoupon:
    """A coupon of a campaign: its products, its first and last day, and its households."""

    code: str
    products: frozenset[int]
    first: date
    through: date
    face_fen: int
    households: Sequence[int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Campaigns:
    """What campaigns make of a replay.

    `tries` are the codes of coupons by basket, `products` what each basket holds, in the order of
    its lines, and `no_basket` the redemptions that no basket of the replay can have been.
    """

    coupons: Sequence[CampaignCoupon]
    tries: Mapping[int, tuple[str, ...]]
    products: Mapping[int, tuple[int, ...]]
    no_basket: int


@dataclass(frozen=True, slots=True)
class _Redemption:
    code: str
    household: int
    day: date


def read(sold: Sequence[SoldBasket], *, folder: Path | None = None) -> Campaigns:
    """Return the campaigns of baskets in the order of time; those that begin later are left out.

    Raises:
        DatasetMissing: not installed.
        DatasetTorn: a file or a column is missing, or there are other than 2,102 redemptions.
    """
    tables = {
        name: _load((folder or dataset.locate().parent) / f"{name}.parquet", columns)
        for name, columns in _FILES.items()
    }
    if folder is None and len(tables["coupon_redemptions"]) != REDEMPTIONS:
        raise DatasetTorn(f"应有 {REDEMPTIONS} 次用券 / there should be {REDEMPTIONS} redemptions")
    products = _by_coupon(tables["coupons"])
    redemptions = [
        _Redemption(f"{upc}-{campaign}", household, moment.date())
        for household, upc, campaign, moment in tables["coupon_redemptions"].itertuples(index=False)
    ]
    rows = tables["transactions"]
    faces = _faces(rows, redemptions, products)
    held = _products(rows, sold)
    tries = _tries(sold, held, redemptions, products)
    return Campaigns(
        coupons=_coupons(tables, sold, products, faces),
        tries=tries,
        products=held,
        no_basket=len(redemptions) - sum([len(codes) for codes in tries.values()]),
    )


def _load(path: Path, columns: Sequence[str]) -> Any:
    import pandas  # noqa: PLC0415 - the lab extra; the service runs without it

    try:
        return pandas.read_parquet(path, columns=list(columns))
    except (OSError, KeyError, ValueError) as error:
        raise DatasetTorn(f"{path.name}: {error}") from error


def _by_coupon(table: Any) -> dict[str, frozenset[int]]:
    found: dict[str, set[int]] = {}
    for upc, product, campaign in table.itertuples(index=False):
        found.setdefault(f"{upc}-{campaign}", set()).add(product)
    return {code: frozenset(products) for code, products in found.items()}


def _faces(
    rows: Any, redemptions: Sequence[_Redemption], products: Mapping[str, frozenset[int]]
) -> dict[str, int]:
    """Return what a coupon takes off in fen, where the data set says something of it."""
    given = rows[rows["coupon_disc"] > 0]
    moments = given["transaction_timestamp"].dt.to_pydatetime().tolist()
    seen: dict[tuple[int, date], list[tuple[int, int]]] = {}
    columns = (given["household_id"], moments, given["product_id"], given["coupon_disc"])
    for household, moment, product, yuan in zip(*columns, strict=True):
        where = (household, business_date(moment.replace(tzinfo=UTC) + dataset.TO_UTC))
        seen.setdefault(where, []).append((product, round(yuan * 100)))
    faces: dict[str, list[int]] = {}
    for each in redemptions:
        for product, fen in seen.get((each.household, each.day), ()):
            if product in products[each.code]:
                faces.setdefault(each.code, []).append(fen)
    return {code: median_low(fens) for code, fens in faces.items()}


def _products(rows: Any, sold: Sequence[SoldBasket]) -> dict[int, tuple[int, ...]]:
    found: dict[int, list[int]] = {basket.id: [] for basket in sold}
    chosen = rows[rows["basket_id"].isin(found)]
    for basket, product in zip(
        chosen["basket_id"].tolist(), chosen["product_id"].tolist(), strict=True
    ):
        found[basket].append(product)
    return {basket: tuple(products) for basket, products in found.items()}


def _tries(
    sold: Sequence[SoldBasket],
    held: Mapping[int, tuple[int, ...]],
    redemptions: Sequence[_Redemption],
    products: Mapping[str, frozenset[int]],
) -> dict[int, tuple[str, ...]]:
    """Return by basket which coupons are tried at it, one twice if it was redeemed twice there."""
    visits: dict[tuple[int, date], list[int]] = {}
    for basket in sold:
        where = (basket.household, business_date(basket.sold_at))
        visits.setdefault(where, []).append(basket.id)
    tries: dict[int, tuple[str, ...]] = {}
    for each in redemptions:
        for visit in visits.get((each.household, each.day), ()):
            if not products[each.code].isdisjoint(held[visit]):
                tries[visit] = (*tries.get(visit, ()), each.code)
                break
    return tries


def _coupons(
    tables: Mapping[str, Any],
    sold: Sequence[SoldBasket],
    products: Mapping[str, frozenset[int]],
    faces: Mapping[str, int],
) -> list[CampaignCoupon]:
    members, last = set(dataset.households(sold)), business_date(sold[-1].sold_at)
    days = {
        campaign: (first.date(), through.date())
        for campaign, first, through in tables["campaign_descriptions"].itertuples(index=False)
    }
    households: dict[int, set[int]] = {campaign: set() for campaign in days}
    for campaign, household in tables["campaigns"].itertuples(index=False):
        households[campaign] |= {household} & members
    found = []
    for code in sorted(products):
        campaign = int(code.rpartition("-")[2])
        first, through = days[campaign]
        if first <= last:
            found.append(
                CampaignCoupon(
                    code=code,
                    products=products[code],
                    first=first,
                    through=through,
                    face_fen=faces.get(code, PLAIN_FEN),
                    households=sorted(households[campaign]),
                )
            )
    return found
