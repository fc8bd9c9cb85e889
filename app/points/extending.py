"""Points that are kept longer: a grant to one member, with a reason (semantics 29).

A policy never changes what was earned before it. What may be changed by hand is a last day, and
only to a later one; the points move to the lot that has it, of the same issuer and rates.
"""

from dataclasses import replace
from datetime import date

from sqlalchemy.orm import Session

import ledger
from app import audit
from app.books import Kind, move
from app.clock import business_date
from app.errors import Invalid
from app.members.identification import KnownMember
from app.merchants.directory import ListedMerchant
from app.points import lots
from config.database import new_id, now_of
from ledger import Journal


def extend(
    session: Session,
    *,
    member: KnownMember,
    until: date,
    by: str,
    reason: str,
    issuer: ListedMerchant | None = None,
) -> int:
    """Give a member's active points, or those of one issuer, a later last day; return how many.

    Locks the wallet. Points that last longer or for ever stay as they are, as do pending ones and
    what a waiting order holds; what has expired is gone. A repeat finds nothing to move.

    Raises:
        Invalid: the day would make no points last longer.
    """
    now = now_of(session)
    today = business_date(now)
    wallet = lots.lock(session, member, day=today)
    shorter = [
        lot
        for lot in wallet.spendable(
            today,
            merchants={each.meaning.restriction_merchant_id or 0 for each in wallet.lots},
            issuer_id=None if issuer is None else issuer.id,
        )
        if lot.kept_until is not None and lot.kept_until < until
    ]
    if not shorter:
        raise Invalid(
            "until", "没有积分会因此延长；有效期不能缩短",
            "no points would last longer, and none may be made to last less",
        )  # fmt: skip
    longer = {lot.account_id: replace(lot.meaning, expires_on=until) for lot in shorter}
    began = min(lot.first_earned_at for lot in shorter)
    accounts = lots.open_lots(session, wallet, longer.values(), earned_at=began)
    postings = [move(lot.account_id, accounts[longer[lot.account_id]], lot.free) for lot in shorter]
    grant = new_id("ext")
    ledger.post(
        session,
        [
            Journal(
                key=f"{grant}:extend",
                kind=Kind.EXTEND,
                occurred_at=now,
                postings=postings,
                details={"grant": grant},
            )
        ],
    )
    points = sum(posting.amount for posting in postings)
    audit.record(
        session,
        actor=by,
        action="points.extend",
        object=member.public_id,
        before={"expires_on": sorted({str(lot.kept_until) for lot in shorter})},
        after={"expires_on": until.isoformat(), "points": points, "grant": grant},
        reason=reason,
    )
    return points
