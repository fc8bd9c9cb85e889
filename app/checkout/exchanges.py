"""Exchanges: an order edited after payment is a refund and a new order (semantics 13).

What stays keeps the rules of the first sale: the new order earns by its business time. Its points
are spent today, though: what has expired since pays for nothing.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from app.checkout import orders, refunds, taps
from app.checkout.baskets import Basket, Tender
from app.checkout.drafts import Sale
from app.checkout.errors import BusinessKeyConflict
from app.checkout.models import OrderKind
from app.checkout.pricing import price
from app.checkout.refunds import Refunded, RefundRequest
from app.checkout.stacks import require_all
from app.clock import business_date
from app.members.identification import get_by_id
from app.points import lots
from app.points.lots import Wallet
from config.database import now_of


@dataclass(frozen=True, kw_only=True)
class Exchanged:
    """Both halves of an exchange; the till takes or pays out the difference."""

    refund: Refunded
    order: Sale

    @property
    def to_pay_fen(self) -> int:
        """Money the customer still pays; below zero: gets back."""
        return self.order.due_fen - sum(self.refund.money_fen.values())


def exchange(
    session: Session, *, request: RefundRequest, basket: Basket, tenders: Sequence[Tender]
) -> Exchanged:
    """Refund parts of a paid order and sell a new basket to its member, all or nothing.

    The basket is sold to the member of the first sale and at its business time, so that its rule
    versions and expiries apply. `tenders` pay for all that the basket owes, out of what was given
    back too. Locks the order, then the wallet; both halves are posted in one call. A repeat with
    the till's two numbers returns both halves and moves nothing.

    Raises:
        MemberNotActive: the member may only get a plain refund.
        BusinessKeyConflict: one of the two numbers names another sale or refund already.
        As `refunds.give` and `orders.sell`.
    """
    first = orders.get_locked(session, request.order)
    renewed = replace(
        basket,
        kind=OrderKind.EXCHANGE.value,
        member=None if first.member_id is None else get_by_id(session, first.member_id),
        occurred_at=first.occurred_at,
        spent_at=now_of(session),
        replaces=(request.order, request.number),
    )
    wallet = orders.lock_wallet(session, renewed)
    found = orders.look_up(session, renewed, tenders)
    known = _find_known(session, request, renewed, found.known)
    if known is not None:
        return known
    if wallet is not None:
        wallet.member.require_active()
    planned = refunds.plan(session, request, first)
    wallet = _wallet(session, planned)
    # Coupons of the first sale are back before the new order is priced; if the member has yet to be
    # asked, they are not.
    with session.begin_nested() if planned.coupons or planned.gifts else nullcontext():
        refunds.roll_back(session, planned)
        priced = price(session, renewed, wallet, tenders=tenders)
        require_all(renewed, priced.chosen)
        taps.require(session, priced, wallet, burns_in_the_hour=found.burns_in_the_hour)
    # Written before the new order earns, which finds the room that the refund leaves under caps.
    refunded = refunds.record(session, request, planned)
    order = orders.settle_priced(session, priced, wallet, tenders, before=planned.journals)
    return Exchanged(refund=refunded, order=order)


def _find_known(
    session: Session, request: RefundRequest, renewed: Basket, sold: Sale | None
) -> Exchanged | None:
    refunded = refunds.find_known(session, request)
    if refunded is not None and sold is not None:
        return Exchanged(refund=refunded, order=sold)
    # The halves are written together: one alone is a plain refund, or half of another exchange.
    if refunded is not None:
        raise BusinessKeyConflict("refund", request.number, refunded.public_id)
    if sold is not None:
        raise BusinessKeyConflict("order", renewed.number, sold.public_id)
    return None


def _wallet(session: Session, planned: refunds.Planned) -> Wallet | None:
    """Return the member's wallet as the refund will leave it, lots that it opens included."""
    if planned.member is None:
        return None
    postings = [posting for journal in planned.journals for posting in journal.postings]
    touched = [account for each in postings for account in (each.debit_id, each.credit_id)]
    wallet = lots.lock(session, planned.member, day=business_date(now_of(session)), also=touched)
    return wallet.after(postings)
