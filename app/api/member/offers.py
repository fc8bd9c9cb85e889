"""Coupons that a member may claim, whether they would serve here and now, and the claim (C4, C7).

Offered are open batches whose template lets members claim. Those whose coupons come by printed
codes or in packs are not: their stock is for who has the code or claims the pack.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString, cast

from sqlalchemy.orm import Session

from app.api import auth, limits, rush
from app.api.auth import Role, SignedIn, requires
from app.api.edge import Again, reads, writes
from app.api.fields import Code, DoorSchema, Instant, Items, Part, Text, Whole, YesNo
from app.api.member import member
from app.api.member.coupon_terms import CouponTermsSchema, terms_view
from app.api.member.coupons import GotCouponSchema
from app.api.member.paging import LIMIT, PageSchema, read_cursor, write_cursor
from app.api.tokens import MemberClaim
from app.campaigns import coupons
from app.campaigns.segments import CODES_OF_MEMBER
from app.errors import NotFound
from app.members.birthdays import birthday_of
from app.members.identification import KnownMember
from app.merchants.directory import ListedStore, get_directory
from config.database import fetch, now_of, remember
from coupons import conditions
from coupons.batches import read_template
from coupons.conditions import Basket, Shopper
from coupons.offers import Chosen, Offer
from coupons.terms import day_of

#: What a sale of nothing can be told: the rest depends on what is bought.
_OF_NO_SALE = frozenset(
    {
        "wrong-weekday", "wrong-month-day", "wrong-hour", "blackout", "wrong-tier",
        "wrong-segment", "not-first-purchase", "not-birthday",
    }
)  # fmt: skip
_MOST_OF_A_BATCH = 10_000


@dataclass(frozen=True, kw_only=True)
class AskedOffers:
    """What `OffersQuerySchema` loads."""

    cursor: str | None
    limit: int
    store_id: str | None


class OffersQuerySchema(PageSchema):
    makes = AskedOffers
    store_id = Code(load_default=None)


class WhyNotSchema(DoorSchema):
    code = Text(most=40, required=True)
    zh = Text(most=2000, required=True)
    en = Text(most=2000, required=True)


class OfferSchema(DoorSchema):
    """`terms` is null for a pack, which gives coupons of other batches."""

    batch = Text(most=40, required=True)
    template = Text(most=40, required=True)
    zh = Text(most=60, required=True)
    en = Text(most=60, required=True)
    starts_at = Instant(required=True)
    ends_at = Instant(required=True)
    per_member = Whole(required=True)
    claimed = Whole(required=True)
    claimable = YesNo(required=True)
    why_not = Items(Part(WhyNotSchema), most=10, required=True)
    usable_here = YesNo(required=True)
    unusable = Items(Part(WhyNotSchema), most=20, required=True)
    terms = Part(CouponTermsSchema, required=True, allow_none=True)


class OffersSchema(DoorSchema):
    offers = Items(Part(OfferSchema), most=LIMIT, required=True)
    next_cursor = Text(most=200, required=True, allow_none=True)


@dataclass(frozen=True, kw_only=True)
class AskedClaim:
    """What `ClaimCouponSchema` loads: the member's n-th coupon of a batch."""

    batch: str
    n: int


class ClaimCouponSchema(DoorSchema):
    makes = AskedClaim
    batch = Code(required=True)
    n = Whole(least=1, most=_MOST_OF_A_BATCH, load_default=1)


class ClaimedSchema(DoorSchema):
    """A pack gives several."""

    coupons = Items(Part(GotCouponSchema), most=_MOST_OF_A_BATCH, required=True)


def _past_the_gate(asked: AskedClaim) -> None:
    rush.gate().admit(cast("MemberClaim", auth.caller()), asked.batch)


@member.get("/coupons/offers")
@requires(Role.MEMBER)
@reads(OffersSchema, query=OffersQuerySchema)
def list_offers(session: Session, caller: SignedIn, asked: AskedOffers) -> Mapping[str, Any]:
    """Return what may be claimed, newest first, and whether it may be used now, at a store."""
    store = None if asked.store_id is None else get_directory(session).get_store(asked.store_id)
    before = read_cursor(session, caller, asked.cursor, of="offers")
    found = offers_for(
        session, caller.member, store=store, before=before[0] if before else None,
        most=asked.limit + 1,
    )  # fmt: skip
    shown = found[: asked.limit]
    last = (shown[-1]["id"],) if len(shown) < len(found) else None
    return {
        "offers": shown,
        "next_cursor": last and write_cursor(session, caller, of="offers", at=last),
    }


def offers_for(
    session: Session,
    member: KnownMember,
    *,
    store: ListedStore | None,
    before: int | None = None,
    most: int,
) -> list[Mapping[str, Any]]:
    """Return what a member may claim, newest first, and whether it serves now at a store.

    One statement, whatever the offers ask for. `before` is the `id` of an offer, which comes last
    on the page before.
    """
    now = now_of(session)
    rows = fetch(
        session,
        _OFFERS,
        {
            "now": now,
            "day": day_of(now).isoformat(),
            "member": member.id,
            "before": before,
            "most": most,
        },
    )
    shopper = _shopper(session, member, rows)
    return [_view(row, shopper, store, now) for row in rows]


@member.post("/coupons/claims")
@requires(Role.MEMBER, limit=limits.CLAIMS)
@writes(ClaimCouponSchema, ClaimedSchema, again=True, admits=_past_the_gate)
def claim_coupon(session: Session, caller: SignedIn, asked: AskedClaim) -> object:
    """Take the n-th coupon of a batch; asked for again, it is the same one."""
    caller.member.require_active()
    _require_offered(session, asked.batch)
    taken = coupons.claim(session, batch=asked.batch, holder=caller.member.public_id, n=asked.n)
    told = {"coupons": [{**vars(each), "coupon_id": each.coupon} for each in taken]}
    return Again(value=told) if all(each.repeated for each in taken) else told


def _require_offered(session: Session, batch: str) -> None:
    """Refuse a batch that members do not claim; no SQL once it is known that they do.

    A run of printed codes, or a pack, may end that: a trigger on each raises the revision.

    Raises:
        NotFound: there is none, or its coupons come in other ways.
    """

    def read(session: Session) -> bool:
        if not fetch(session, _OFFERED, {"batch": batch}):
            raise NotFound("coupon-batch", batch)  # And nothing is remembered.
        return True

    remember(session, f"coupon-offered:{batch}", read)


def _view(
    row: Any, shopper: Shopper, store: ListedStore | None, now: datetime
) -> Mapping[str, Any]:
    template = read_template(row.document)
    why_not = [_why_not(code) for code in _claim_refusals(row, now)]
    unusable = (
        [] if template.offer is None else list(_unusable(template.offer, shopper, store, now))
    )
    return {
        **row._asdict(),
        "template": template.code,
        "zh": template.title_zh,
        "en": template.title_en,
        "claimable": not why_not,
        "why_not": why_not,
        "usable_here": not unusable,
        "unusable": unusable,
        "terms": None if template.offer is None else terms_view(template, template.offer),
    }


def _claim_refusals(row: Any, now: datetime) -> Iterator[str]:
    if now < row.starts_at:
        yield "not-yet"
    if read_template(row.document).terms.validity.window(now) is None:
        yield "over"
    if row.sold_out:
        yield "sold-out"
    if row.claimed >= row.per_member:
        yield "already-claimed"


def _why_not(code: str) -> Mapping[str, str]:
    zh, en = _WHY_NOT[code]
    return {"code": code, "zh": zh, "en": en}


def _unusable(
    offer: Offer, shopper: Shopper, store: ListedStore | None, now: datetime
) -> Iterator[Mapping[str, str]]:
    """Return why it could not be used now, at a store if one is named, whatever is bought."""
    for each in conditions.unmet(offer, Basket(items=(), shopper=shopper, at=now)):
        if each.code in _OF_NO_SALE:
            yield {"code": each.code, "zh": each.zh, "en": each.en}
    if store is not None and not _serves(offer, store):
        yield {"code": "wrong-place", "zh": "本店不适用", "en": "not at this store"}


def _serves(offer: Offer, store: ListedStore) -> bool:
    include, exclude = offer.scope.include, offer.scope.exclude
    return (
        (not include.merchants or store.merchant.code in include.merchants)
        and (not include.stores or store.code in include.stores)
        and (not include.trades or store.merchant.trade in include.trades)
        and not _shut_out(exclude, store)
    )


def _shut_out(exclude: Chosen, store: ListedStore) -> bool:
    return (
        store.merchant.code in exclude.merchants
        or store.code in exclude.stores
        or store.merchant.trade in exclude.trades
    )


def _shopper(session: Session, member: KnownMember, rows: Sequence[Any]) -> Shopper:
    """Return the member as offers see him; his birthday is opened only where one asks for it."""
    offers = [offer for row in rows if (offer := read_template(row.document).offer) is not None]
    asked = any(offer.who.birthday for offer in offers)
    return Shopper(
        tier=member.tier,
        segments=frozenset(rows[0].segments if rows else ()),
        first_purchase=bool(rows) and not rows[0].bought,
        birthday=birthday_of(session, member) if asked else None,
    )


_WHY_NOT = {
    "not-yet": ("尚未开始", "it has not begun"),
    "over": ("已结束", "it is over"),
    "sold-out": ("已领完", "there is no more"),
    "already-claimed": ("已达领取上限", "nobody may have more"),
}
_IS_OFFERED: LiteralString = """(v.document -> 'terms' -> 'claim')::boolean
    AND NOT EXISTS (SELECT FROM coupon_code_run r WHERE r.batch_id = b.id)
    AND NOT EXISTS (SELECT FROM coupon_pack p WHERE p.batch_id = b.id)"""
_OFFERED: LiteralString = f"""
    SELECT true FROM coupon_batch b JOIN coupon_template_version v ON v.id = b.version_id
    WHERE b.code = %(batch)s AND {_IS_OFFERED}
"""  # noqa: S608
_OFFERS: LiteralString = f"""
    SELECT b.id, b.code AS batch, b.starts_at, b.ends_at, b.per_member,
        v.document::text AS document,
        (SELECT count(*) FROM coupon_taking t
         WHERE t.batch_id = b.id AND t.holder IN (
            SELECT m.public_id FROM member m
            WHERE m.id = %(member)s OR m.merged_into_id = %(member)s)) AS claimed,
        EXISTS (
            SELECT FROM coupon_ceiling c JOIN coupon_tally y
                ON y.batch_id = c.batch_id AND y.what = c.what AND y.scope = c.scope
                AND y.slot = CASE c.scope WHEN 'day' THEN %(day)s ELSE '' END
            WHERE c.batch_id = b.id AND c.what = 'issued' AND c.scope <> 'store'
                AND y.reserved + y.used >= c.ceiling) AS sold_out,
        EXISTS (
            SELECT FROM "order" o JOIN member m ON m.id = o.member_id
            WHERE (m.id = %(member)s OR m.merged_into_id = %(member)s)
                AND o.state = 'paid') AS bought,
        {CODES_OF_MEMBER} AS segments
    FROM coupon_batch b JOIN coupon_template_version v ON v.id = b.version_id
    WHERE b.closed_at IS NULL AND b.ends_at > %(now)s AND {_IS_OFFERED}
        AND (%(before)s::bigint IS NULL OR b.id < %(before)s)
    ORDER BY b.id DESC LIMIT %(most)s
"""  # noqa: S608
