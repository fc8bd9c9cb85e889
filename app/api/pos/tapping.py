"""Asking the member on the phone before dear points are burned at a till (reliability §9).

The first call is refused with `burn-not-confirmed` and a `burn_id`. Once the member has tapped, the
till repeats the call with a fresh key and `burn_confirmation`: it names the member too, so no code
is scanned a second time.
"""

from sqlalchemy.orm import Session

from app.api import answers
from app.api.edge import Refused
from app.checkout.errors import TapNeeded
from app.clock import server_now
from app.members import confirming
from app.members.errors import BurnNotConfirmed


def ask_member(session: Session, needed: TapNeeded) -> Refused:
    """Take back what the view wrote, ask the member, and return a refusal that stands with it."""
    answers.undo(session)
    asked = confirming.ask(
        session,
        member=needed.member,
        terminal_id=needed.terminal_id,
        points=needed.points,
        worth_fen=needed.worth_fen,
        now=server_now(session),
    )
    return Refused(error=BurnNotConfirmed(asked.public_id))
