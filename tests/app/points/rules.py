"""Rules and orders made short, for the tests of earning."""

from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction
from itertools import count
from zoneinfo import ZoneInfo

from app.points.definitions import Cap, Conditions, Definition, Kind, Rounding, Scope
from app.points.earning import PaidLine, PaidOrder
from app.points.rulebook import EarnRule

SHANGHAI = ZoneInfo("Asia/Shanghai")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
NOON = datetime(2026, 11, 23, 12, tzinfo=SHANGHAI)  # a Monday

_ids = count(1)


def rule(
    code: str = "base",
    *,
    rate: str = "1/100",
    kind: Kind = Kind.BASE,
    rounding: Rounding = Rounding.FLOOR,
    scope: Scope = Scope.ORDER,
    conditions: Conditions | None = None,
    excluded: frozenset[str] = frozenset({"gift-card"}),
    counted: frozenset[str] | None = None,
    version: int = 1,
    since: datetime = LONG_AGO,
    until: datetime | None = None,
    caps: tuple[Cap, ...] = (),
    campaign: str | None = None,
) -> EarnRule:
    return EarnRule(
        version_id=next(_ids),
        public_id=f"rul_{code}",
        code=code,
        version=version,
        name_zh=code,
        name_en=code,
        effective_from=since,
        effective_to=until,
        definition=Definition(
            kind=kind,
            rate=Fraction(rate),
            rounding=rounding,
            scope=scope,
            conditions=conditions or Conditions(),
            excluded_categories=excluded,
            counted_tenders=counted,
            caps=caps,
            campaign=campaign,
        ),
    )


def double(code: str = "double", *, factor: str = "2", when: Conditions | None = None) -> EarnRule:
    return rule(code, rate=factor, kind=Kind.MULTIPLIER, conditions=when)


def line(
    fen: int | Mapping[str, int],
    *,
    merchant: str = "mch_a",
    trade: str = "food",
    category: str = "bread",
) -> PaidLine:
    paid = {"wechat": fen} if isinstance(fen, int) else fen
    return PaidLine(merchant=merchant, trade=trade, category=category, paid_fen=paid)


def order(
    *lines: PaidLine,
    at: datetime = NOON,
    tier: str | None = "basic",
    birthday: tuple[int, int] | None = None,
) -> PaidOrder:
    return PaidOrder(occurred_at=at, lines=lines, tier=tier, birthday=birthday)
