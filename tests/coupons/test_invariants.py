"""A4, A5: the auditor finds what the database would not have let happen."""

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from config.database import Database
from coupons import aliases, invariants, issuing
from migrations.run import create_district
from tests.coupons.makers import make_batch, make_card, make_coupon, use_up
from tests.coupons.test_offline import claimed, made_out

DAMAGE = [
    ("UPDATE coupon_tally SET used = used - 1 WHERE what = 'issued'", "a batch's counter is"),
    ("UPDATE coupon_tally SET reserved = 1 WHERE what = 'fen'", "a batch's reserve is"),
    ("UPDATE coupon_batch SET per_member = 1", "nobody has more of a batch"),
    ("UPDATE coupon SET used = 0, state = 'issued' WHERE used = 1 AND uses = 1", "a coupon counts"),
    ("UPDATE coupon SET value_fen = value_fen + 1 WHERE uses IS NULL", "money on a coupon"),
    ("UPDATE coupon SET holder = 'mem_thief'", "a holder's coupon has its seat"),
    (
        "UPDATE coupon_lock SET state = 'returned' WHERE state = 'redeemed'",
        "a redemption is open as long",
    ),
    (
        "UPDATE coupon_offline SET order_ref = jti, used_at = now(), taken_at = now(),"
        " skewed = false",
        "an offline token that was used",
    ),
    (
        "ALTER TABLE coupon_offline DISABLE TRIGGER used_for_good;"
        "UPDATE coupon_offline SET seat = 1",
        "a holder's place for an offline coupon",
    ),
    (
        "UPDATE coupon_alias SET last_coupon_id = 0",
        "nobody is issued more of a batch than all his names",
    ),
    (
        "UPDATE coupon_alias SET holder = 'mem_5' WHERE taker = 'mem_5'",
        "a name that was taken over",
    ),
    ("UPDATE coupon_alias SET holder = 'mem_9'", "a name that was taken over"),
]


@pytest.fixture(scope="module")
def damaged(database: Database, owner_url: str) -> str:
    """A district of its own with a little of everything, sound so far."""
    create_district(owner_url, "coupons-audit", name="审计", sandbox=False)
    with database.transaction("coupons-audit") as session:
        batch = make_batch(
            session, limits={"total": 9, "per_member": 2}, budget={"fen": {"all": 9_000}}
        )
        for n in (1, 2):
            coupon = issuing.claim(session, batch=batch.code, holder="mem_1", n=n)[0].coupon
        use_up(session, coupon)
        make_coupon(session)
        use_up(session, make_card(session, 5_000))
        for _ in range(2):
            made_out(session, claimed(session, "mem_2"), "mem_2")
        twice = make_batch(session)
        for name in ("mem_3", "mem_4"):
            issuing.claim(session, batch=twice.code, holder=name)
        aliases.take_over(session, holder="mem_5", alias="mem_4")
        aliases.take_over(session, holder="mem_3", alias="mem_5")
    return "coupons-audit"


def _audited(database: Database, district: str) -> list[invariants.Broken]:
    with database.transaction(district, repeatable_read=True) as session:
        return invariants.audit(session)


@pytest.mark.parametrize(("statement", "found"), DAMAGE)
def test_each_damage_is_found(
    database: Database, owner_url: str, damaged: str, statement: str, found: str
) -> None:
    engine = create_engine(owner_url.replace("postgresql://", "postgresql+psycopg://", 1))
    with Session(engine) as owner:
        owner.execute(text("SET search_path = d_coupons_audit, pg_temp"))
        owner.execute(text(statement))

        broken = invariants.audit(owner)

        owner.rollback()
    engine.dispose()
    assert any(each.invariant.startswith(found) for each in broken)
    assert _audited(database, damaged) == []


def test_a_sound_district_has_nothing_to_tell(session: Session) -> None:
    use_up(session, make_coupon(session))

    assert invariants.audit(session) == []
