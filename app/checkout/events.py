"""What happens to an order after its sale, told by a till or by staff (E3)."""

from sqlalchemy.orm import Session

from app.checkout import orders
from app.members.identification import get_by_id
from app.points import activation


def tell(session: Session, *, order: str, event: str) -> int:
    """Let an order's points that await an event become active; return how many.

    Locks the order, then the wallet of its member, who may have been merged since. An event that
    nothing awaits moves nothing, nor does one that is told again.

    Raises:
        NotFound: no such order.
    """
    found = orders.get_locked(session, order)
    if found.member_id is None:
        return 0
    member = get_by_id(session, found.member_id)
    return activation.activate(session, member=member, order=order, event=event)
