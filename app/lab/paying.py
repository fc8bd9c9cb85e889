"""What a made-up buyer pays for a basket, be it sold already."""

from sqlalchemy.orm import Session

from app.checkout import orders
from app.checkout.baskets import Basket
from app.checkout.pricing import price


def due_fen(session: Session, basket: Basket) -> int:
    """Return what a basket costs in money, or what it did cost if the till's number is known.

    The number comes first: priced again, a basket that was sold would find its points gone.
    """
    wallet = orders.lock_wallet(session, basket)
    known = orders.find_by_number(session, terminal=basket.terminal, number=basket.number)
    return price(session, basket, wallet).due_fen if known is None else known.due_fen
