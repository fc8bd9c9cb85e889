"""`statement/proof`: what a member takes along of a line, to be checked without us (L11).

The answer is the proof itself, byte for byte as the verifier wants it: its fields stand in the
order of docs/proofs.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.api.auth import Role, SignedIn, requires
from app.api.edge import reads
from app.api.errors import ValidationFailed
from app.api.fields import DoorSchema, Part, Sum, Text, Whole
from app.api.member import member
from app.api.member.paging import read_cursor, write_cursor
from app.errors import NotFound
from app.points import statements
from app.points.statements import Movement
from ledger import proofs

_LINE = "line"


class ProvenTransferSchema(DoorSchema):
    """A transfer as it was sealed; instants are UTC."""

    key = Text(most=400, required=True)
    line = Whole(required=True)
    kind = Text(most=40, required=True)
    occurred_at = Text(most=40, required=True)
    recorded_at = Text(most=40, required=True)
    booked_on = Text(most=10, required=True)
    debit = Text(most=400, required=True)
    credit = Text(most=400, required=True)
    unit = Text(most=10, required=True)
    amount = Sum(required=True)
    details = Text(most=64, least=0, required=True)


class DayRecordSchema(DoorSchema):
    """A day as it was signed."""

    district = Text(most=40, required=True)
    day = Text(most=10, required=True)
    number = Whole(required=True)
    transfers = Sum(required=True)
    points = Sum(required=True)
    fen = Sum(required=True)
    root = Text(most=64, required=True)
    previous = Text(most=64, required=True)
    history = Text(most=64, required=True)


class ProofSchema(DoorSchema):
    """Keep it as it came: `plaza verify` reads these very bytes."""

    plaza = Text(most=20, required=True)
    entry = Sum(required=True)
    transfer = Part(ProvenTransferSchema, required=True)
    path = Text(most=4_000, least=0, required=True)
    record = Part(DayRecordSchema, required=True)
    key = Text(most=16, required=True)
    signature = Text(most=88, required=True)


@dataclass(frozen=True, kw_only=True)
class AskedProof:
    """What `ProofQuerySchema` loads."""

    line: str


class ProofQuerySchema(DoorSchema):
    """`line` is that of a movement of the statement."""

    makes = AskedProof
    line = Text(most=200, required=True)


@member.get("/statement/proof")
@requires(Role.MEMBER)
@reads(ProofSchema, query=ProofQuerySchema, conflicts=True)
def prove_movement(session: Session, caller: SignedIn, asked: AskedProof) -> Mapping[str, object]:
    """Return the proof that a movement stands in the signed record of its day."""
    try:
        place = read_cursor(session, caller, asked.line, of=_LINE)
    except ValidationFailed as error:
        raise NotFound("movement", asked.line) from error
    assert place is not None
    journal, line, account = place
    key = statements.journal_of(session, caller.member, place=(journal, line, account))
    return proofs.prove_transfer(session, key, line)


def line_of(session: Session, caller: SignedIn, movement: Movement) -> str:
    """Return the name of a movement, good for its member alone."""
    return write_cursor(session, caller, of=_LINE, at=movement.place)
