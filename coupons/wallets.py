"""What a holder has: one statement, usable coupons first. Expiry is by dates, without a job."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from config.database import fetch, now_of
from coupons.batches import read_template
from coupons.offers import Offer
from coupons.templates import Template

MOST = 200
"""Coupons of one answer; a holder's newest unusable ones beyond that are left out."""


class Standing(StrEnum):
    """How a coupon stands at an instant."""

    USABLE = "usable"
    LOCKED = "locked"
    NOT_YET = "not-yet"
    USED = "used"
    EXPIRED = "expired"
    VOID = "void"


@dataclass(frozen=True, kw_only=True)
class Held:
    """A coupon as somebody holds it, with the template version that it was issued with.

    `value_fen` is the money left on it, or what a re-issued one takes off. `uses_left` None: as
    long as the money lasts. `order` is the order that has a use of it set aside until `until`; the
    other uses of the same coupon may be free. `index` is the keyed hash of its code, if it has one.
    `made_out_for` is the store that it is made out for, which takes it offline to `made_out_until`.
    """

    id: int
    coupon: str
    batch: str
    holder: str | None
    template: Template
    version: int
    standing: Standing
    valid_from: datetime
    valid_until: datetime
    uses_left: int | None
    value_fen: int | None
    transfers_left: int
    order: str | None
    until: datetime | None
    index: bytes | None = None
    made_out_for: str | None = None
    made_out_until: datetime | None = None

    @property
    def offer(self) -> Offer:
        """Return what it gives now."""
        return self.template.offer_of(self.value_fen)


def wallet(session: Session, *, holders: Sequence[str], order: str | None = None) -> list[Held]:
    """Return the coupons of a holder (under all names, after a merge) in one statement.

    Usable now first, then by their last instant. What `order` itself has set aside is usable to it
    (C12). Packs, which were opened, are no coupons.
    """
    return _read(session, holders=list(holders), coupons=[], indexes=[], order=order, at=None)


def find(
    session: Session,
    *,
    coupons: Sequence[str] = (),
    indexes: Sequence[bytes] = (),
    order: str | None = None,
    at: datetime | None = None,
) -> list[Held]:
    """Return coupons by public id or by the keyed hash of their code, whoever holds them.

    Validity is looked at as of the instant `at`; None: now. The caller says to whom that is told
    (C17).
    """
    return _read(
        session, holders=[], coupons=list(coupons), indexes=list(indexes), order=order, at=at
    )


def _read(
    session: Session,
    *,
    holders: list[str],
    coupons: list[str],
    indexes: list[bytes],
    order: str | None,
    at: datetime | None,
) -> list[Held]:
    now = now_of(session)
    rows = fetch(
        session,
        _WALLET,
        {
            "now": now,
            "at": at or now,
            "holders": holders,
            "coupons": coupons,
            "indexes": indexes,
            "order": order,
            "most": MOST,
        },
    )
    return [
        Held(
            id=row.id,
            coupon=row.public_id,
            batch=row.batch,
            holder=row.holder,
            template=read_template(row.document),
            version=row.version,
            standing=Standing(row.standing),
            valid_from=row.valid_from,
            valid_until=row.valid_until,
            uses_left=row.uses_left,
            value_fen=row.value_fen,
            transfers_left=row.transfers_left,
            order=row.order_ref,
            until=row.until,
            index=row.index,
            made_out_for=row.made_out_for,
            made_out_until=row.made_out_until,
        )
        for row in rows
    ]


_WALLET = """
SELECT c.id, c.public_id, b.code AS batch, c.holder, v.document::text AS document, v.version,
    s.standing, c.valid_from, c.valid_until, c.uses - c.used AS uses_left,
    CASE WHEN c.uses IS NULL THEN c.value_fen - coalesce(l.set_aside, 0)::bigint
         ELSE c.value_fen END AS value_fen,
    c.transferable - c.transfers AS transfers_left, l.order_ref, l.until, i.index,
    f.store AS made_out_for, f.ends_at AS made_out_until
FROM coupon c
LEFT JOIN coupon_code i ON i.coupon_id = c.id
JOIN coupon_batch b ON b.id = c.batch_id
JOIN coupon_template_version v ON v.id = c.version_id
LEFT JOIN LATERAL (
    SELECT count(*) AS number, sum(k.discount_fen) AS set_aside, max(k.until) AS until,
        (array_agg(k.order_ref ORDER BY k.until DESC))[1] AS order_ref
    FROM coupon_lock k
    WHERE k.coupon_id = c.id AND k.state = 'locked' AND k.until > %(now)s
        AND k.order_ref IS DISTINCT FROM %(order)s) l ON true
LEFT JOIN coupon_offline f ON f.jti = l.order_ref
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN c.state IN ('void', 'used') THEN c.state
        WHEN c.valid_until <= %(at)s THEN 'expired'
        WHEN c.valid_from > %(at)s THEN 'not-yet'
        WHEN c.uses - c.used <= l.number OR c.value_fen - l.set_aside <= 0 AND c.uses IS NULL
            THEN 'locked'
        ELSE 'usable' END AS standing) s
WHERE c.state <> 'opened' AND c.id IN (
    SELECT n.id FROM coupon n WHERE n.holder = ANY (%(holders)s::text[])
    UNION ALL SELECT n.id FROM coupon n WHERE n.public_id = ANY (%(coupons)s::text[])
    UNION ALL SELECT k.coupon_id FROM coupon_code k WHERE k.index = ANY (%(indexes)s::bytea[]))
ORDER BY s.standing <> 'usable', s.standing IN ('used', 'expired', 'void'), c.valid_until, c.id
LIMIT %(most)s
"""
