"""Burns that wait for the member's tap (reliability §9)."""

from collections.abc import Mapping
from http import HTTPStatus

from sqlalchemy.orm import Session

from app.api.auth import Role, SignedIn, requires
from app.api.edge import reads, writes
from app.api.fields import DoorSchema, Fen, Instant, Items, Part, Points, PublicId, Text
from app.api.member import member
from app.api.member.sessions import NothingSchema
from app.clock import server_now
from app.members import confirming
from app.members.confirming import AskedBurn
from app.merchants.directory import get_directory


class BurnToConfirmSchema(DoorSchema):
    burn_id = PublicId("brn", required=True)
    store = Text(most=120, required=True)
    merchant_zh = Text(most=120, required=True)
    merchant_en = Text(most=120, required=True)
    points = Points(required=True)
    worth_fen = Fen(required=True)
    until = Instant(required=True)


class BurnsToConfirmSchema(DoorSchema):
    burns = Items(Part(BurnToConfirmSchema), most=20, required=True)


@member.get("/burns")
@requires(Role.MEMBER)
@reads(BurnsToConfirmSchema)
def list_own_burns(session: Session, caller: SignedIn) -> Mapping[str, object]:
    """Return the burns that wait for a tap."""
    waiting = confirming.list_waiting(session, caller.member, now=server_now(session))
    return {"burns": [_view(session, each) for each in waiting]}


@member.post("/burns/<public_id:burn_id>/confirm")
@requires(Role.MEMBER)
@writes(NothingSchema, BurnToConfirmSchema, status=HTTPStatus.OK)
def confirm_burn(
    session: Session, caller: SignedIn, _: object, burn_id: str
) -> Mapping[str, object]:
    """Agree to a burn at a till."""
    now = server_now(session)
    return _view(session, confirming.confirm(session, burn_id, member=caller.member, now=now))


def _view(session: Session, burn: AskedBurn) -> Mapping[str, object]:
    terminals = get_directory(session).terminals.values()
    store = next(each.store for each in terminals if each.id == burn.terminal_id)
    return {
        "burn_id": burn.public_id,
        "store": store.name,
        "merchant_zh": store.merchant.name_zh,
        "merchant_en": store.merchant.name_en,
        "points": burn.points,
        "worth_fen": burn.worth_fen,
        "until": burn.until,
    }
