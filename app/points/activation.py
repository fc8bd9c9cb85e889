"""Pending points become active: at an event by a posting, on a day by the calendar alone (E3)."""

from sqlalchemy.orm import Session

import ledger
from app import outbox
from app.books import Kind, move
from app.clock import business_date
from app.members.identification import KnownMember
from app.points import lots
from app.points.notices import Topic
from config.database import now_of
from ledger import Journal


def activate(session: Session, *, member: KnownMember, order: str, event: str) -> int:
    """Let the points of an order that await an event become active; return how many.

    Locks the member's wallet; the caller holds the order's lock. Each lot moves to the one of the
    same issuer, rates and last day. What a refund has taken back is not there any more, so it does
    not become active; the event told again moves nothing.
    """
    now = now_of(session)
    wallet = lots.lock(session, member, day=business_date(now))
    waiting = [
        lot
        for lot in wallet.lots
        if (lot.meaning.awaits, lot.meaning.awaits_for) == (event, order)
        and lot.free > 0
        and not lot.ended(business_date(now))
    ]
    if not waiting:
        return 0
    active = {lot.account_id: lot.meaning.activated() for lot in waiting}
    accounts = lots.open_lots(session, wallet, active.values(), earned_at=now)
    postings = [move(lot.account_id, accounts[active[lot.account_id]], lot.free) for lot in waiting]
    journal = Journal(
        key=f"{order}:{event}:activate",
        kind=Kind.ACTIVATE,
        occurred_at=now,
        postings=postings,
        details={"order": order, "event": event},
    )
    ledger.post(session, [journal])
    points = sum(posting.amount for posting in postings)
    outbox.add(
        session,
        topic=Topic.ACTIVATED,
        aggregate=f"{member.public_id}/points",
        payload={"member": member.public_id, "order": order, "event": event, "points": points},
    )
    return points
