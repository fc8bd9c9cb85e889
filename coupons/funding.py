"""Who pays for a coupon: district, merchants and brands, by share or by priority (L7).

A discount that was shared to the lines is split once more, to whom each line's share is charged,
to the fen. Like every split it is made once, at the sale, and stored; a refund gives back what is
stored (ADR 0004), so nothing here is ever computed twice. Pure: amounts are whole fen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from coupons import reading
from coupons.benefits import WHOLE_BPS
from coupons.errors import BadTemplate, FundersExhausted
from coupons.rules import spread


class FunderKind(StrEnum):
    """Who may pay for a coupon."""

    DISTRICT = "district"
    MERCHANT = "merchant"
    BRAND = "brand"


class Mode(StrEnum):
    """By share: each pays its part. By priority: the first pays up to its cap, then the next."""

    SHARE = "share"
    PRIORITY = "priority"


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Funder:
    """One who pays. The district has no name."""

    kind: FunderKind
    name: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """What a funder agreed to: a share (basis points; 0 by priority) and a cap for each use.

    A merchant without a name is the merchant of each line; its cap then counts all of them.
    """

    kind: FunderKind
    name: str = ""
    share_bps: int = 0
    cap_fen: int | None = None

    def funder_of(self, merchant: str) -> Funder:
        """Return who pays for a line of a merchant."""
        if self.kind is FunderKind.MERCHANT and not self.name:
            return Funder(kind=self.kind, name=merchant)
        return Funder(kind=self.kind, name=self.name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Funding:
    """Who pays for a template's coupons, in the declared order."""

    mode: Mode
    parts: tuple[Part, ...]


def load(document: object, path: str = "funding") -> Funding:
    """Return the funding that a document writes.

    Raises:
        BadTemplate: a field that is unknown, missing or of no sense; shares that are not the whole;
            a funder named twice; nobody without a cap, who pays what is above the others'.
    """
    given = reading.fields(document, path=path, known={"mode", "parts"})
    mode = reading.choice(Mode, given, "mode", path=path, default=Mode.SHARE)
    parts = tuple([_part(*each, mode) for each in reading.items(given, "parts", path=path)])
    where = f"{path}.parts"
    if not parts:
        raise BadTemplate(where, "至少一个出资方", "at least one funder is wanted")
    if mode is Mode.SHARE and sum([part.share_bps for part in parts]) != WHOLE_BPS:
        raise BadTemplate(where, "比例之和须为 10000", "the shares must add up to 10000")
    if len({(part.kind, part.name) for part in parts}) < len(parts):
        raise BadTemplate(where, "出资方重复", "a funder is named twice")
    if all(part.cap_fen is not None for part in parts):
        raise BadTemplate(
            where, "须有一方不设上限，承担超出部分", "somebody without a cap must pay the rest"
        )
    return Funding(mode=mode, parts=parts)


def dump(funding: Funding) -> dict[str, object]:
    """Return the funding as JSON fields, which `load` reads back to an equal one."""
    return {"mode": funding.mode.value, "parts": [_written(part) for part in funding.parts]}


def split(
    funding: Funding,
    *,
    shares: Sequence[int],
    merchants: Sequence[str],
    left: Mapping[Funder, int] | None = None,
) -> list[list[tuple[Funder, int]]]:
    """Split a discount's share on every line to its funders: (funder, fen) by line, as declared.

    `shares` and the lines' `merchants` go side by side; `left` is what is left of a funder's own
    budget (absent: no limit). By share, the discount is split to the parts by largest remainder,
    and each part over what the others leave of the lines. Caps are looked at after that: what is
    above one goes to the others in the declared order (semantics 19). Every line's fen add up to
    its share, whatever the caps.

    Raises:
        FundersExhausted: the budgets, taken in the declared order, leave something unpaid.
    """
    parts = funding.parts
    filling = _Filling(
        open_fen=list(shares),
        merchants=merchants,
        left=dict(left or {}),
        caps=[sum(shares) if part.cap_fen is None else part.cap_fen for part in parts],
        cells=[[0] * len(shares) for _ in parts],
    )
    if funding.mode is Mode.SHARE:
        rest = list(shares)
        for index, fen in enumerate(spread(sum(shares), [part.share_bps for part in parts])):
            wanted = spread(fen, rest)
            rest = [most - taken for most, taken in zip(rest, wanted, strict=True)]
            filling.fill(index, parts[index], wanted)
    for index, part in enumerate(parts):
        filling.fill(index, part, filling.open_fen)
    if any(filling.open_fen):
        raise FundersExhausted(sum(filling.open_fen))
    return [
        [
            (part.funder_of(merchant), cells[line])
            for part, cells in zip(parts, filling.cells, strict=True)
            if cells[line]
        ]
        for line, merchant in enumerate(merchants)
    ]


@dataclass(kw_only=True, slots=True)
class _Filling:
    """A split at work: what no funder pays yet by line, and what caps and budgets still allow."""

    open_fen: list[int]
    merchants: Sequence[str]
    left: dict[Funder, int]
    caps: list[int]
    cells: list[list[int]]

    def fill(self, index: int, part: Part, wanted: Sequence[int]) -> None:
        """Let a part pay what is wanted of it on each line, cut to its budget and then its cap."""
        lines: dict[Funder, list[int]] = {}
        for line, merchant in enumerate(self.merchants):
            lines.setdefault(part.funder_of(merchant), []).append(line)
        taken = [0] * len(wanted)
        for funder, theirs in lines.items():
            wants = [wanted[line] for line in theirs]
            most = min(sum(wants), self.left.get(funder, sum(wants)))
            for line, fen in zip(theirs, spread(most, wants), strict=True):
                taken[line] = fen
        taken = spread(min(sum(taken), self.caps[index]), taken)
        self.caps[index] -= sum(taken)
        for line, fen in enumerate(taken):
            funder = part.funder_of(self.merchants[line])
            if funder in self.left:
                self.left[funder] -= fen
            self.open_fen[line] -= fen
            self.cells[index][line] += fen


def _part(path: str, document: object, mode: Mode) -> Part:
    known = {"funder", "name", "cap_fen"} | ({"share_bps"} if mode is Mode.SHARE else set())
    given = reading.fields(document, path=path, known=known)
    kind = reading.choose(FunderKind, given.get("funder"), path=f"{path}.funder")
    name = reading.code(given, "name", path=path) or ""
    if bool(name) != (kind is FunderKind.BRAND) and kind is not FunderKind.MERCHANT:
        raise BadTemplate(
            f"{path}.name", "品牌须有名称，商圈没有", "a brand has a name, the district has none"
        )
    share = 0
    if mode is Mode.SHARE:
        share = reading.integer(given, "share_bps", path=path, most=WHOLE_BPS)
    cap = reading.optional_integer(given, "cap_fen", path=path, least=0)
    return Part(kind=kind, name=name, share_bps=share, cap_fen=cap)


def _written(part: Part) -> dict[str, object]:
    fields = {"name": part.name, "share_bps": part.share_bps}
    given: dict[str, object] = {name: value for name, value in fields.items() if value}
    if part.cap_fen is not None:
        given["cap_fen"] = part.cap_fen
    return {"funder": part.kind.value, **given}
