"""Coupons as a till hears of them, as frozen values. Money is in fen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Funder:
    """Who pays for a part of a coupon: `district`, `merchant:…` or `brand:…`."""

    funder: str
    fen: int


@dataclass(frozen=True, kw_only=True)
class CouponUse:
    """A coupon that is used; `shares` are by line, in the order of the lines."""

    coupon_id: str
    template: str
    zh: str
    en: str
    fen: int
    shares: Sequence[int] = ()
    funders: Sequence[Funder] = ()


@dataclass(frozen=True, kw_only=True)
class Unmet:
    """A condition that fails, with what is missing; `lines` count towards it."""

    code: str
    zh: str
    en: str
    gap_fen: int
    gap_units: int
    lines: Sequence[int] = ()


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A coupon that is not used, and why; `by` are the coupons that keep it out."""

    coupon_id: str
    why: str
    zh: str
    en: str
    less_fen: int
    by: Sequence[str] = ()
    unmet: Sequence[Unmet] = ()


@dataclass(frozen=True, kw_only=True)
class RunnerUp:
    """The second best choice of coupons."""

    coupon_ids: Sequence[str]
    discount_fen: int


@dataclass(frozen=True, kw_only=True)
class StackProof:
    """Whether nothing saves more, or by how much at most."""

    proved: bool
    gap_fen: int
    nodes: int
    zh: str
    en: str


@dataclass(frozen=True, kw_only=True)
class CouponBack:
    """What a refund did to a coupon; `reissued_id` is a smaller one that came instead."""

    coupon_id: str
    fen: int
    returned: bool
    reissued_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class UsedOffline:
    """What became of a coupon that was taken offline; not honoured, the store bears `given_fen`.

    Then `break_id` says where it is looked into, and `kind` why.
    """

    coupon_id: str
    given_fen: int
    honoured: bool
    skewed: bool
    kind: str | None = None
    break_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class RolledBack:
    """A coupon taken back alone: `fen` were paid for it, `remaining_fen` it still gives."""

    roll_back_id: str
    order_id: str
    coupon_id: str
    number: str
    fen: int
    remaining_fen: int
    returned: bool
    reissued_id: str | None = None
    replayed: bool = False


@dataclass(frozen=True, kw_only=True)
class Validated:
    """Which coupons a basket can use, and why not the others; nothing was set aside."""

    total_fen: int
    discount_fen: int
    coupons: Sequence[CouponUse] = ()
    left_out: Sequence[LeftOut] = ()
    runner_up: RunnerUp | None = None
    proof: StackProof | None = None


@dataclass(frozen=True, kw_only=True)
class FoundCoupon:
    """A coupon by its code; `terms` say who funds it, where, when, and not with what."""

    coupon_id: str
    template: str
    zh: str
    en: str
    standing: str
    valid_from: datetime
    valid_until: datetime
    uses_left: int | None
    value_fen: int | None
    locked_until: datetime | None
    terms: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Gift:
    """A coupon that the payment of an order gave; without one `why` says what was in the way."""

    batch: str
    zh: str
    en: str
    coupon_id: str | None
    why: str | None


@dataclass(frozen=True, kw_only=True)
class Reward:
    """Goods of the mall by their code; `repeated`: handed out here before, at `picked_up_at`."""

    taking_id: str
    item: str
    zh: str
    en: str
    state: str
    cash_fen: int
    until: datetime
    picked_up_at: datetime | None
    repeated: bool
    order_id: str | None
