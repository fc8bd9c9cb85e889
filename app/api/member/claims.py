"""Claims of orders that the member paid before the till knew him (E8)."""

from collections.abc import Mapping
from http import HTTPStatus

from sqlalchemy.orm import Session

from app.api.auth import Role, SignedIn, requires
from app.api.edge import Refused, writes
from app.api.fields import Code, Day, DoorSchema, Fen, Instant, Points, PublicId, Text
from app.api.member import member
from app.checkout import claims
from app.checkout.claims import Receipt
from app.checkout.errors import NothingToClaim


class ClaimOrderSchema(DoorSchema):
    """What the receipt says: the store, the till's number, the day, and the sum of all lines."""

    makes = Receipt
    store = Code(required=True)
    number = Text(most=64, required=True)
    day = Day(required=True)
    amount_fen = Fen(required=True)


class ClaimedOrderSchema(DoorSchema):
    order_id = PublicId("ord", required=True)
    occurred_at = Instant(required=True)
    total_fen = Fen(required=True)
    earned_points = Points(required=True)


@member.post("/claims")
@requires(Role.MEMBER)
@writes(ClaimOrderSchema, ClaimedOrderSchema, status=HTTPStatus.OK)
def claim_order(session: Session, caller: SignedIn, asked: Receipt) -> object:
    """Make an order one's own that was paid without a member; a wrong receipt is told as none."""
    claimed = claims.claim(session, caller.member, asked)
    if claimed is None:
        return Refused(error=NothingToClaim())
    view: Mapping[str, object] = {**vars(claimed), "order_id": claimed.order}
    return view
