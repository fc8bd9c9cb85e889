"""Gifts of points to another member (B7)."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from sqlalchemy.orm import Session

from app.api.auth import Role, SignedIn, requires
from app.api.edge import reads, writes
from app.api.fields import DoorSchema, Instant, Items, Part, Phone, Points, PublicId, Text, YesNo
from app.api.member import member
from app.api.member.paging import LIMIT, Page, PageSchema, read_cursor, write_cursor
from app.api.pos.receipts import SignedPoints
from app.members.errors import UnknownMember
from app.members.identification import find_by_phone
from app.points import giving


@dataclass(frozen=True, kw_only=True)
class AskedGift:
    """What `GivePointsSchema` loads; without a name nothing moves yet."""

    phone: str
    points: int
    receiver_name: str | None


class GivePointsSchema(DoorSchema):
    """`receiver_name` is sent once the giver has read and confirmed it."""

    makes = AskedGift
    phone = Phone(required=True)
    points = Points(required=True, least=1)
    receiver_name = Text(most=60, load_default=None)


class GiftAnswerSchema(DoorSchema):
    """`given` is false while the receiver's name waits to be confirmed: nothing moved."""

    given = YesNo(required=True)
    receiver_name = Text(most=60, required=True)
    gift_id = PublicId("gft", required=True, allow_none=True)
    points = Points(required=True)
    balance_points = SignedPoints(required=True, allow_none=True)


class ListedGiftSchema(DoorSchema):
    """`given`: by the member, else to him."""

    gift_id = PublicId("gft", required=True)
    points = Points(required=True)
    given = YesNo(required=True)
    occurred_at = Instant(required=True)


class GiftsSchema(DoorSchema):
    gifts = Items(Part(ListedGiftSchema), most=LIMIT, required=True)
    next_cursor = Text(most=200, required=True, allow_none=True)


class GiftsQuerySchema(PageSchema):
    makes = Page


@member.post("/gifts")
@requires(Role.MEMBER)
@writes(GivePointsSchema, GiftAnswerSchema, status=HTTPStatus.OK)
def give_points(session: Session, caller: SignedIn, asked: AskedGift) -> Mapping[str, object]:
    """Show whom the points would go to, and give them once that name comes back."""
    receiver = find_by_phone(session, asked.phone)
    if receiver is None:
        raise UnknownMember
    told: dict[str, object] = {
        "given": False,
        "receiver_name": giving.shown_name(session, receiver),
        "gift_id": None,
        "points": asked.points,
        "balance_points": None,
    }
    if asked.receiver_name is None:
        return told
    made = giving.give(
        session,
        caller.member,
        receiver=receiver,
        points=asked.points,
        confirmed=asked.receiver_name,
    )
    return {
        **told,
        "given": True,
        "gift_id": made.public_id,
        "balance_points": made.balance_points,
    }


@member.get("/gifts")
@requires(Role.MEMBER)
@reads(GiftsSchema, query=GiftsQuerySchema)
def list_gifts(session: Session, caller: SignedIn, asked: Page) -> Mapping[str, object]:
    """Return the gifts that the member gave and got, newest first."""
    before = read_cursor(session, caller, asked.cursor, of="gifts")
    found = giving.list_gifts(
        session, caller.member, limit=asked.limit + 1, before=before[0] if before else None
    )
    shown = found[: asked.limit]
    last = (shown[-1].id,) if len(shown) < len(found) else None
    return {
        "gifts": [
            {
                "gift_id": each.public_id,
                "points": each.points,
                "given": each.given,
                "occurred_at": each.at,
            }
            for each in shown
        ],
        "next_cursor": last and write_cursor(session, caller, of="gifts", at=last),
    }
