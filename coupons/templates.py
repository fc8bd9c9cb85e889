"""A template: what its coupons give and how they live, as one strict document.

What is written down of a template never changes: an edit is a new version, and a coupon keeps the
version that it was issued with (semantics 42). A pack (券包) gives coupons of other batches.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from coupons import offers, reading, terms
from coupons.benefits import AmountOff, StoredValue
from coupons.errors import BadTemplate
from coupons.offers import Offer, When
from coupons.terms import Ceiling, Return, Terms

MOST_OFFLINE_FEN = 2_000
"""The most that a coupon may take off which a till redeems without the network (reliability 10)."""

MOST_IN_A_RUSH = 10_000
"""The most coupons of a batch that has a gate: their takers are named to it."""

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}", re.ASCII)
_TITLE = re.compile(r"\S(?:[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{0,58}\S)?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """What a pack gives: so many coupons of a batch."""

    batch: str
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """A template by its code. Either it has an offer, or it is a pack of other batches' coupons."""

    code: str
    title_zh: str
    title_en: str
    terms: Terms
    offer: Offer | None = None
    pack: tuple[Part, ...] = ()

    @property
    def value_fen(self) -> int | None:
        """Return the money that is on a coupon at issue; None: it carries none."""
        benefit = None if self.offer is None else self.offer.benefit
        return benefit.fen if isinstance(benefit, StoredValue) else None

    @property
    def unseen(self) -> list[str]:
        """Return what its coupons ask that a till without the network cannot look at, by path.

        A token says a store and an amount alone; what the member is, is looked at before.
        """
        offer, budget = self.offer, self.terms.budget
        if offer is None:
            return ["pack"]
        include, exclude = offer.scope.include, offer.scope.exclude
        asked = {
            "offer.threshold": offer.threshold.min_fen or offer.threshold.min_quantity,
            "offer.when": offer.when != When(),
            "offer.tenders": offer.tenders,
            "offer.scope.include": include.categories or include.skus,
            "offer.scope.exclude": exclude.categories or exclude.skus,
            "terms.budget.order_fen": budget.order_fen != Ceiling(),
        }
        return [path for path, wanted in asked.items() if wanted]

    def offer_of(self, value_fen: int | None) -> Offer:
        """Return what a coupon gives that has so many fen left on it; None: all of the offer.

        A coupon that a refund gave back in part takes off what it is worth; its threshold is the
        same part of the template's, rounded up.
        """
        assert self.offer is not None, "a pack is opened when it is issued"
        benefit = self.offer.benefit
        if value_fen is None or not isinstance(benefit, AmountOff | StoredValue):
            return self.offer
        if isinstance(benefit, StoredValue):
            return replace(self.offer, benefit=replace(benefit, fen=value_fen))
        part = Fraction(value_fen, benefit.fen)
        least = -(-self.offer.threshold.min_fen * part // 1)
        return replace(
            self.offer,
            benefit=replace(benefit, fen=value_fen),
            threshold=replace(self.offer.threshold, min_fen=least),
        )


def load(document: object, path: str = "template") -> Template:
    """Return the template that a document writes.

    Raises:
        BadTemplate: a field that is unknown, missing or of no sense, with its path; halves that do
            not go together.
    """
    known = {"code", "title_zh", "title_en", "offer", "pack", "terms"}
    given = reading.fields(document, path=path, known=known)
    parts = tuple([_part(*each) for each in reading.items(given, "pack", path=path)])
    if ("offer" in given) == bool(parts):
        raise BadTemplate(path, "须有 offer 或 pack 之一", "either an offer or a pack is wanted")
    if len({part.batch for part in parts}) < len(parts):
        raise BadTemplate(f"{path}.pack", "批次重复", "a batch is named twice")
    offer = None if parts else offers.load(given["offer"], f"{path}.offer")
    stored = offer is not None and isinstance(offer.benefit, StoredValue)
    found = Template(
        code=_text(given, "code", _CODE, path=path),
        title_zh=_text(given, "title_zh", _TITLE, path=path),
        title_en=_text(given, "title_en", _TITLE, path=path),
        offer=offer,
        pack=parts,
        terms=terms.load(given.get("terms", {}), f"{path}.terms", stored=stored),
    )
    _check(found, f"{path}.terms")
    return found


def dump(template: Template) -> dict[str, object]:
    """Return the template as canonical JSON fields, which `load` reads back to an equal one."""
    half: dict[str, object] = (
        {"pack": [{"batch": part.batch, "count": part.count} for part in template.pack]}
        if template.offer is None
        else {"offer": offers.dump(template.offer)}
    )
    return {
        "code": template.code,
        "title_zh": template.title_zh,
        "title_en": template.title_en,
        **half,
        "terms": terms.dump(template.terms),
    }


def _part(path: str, document: object) -> Part:
    given = reading.fields(document, path=path, known={"batch", "count"})
    count = reading.optional_integer(given, "count", path=path, most=100)
    return Part(batch=_text(given, "batch", _CODE, path=path), count=count or 1)


def _text(given: Mapping[str, object], name: str, shape: "re.Pattern[str]", *, path: str) -> str:
    written = given.get(name)
    if not isinstance(written, str) or not shape.fullmatch(written):
        raise BadTemplate(
            f"{path}.{name}",
            "须为编号（至多 40 位）" if shape is _CODE else "须为 1 到 60 个字，首尾不留空",
            "a code of up to 40 characters is wanted"
            if shape is _CODE
            else "1 to 60 characters without blanks around them are wanted",
        )
    return written


def _check(template: Template, path: str) -> None:
    """Refuse terms that the benefit cannot keep."""
    said = template.terms
    benefit = None if template.offer is None else template.offer.benefit
    fixed = benefit.fen if isinstance(benefit, AmountOff) else None
    if said.returns.policy is Return.PROPORTIONAL and (fixed is None or said.uses != 1):
        raise BadTemplate(
            f"{path}.returns.policy",
            "仅一次性的立减券可按比例返还",
            "only an amount off of one use comes back in part",
        )
    threshold = None if template.offer is None else template.offer.threshold
    if said.returns.claw_back and not (threshold and (threshold.min_fen or threshold.min_quantity)):
        raise BadTemplate(
            f"{path}.returns.claw_back",
            "没有使用门槛，无从追回",
            "without a threshold nothing can fall below it",
        )
    if said.offline_ok and (fixed is None or fixed > MOST_OFFLINE_FEN or said.uses != 1):
        raise BadTemplate(
            f"{path}.offline_ok",
            f"仅一次性、不超过 {MOST_OFFLINE_FEN} 分的立减券可离线核销",
            f"only an amount off of one use and at most {MOST_OFFLINE_FEN} fen goes offline",
        )
    few = said.limits.total is not None and said.limits.total <= MOST_IN_A_RUSH
    if said.rush and not (said.claim and few):
        raise BadTemplate(
            f"{path}.rush",
            f"仅供会员自领、总量不超过 {MOST_IN_A_RUSH} 张的券可设抢券闸门",
            f"only what members claim, at most {MOST_IN_A_RUSH} in all, has a gate for a rush",
        )
    if template.pack and (said.uses != 1 or said.transfer or any(_budgeted(said))):
        raise BadTemplate(
            path, "券包只有有效期与发放限额", "a pack has a validity and limits alone"
        )


def _budgeted(said: Terms) -> list[bool]:
    return [what != "issued" for what, _ in terms.ceilings(said)]
