"""A refund's points: which lots are locked for it, what goes back to them, what is taken."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from app.checkout.returns import Delta
from app.checkout.slices import Allocation
from app.clock import business_date
from app.members.identification import KnownMember
from app.merchants.directory import get_directory
from app.points import burns, lots
from app.points.accruals import Home
from app.points.burns import Borne, GivenBack
from app.points.clawbacks import Clawback, claw_back, shared_claims
from app.points.lots import Wallet
from app.points.merging import heirs
from app.points.programme import programme_at
from config.database import now_of


def lock_lots(
    session: Session, member: KnownMember, allocation: Allocation, homes: Sequence[Home]
) -> tuple[Wallet, Allocation, Sequence[Home]]:
    """Lock a member's wallet with the lots that an order touched, be they another's by now."""
    touched = [*allocation.lots, *(home.lot_account_id for home in homes)]
    wallet = lots.lock(session, member, day=business_date(now_of(session)), also=touched)
    wallet, stands_for = heirs(session, wallet, touched)
    return wallet, *_inherited(allocation, homes, stands_for)


def _inherited(
    allocation: Allocation, homes: Sequence[Home], stands_for: Mapping[int, int]
) -> tuple[Allocation, list[Home]]:
    """Return a sale with the lots of who its member is now in place of those that it names."""
    lot_accounts = tuple([stands_for.get(lot, lot) for lot in allocation.lots])
    return replace(allocation, lots=lot_accounts), [
        replace(home, lot_account_id=stands_for.get(home.lot_account_id, home.lot_account_id))
        for home in homes
    ]


def points_back(
    session: Session,
    wallet: Wallet,
    delta: Delta,
    *,
    occurred_at: datetime,
    before: Mapping[int, int],
    homes: Sequence[Home],
    borne: Sequence[Borne],
) -> tuple[GivenBack, Clawback]:
    """Return how burned points go back and earned ones are taken back, under the wallet's lock.

    `before` are the points that earlier refunds took back, by merchant.

    Raises:
        InsufficientPoints: points are short, and the programme refuses such refunds.
    """
    day = business_date(now_of(session))
    programme = programme_at(session, occurred_at)
    given_back = burns.give_back(
        session,
        wallet,
        delta.points,
        get_directory(session),
        borne=borne,
        programme=programme,
        day=day,
        occurred_at=occurred_at,
    )
    clawback = claw_back(
        session,
        wallet,
        shared_claims(delta.clawed_points, homes, before=before),
        homes=homes,
        restored=given_back.restored,
        costs=given_back.costs,
        programme=programme,
        day=day,
        occurred_at=occurred_at,
    )
    return given_back, clawback
