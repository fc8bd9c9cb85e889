"""What a sale would take and give: coupons used, points burned, money due, points earned (P2).

The same steps serve a quote, which stops here, and an order, which goes on to post.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from sqlalchemy.orm import Session

from app.checkout.baskets import ALL_POINTS, Basket, BasketLine, Tender, not_ahead
from app.checkout.discounts import NO_COUPONS, Stack
from app.checkout.sharing import SaleLine, Shared, share
from app.checkout.spending import NO_BURN, NO_POINTS, Spending, bound, spending_of
from app.checkout.stacks import Chosen, Rules, choose
from app.clock import business_date
from app.members.birthdays import birthday_of
from app.merchants.directory import Directory, ListedMerchant, get_directory
from app.merchants.models import MayBurn
from app.points.burning import Burn
from app.points.caps import Used, limited
from app.points.earning import Earned, PaidLine, PaidOrder, Why, earn
from app.points.explaining import Silent, preview
from app.points.lots import Wallet
from app.points.policy import BestBy, Programme
from app.points.programme import programme_at
from app.points.rules import get_rule_book
from coupons.candidates import Points


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
    spending, chosen = None, None
    if wallet is not None and basket.burn_points:
        spending = spending_of(session, basket, wallet)
    if basket.coupons or basket.offline:
        names = None if tenders is None else [tender.name for tender in tenders if tender.fen]
        rules = Rules(
            at_most=programme.coupons_at_most, points=_counted(programme, spending, lines)
        )
        chosen = choose(
            session, basket, lines, merchants, directory=directory, tenders=names, rules=rules
        )
        lines = chosen.stack.taken_off(lines)
    burned: Burn = NO_BURN
    parts: Sequence[tuple[int, int]] = []
    if spending is not None:
        burned, parts = spending.decide(lines)
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


def _counted(
    programme: Programme, spending: Spending | None, lines: Sequence[SaleLine]
) -> Points | None:
    """Return the points that the search counts in; None: the most discount is best.

    Where the least to pay is best, stored value counts without points too.
    """
    if programme.best_by is BestBy.DISCOUNT:
        return None
    return NO_POINTS if spending is None else spending.counted(lines)


def with_all_points(session: Session, priced: Priced, wallet: Wallet) -> Priced:
    """Return a priced basket as it would be with as many points as may be burned."""
    basket = replace(priced.basket, burn_points=ALL_POINTS)
    burned, parts = spending_of(session, basket, wallet).decide(priced.lines)
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
