"""`consents`: what the member agreed to, one purpose and channel at a time (M8)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

from sqlalchemy.orm import Session

from app.api.auth import Role, SignedIn, requires
from app.api.context import request_id
from app.api.edge import reads, writes
from app.api.fields import DoorSchema, Instant, Items, Part, PublicId, Text
from app.api.member import member
from app.members import consents
from app.members.consents import Decision, Matter, Stance
from app.members.purposes import CHANNELS, TEXTS, Channel, Purpose, current_text
from app.merchants.directory import Directory, get_directory

_PURPOSES = f"^({'|'.join(Purpose)})$"
_CHANNELS = f"^({'|'.join(Channel)})$"
_DECISIONS = f"^({'|'.join(Decision)})$"


class ConsentTextSchema(DoorSchema):
    """What is shown before somebody agrees; `sha256` is kept with the consent."""

    purpose = Text(most=40, required=True)
    version = Text(most=40, required=True)
    zh = Text(most=2000, required=True)
    en = Text(most=2000, required=True)
    sha256 = Text(most=64, required=True)


class StanceSchema(DoorSchema):
    """`decision` is null where nothing was decided yet: then nothing is agreed to."""

    purpose = Text(most=40, required=True)
    channel = Text(most=20, required=True)
    merchant_id = PublicId("mch", required=True, allow_none=True)
    decision = Text(most=20, required=True, allow_none=True)
    version = Text(most=40, required=True, allow_none=True)
    decided_at = Instant(required=True, allow_none=True)
    may_be_asked_from = Instant(required=True, allow_none=True)


class StancesSchema(DoorSchema):
    consents = Items(Part(StanceSchema), most=10_000, required=True)
    texts = Items(Part(ConsentTextSchema), most=100, required=True)


def _matter(purpose: Purpose, channels: Sequence[Channel]) -> Mapping[str, Any]:
    """Return what may stand together: the channels, texts and merchant of a purpose."""
    shares = purpose is Purpose.MERCHANT_SHARING
    return {
        "required": ["merchant_id"] if shares else [],
        "properties": {
            "purpose": {"const": purpose.value},
            "channel": {"enum": [channel.value for channel in channels]},
            "version": {"enum": [text.version for text in TEXTS[purpose]]},
            "merchant_id": {"type": "string" if shares else "null"},
        },
    }


@dataclass(frozen=True, kw_only=True)
class AskedDecision:
    """What `DecideSchema` loads."""

    purpose: str
    channel: str
    merchant_id: str | None
    decision: str
    version: str


class DecideSchema(DoorSchema):
    """One decision about one text; no field has a default that agrees to anything."""

    makes = AskedDecision
    also: ClassVar[Mapping[str, Any]] = {
        "oneOf": [_matter(purpose, channels) for purpose, channels in CHANNELS.items()]
    }
    purpose = Text(most=40, pattern=_PURPOSES, required=True)
    channel = Text(most=20, pattern=_CHANNELS, required=True)
    merchant_id = PublicId("mch", load_default=None)
    decision = Text(most=20, pattern=_DECISIONS, required=True)
    version = Text(most=40, required=True)


@member.get("/consents")
@requires(Role.MEMBER)
@reads(StancesSchema)
def list_consents(session: Session, caller: SignedIn) -> Mapping[str, object]:
    """Return where the member stands in each purpose, and the texts of today."""
    directory = get_directory(session)
    stances = consents.list_stances(session, caller.member.id)
    shown: dict[Matter, Stance | None] = {
        Matter(purpose, channel): None
        for purpose, channels in CHANNELS.items()
        for channel in channels
        if purpose is not Purpose.MERCHANT_SHARING
    }
    shown.update(stances)
    return {
        "consents": [_view(directory, matter, stance) for matter, stance in shown.items()],
        "texts": [
            {**vars(text), "sha256": text.sha256.hex()} for text in map(current_text, Purpose)
        ],
    }


@member.post("/consents")
@requires(Role.MEMBER)
@writes(DecideSchema, StanceSchema, status=HTTPStatus.OK)
def decide_consent(
    session: Session, caller: SignedIn, asked: AskedDecision
) -> Mapping[str, object]:
    """Agree, say no, or take it back: it counts at once."""
    directory = get_directory(session)
    merchant = None if asked.merchant_id is None else directory.get_merchant(asked.merchant_id)
    stance = consents.decide(
        session,
        member=caller.member,
        matter=Matter(
            Purpose(asked.purpose), Channel(asked.channel), merchant.id if merchant else None
        ),
        decision=Decision(asked.decision),
        version=asked.version,
        evidence={
            "door": "member",
            "device": caller.device.public_id,
            "request": request_id(),
        },
    )
    return _view(directory, stance.matter, stance)


def _view(directory: Directory, matter: Matter, stance: Stance | None) -> Mapping[str, object]:
    merchant = None if matter.merchant_id is None else directory.merchants[matter.merchant_id]
    return {
        "purpose": matter.purpose.value,
        "channel": matter.channel.value,
        "merchant_id": merchant and merchant.public_id,
        "decision": stance and stance.decision.value,
        "version": stance and stance.version,
        "decided_at": stance and stance.decided_at,
        "may_be_asked_from": stance and stance.may_be_asked_from,
    }
