"""How coupons of a template are issued, how long they live, what they may cost, who pays.

The other half of a template's frozen document, beside the offer (C3, C4, C15, C16, C19, L7).
Holders and stores are opaque; amounts are whole fen; days are calendar days in Shanghai.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from coupons import funding, reading
from coupons.errors import BadTemplate
from coupons.funding import Funding

SHANGHAI = ZoneInfo("Asia/Shanghai")
LONGEST_DAYS = 3_660

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class Return(StrEnum):
    """When a refund gives the coupon back: never, with the whole order, or as a smaller one."""

    NEVER = "never"
    WHOLE = "whole"
    PROPORTIONAL = "proportional"


class CodeLength(StrEnum):
    """A long code is enough by itself; a short printed one needs the member code too."""

    LONG = "long"
    SHORT = "short"


@dataclass(frozen=True, kw_only=True, slots=True)
class Validity:
    """From when to when a coupon may be used: fixed days, days from the claim, or both (C3).

    `through` is the last day, usable until midnight after it. `days` after the day of the claim are
    usable too (0: that day alone). With both, the earlier end wins. `begins_after_days` lets a
    coupon begin on a later day than that of its claim.
    """

    first: date | None = None
    through: date | None = None
    days: int | None = None
    begins_after_days: int = 0

    def window(self, at: datetime) -> tuple[datetime, datetime] | None:
        """Return the half-open window, in UTC, of a coupon claimed at an instant; None: over."""
        claimed = day_of(at)
        begins = [at]
        if self.first is not None:
            begins.append(day_start(self.first))
        if self.begins_after_days:
            begins.append(day_start(claimed + timedelta(days=self.begins_after_days)))
        ends = []
        if self.through is not None:
            ends.append(day_start(self.through + timedelta(days=1)))
        if self.days is not None:
            ends.append(day_start(claimed + timedelta(days=self.days + 1)))
        start, end = max(begins), min(ends)
        return (start, end) if start < end else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How many coupons a batch issues: in all, to one holder, on a day, at a store (C4)."""

    total: int | None = None
    per_member: int = 1
    per_day: int | None = None
    per_store: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Ceiling:
    """What an amount may come to: in all, on a day, at a store. None: no limit."""

    all: int | None = None
    day: int | None = None
    store: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """What uses may cost: discount in fen, number of uses, value of their orders in fen (C16)."""

    fen: Ceiling = Ceiling()
    count: Ceiling = Ceiling()
    order_fen: Ceiling = Ceiling()


@dataclass(frozen=True, kw_only=True, slots=True)
class Returns:
    """What a refund does (C15; semantics 5, 6).

    A coupon that is over when it comes back gets `courtesy_days` more; 0: it stays over. A refund
    that drops what is kept below the threshold keeps the allocation, or (`claw_back`) takes back
    what the coupon gives of what is kept.
    """

    policy: Return = Return.WHOLE
    courtesy_days: int = 0
    claw_back: bool = False

    def courtesy(self, at: datetime) -> datetime | None:
        """Return the end that a coupon gets which is over when it comes back; None: none."""
        if not self.courtesy_days:
            return None
        return day_start(day_of(at) + timedelta(days=self.courtesy_days + 1))


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """All that a template says about the life of its coupons.

    Members take what they may `claim`; anything else is granted, or comes by a code or in a pack.
    `uses` None: as often as the money on it lasts. A `personal` coupon serves its holder alone; one
    that is not serves whoever shows its code. `transfer` is how often it may change hands. In a
    `rush` for few coupons most who come too late hear so before they reach the database.
    """

    validity: Validity
    funding: Funding
    limits: Limits = Limits()
    budget: Budget = Budget()
    uses: int | None = 1
    returns: Returns = Returns()
    claim: bool = False
    personal: bool = False
    transfer: int = 0
    offline_ok: bool = False
    rush: bool = False
    code: CodeLength = CodeLength.LONG


def load(document: object, path: str = "terms", *, stored: bool = False) -> Terms:
    """Return the terms that a document writes; what it leaves out has the default.

    `stored`: the coupon carries money and is used as long as that lasts.

    Raises:
        BadTemplate: a field that is unknown, missing or of no sense, with its path.
    """
    known = {
        "validity", "limits", "budget", "uses", "returns", "funding", "claim", "personal",
        "transfer", "offline_ok", "rush", "code",
    }  # fmt: skip
    given = reading.fields(document, path=path, known=known)
    for name in ("validity", "funding"):
        if name not in given:
            raise BadTemplate(f"{path}.{name}", "缺少", "missing")
    uses = reading.optional_integer(given, "uses", path=path, most=10_000)
    if stored and uses is not None:
        raise BadTemplate(
            f"{path}.uses", "储值券用到余额为零，不设次数", "money on a coupon lasts; no uses"
        )
    personal = reading.flag(given, "personal", path=path, default=False)
    transfer = reading.optional_integer(given, "transfer", path=path, least=0, most=100) or 0
    if personal and transfer:
        raise BadTemplate(
            f"{path}.transfer", "限本人使用的券不能转赠", "a personal coupon stays with its holder"
        )
    return Terms(
        validity=_validity(given["validity"], f"{path}.validity"),
        funding=funding.load(given["funding"], f"{path}.funding"),
        limits=_limits(given.get("limits", {}), f"{path}.limits"),
        budget=_budget(given.get("budget", {}), f"{path}.budget"),
        uses=None if stored else uses or 1,
        returns=_returns(given.get("returns", {}), f"{path}.returns"),
        claim=reading.flag(given, "claim", path=path, default=False),
        personal=personal,
        transfer=transfer,
        offline_ok=reading.flag(given, "offline_ok", path=path, default=False),
        rush=reading.flag(given, "rush", path=path, default=False),
        code=reading.choice(CodeLength, given, "code", path=path, default=CodeLength.LONG),
    )


def dump(terms: Terms) -> dict[str, object]:
    """Return the terms as canonical JSON fields, which `load` reads back to equal ones.

    Switches of policy are written out, so that a later default does not change what was frozen.
    """
    validity, limits, budget, returns = terms.validity, terms.limits, terms.budget, terms.returns
    written: dict[str, object] = {
        "validity": _given(
            first=validity.first and validity.first.isoformat(),
            through=validity.through and validity.through.isoformat(),
            days=validity.days,
            begins_after_days=validity.begins_after_days or None,
        ),
        "funding": funding.dump(terms.funding),
        "limits": _given(
            total=limits.total,
            per_member=limits.per_member,
            per_day=limits.per_day,
            per_store=limits.per_store,
        ),
        "budget": _given(
            fen=_ceiling_fields(budget.fen) or None,
            count=_ceiling_fields(budget.count) or None,
            order_fen=_ceiling_fields(budget.order_fen) or None,
        ),
        "uses": terms.uses,
        "returns": {
            "policy": returns.policy.value,
            "courtesy_days": returns.courtesy_days,
            "claw_back": returns.claw_back,
        },
        "claim": terms.claim,
        "personal": terms.personal,
        "transfer": terms.transfer,
        "offline_ok": terms.offline_ok,
        "rush": terms.rush or None,  # No coupon depends on it: documents without it stay the same.
        "code": terms.code.value,
    }
    return _given(**written)


def ceilings(terms: Terms) -> dict[tuple[str, str], int]:
    """Return what a batch may come to, as (what, scope) to its limit: stock and budgets alike."""
    limits, budget = terms.limits, terms.budget
    stock = Ceiling(all=limits.total, day=limits.per_day, store=limits.per_store)
    wanted = {
        "issued": stock,
        "fen": budget.fen,
        "count": budget.count,
        "order_fen": budget.order_fen,
    }
    return {
        (what, scope): limit
        for what, ceiling in wanted.items()
        for scope, limit in _ceiling_fields(ceiling).items()
    }


def day_of(instant: datetime) -> date:
    """Return the calendar day in Shanghai of an aware instant (semantics 54)."""
    return instant.astimezone(SHANGHAI).date()


def day_start(day: date) -> datetime:
    """Return the instant at which a day begins in Shanghai, in UTC."""
    return datetime.combine(day, time(), tzinfo=SHANGHAI).astimezone(UTC)


def _validity(document: object, path: str) -> Validity:
    known = {"first", "through", "days", "begins_after_days"}
    given = reading.fields(document, path=path, known=known)
    first, through = _date(given, "first", path=path), _date(given, "through", path=path)
    days = reading.optional_integer(given, "days", path=path, least=0, most=LONGEST_DAYS)
    later = reading.optional_integer(
        given, "begins_after_days", path=path, least=0, most=LONGEST_DAYS
    )
    if through is None and days is None:
        raise BadTemplate(
            path, "须有截止日 through 或天数 days", "an end is wanted: through, or days"
        )
    if first is not None and through is not None and first > through:
        raise BadTemplate(f"{path}.through", "早于开始日", "before the first day")
    if days is not None and later is not None and later > days:
        raise BadTemplate(f"{path}.days", "未开始就已结束", "it would be over before it begins")
    return Validity(first=first, through=through, days=days, begins_after_days=later or 0)


def _limits(document: object, path: str) -> Limits:
    known = {"total", "per_member", "per_day", "per_store"}
    given = reading.fields(document, path=path, known=known)
    per_member = reading.optional_integer(given, "per_member", path=path, most=10_000)
    return Limits(
        total=reading.optional_integer(given, "total", path=path),
        per_member=per_member or 1,
        per_day=reading.optional_integer(given, "per_day", path=path),
        per_store=reading.optional_integer(given, "per_store", path=path),
    )


def _budget(document: object, path: str) -> Budget:
    names = ("fen", "count", "order_fen")
    given = reading.fields(document, path=path, known=names)
    return Budget(**{name: _ceiling(given.get(name, {}), f"{path}.{name}") for name in names})


def _ceiling(document: object, path: str) -> Ceiling:
    names = ("all", "day", "store")
    given = reading.fields(document, path=path, known=names)
    return Ceiling(**{name: reading.optional_integer(given, name, path=path) for name in names})


def _ceiling_fields(ceiling: Ceiling) -> dict[str, int]:
    named = {"all": ceiling.all, "day": ceiling.day, "store": ceiling.store}
    return {name: limit for name, limit in named.items() if limit is not None}


def _returns(document: object, path: str) -> Returns:
    given = reading.fields(document, path=path, known={"policy", "courtesy_days", "claw_back"})
    days = reading.optional_integer(given, "courtesy_days", path=path, least=0, most=LONGEST_DAYS)
    return Returns(
        policy=reading.choice(Return, given, "policy", path=path, default=Return.WHOLE),
        courtesy_days=days or 0,
        claw_back=reading.flag(given, "claw_back", path=path, default=False),
    )


def _date(given: Mapping[str, object], name: str, *, path: str) -> date | None:
    written = given.get(name)
    if written is None:
        return None
    if isinstance(written, str) and _DATE.fullmatch(written):
        try:
            return date.fromisoformat(written)
        except ValueError:
            pass
    raise BadTemplate(
        f"{path}.{name}", "须为日期，如 2026-10-01", "a date like 2026-10-01 is wanted"
    )


def _given(**written: object) -> dict[str, object]:
    return {name: value for name, value in written.items() if value is not None}
