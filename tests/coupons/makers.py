"""Ready-made templates and batches for the tests of the workshop."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from config.database import now_of
from coupons import batches, issuing, redemptions, templates
from coupons.batches import ListedBatch
from coupons.codes import CodeKeys
from coupons.presets import money_off
from coupons.redemptions import Use
from coupons.templates import Template
from tests.factories import unique

KEYS = CodeKeys(index=bytes(range(32)), seal=bytes(range(32, 64)))
DAY = timedelta(days=1)


def make_template(**terms: Any) -> Template:
    """Return a template of ¥50 off from ¥300 on; `terms` are fields of its terms' document."""
    plain = money_off(
        code=unique("T"), title_zh="满300减50", title_en="50 off 300", fen=5_000, min_fen=30_000,
        days=30, total=1_000,
    )  # fmt: skip
    document: Any = templates.dump(replace(plain, code=unique("T")))
    document["terms"] |= terms
    return templates.load(document)


def make_batch(
    session: Session, template: Template | None = None, *, begins: timedelta = -DAY, **terms: Any
) -> ListedBatch:
    """Open a batch for ten days from yesterday on, of a template made for it unless given."""
    template = template or make_template(**terms)
    now = now_of(session)
    batches.add_template(session, template, by="system:test")
    return batches.open_batch(
        session,
        code=unique("B"),
        template=template.code,
        starts_at=now + begins,
        ends_at=now + begins + 10 * DAY,
        by="system:test",
    )


def make_coupon(session: Session, *, holder: str | None = None, **terms: Any) -> str:
    """Return a coupon claimed by a holder from a batch of its own."""
    batch = make_batch(session, **terms)
    return issuing.claim(session, batch=batch.code, holder=holder or unique("mem_"))[0].coupon


def make_card(session: Session, fen: int) -> str:
    """Return a coupon with money on it."""
    document: Any = templates.dump(make_template())
    document["offer"]["benefit"] = {"kind": "stored_value", "fen": fen}
    del document["terms"]["uses"]
    batch = make_batch(session, templates.load(document))
    return issuing.claim(session, batch=batch.code, holder=unique("mem_"))[0].coupon


def later(session: Session, by: timedelta) -> None:
    """Let the rest of the session's transaction happen later."""
    session.info["now"] = now_of(session) + by


def use_up(session: Session, coupon: str, fen: int = 100) -> str:
    """Redeem a coupon for an order of its own; return the redemption."""
    use = Use(coupon=coupon, discount_fen=fen, order_fen=10 * fen)
    return redemptions.redeem(session, order=unique("O"), uses=[use])[0].redemption


def tally(session: Session, batch: str, what: str, slot: str = "") -> tuple[int, int]:
    """Return what is reserved and what is used of one counter."""
    counts = batches.standing(session, batch).counts
    found = [each for each in counts if (each.what, each.slot) == (what, slot)]
    return (found[0].reserved, found[0].used) if found else (0, 0)
