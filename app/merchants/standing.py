"""Alarms of a merchant: its prepaid points run low, its credit is used up (L6).

Each crossing is written once, when it is seen, with one piece of news. Who watches the levels is
`app.settlement.credit`, which knows what a merchant owes.
"""

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from app import outbox
from app.merchants.locking import lock_merchant
from app.merchants.models import Alarm, MerchantStanding
from config.database import forget, now_of

_NEWS = {
    (Alarm.POINTS_LOW, True): "merchant.points_low",
    (Alarm.CREDIT_USED_UP, True): "merchant.credit_used_up",
    (Alarm.CREDIT_USED_UP, False): "merchant.credit_freed",
}


def list_raised(session: Session) -> set[tuple[int, Alarm]]:
    """Return the alarms that are up: (merchant's key, alarm)."""
    newest = (
        select(MerchantStanding)
        .ext(distinct_on(MerchantStanding.merchant_id, MerchantStanding.alarm))
        .order_by(MerchantStanding.merchant_id, MerchantStanding.alarm, MerchantStanding.id.desc())
    )
    return {(row.merchant_id, Alarm(row.alarm)) for row in session.scalars(newest) if row.raised}


def put(
    session: Session, code: str, alarm: Alarm, *, raised: bool, amount: int, level: int | None
) -> bool:
    """Put a merchant's alarm up or down; tell whether that was a change.

    Locks the merchant's row: of two that see one crossing, one writes it and its news. The sales
    that begin after the commit know of it.
    """
    row = lock_merchant(session, code)
    if ((row.id, alarm) in list_raised(session)) is raised:
        return False
    session.add(
        MerchantStanding(
            merchant_id=row.id,
            alarm=alarm,
            raised=raised,
            amount=amount,
            level=level,
            at=now_of(session),
        )
    )
    session.flush()
    topic = _NEWS.get((alarm, raised))
    if topic is not None:
        outbox.add(
            session,
            topic=topic,
            aggregate=row.public_id,
            payload={"merchant": row.public_id, "amount": amount, "level": level},
        )
    forget(session)
    return True
