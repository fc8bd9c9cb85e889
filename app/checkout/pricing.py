"""What a sale would take and give: coupons used, points burned, money due, points earned (P2).

The same steps serve a quote, which stops here, and an order, which goes on to post.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from fractions import Fraction

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.checkout.baskets import ALL_POINTS, Basket, BasketLine, Tender, not_ahead
from app.checkout.discounts import NO_COUPONS, Stack
from app.checkout.sharing import SaleLine, Shared, share
from app.checkout.stacks import Chosen, choose
from app.clock import business_date, day_start
from app.members.birthdays import birthday_of
from app.merchants.directory import Directory, ListedMerchant, get_directory
from app.merchants.models import MayBurn
from app.points import burns
from app.points.burning import Burn, Burning, burn, may_burn
from app.points.caps import Used, limited
from app.points.earning import Earned, PaidLine, PaidOrder, Why, earn
from app.points.explaining import Silent, preview
from app.points.lots import HeldLot, Wallet
from app.points.policy import Programme
from app.points.programme import burn_terms_at, programme_at
from app.points.rules import get_rule_book

NO_BURN = Burn(points=0, value_fen=0)


@dataclass(frozen=True, kw_only=True)
class Priced:
    """A basket with its coupons and points decided: who pays what, and the money that is left.

    `only` names the merchant whose lines alone a lot may pay for, where that is not all of them.
    """

    basket: Basket
    directory: Directory
    programme: Programme
    merchants: Sequence[ListedMerchant]
    lines: Sequence[SaleLine]
    burn: Burn
    parts: Sequence[tuple[int, int]]
    only: Mapping[int, int]
    stack: Stack = NO_COUPONS
    chosen: Chosen | None = None

    @property
    def discount_fen(self) -> int:
        """What coupons take off it."""
        return self.stack.fen

    @property
    def holders(self) -> Sequence[str]:
        """The names under which the member's coupons are kept."""
        return self.chosen.holders if self.chosen else ()

    @property
    def due_fen(self) -> int:
        """Money that is to be paid."""
        return self.basket.total_fen - self.discount_fen - self.burn.value_fen

    @property
    def sold_to_self(self) -> bool:
        """Whether the cashier at the till is the member who buys (semantics 56)."""
        member, store = self.basket.member, self.basket.terminal.store
        cashier = self.directory.cashiers.get((store.id, self.basket.cashier or ""))
        return member is not None and cashier is not None and cashier.id in member.cashier_ids


def price(
    session: Session,
    basket: Basket,
    wallet: Wallet | None,
    *,
    tenders: Sequence[Tender] | None = None,
) -> Priced:
    """Decide a basket's coupons, then points, under the policy of its business time, or burn's own.

    No SQL when warm but one statement where a daily limit is set, and two or three where coupons
    are asked for. Asks above the order are cut. `tenders`, where they are known, decide about
    coupons that are bound to some.

    Raises:
        Invalid: its business time is more than ten minutes ahead.
        MemberNotActive: the wallet's member may neither earn nor burn (M11).
        InsufficientPoints: more is asked than the wallet may spend here.
        Frozen, NotFound, NoTermsInForce: store, till or a line's merchant cannot sell.
    """
    not_ahead(session, basket.occurred_at)
    basket.terminal.require_open()
    if wallet is not None:
        wallet.member.require_active()
    directory = get_directory(session)
    own = basket.terminal.store.merchant
    merchants = [
        directory.get_merchant(line.merchant) if line.merchant else own for line in basket.lines
    ]
    day = business_date(basket.burns_at)
    lines = [
        _sale_line(number, line, merchant, own, day)
        for number, (line, merchant) in enumerate(zip(basket.lines, merchants, strict=True), 1)
    ]
    programme = programme_at(session, basket.occurred_at)
    chosen = None
    if basket.coupons or basket.offline:
        names = None if tenders is None else [tender.name for tender in tenders if tender.fen]
        chosen = choose(session, basket, lines, merchants, directory=directory, tenders=names)
        lines = chosen.stack.taken_off(lines)
    burned: Burn = NO_BURN
    parts: Sequence[tuple[int, int]] = []
    if wallet is not None and basket.burn_points:
        burned, parts = _burn(session, basket, wallet, lines)
    return Priced(
        basket=basket,
        directory=directory,
        programme=programme,
        merchants=merchants,
        lines=lines,
        burn=burned,
        parts=parts,
        only=bound(wallet.lots, lines) if wallet is not None and parts else {},
        stack=chosen.stack if chosen else NO_COUPONS,
        chosen=chosen,
    )


def with_all_points(session: Session, priced: Priced, wallet: Wallet) -> Priced:
    """Return a priced basket as it would be with as many points as may be burned."""
    basket = replace(priced.basket, burn_points=ALL_POINTS)
    burned, parts = _burn(session, basket, wallet, priced.lines)
    return replace(priced, basket=basket, burn=burned, parts=parts)


def allot(priced: Priced, tenders: Sequence[Tender]) -> Shared:
    """Share a priced sale's coupons, points and money over its lines, once."""
    return share(
        priced.lines,
        tenders=[(tender.name, tender.fen) for tender in tenders],
        lots=priced.parts,
        only=priced.only,
        value_fen=priced.burn.value_fen,
        gifts=priced.stack.gifts,
        first=priced.programme.return_first,
    )


def earn_points(
    session: Session, priced: Priced, shared: Shared, *, used: Used | None = None
) -> Earned:
    """Return what a shared sale earns its member, within the caps of rules; without one, nothing.

    `used` is what sales that are written with it have taken of the caps.
    """
    basket = priced.basket
    if basket.member is None:
        return Earned.of([], lines=len(priced.lines))
    order = paid_order(session, priced, shared)
    rules = get_rule_book(session).in_force(
        basket.occurred_at, merchants={merchant.public_id for merchant in priced.merchants}
    )
    earned = earn(rules, order, combine=priced.programme.combine)
    return limited(session, earned, member_id=basket.member.id, day=basket.business_date, used=used)


def gives_none(session: Session, priced: Priced, shared: Shared) -> list[Silent]:
    """Return the rules that give nothing because a merchant may give no points, as a quote does.

    Looks at the rules only where some merchant of the sale may give none.
    """
    if priced.basket.member is None or all(merchant.issues for merchant in priced.merchants):
        return []
    found = preview(
        get_rule_book(session),
        paid_order(session, priced, shared),
        combine=priced.programme.combine,
    )
    return [each for each in found.silent if each.why is Why.MERCHANT_GIVES_NONE]


def paid_order(session: Session, priced: Priced, shared: Shared) -> PaidOrder:
    """Return a shared sale as earning rules see it. A merchant that issues none gives none.

    The member's birthday is opened where some rule of the district asks for one.
    """
    member = priced.basket.member
    birthday = None
    if member is not None and get_rule_book(session).asks_birthday:
        birthday = birthday_of(session, member)
    return PaidOrder(
        occurred_at=priced.basket.occurred_at,
        lines=[
            PaidLine(
                merchant=merchant.public_id,
                trade=merchant.trade,
                category=line.category,
                paid_fen=paid,
                gives=merchant.issues,
            )
            for line, merchant, paid in zip(
                priced.basket.lines, priced.merchants, shared.paid_fen(), strict=True
            )
        ],
        tier=None if member is None else member.tier,
        birthday=birthday,
    )


def _sale_line(
    number: int, line: BasketLine, merchant: ListedMerchant, own: ListedMerchant, day: date
) -> SaleLine:
    terms = merchant.terms_at(day)
    burnable = terms.may_burn is MayBurn.ANY or (
        terms.may_burn is MayBurn.OWN and merchant.id == own.id
    )
    return SaleLine(
        number=number,
        merchant_id=merchant.id,
        quantity=line.quantity,
        amount_fen=line.amount_fen,
        refundable=line.refundable,
        burnable=burnable,
    )


def _burn(
    session: Session,
    basket: Basket,
    wallet: Wallet,
    lines: Sequence[SaleLine],
) -> tuple[Burn, Sequence[tuple[int, int]]]:
    own = basket.terminal.store.merchant
    day = business_date(basket.burns_at)
    terms = burn_terms_at(
        session, merchant=own.public_id, tier=wallet.member.tier, at=basket.burns_at
    )
    burned_today = 0
    if terms.daily_limit_points is not None:
        burned_today = _burned_on(session, wallet, day)
    rate = programme_at(session, basket.burns_at).point_value_fen
    order = Burning(
        order_fen=sum([line.payable_fen for line in lines]),
        burnable_fen=sum([line.burnable_fen for line in lines]),
        point_value_fen=rate,
        terms=terms,
        burned_today_points=burned_today,
    )
    usable = usable_lots(wallet, own, lines, day=day, point_value_fen=rate)
    balance = max(sum(points for _, points in usable) - wallet.debt_points(day), 0)
    if basket.burn_points == ALL_POINTS:
        decided = may_burn(order, balance_points=balance)
    else:
        decided = burn(order, asked_points=basket.burn_points, balance_points=balance)
    if not decided.value_fen:
        return Burn(points=0, value_fen=0, limits=decided.limits), []
    return decided, burns.draw(usable, decided.points)


def usable_lots(
    wallet: Wallet,
    merchant: ListedMerchant,
    lines: Sequence[SaleLine],
    *,
    day: date,
    point_value_fen: Fraction,
) -> list[tuple[int, int]]:
    """Return (lot, points) that may pay for an order at a merchant on a day, in the order of B4.

    Of points that one merchant alone accepts, as many as are worth no more than its lines.
    """
    may = merchant.terms_at(day).may_burn
    if may is MayBurn.NONE:
        return []
    lots = wallet.spendable(
        day, merchants=_burnable_fen(lines), issuer_id=merchant.id if may is MayBurn.OWN else None
    )
    only = bound(lots, lines)
    room = {
        each: fen * point_value_fen.denominator // point_value_fen.numerator
        for each, fen in _burnable_fen(lines).items()
    }
    usable = []
    for lot in lots:
        points = lot.free
        if lot.account_id in only:
            points = min(points, room[only[lot.account_id]])
            room[only[lot.account_id]] -= points
        usable.append((lot.account_id, points))
    return usable


def bound(lots: Iterable[HeldLot], lines: Sequence[SaleLine]) -> dict[int, int]:
    """Return the merchant whose lines alone a lot may pay for, by lot; none where all are its."""
    if len(_burnable_fen(lines)) < 2:
        return {}
    return {
        lot.account_id: lot.meaning.restriction_merchant_id
        for lot in lots
        if lot.meaning.restriction_merchant_id is not None
    }


def _burnable_fen(lines: Sequence[SaleLine]) -> dict[int, int]:
    """Return what points may pay for, by merchant; merchants with nothing to pay are left out."""
    fen: dict[int, int] = {}
    for line in lines:
        if line.burnable_fen:
            fen[line.merchant_id] = fen.get(line.merchant_id, 0) + line.burnable_fen
    return fen


def _burned_on(session: Session, wallet: Wallet, day: date) -> int:
    burned = session.scalar(
        _BURNED_ON,
        {
            "member": wallet.member.id,
            "day": day,
            "start": day_start(day),
            "end": day_start(day + timedelta(days=1)),
            "now": wallet.now,
        },
    )
    return int(burned or 0)


# An exchange keeps the day of its first sale, but its points are spent when it is recorded. A burn
# that is captured is an order. Three looks by index, so that a long history costs nothing.
_BURNED_ON = text(
    """
    WITH same AS (
        SELECT ARRAY(SELECT id FROM member WHERE id = :member OR merged_into_id = :member) AS person
    )
    SELECT coalesce((
        SELECT sum(burned_points) FROM "order"
        WHERE member_id = ANY (same.person) AND business_date = :day AND kind <> 'exchange'
            AND (state = 'paid' OR (state = 'awaiting_payment' AND until > :now))), 0)
        + coalesce((
        SELECT sum(burned_points) FROM "order"
        WHERE member_id = ANY (same.person) AND kind = 'exchange'
            AND recorded_at >= :start AND recorded_at < :end
            AND (state = 'paid' OR (state = 'awaiting_payment' AND until > :now))), 0)
        + coalesce((
        SELECT sum(points) FROM burn
        WHERE member_id = ANY (same.person) AND recorded_at >= :start AND recorded_at < :end
            AND state = 'authorised' AND until > :now), 0)
    FROM same
    """
)
