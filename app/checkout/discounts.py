"""What coupons take off a sale: which are used, what each gives on every line, and who pays for it.

The coupon engine decides and keeps the coupons; here its words become merchants, lines and fen.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.books import Code, Kind, funding_accounts
from app.checkout.returns import Delta
from app.checkout.sharing import Gift, SaleLine
from app.checkout.slices import Allocation, Funded
from app.merchants.directory import Directory
from coupons.redemptions import Use as Redeemed
from ledger import Journal, Posting


@dataclass(frozen=True, kw_only=True)
class Least:
    """What must be kept of a sale, or a refund claws back what its coupon gives (semantics 5).

    Of the goods on these `lines`, by number: so many fen (`after`: of what coupons before it leave)
    and so many units.
    """

    fen: int
    quantity: int
    after: bool
    lines: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Use:
    """One use of a coupon in a sale: its discount in fen, and what each funder gives by line.

    `goods_fen` is what the goods cost that it counts. `tenders` are those that it may be paid
    with; empty: any. `least` is there where a refund may claw it back. `seen` is whose the coupon
    was when the sale read it.
    """

    coupon: str
    template: str
    zh: str
    en: str
    goods_fen: int
    tenders: Collection[str]
    gifts: Sequence[Gift]
    least: Least | None = None
    seen: str | None = None

    @property
    def fen(self) -> int:
        """What it takes off the sale."""
        return sum([sum(gift.shares) for gift in self.gifts])


@dataclass(frozen=True, kw_only=True)
class Stack:
    """The coupons of a sale in the order in which they are applied."""

    uses: Sequence[Use] = ()

    @property
    def fen(self) -> int:
        """What they take off together."""
        return sum([use.fen for use in self.uses])

    @property
    def gifts(self) -> list[Gift]:
        """What every funder gives by every use."""
        return [gift for use in self.uses for gift in use.gifts]

    @property
    def redeemed(self) -> list[Redeemed]:
        """What the coupon engine is told of the uses."""
        return [
            Redeemed(
                coupon=use.coupon, discount_fen=use.fen, order_fen=use.goods_fen, seen=use.seen
            )
            for use in self.uses
        ]

    def taken_off(self, lines: Sequence[SaleLine]) -> list[SaleLine]:
        """Return the lines with what the coupons take off them."""
        off = [0] * len(lines)
        for gift in self.gifts:
            off = [fen + share for fen, share in zip(off, gift.shares, strict=True)]
        return [replace(line, discount_fen=fen) for line, fen in zip(lines, off, strict=True)]

    def given(self, lines: Sequence[SaleLine]) -> dict[tuple[int, str], int]:
        """Return what each merchant is given for its lines: fen by (merchant, funder)."""
        given: dict[tuple[int, str], int] = {}
        for gift in self.gifts:
            for line, fen in zip(lines, gift.shares, strict=True):
                if fen:
                    key = (line.merchant_id, gift.of.funder)
                    given[key] = given.get(key, 0) + fen
        return given

    def dump(self) -> list[Any] | None:
        """Return the stack as JSON, for the order's row; None where there is none."""
        return [
            {
                "coupon": use.coupon,
                "template": use.template,
                "zh": use.zh,
                "en": use.en,
                "fen": use.fen,
                "goods_fen": use.goods_fen,
                "tenders": sorted(use.tenders),
                "gifts": [[gift.of.funder, list(gift.shares)] for gift in use.gifts],
                **({"least": {**vars(use.least)}} if use.least else {}),
            }
            for use in self.uses
        ] or None


NO_COUPONS = Stack()


def load(stored: Sequence[Any] | None) -> Stack:
    """Return the stack that `Stack.dump` stored."""
    return Stack(
        uses=[
            Use(
                coupon=use["coupon"],
                template=use["template"],
                zh=use["zh"],
                en=use["en"],
                goods_fen=use["goods_fen"],
                tenders=use["tenders"],
                gifts=[
                    Gift(of=Funded(use["coupon"], funder), shares=shares)
                    for funder, shares in use["gifts"]
                ],
                least=Least(**use["least"]) if "least" in use else None,
            )
            for use in stored or []
        ]
    )


def journals(
    session: Session,
    directory: Directory,
    given: Mapping[tuple[int, str], int],
    *,
    key: str,
    order: str,
    occurred_at: datetime,
    back: bool = False,
) -> list[Journal]:
    """Return what funders owe the merchants that gave a discount, or (`back`) get back of it.

    `given` is fen by (merchant that gave the discount, funder). What a merchant funds itself moves
    nothing between parties. One round trip where something moves (L7).
    """
    fen = {
        ends: amount
        for (merchant, funder), amount in given.items()
        if amount and (ends := (_account(funder), _due(directory, merchant)))[0] != ends[1]
    }
    if not fen:
        return []
    ids = funding_accounts(session, {name for ends in fen for name in ends})
    postings = [
        Posting(
            debit_id=ids[merchant if back else funder],
            credit_id=ids[funder if back else merchant],
            amount=amount,
        )
        for (funder, merchant), amount in sorted(fen.items())
    ]
    return [
        Journal(
            key=key,
            kind=Kind.COUPON,
            occurred_at=occurred_at,
            postings=postings,
            details={"order": order},
        )
    ]


def given_back(
    allocation: Allocation, funded: Mapping[tuple[int, int], int]
) -> dict[tuple[int, str], int]:
    """Return what a refund gives back to funders, as `journals` takes it."""
    given: dict[tuple[int, str], int] = {}
    for (merchant, index), fen in funded.items():
        key = (merchant, allocation.funded[index].funder)
        given[key] = given.get(key, 0) + fen
    return given


def parts_back(
    stack: Stack,
    allocation: Allocation,
    gone: Delta,
    delta: Delta,
    *,
    rolled: Mapping[str, int],
    whole: bool,
) -> list[Redeemed]:
    """Return what a refund gives back of each coupon: of its discount, and of the goods it counted.

    `gone` is what earlier refunds gave back, `rolled` what was rolled back of each alone. With the
    `whole` order every coupon hears of it, also one whose discount went back before: it may be the
    member's again.
    """
    before, now = by_coupon(allocation, gone), by_coupon(allocation, delta)
    parts = []
    for use in stack.uses:
        back = now.get(use.coupon, 0)
        if back or whole:
            had = before.get(use.coupon, 0) + rolled.get(use.coupon, 0)
            parts.append(part_back(use, back, had=had))
    return parts


def part_back(use: Use, fen: int, *, had: int) -> Redeemed:
    """Return a part of a use that goes back after `had` fen of it did.

    Of the goods that it counted the same part goes back as of the discount, rounded down over all
    steps, so in the end all of them.
    """
    goods = use.goods_fen
    if use.fen:
        goods = use.goods_fen * (had + fen) // use.fen - use.goods_fen * had // use.fen
    return Redeemed(coupon=use.coupon, discount_fen=fen, order_fen=goods)


def by_coupon(allocation: Allocation, delta: Delta) -> dict[str, int]:
    """Return what went back of each coupon's discount, in fen."""
    fen: dict[str, int] = {}
    for (_, index), amount in delta.funded_fen.items():
        coupon = allocation.funded[index].coupon
        fen[coupon] = fen.get(coupon, 0) + amount
    return fen


def _due(directory: Directory, merchant_id: int) -> str:
    return f"{Code.DUE}:{directory.merchants[merchant_id].public_id}"


def _account(funder: str) -> str:
    kind, _, name = funder.partition(":")
    if kind == "merchant":
        return f"{Code.DUE}:{name}"
    return f"{Code.BRAND}:{name}" if kind == "brand" else Code.COUPONS
