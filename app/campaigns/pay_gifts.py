"""Coupons that a paid order gives its member (支付有礼): which batch, for what orders, until when.

The conditions are those of an offer, in its words (coupons.offers), on what was really paid.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import audit
from app.campaigns.models import PayGift
from app.errors import Invalid, NotFound, StateConflict
from config.database import forget, now_of, remember
from coupons import batches, offers
from coupons.models import Batch
from coupons.offers import Offer

#: What conditions may say; who a shopper is beyond his tier, a sale does not look up.
_KNOWN = ("scope", "when", "who", "tenders", "threshold")
_NO_COUPON = {"kind": "amount_off", "fen": 1}
_REMEMBERED = "campaigns.pay_gifts"


@dataclass(frozen=True, kw_only=True)
class ListedPayGift:
    """A gift that orders between two instants (half-open) give, by their business time."""

    id: int
    code: str
    batch: str
    conditions: Offer
    starts_at: datetime
    ends_at: datetime
    ended_at: datetime | None
    ended_why: str | None

    def runs_at(self, at: datetime) -> bool:
        """Whether an order of an instant may give it."""
        return self.starts_at <= at < min(self.ends_at, self.ended_at or self.ends_at)


def open_gift(
    session: Session,
    *,
    code: str,
    batch: str,
    conditions: Mapping[str, object],
    starts_at: datetime,
    ends_at: datetime,
    by: str,
    reason: str,
) -> ListedPayGift:
    """Let paid orders give a coupon of a batch, which was agreed to when it was opened.

    The same again answers with what is there.

    Raises:
        NoSuchCoupon: no such batch.
        Invalid: a pack, conditions that a sale cannot look up, or an end before its beginning.
        BadTemplate: conditions that make no sense; says where.
        StateConflict: the code is another gift's.
    """
    found = batches.get_batch(session, batch)
    read = _read(conditions)
    if found.parts:
        raise Invalid("batch", "券包不能作为支付礼", "a pack cannot be given by an order")
    if starts_at >= ends_at:
        raise Invalid("ends_at", "须晚于开始", "comes after its beginning")
    if read.who.segments or read.who.first_purchase or read.who.birthday:
        raise Invalid("who", "支付礼只能限会员等级", "a gift may ask for tiers alone")
    known = next((each for each in list_gifts(session) if each.code == code), None)
    if known is not None:
        if (known.batch, known.conditions, known.starts_at, known.ends_at) != (
            batch, read, starts_at, ends_at,
        ):  # fmt: skip
            raise StateConflict(
                "pay-gift", code, "taken", "编号已用于另一支付礼", "the code is another gift's"
            )
        return known
    written = {name: value for name, value in offers.dump(read).items() if name in _KNOWN}
    session.add(
        PayGift(
            code=code,
            batch_id=found.id,
            conditions=written,
            starts_at=starts_at,
            ends_at=ends_at,
            opened_by=by,
            opened_at=now_of(session),
        )
    )
    audit.record(
        session,
        actor=by,
        action="coupon.pay_gift",
        object=f"pay-gift:{code}",
        after={
            "batch": batch,
            "conditions": written,
            "starts_at": starts_at.isoformat(),
            "ends_at": ends_at.isoformat(),
        },
        reason=reason,
    )
    session.flush()
    forget(session)
    return get_gift(session, code)


def end(session: Session, code: str, *, by: str, reason: str) -> None:
    """Give no more of it from now on; what was given stays. Again: nothing changes.

    Raises:
        NotFound: no such gift.
    """
    row = session.scalar(
        select(PayGift)
        .where(PayGift.code == code)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise NotFound("pay-gift", code)
    if row.ended_at is not None:
        return
    row.ended_at, row.ended_why = now_of(session), audit.masked(reason)
    audit.record(
        session, actor=by, action="coupon.pay_gift_end", object=f"pay-gift:{code}", reason=reason
    )
    session.flush()
    forget(session)


def get_gift(session: Session, code: str) -> ListedPayGift:
    """Return a gift by its code.

    Raises:
        NotFound: no such gift.
    """
    found = next((each for each in list_gifts(session) if each.code == code), None)
    if found is None:
        raise NotFound("pay-gift", code)
    return found


def list_gifts(session: Session) -> list[ListedPayGift]:
    """Return all gifts that ever were, newest first; no SQL once warm."""
    return remember(session, _REMEMBERED, _load)


def _load(session: Session) -> list[ListedPayGift]:
    rows = session.execute(
        select(PayGift, Batch.code)
        .join(Batch, Batch.id == PayGift.batch_id)
        .order_by(PayGift.id.desc())
    )
    return [
        ListedPayGift(
            id=row.id,
            code=row.code,
            batch=batch,
            conditions=_read(row.conditions),
            starts_at=row.starts_at.astimezone(UTC),
            ends_at=row.ends_at.astimezone(UTC),
            ended_at=row.ended_at and row.ended_at.astimezone(UTC),
            ended_why=row.ended_why,
        )
        for row, batch in rows
    ]


def _read(conditions: Mapping[str, object]) -> Offer:
    """Return conditions as an offer that gives nothing of its own.

    Raises:
        BadTemplate: says where.
        Invalid: a field that is none of theirs.
    """
    unknown = sorted(set(conditions) - set(_KNOWN))
    if unknown:
        raise Invalid(unknown[0], f"可用：{'、'.join(_KNOWN)}", f"known are {', '.join(_KNOWN)}")
    return offers.load({**conditions, "benefit": _NO_COUPON}, "conditions")
