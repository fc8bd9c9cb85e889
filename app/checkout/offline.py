"""Coupons at tills without the network: made out for a store, then sold with (C18; reliability 10).

What the customer was given stays given. A coupon that cannot be honoured becomes a discount of the
store's own, and the caller is told what a break says of it: why, and how much.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from app.checkout import orders
from app.checkout.baskets import Basket, OfflineUse, Tender
from app.checkout.drafts import Sale
from app.checkout.errors import BusinessKeyConflict, PaymentMismatch
from app.checkout.pricing import Priced, price
from app.checkout.stacks import holders_of, shopper_of
from app.errors import NotFound
from app.members.identification import KnownMember
from app.members.sealing import coupon_keys
from app.merchants.directory import ListedStore
from app.points.lots import Wallet
from app.sealing import offline_key
from config.database import now_of
from coupons import conditions, offline, wallets
from coupons.conditions import Item
from coupons.errors import BadToken, NotOffline
from coupons.offline import Judged, MadeOutCoupon, Wrong
from coupons.rules import spread


@dataclass(frozen=True, kw_only=True)
class OfflineSale:
    """A sale with an offline coupon, which gave `given_fen`, and what became of the coupon.

    `wrong` None: it is honoured; else the store bears what it gave, and `owner` looks into it.
    `sale` None: it was not written, for it came too late.
    """

    coupon: str
    jti: str
    given_fen: int
    skewed: bool
    wrong: Wrong | None
    owner: str
    sale: Sale | None


def make_out(
    session: Session, *, member: KnownMember, coupon: str, store: ListedStore
) -> MadeOutCoupon:
    """Make a member's coupon out for a store, if it would serve him there; again, the same token.

    Raises:
        NotFound: the member has no such coupon.
        NotOffline: its template does not allow it, or it would not serve him there.
        As `coupons.offline.make_out`.
    """
    holders = holders_of(session, member)
    held = next((each for each in wallets.find(session, coupons=[coupon])), None)
    if held is None or held.holder not in holders:
        raise NotFound("coupon", coupon)
    merchant = store.merchant
    here = Item(
        number=1, merchant=merchant.code, store=store.code, trade=merchant.trade, category="",
        sku="", quantity=1, amount_fen=1,
    )  # fmt: skip
    unmet = conditions.unmet(
        held.offer,
        conditions.Basket(
            items=(here,),
            shopper=shopper_of(session, member, [merchant], [held.offer]),
            at=now_of(session),
        ),
    )
    if unmet and not held.template.unseen:
        raise NotOffline(
            coupon, "；".join(each.zh for each in unmet), "; ".join(each.en for each in unmet)
        )
    return offline.make_out(
        session,
        held=held,
        holders=holders,
        store=store.public_id,
        key=offline_key(session),
        code_keys=coupon_keys(session),
    )


def sell(session: Session, basket: Basket, tenders: Sequence[Tender], *, token: str) -> OfflineSale:
    """Sell what a till sold offline with a coupon, by its token; the sale and the coupon at once.

    The coupon gave what the tenders leave of the total. One that is not honoured leaves a sale at
    prices that are lower by so much. The till's number again tells the first sale. Locks the
    member's wallet, then the coupon.

    Raises:
        BadToken: it is no token of ours; nothing is written.
        PaymentMismatch: the tenders leave less than nothing, or more than the token gives.
        As `orders.sell`.
    """
    wallet = orders.lock_wallet(session, basket)
    wish = _with_token(session, basket, token)
    given_fen = wish.total_fen - sum(tender.fen for tender in tenders)
    known = _find_known(session, wish, tenders, given_fen)
    judged = _judge(session, wish)
    if known is not None:
        wrong = None if known.stack.uses else judged.wrong or Wrong.UNMET
        return _told(judged, wrong, given_fen, known)
    _check_given(wish, judged, given_fen)
    priced, wrong = _price(session, wish, judged, wallet, tenders=tenders, given_fen=given_fen)
    return _told(judged, wrong, given_fen, orders.settle_priced(session, priced, wallet, tenders))


def find_known(
    session: Session, basket: Basket, tenders: Sequence[Tender], *, token: str
) -> OfflineSale:
    """Return a sale that came too late to be written, as it was written before, or its break.

    Raises:
        As `sell`.
    """
    wish = _with_token(session, basket, token)
    given_fen = wish.total_fen - sum(tender.fen for tender in tenders)
    known = _find_known(session, wish, tenders, given_fen)
    judged = _judge(session, wish)
    if known is not None:
        wrong = None if known.stack.uses else judged.wrong or Wrong.UNMET
        return _told(judged, wrong, given_fen, known)
    _check_given(wish, judged, given_fen)
    return _told(judged, judged.wrong or Wrong.LATE, given_fen, None)


def _with_token(session: Session, basket: Basket, token: str) -> Basket:
    said = offline.read(session, token, current=offline_key(session).public_key())
    return replace(basket, token=said.jti)


def _judge(session: Session, wish: Basket) -> Judged:
    judged = offline.judge(
        session,
        jti=wish.token or "",
        store=wish.terminal.store.public_id,
        used_at=wish.occurred_at,
    )
    if judged is None:
        raise BadToken
    return judged


def _find_known(
    session: Session, wish: Basket, tenders: Sequence[Tender], given_fen: int
) -> Sale | None:
    """Return the sale of the till's number: it was written at full prices, or at lower ones."""
    try:
        return orders.find_known(session, wish, tenders)
    except BusinessKeyConflict:
        if not 0 < given_fen <= wish.total_fen:
            raise
    return orders.find_known(session, _at_own_cost(wish, given_fen), tenders)


def _check_given(wish: Basket, judged: Judged, given_fen: int) -> None:
    if not 0 < given_fen <= min(judged.fen, wish.total_fen):
        due_fen = wish.total_fen - min(judged.fen, wish.total_fen)
        raise PaymentMismatch(due_fen=due_fen, paid_fen=wish.total_fen - given_fen)


def _price(
    session: Session,
    wish: Basket,
    judged: Judged,
    wallet: Wallet | None,
    *,
    tenders: Sequence[Tender],
    given_fen: int,
) -> tuple[Priced, Wrong | None]:
    """Return the sale with its coupon, or at the store's own cost, and why.

    Goods that the coupon does not count, or another discount than theirs: it is not honoured.
    """
    wrong = judged.wrong
    if wrong is None:
        use = OfflineUse(
            jti=judged.jti, coupon=judged.coupon, holder=judged.holder, skewed=judged.skewed
        )
        priced = price(session, replace(wish, offline=use), wallet, tenders=tenders)
        if priced.stack.uses and priced.discount_fen == given_fen:
            return priced, None
        wrong = Wrong.UNMET
    return price(session, _at_own_cost(wish, given_fen), wallet, tenders=tenders), wrong


def _at_own_cost(wish: Basket, given_fen: int) -> Basket:
    """Return the basket at prices that are lower by what the till gave: a discount of its own."""
    shares = spread(given_fen, [line.amount_fen for line in wish.lines])
    return replace(
        wish,
        lines=[
            replace(line, amount_fen=line.amount_fen - share)
            for line, share in zip(wish.lines, shares, strict=True)
        ],
    )


def _told(judged: Judged, wrong: Wrong | None, given_fen: int, sale: Sale | None) -> OfflineSale:
    return OfflineSale(
        coupon=judged.coupon,
        jti=judged.jti,
        given_fen=given_fen,
        skewed=judged.skewed,
        wrong=wrong,
        owner=judged.owner,
        sale=sale,
    )
