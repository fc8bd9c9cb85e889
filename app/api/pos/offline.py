"""`offline-keys`, and coupons that a till took without the network (C18; reliability 10).

A till keeps the keys and the list of what was called back on its disk, and needs nothing else to
take a coupon. The sale names the token when it is uploaded: both are written at once, or neither.
"""

import base64
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from app.api.auth import Role, requires
from app.api.edge import Again, Refused, reads
from app.api.fields import DoorSchema, Fen, Instant, Items, Part, PublicId, Text, YesNo
from app.api.pos import pos
from app.checkout import offline as offline_sales
from app.checkout.bulk import Paid
from app.checkout.errors import OfflineTooLate
from app.checkout.offline import OfflineSale
from app.errors import AppError
from app.merchants.directory import ListedStore
from app.sealing import offline_key
from app.settlement import breaks
from app.settlement.breaks import CouponBreak
from config.database import now_of
from coupons import offline, tokens

KEPT_SECONDS = 300
_MANY = 1_000_000


class OfflineKeySchema(DoorSchema):
    kid = Text(most=40, required=True)
    public_key = Text(most=64, required=True)


class RevokedSchema(DoorSchema):
    jti = PublicId("oct", required=True)
    ends_at = Instant(required=True)


class OfflineKeysSchema(DoorSchema):
    """What a till needs to take coupons without the network, at this store alone."""

    store_id = PublicId("sto", required=True)
    now = Instant(required=True)
    keys = Items(Part(OfflineKeySchema), most=100, required=True)
    revoked = Items(Part(RevokedSchema), most=_MANY, required=True)


class UsedOfflineSchema(DoorSchema):
    """What became of a coupon that was taken offline; one that is not honoured is a break."""

    coupon_id = PublicId("cpn", required=True)
    given_fen = Fen(required=True)
    honoured = YesNo(required=True)
    skewed = YesNo(required=True)
    kind = Text(most=40, required=True, allow_none=True)
    break_id = PublicId("brk", required=True, allow_none=True)


@pos.get("/offline-keys")
@requires(Role.STORE)
@reads(OfflineKeysSchema, kept_seconds=KEPT_SECONDS)
def read_offline_keys(session: Session, store: ListedStore) -> Mapping[str, Any]:
    """Return the public keys of offline coupons, and which of this store's were called back."""
    keys = offline.public_keys(session, offline_key(session).public_key())
    return {
        "store_id": store.public_id,
        "now": now_of(session),
        "keys": [
            {"kid": kid, "public_key": _written(tokens.raw(key))}
            for kid, key in sorted(keys.items())
        ],
        "revoked": offline.list_revoked(session, store=store.public_id),
    }


def sell_with_coupon(
    session: Session, paid: Paid, untimely: AppError | None, *, token: str
) -> object:
    """Sell what a till sold offline with a coupon; what is not honoured becomes a break.

    Raises:
        As `app.checkout.offline.sell`; `untimely`, where that lies in the future.
    """
    basket, tenders = paid.basket, paid.tenders
    if untimely is None:
        sold = offline_sales.sell(session, basket, tenders, token=token)
    elif basket.occurred_at > now_of(session):
        raise untimely
    else:
        sold = offline_sales.find_known(session, basket, tenders, token=token)
    found = None if sold.wrong is None else _break(session, sold, paid)
    if sold.sale is None:
        return Refused(error=OfflineTooLate(found.public_id if found else ""))
    told = {
        **vars(sold.sale),
        "order_id": sold.sale.public_id,
        "offline_coupon": {
            "coupon_id": sold.coupon,
            "given_fen": sold.given_fen,
            "honoured": found is None,
            "skewed": sold.skewed,
            "kind": found and found.kind,
            "break_id": found and found.public_id,
        },
    }
    return Again(value=told) if sold.sale.replayed else told


def _written(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _break(session: Session, sold: OfflineSale, paid: Paid) -> CouponBreak:
    basket = paid.basket
    return breaks.open_coupon(
        session,
        kind=f"coupon_{sold.wrong}",
        day=basket.business_date,
        fen=sold.given_fen,
        order=sold.sale.public_id if sold.sale else None,
        reference=f"{sold.jti}:{basket.terminal.public_id}:{basket.number}",
        owner=sold.owner,
    )
