"""Wallets and baskets for tests of the engine: short builders, and random ones by seed."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from coupons.benefits import (
    AmountOff,
    Benefit,
    Delivery,
    EveryOff,
    Kind,
    PercentOff,
    Pick,
    Rounding,
    StoredValue,
    Units,
)
from coupons.candidates import Held
from coupons.conditions import Basket, Item, Shopper
from coupons.offers import PLACES, Base, Chosen, Offer, PercentOf, Scope, Stacking, Threshold

NOON = datetime(2026, 11, 28, 4, tzinfo=UTC)
"""A Saturday, 12:00 in Shanghai."""


def item(number: int = 1, amount_fen: int = 10_000, quantity: int = 1, **codes: str) -> Item:
    """Make a line."""
    known = {"merchant": "m1", "store": "s1", "trade": "food", "category": "tea", "sku": "k1"}
    words = {**known, **codes}
    return Item(
        number=number,
        merchant=words["merchant"],
        store=words["store"],
        trade=words["trade"],
        category=words["category"],
        sku=words["sku"],
        quantity=quantity,
        amount_fen=amount_fen,
    )


def basket(*items: Item, shopper: Shopper | None = None, at: datetime = NOON) -> Basket:
    """Make a basket; without lines, one of ¥100."""
    return Basket(items=items or (item(),), shopper=shopper or Shopper(), at=at)


def offer(benefit: Benefit, **rest: object) -> Offer:
    """Make an offer at its usual place that combines with every other."""
    stacking = Stacking(place=PLACES[benefit.kind], accepts=frozenset({"*"}))
    return replace(Offer(benefit=benefit, stacking=stacking), **rest)  # type: ignore[arg-type]


def stacked(made: Offer, **rest: object) -> Offer:
    """Return an offer that stacks differently."""
    return replace(made, stacking=replace(made.stacking, **rest))  # type: ignore[arg-type]


def held(made: Offer, name: str = "c1", **rest: object) -> Held:
    """Make a coupon of a template of its own."""
    return replace(Held(id=name, template=f"t-{name}", offer=made), **rest)  # type: ignore[arg-type]


def random_basket(chance: random.Random, *, lines: int) -> Basket:
    """Make a basket with odd prices, several merchants and many pieces on a line."""
    items = [
        replace(
            item(
                number,
                amount_fen=chance.choice([0, chance.randint(1, 400), chance.randint(400, 40_000)])
                if number > 1
                else chance.randint(100, 40_000),
                quantity=chance.choice([1, 1, 1, 2, 3, 5]),
                merchant=chance.choice(["m1", "m1", "m2", "m3"]),
                category=chance.choice(["tea", "tea", "cake", "delivery", "parking"]),
                sku=chance.choice(["k1", "k2", "k3"]),
            ),
            burnable=chance.random() < 0.8,
        )
        for number in range(1, lines + 1)
    ]
    return basket(*items)


def random_wallet(chance: random.Random, *, coupons: int) -> list[Held]:
    """Make coupons of all kinds and policies, some of them copies of one template."""
    wallet: list[Held] = []
    for number in range(coupons):
        expires = chance.choice([None, NOON + timedelta(days=chance.randint(1, 3))])
        if wallet and chance.random() < 0.25:
            copied = chance.choice(wallet)
            wallet.append(replace(copied, id=f"c{number:02}", expires_at=expires))
            continue
        made = random_offer(chance)
        left = None
        if isinstance(made.benefit, StoredValue) and chance.random() < 0.5:
            left = chance.randint(0, made.benefit.fen)
        wallet.append(
            Held(
                id=f"c{number:02}",
                template=f"t{chance.randint(0, 99):02}-{number}",
                offer=made,
                expires_at=expires,
                left_fen=left,
            )
        )
    chance.shuffle(wallet)
    return wallet


def random_offer(chance: random.Random) -> Offer:
    """Make an offer that may ask for anything but shoppers and times."""
    benefit = chance.choice(_BENEFITS)(chance)
    names = frozenset(chance.choices(["m1", "m2"], k=1))
    include = chance.choice(
        [Chosen(), Chosen(), Chosen(merchants=names), Chosen(skus=frozenset({"k1", "k2"}))]
    )
    exclude = chance.choice([Chosen(), Chosen(), Chosen(skus=frozenset({"k2"}))])
    least = chance.choice([0, 0, 1_000, 15_000])
    if isinstance(benefit, EveryOff):
        least = max(least, benefit.every_fen)
    return Offer(
        benefit=benefit,
        scope=Scope(include=include, exclude=exclude),
        threshold=Threshold(
            min_fen=least,
            min_quantity=chance.choice([0, 0, 0, 2]),
            base=chance.choice(list(Base)),
        ),
        stacking=Stacking(
            place=chance.choice([PLACES[benefit.kind]] * 3 + [10, 20, 30]),
            owner=chance.choice(["district", "district", "m1", "m2"]),
            group=chance.choice([None, None, "g1", "g2"]),
            at_most=chance.choice([1, 1, 2, 3]),
            exclusive=chance.random() < 0.08,
            carries=frozenset(chance.choices(["x", "y"], k=1)),
            accepts=frozenset(chance.choice([["*"], ["*"], ["x"], ["x", "y"], []])),
            percent_of=chance.choice(list(PercentOf)),
        ),
    )


def district_basket(chance: random.Random, *, lines: int) -> Basket:
    """Make a basket as a district sees it: four merchants, prices of ¥5 to ¥600."""
    return basket(
        *[
            item(
                number,
                amount_fen=chance.randint(500, 60_000),
                quantity=chance.choice([1, 1, 1, 2, 3]),
                merchant=f"m{chance.randint(1, 4)}",
                category=chance.choice(["tea", "cake", "cloth"]),
                sku=f"k{chance.randint(1, 12)}",
            )
            for number in range(1, lines + 1)
        ]
    )


def district_wallet(chance: random.Random, *, coupons: int) -> list[Held]:
    """Make a wallet as a district fills it: own and merchants' coupons, most of which combine."""
    wallet: list[Held] = []
    while len(wallet) < coupons:
        made, number = _district_offer(chance), len(wallet)
        for copy in range(chance.choice([1, 1, 1, 2, 3])):
            expires = NOON + timedelta(days=chance.randint(1, 30))
            name = f"c{number + copy:02}"
            coupon = Held(id=name, template=f"t{number:02}", offer=made, expires_at=expires)
            wallet.append(coupon)
    return wallet[:coupons]


def _district_offer(chance: random.Random) -> Offer:
    owner = chance.choice(["district", "district", "m1", "m2", "m3", "m4"])
    include = Chosen() if owner == "district" else Chosen(merchants=frozenset({owner}))
    if chance.random() < 0.3:
        include = replace(include, categories=frozenset({chance.choice(["tea", "cake"])}))
    amount = AmountOff(fen=chance.choice([500, 1_000, 2_000, 5_000, chance.randint(100, 9_999)]))
    percent = PercentOff(
        off_bps=chance.choice([500, 1_000, 1_200, 2_000]),
        ceiling_fen=chance.choice([None, 2_000, 5_000]),
    )
    choices: list[tuple[Benefit, str | None]] = [
        (amount, "off"),
        (amount, "off"),
        (amount, None),
        (percent, "percent"),
        (percent, None),
        (Units(kind=Kind.EXCHANGE, most=1), None),
        (Units(kind=Kind.NTH_ITEM, group=2, off_bps=5_000), None),
        (StoredValue(fen=chance.choice([1_000, 10_000])), None),
    ]
    benefit, group = chance.choice(choices)
    tags = [frozenset({"open"} if chance.random() < 0.8 else ()) for _ in range(2)]
    return Offer(
        benefit=benefit,
        scope=Scope(include=include),
        threshold=Threshold(min_fen=chance.choice([0, 0, 10_000, 30_000, 100_000])),
        stacking=Stacking(
            place=PLACES[benefit.kind],
            owner=owner,
            group=group,
            at_most=chance.choice([1, 1, 2]),
            exclusive=chance.random() < 0.03,
            carries=tags[0],
            accepts=tags[1],
        ),
    )


def _units(chance: random.Random) -> Benefit:
    kind = chance.choice([Kind.EXCHANGE, Kind.FIXED_PRICE, Kind.NTH_ITEM, Kind.BUY_GET])
    pick = chance.choice(list(Pick))
    most = chance.choice([None, 1, 2])
    if kind is Kind.NTH_ITEM:
        return Units(
            kind=kind,
            group=chance.randint(2, 3),
            most=most,
            off_bps=chance.choice([3_333, 5_000, 10_000]),
            pick=pick,
            rounding=chance.choice(list(Rounding)),
        )
    if kind is Kind.BUY_GET:
        given = chance.randint(1, 2)
        return Units(kind=kind, group=given + chance.randint(1, 2), given=given, pick=pick)
    pay = chance.choice([0, 1, 500])
    return Units(kind=kind, most=most or 1, pay_fen=pay, pick=pick)


_BENEFITS: tuple[Callable[[random.Random], Benefit], ...] = (
    lambda chance: AmountOff(fen=chance.choice([1, 500, 5_000, chance.randint(1, 20_000)])),
    lambda chance: AmountOff(fen=chance.choice([500, 1_000, 2_000])),
    lambda chance: PercentOff(
        off_bps=chance.choice([500, 1_234, 3_333, 10_000]),
        ceiling_fen=chance.choice([None, None, 700, 5_000]),
        rounding=chance.choice(list(Rounding)),
    ),
    lambda chance: PercentOff(off_bps=chance.randint(1, 5_000)),
    lambda chance: EveryOff(
        every_fen=(every := chance.choice([1_000, 2_345, 10_000])),
        fen=chance.choice([1, 333, every]),
        times=chance.choice([None, 1, 3]),
    ),
    lambda chance: Delivery(ceiling_fen=chance.choice([None, 300])),
    lambda chance: StoredValue(fen=chance.choice([300, 5_000, 30_000])),
    lambda _: Units(kind=Kind.PARKING, most=2),
    _units,
    _units,
)
