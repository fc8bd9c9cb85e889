"""`events` of an order: what came after its sale, for which points may have waited (E3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from sqlalchemy.orm import Session

from app.api.auth import Role, requires
from app.api.edge import writes
from app.api.fields import DoorSchema, Points, PublicId, Text
from app.api.pos import pos
from app.api.pos.asking import TillSchema, own_order, terminal_of
from app.checkout import events
from app.merchants.directory import ListedStore

_EVENT = r"^[a-z][a-z0-9_]{0,29}([.][a-z0-9_]{1,30})?$"


@dataclass(frozen=True, kw_only=True)
class AskedEvent:
    """What `OrderEventSchema` loads."""

    terminal_id: str
    cashier_id: str
    event: str


class OrderEventSchema(TillSchema):
    makes = AskedEvent
    event = Text(most=60, pattern=_EVENT, required=True)


class OrderEventAnswerSchema(DoorSchema):
    """`activated_points` may be spent from now on; of an event that was told before it is 0."""

    order_id = PublicId("ord", required=True)
    event = Text(most=60, required=True)
    activated_points = Points(required=True)


@pos.post("/orders/<public_id:order_id>/events")
@requires(Role.STORE)
@writes(OrderEventSchema, OrderEventAnswerSchema, status=HTTPStatus.OK)
def tell_event(
    session: Session, store: ListedStore, asked: AskedEvent, order_id: str
) -> Mapping[str, object]:
    """Say that an event of an order has come: points that await it become active."""
    terminal_of(session, store, asked.terminal_id)
    own_order(session, store, order_id)
    activated = events.tell(session, order=order_id, event=asked.event)
    return {"order_id": order_id, "event": asked.event, "activated_points": activated}
