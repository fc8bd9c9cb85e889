"""The campaigns of a replay in the district: opened, granted, tried at the tills, each one proved.

The answer to every basket with coupons is checked by the engine's second mind (`checking`), for the
coupons that were brought and for the best of all that the household has. What may not be used stays
with the household, and the basket is sold without it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from app import audit
from app.audit import Act
from app.checkout import orders, refunds
from app.checkout.baskets import BEST, Basket, Tender
from app.checkout.drafts import Sale
from app.checkout.errors import RefundExceedsRemaining
from app.checkout.pricing import Priced, price
from app.checkout.refunds import Refunded, RefundRequest
from app.checkout.returns import RefundAmount
from app.checkout.stacks import MOST
from app.clock import day_start
from app.lab.campaigns import CampaignCoupon, Campaigns
from app.members.identification import list_by_cards
from config.database import Database
from coupons import batches, candidates, checking, conditions, issuing, wallets
from coupons.benefits import AmountOff
from coupons.offers import Chosen, Offer, Scope, Stacking
from coupons.presets import DISTRICT_PAYS
from coupons.stacking import LeftOut
from coupons.templates import Template
from coupons.terms import Terms, Validity
from coupons.wallets import Standing

BY = "system:replay"

_GRANTED = "replay.granted"
_REFUSED = "replay.coupon-refused"


def prepare(
    database: Database, district: str, campaigns: Campaigns, *, tell: Callable[[str], None]
) -> None:
    """Open a batch for each coupon and grant it to its households on the campaign's first day.

    Killed in the middle, it is called again: what is granted stays so, and nobody has two.
    """
    with database.transaction(district, read_only=True) as session:
        if session.scalar(_IS_GRANTED, {"action": _GRANTED}):
            return
    for number, coupon in enumerate(campaigns.coupons):
        if number % 100 == 0:
            tell(f"券模板 / coupons {number}/{len(campaigns.coupons)}")
        with database.transaction(district, at=day_start(coupon.first)) as session:
            _grant(session, coupon)
    with database.transaction(district) as session:
        audit.record(session, actor=BY, action=_GRANTED, object=f"district:{district}")


def sell(session: Session, basket: Basket, wanted: Sequence[str]) -> Sale:
    """Sell a household's basket with those of its coupons that it may use of those it brought.

    `wanted` are codes of campaigns' coupons; why one is not used is written down.

    Raises:
        AssertionError: the engine's answer to what it brought, or to all it has, is not proved.
    """
    assert basket.member is not None, "campaigns are the households'"
    wallet = orders.lock_wallet(session, basket)
    theirs = _theirs(session, basket.member.public_id, wanted)
    brought = list(dict.fromkeys(theirs[code] for code in wanted if code in theirs))
    prove(session, price(session, replace(basket, coupons=BEST), wallet))
    priced = price(session, replace(basket, coupons=brought), wallet)
    prove(session, priced)
    used = [use.coupon for use in priced.stack.uses]
    audit.record_many(session, list(_refusals(session, priced, wanted, theirs, used)))
    due = [Tender(name="cash", fen=priced.due_fen)] if priced.due_fen else []
    return orders.sell(session, replace(basket, coupons=used), due)


def give_back(session: Session, request: RefundRequest) -> Refunded | None:
    """Give a refund, of an amount as far as the customer paid so much; None: he paid nothing of it.

    Dice that know nothing of coupons may ask for more than was paid (semantics 11).
    """
    try:
        return refunds.give(session, request)
    except RefundExceedsRemaining as refused:
        (part,) = request.parts
        if not isinstance(part, RefundAmount) or not refused.remaining:
            return None
        return refunds.give(session, replace(request, parts=[replace(part, fen=refused.remaining)]))


def prove(session: Session, priced: Priced) -> None:
    """Check what the engine answered to a basket, from the coupons and the lines anew.

    Raises:
        AssertionError: the answer or its certificate does not hold.
    """
    chosen = priced.chosen
    if chosen is None or chosen.answer is None:
        return
    basket = priced.basket
    if tuple(basket.coupons) == BEST:
        found = _usable(wallets.wallet(session, holders=chosen.holders))[:MOST]
    else:
        found = _usable(wallets.find(session, coupons=basket.coupons))
    asked = conditions.Basket(
        items=tuple(_items(priced)), shopper=conditions.Shopper(), at=basket.burns_at
    )
    faults = checking.faults(
        chosen.answer,
        [_candidate(each) for each in found],
        asked,
        at_most=chosen.rules.at_most,
        points=chosen.rules.points,
    )
    if faults:
        raise AssertionError(f"basket {basket.number}: {faults}")


def figures(session: Session, *, no_basket: int) -> Mapping[str, object]:
    """Return what became of the campaigns: coupons granted, redeemed, refused by reason, no basket.

    All that was tried is redeemed or refused once, so with `no_basket` they add up to the data set.
    """
    reasons = session.execute(_REASONS, {"action": _REFUSED})
    return {
        "granted": session.scalar(_ISSUED) or 0,
        "redeemed": session.scalar(_REDEEMED) or 0,
        "refused": {row.reason: row.times for row in reasons},
        "no_basket": no_basket,
    }


def _grant(session: Session, coupon: CampaignCoupon) -> None:
    batches.add_template(session, _template(coupon), by=BY)
    batches.open_batch(
        session,
        code=coupon.code,
        template=coupon.code,
        starts_at=day_start(coupon.first),
        ends_at=day_start(coupon.through + timedelta(days=1)),
        by=BY,
    )
    cards = [str(household) for household in coupon.households]
    holders = [member.public_id for member in list_by_cards(session, cards).values()]
    for first in range(0, len(holders), issuing.MOST_AT_ONCE):
        some = holders[first : first + issuing.MOST_AT_ONCE]
        issuing.grant(session, batch=coupon.code, holders=some, key="campaign")


def _template(coupon: CampaignCoupon) -> Template:
    skus = frozenset([str(product) for product in coupon.products])
    return Template(
        code=coupon.code,
        title_zh=f"活动券 {coupon.code}",
        title_en=f"campaign coupon {coupon.code}",
        offer=Offer(
            benefit=AmountOff(fen=coupon.face_fen),
            stacking=Stacking(place=10),
            scope=Scope(include=Chosen(skus=skus)),
        ),
        terms=Terms(
            validity=Validity(first=coupon.first, through=coupon.through),
            funding=DISTRICT_PAYS,
            personal=True,
        ),
    )


def _theirs(session: Session, holder: str, codes: Sequence[str]) -> dict[str, str]:
    rows = session.execute(_THEIRS, {"holder": holder, "codes": list(codes)})
    return {row.code: row.public_id for row in rows}


def _refusals(
    session: Session,
    priced: Priced,
    wanted: Sequence[str],
    theirs: Mapping[str, str],
    used: Sequence[str],
) -> Iterable[Act]:
    """Say why each of the coupons is not used; one that is brought twice is used up by then."""
    why = {
        each.coupon: each.standing.value
        for each in wallets.find(session, coupons=list(theirs.values()))
        if each.standing is not Standing.USABLE
    }
    answer = priced.chosen.answer if priced.chosen else None
    why |= {each.coupon: _reason(each) for each in (answer.left_out if answer else ())}
    why |= dict.fromkeys(used, Standing.USED.value)
    free = set(used)
    for code in wanted:
        coupon = theirs.get(code, "")
        if coupon in free:
            free.remove(coupon)
        else:
            yield Act(
                actor=BY,
                action=_REFUSED,
                object=f"coupon-batch:{code}",
                after={"basket": priced.basket.number, "reason": why.get(coupon, "not-granted")},
            )


def _reason(left_out: LeftOut) -> str:
    return left_out.unmet[0].code if left_out.unmet else left_out.why.value


def _usable(found: Sequence[wallets.Held]) -> list[wallets.Held]:
    return [each for each in found if each.standing is Standing.USABLE]


def _candidate(held: wallets.Held) -> candidates.Held:
    return candidates.Held(
        id=held.coupon,
        template=held.template.code,
        version=held.version,
        offer=held.offer,
        expires_at=held.valid_until,
    )


def _items(priced: Priced) -> Iterable[conditions.Item]:
    basket = priced.basket
    for number, (line, merchant) in enumerate(
        zip(basket.lines, priced.merchants, strict=True), start=1
    ):
        yield conditions.Item(
            number=number,
            merchant=merchant.code,
            store=basket.terminal.store.code,
            trade=merchant.trade,
            category=line.category,
            sku=line.sku,
            quantity=line.quantity,
            amount_fen=line.amount_fen,
        )


_IS_GRANTED = text("SELECT EXISTS (SELECT FROM audit_record WHERE action = :action)")
_THEIRS = text(
    "SELECT b.code, c.public_id FROM coupon c JOIN coupon_batch b ON b.id = c.batch_id "
    "WHERE c.holder = :holder AND b.code = ANY (:codes)"
)
_ISSUED = text("SELECT count(*) FROM coupon WHERE how = 'grant'")
_REDEEMED = text("SELECT count(*) FROM coupon_redemption")
_REASONS = text(
    "SELECT after ->> 'reason' AS reason, count(*) AS times FROM audit_record "
    "WHERE action = :action GROUP BY 1 ORDER BY 1"
)
