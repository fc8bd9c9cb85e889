"""Expiry that was booked, taken back where a refund claims the very points (semantics 8, 33).

Whether the books have heard of an expiry must not decide what a refund costs the member. So what
would have been found in an expired lot is found in the issuer's breakage, and goes back the way it
came: into the lot, and on from there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.books import Code, move
from app.members.identification import KnownMember
from app.merchants.directory import get_directory
from app.points.lots import Meaning, meaning_of
from ledger import Posting


@dataclass(frozen=True, kw_only=True, slots=True)
class Booked:
    """An expired lot and its points that stand in breakage, not taken back so far."""

    account_id: int
    breakage_account_id: int
    meaning: Meaning
    points: int


@dataclass(kw_only=True)
class Past:
    """What a member, whose wallet is locked, had let expire before a day and was booked.

    Read when it is first asked for, in one round trip: most refunds never do.
    """

    session: Session
    member: KnownMember
    day: date
    _taken: dict[int, int] = field(default_factory=dict)

    @cached_property
    def lots(self) -> Mapping[int, Booked]:
        """The lots by account, in the order in which they ended."""
        merchants = get_directory(self.session).merchants
        rows = self.session.execute(
            _BOOKED,
            {"member": self.member.id, "day": self.day, "breakage": Code.BREAKAGE.value},
        )
        return {
            row.account_id: Booked(
                account_id=row.account_id,
                breakage_account_id=merchants[row.issuer_id].breakage_account_id,
                meaning=meaning_of(row),
                points=row.points,
            )
            for row in rows
        }

    def revive(self, account_id: int, most: int) -> list[Posting]:
        """Return the posting that puts up to so many points of a lot back into it, if there are.

        What is revived is gone from the past: the caller moves it on.
        """
        lot = self.lots.get(account_id)
        if lot is None:
            return []
        points = min(most, lot.points - self._taken.get(account_id, 0))
        if points <= 0:
            return []
        self._taken[account_id] = self._taken.get(account_id, 0) + points
        return [move(lot.breakage_account_id, account_id, points)]


# The transfers say it, so it is right whatever came in between.
_BOOKED = text(
    """
    SELECT l.*, (gone.points - back.points)::bigint AS points
    FROM lot l,
    LATERAL (SELECT coalesce(sum(t.amount), 0) AS points FROM transfer t
             JOIN account a ON a.id = t.credit_id AND a.code = :breakage
             WHERE t.debit_id = l.account_id) gone,
    LATERAL (SELECT coalesce(sum(t.amount), 0) AS points FROM transfer t
             JOIN account a ON a.id = t.debit_id AND a.code = :breakage
             WHERE t.credit_id = l.account_id) back
    WHERE l.member_id = :member AND l.expires_on < :day AND gone.points > back.points
    ORDER BY l.expires_on, l.first_earned_at, l.account_id
    """
)
