"""A merchant, a store or a till by its code, its row locked for a change.

The lock leaves the key alone, so that orders and memberships that refer to the row go on.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.merchants.models import Merchant, Store, Terminal


def lock_merchant(session: Session, code: str) -> Merchant:
    """Return a merchant's locked row by code.

    Raises:
        NotFound: no such merchant.
    """
    row = session.scalar(
        select(Merchant).where(Merchant.code == code).with_for_update(key_share=True)
    )
    if row is None:
        raise NotFound("merchant", code)
    return row


def lock_store(session: Session, code: str) -> Store:
    """Return a store's locked row by code.

    Raises:
        NotFound: no such store.
    """
    row = session.scalar(select(Store).where(Store.code == code).with_for_update(key_share=True))
    if row is None:
        raise NotFound("store", code)
    return row


def lock_terminal(session: Session, *, store: str, code: str) -> Terminal:
    """Return a till's locked row by its store's code and its own id.

    Raises:
        NotFound: no such till in the store.
    """
    row = session.scalar(
        select(Terminal)
        .join(Store, Store.id == Terminal.store_id)
        .where(Store.code == store, Terminal.code == code)
        .with_for_update(of=Terminal, key_share=True)
    )
    if row is None:
        raise NotFound("terminal", f"{store}/{code}")
    return row
