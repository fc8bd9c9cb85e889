"""Holders who turned out to be one: limits count all their names from then on (semantics 46).

Nothing is rewritten: coupons, seats and redemptions stay under the name that they came to. Who it
is that has several names the callers know.
"""

from sqlalchemy.orm import Session

from config.database import fetch


def take_over(session: Session, *, holder: str, alias: str) -> None:
    """Let `alias` be a name of a holder, and the names that it had itself too.

    What both together have above a limit stays theirs, and they get no more. Waits for whoever
    issues to one of them, and holds up who comes after until the transaction ends. Again it changes
    nothing. A name is taken over by one holder at a time, and never by one of its own names:
    the table refuses that.
    """
    fetch(
        session,
        "SELECT coupon_take_over(%(holder)s, %(alias)s)",
        {"holder": holder, "alias": alias},
    )


def part(session: Session, *, alias: str) -> None:
    """Let a name be a holder of its own again, with the names that were its own before.

    Waits and holds up as `take_over`. A name that nobody has taken over stays as it is, so a repeat
    changes nothing.
    """
    fetch(session, "SELECT coupon_part(%(alias)s)", {"alias": alias})
