"""`closing`: leaving, and thinking better of it (G3, semantics 49)."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from sqlalchemy.orm import Session

from app.api.auth import Role, SignedIn, requires
from app.api.context import request_id
from app.api.edge import reads, writes
from app.api.fields import DoorSchema, Instant, Part, PublicId, Text
from app.api.member import member
from app.api.member.sessions import NothingSchema
from app.members import closing
from app.members.closing import Leaving, Leftover
from config.database import now_of

_LEFTOVERS = f"^({'|'.join(Leftover)})$"


@dataclass(frozen=True, kw_only=True)
class AskedClosing:
    """What `CloseAccountSchema` loads."""

    points: str


class CloseAccountSchema(DoorSchema):
    """What is to become of the points: `burn` them before, `donate` or `forfeit` them."""

    makes = AskedClosing
    points = Text(most=10, pattern=_LEFTOVERS, required=True)


class LeavingSchema(DoorSchema):
    closing_id = PublicId("cls", required=True)
    points = Text(most=10, required=True)
    asked_at = Instant(required=True)
    due_at = Instant(required=True)


class ClosingSchema(DoorSchema):
    """`closing` is null while nothing is being closed."""

    closing = Part(LeavingSchema, required=True, allow_none=True)


@member.get("/closing")
@requires(Role.MEMBER)
@reads(ClosingSchema)
def get_closing(session: Session, caller: SignedIn) -> Mapping[str, object]:
    """Return whether the account is being closed, and when it will be erased."""
    return _view(closing.find(session, caller.member))


@member.post("/closing")
@requires(Role.MEMBER)
@writes(CloseAccountSchema, ClosingSchema)
def close_account(session: Session, caller: SignedIn, asked: AskedClosing) -> Mapping[str, object]:
    """Begin to close the account: it is erased after seven days, fifteen if points are given up."""
    leaving = closing.ask(
        session,
        member=caller.member,
        points=Leftover(asked.points),
        evidence={
            "door": "member",
            "device": caller.device.public_id,
            "request": request_id(),
        },
        now=now_of(session),
    )
    return _view(leaving)


@member.post("/closing/undo")
@requires(Role.MEMBER)
@writes(NothingSchema, ClosingSchema, status=HTTPStatus.OK)
def undo_closing(session: Session, caller: SignedIn, _: object) -> Mapping[str, object]:
    """Stay after all."""
    closing.undo(session, member=caller.member, now=now_of(session))
    return _view(None)


def _view(leaving: Leaving | None) -> Mapping[str, object]:
    if leaving is None:
        return {"closing": None}
    return {"closing": {**vars(leaving), "closing_id": leaving.public_id}}
