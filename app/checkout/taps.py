"""Burns that wait for the member's tap on the phone: dear ones, and one too many (reliability §9).

A till asks its member, so its baskets carry a `Tap`; at a command there is nobody to ask. What a
member burned within the hour is counted under the wallet's lock: of two tills at once the second
sees what the first did.
"""

from datetime import timedelta
from typing import LiteralString

from sqlalchemy.orm import Session

from app.checkout.baskets import Basket
from app.checkout.errors import TapNeeded
from app.checkout.pricing import Priced
from app.members import confirming
from app.points.lots import Wallet
from config.database import fetch, now_of

_HOUR = timedelta(hours=1)

#: How many orders and burns of a member took points within the hour, or hold them now.
COUNT: LiteralString = (
    "WITH same AS (SELECT ARRAY(SELECT id FROM member WHERE id = %(member)s "
    "OR merged_into_id = %(member)s) AS person) "
    'SELECT (SELECT count(*) FROM "order" WHERE member_id = ANY (same.person) '
    "AND burned_points > 0 "
    "AND recorded_at > %(since)s AND kind <> 'burn' "
    "AND (state = 'paid' OR (state = 'awaiting_payment' AND until > %(now)s))) "
    "+ (SELECT count(*) FROM burn WHERE member_id = ANY (same.person) "
    "AND recorded_at > %(since)s "
    "AND (state = 'captured' OR (state = 'authorised' AND until > %(now)s))) AS burns FROM same"
)


def count(session: Session, basket: Basket) -> int:
    """Return how often the basket's member has burned within the hour; one round trip."""
    burns: int = fetch(session, COUNT, whose(session, basket))[0].burns
    return burns


def whose(session: Session, basket: Basket) -> dict[str, object]:
    """Return the parameters of `COUNT`."""
    now = now_of(session)
    return {
        "member": basket.member.id if basket.member else None,
        "since": now - _HOUR,
        "now": now,
    }


def asks(basket: Basket) -> bool:
    """Whether the member may have to confirm what the basket burns."""
    return basket.tap is not None and basket.burn_points != 0


def require(
    session: Session, priced: Priced, wallet: Wallet | None, *, burns_in_the_hour: int
) -> None:
    """Use the member's tap up, if this burn needs one; no SQL if not.

    Raises:
        TapNeeded: nobody was asked yet.
        BurnNotConfirmed: asked and not confirmed, or for less, or used, or too late.
    """
    tap = priced.basket.tap
    if tap is None or wallet is None or not priced.burn.points:
        return
    worth_fen = priced.burn.value_fen
    if not confirming.needs_confirmation(worth_fen=worth_fen, burns_in_the_hour=burns_in_the_hour):
        return
    terminal = priced.basket.terminal.id
    if tap.confirmation is None:
        raise TapNeeded(
            member=wallet.member,
            terminal_id=terminal,
            points=priced.burn.points,
            worth_fen=worth_fen,
        )
    confirming.use(
        session,
        tap.confirmation,
        member=wallet.member,
        terminal_id=terminal,
        points=priced.burn.points,
        now=tap.at,
    )
