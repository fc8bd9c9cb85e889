"""`burns`: points for a sale that stays in a system of the till's own (B1, P3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

from marshmallow import ValidationError, validates_schema
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.api.auth import Role, requires
from app.api.edge import Again, reads, writes
from app.api.fields import DoorSchema, Fen, Instant, Part, Points, PublicId, Text
from app.api.pos import pos
from app.api.pos.asking import AskedTill, TillSchema, over, terminal_of, who
from app.api.pos.receipts import ReceiptSchema, receipt
from app.api.pos.tapping import ask_member
from app.checkout import burns
from app.checkout.burns import Burned
from app.checkout.errors import TapNeeded
from app.checkout.models import Burn
from app.errors import NotFound
from app.members.errors import IdentificationOver
from app.members.identification import get_by_id
from app.merchants.directory import ListedStore
from config.database import now_of


@dataclass(frozen=True, kw_only=True)
class AskedBurn:
    """What `AuthoriseBurnSchema` loads; `order_fen` is what the sale is worth."""

    terminal_id: str
    cashier_id: str
    number: str
    order_fen: int
    points: int
    identification_id: str | None
    burn_confirmation: str | None


class AuthoriseBurnSchema(TillSchema):
    makes = AskedBurn
    also: ClassVar[Mapping[str, Any]] = {
        "anyOf": [
            {"required": [name], "properties": {name: {"type": "string"}}}
            for name in ("identification_id", "burn_confirmation")
        ]
    }
    number = Text(most=64, required=True)
    order_fen = Fen(least=1, required=True)
    points = Points(least=1, required=True)
    identification_id = PublicId("idn", load_default=None)
    burn_confirmation = PublicId("brn", load_default=None)

    @validates_schema
    def check(self, data: Mapping[str, Any], **_: Any) -> None:
        """Refuse points of nobody."""
        if data["identification_id"] is None and data["burn_confirmation"] is None:
            raise ValidationError("required", "identification_id")


@dataclass(frozen=True, kw_only=True)
class AskedCapture:
    """What `CaptureBurnSchema` loads; without `points` all that is held is taken."""

    terminal_id: str
    cashier_id: str
    points: int | None


class CaptureBurnSchema(TillSchema):
    makes = AskedCapture
    points = Points(least=1, load_default=None)


class VoidBurnSchema(TillSchema):
    makes = AskedTill


@dataclass(frozen=True, kw_only=True)
class AskedNumber:
    """What `FindBurnSchema` loads."""

    terminal_id: str
    number: str


class FindBurnSchema(DoorSchema):
    makes = AskedNumber
    terminal_id = Text(most=40, required=True)
    number = Text(most=64, required=True)


class BurnSchema(DoorSchema):
    """`order_id` is what a captured burn became: refund it by that."""

    burn_id = PublicId("bur", required=True)
    number = Text(most=64, required=True)
    state = Text(most=20, required=True)
    order_fen = Fen(required=True)
    points = Points(required=True)
    worth_fen = Fen(required=True)
    captured_points = Points(required=True)
    captured_fen = Fen(required=True)
    order_id = PublicId("ord", required=True, allow_none=True)
    until = Instant(required=True)
    receipt = Part(ReceiptSchema, required=True)


@pos.post("/burns")
@requires(Role.STORE)
@writes(AuthoriseBurnSchema, BurnSchema, again=True)
def authorise_burn(session: Session, store: ListedStore, asked: AskedBurn) -> object:
    """Hold points of a member who shows the spend code, cut by the terms of an order's worth."""
    terminal = terminal_of(session, store, asked.terminal_id)
    present, tap = who(
        session,
        terminal,
        identification=asked.identification_id,
        confirmation=asked.burn_confirmation,
    )
    if present is None:
        raise IdentificationOver
    basket = burns.wish(
        terminal=terminal,
        member=present.member,
        number=asked.number,
        order_fen=asked.order_fen,
        points=asked.points,
        now=now_of(session),
        cashier=asked.cashier_id,
        tap=tap,
    )
    refusal = over(present, asked.points)
    if refusal is not None:
        known = burns.find_known(session, basket)
        if known is None:
            raise refusal
        return _told(session, known)
    try:
        return _told(session, burns.authorise(session, basket))
    except TapNeeded as needed:
        return ask_member(session, needed)


@pos.post("/burns/<public_id:burn_id>/capture")
@requires(Role.STORE)
@writes(CaptureBurnSchema, BurnSchema, status=HTTPStatus.OK, again=True)
def capture_burn(session: Session, store: ListedStore, asked: AskedCapture, burn_id: str) -> object:
    """Take the points that a burn holds, or fewer: the rest is free at once."""
    terminal_of(session, store, asked.terminal_id)
    _own_burn(session, store, burn_id)
    return _told(
        session,
        burns.capture(session, burn=burn_id, points=asked.points, cashier=asked.cashier_id),
    )


@pos.post("/burns/<public_id:burn_id>/void")
@requires(Role.STORE)
@writes(VoidBurnSchema, BurnSchema, status=HTTPStatus.OK, again=True)
def void_burn(session: Session, store: ListedStore, asked: AskedTill, burn_id: str) -> object:
    """Give up a burn before it is captured; what it held is free at once."""
    terminal_of(session, store, asked.terminal_id)
    _own_burn(session, store, burn_id)
    return _told(session, burns.void(session, burn=burn_id))


@pos.get("/burns/<public_id:burn_id>")
@requires(Role.STORE)
@reads(BurnSchema)
def get_burn(session: Session, store: ListedStore, burn_id: str) -> Mapping[str, Any]:
    """Return a burn as it stands now."""
    return _view(session, burns.told(session, _own_burn(session, store, burn_id)))


@pos.get("/burns")
@requires(Role.STORE)
@reads(BurnSchema, query=FindBurnSchema)
def find_burn(session: Session, store: ListedStore, asked: AskedNumber) -> Mapping[str, Any]:
    """Return the burn of a terminal's own number."""
    terminal = terminal_of(session, store, asked.terminal_id)
    found = burns.find_by_number(session, terminal=terminal, number=asked.number)
    if found is None:
        raise NotFound("burn", asked.number)
    return _view(session, burns.told(session, found))


def _own_burn(session: Session, store: ListedStore, public_id: str) -> Burn:
    """Return a burn of the store that calls; another store's is as good as none."""
    found = session.scalar(
        select(Burn).where(Burn.public_id == public_id, Burn.store_id == store.id)
    )
    if found is None:
        raise NotFound("burn", public_id)
    return found


def _told(session: Session, burned: Burned) -> object:
    view = _view(session, burned)
    return Again(value=view) if burned.replayed else view


def _view(session: Session, burned: Burned) -> Mapping[str, Any]:
    member = get_by_id(session, burned.member_id)
    return {
        **vars(burned),
        "burn_id": burned.public_id,
        "order_id": burned.order,
        "receipt": receipt(session, member, earned=0, burned=burned.captured_points),
    }
