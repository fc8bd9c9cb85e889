"""C18, semantics 40, reliability 10: sold offline with a coupon, uploaded, paid or a break."""

import base64
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import text

import ledger
from app.checkout import offline
from app.members.identification import KnownMember
from app.sealing import offline_key
from app.settlement import breaks
from app.settlement.breaks import Listed
from config.database import Database, now_of
from coupons import invariants, issuing, tokens
from coupons.offline import MadeOutCoupon
from tests.app.api.pos.test_orders import AT, TEA, cash, identified, order, told
from tests.app.api.pos.test_refunds import refund
from tests.app.api.tills import Till, open_till
from tests.app.checkout.test_coupons import give, off
from tests.factories import make_member, new_phone, unique

BATCH = "/v1/pos/orders/batch"


@pytest.fixture
def phone() -> str:
    return new_phone()


@pytest.fixture
def member(database: Database, district: str, phone: str) -> KnownMember:
    with database.transaction(district) as session:
        return make_member(session, phone=phone)


@pytest.fixture
def made(database: Database, district: str, till: Till, member: KnownMember) -> MadeOutCoupon:
    """10 off anything, made out for the till's store five hours ago."""
    return make_out(database, till, member)


def make_out(
    database: Database, till: Till, member: KnownMember, *, hours_ago: float = 5, **terms: Any
) -> MadeOutCoupon:
    with database.transaction("test") as session:
        session.info["now"] = now_of(session) - timedelta(hours=hours_ago)
        coupon = give(session, member, off(1_000), offline_ok=True, **terms)
        return offline.make_out(session, member=member, coupon=coupon, store=till.store)


def captured(
    made: MadeOutCoupon, *, hours: float = 1, paid: int = 9_000, **fields: Any
) -> dict[str, Any]:
    """Return a sale of ¥100 some hours after a coupon was made out, which gave 10 by it."""
    given = {
        "number": unique("N"),
        "occurred_at": (made.starts_at + timedelta(hours=hours)).isoformat(),
        "tenders": cash(paid),
        "lines": [TEA],
        "offline_coupon": made.token,
    }
    return {**AT, **given, **fields}


def uploaded(till: Till, *sales: dict[str, Any]) -> list[Any]:
    return list(told(till.post(BATCH, {"orders": list(sales)}), 200)["verdicts"])


def broken(database: Database, made: MadeOutCoupon) -> list[Listed]:
    """Return the breaks of a coupon."""
    with database.transaction("test") as session:
        keys = {tokens.key_id(offline_key(session).public_key()): offline_key(session).public_key()}
        jti = tokens.read(made.token, keys).jti
        rows = breaks.list_breaks(session)
        return [each for each in rows if (each.reference or "").startswith(jti)]


def public_key(written: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(written + "="))


def due_of(database: Database, till: Till) -> int:
    """Return what is due to the store's merchant, in fen, credits less debits."""
    with database.transaction("test") as session:
        found = session.scalar(
            text(
                "SELECT coalesce(sum(CASE WHEN t.credit_id = a.id THEN t.amount ELSE -t.amount END)"
                ", 0) FROM account a JOIN transfer t ON a.id IN (t.debit_id, t.credit_id)"
                " WHERE a.name = :name"
            ),
            {"name": f"due:{till.shop.merchant.public_id}"},
        )
    return int(found or 0)


def test_an_uploaded_sale_redeems_its_coupon_which_is_paid_settled_and_refundable(
    till: Till, database: Database, made: MadeOutCoupon, phone: str
) -> None:
    (verdict,) = uploaded(till, captured(made, phone=phone))

    order = verdict["order"]
    read = told(till.get(f"/v1/pos/orders/{order['order_id']}"), 200)
    assert verdict["status"] == 201
    assert (order["total_fen"], order["discount_fen"], order["due_fen"]) == (10_000, 1_000, 9_000)
    assert order["earned_points"] == 90
    assert order["offline_coupon"] == {
        "coupon_id": made.coupon, "given_fen": 1_000, "honoured": True, "skewed": False,
        "kind": None, "break_id": None,
    }  # fmt: skip
    assert [(each["coupon_id"], each["fen"]) for each in read["coupons"]] == [(made.coupon, 1_000)]
    assert due_of(database, till) == 1_000

    back = told(till.post(f"/v1/pos/orders/{order['order_id']}/refunds", refund()))

    assert (back["fen"], back["tenders"]) == (9_000, [{"name": "cash", "fen": 9_000}])
    assert [(each["fen"], each["returned"]) for each in back["coupons"]] == [(1_000, True)]
    assert due_of(database, till) == 0
    assert broken(database, made) == []


def test_on_the_line_a_coupon_that_is_made_out_is_refused_and_its_token_asked_for(
    till: Till, database: Database, made: MadeOutCoupon, member: KnownMember
) -> None:
    known = identified(database, till, member)
    wish = order(identification_id=known, coupons=[made.coupon], tenders=cash(9_000))

    refused = told(till.post("/v1/pos/orders", wish), 422)
    best = told(
        till.post(
            "/v1/pos/quotes",
            {**AT, "lines": [TEA], "identification_id": known, "best_coupons": True},
        )
    )

    assert [each["zh"] for each in refused["reasons"]] == ["券已激活为离线券，请出示离线券码"]
    assert (best["discount_fen"], best["coupons"]) == (0, [])


def test_an_upload_sent_again_is_told_the_same_and_moves_nothing(
    till: Till, database: Database, made: MadeOutCoupon
) -> None:
    """Idempotent by store and jti: the answer was lost, the till sends all of it anew."""
    sale = captured(made)

    first = uploaded(till, sale)
    again = uploaded(till, sale)
    other = uploaded(till, {**sale, "tenders": cash(9_500)})

    assert [first[0]["status"], again[0]["status"], other[0]["status"]] == [201, 200, 409]
    assert again[0]["order"] == first[0]["order"]
    assert other[0]["problem"]["code"] == "business-key-conflict"
    assert due_of(database, till) == 1_000
    assert broken(database, made) == []


def test_a_second_sale_with_the_token_is_the_stores_own_discount_and_a_break_with_an_owner(
    till: Till, database: Database, made: MadeOutCoupon, phone: str
) -> None:
    """Two lanes without a common journal: the first one stands, the second is priced and owned."""
    first, second = captured(made), captured(made, hours=2, phone=phone)

    verdicts = uploaded(till, first, second)
    again = uploaded(till, second)

    sold = verdicts[1]["order"]
    (found,) = broken(database, made)
    assert [each["status"] for each in verdicts] == [201, 201]
    assert verdicts[0]["order"]["offline_coupon"]["honoured"] is True
    assert (sold["total_fen"], sold["discount_fen"], sold["due_fen"]) == (9_000, 0, 9_000)
    assert sold["earned_points"] == 90
    assert sold["offline_coupon"]["honoured"] is False
    assert sold["offline_coupon"]["kind"] == found.kind == "coupon_used_twice"
    assert sold["offline_coupon"]["break_id"] == found.public_id
    assert (found.fen, found.owner, found.order) == (1_000, "system:test", sold["order_id"])
    assert (again[0]["status"], again[0]["order"]) == (200, sold)
    assert due_of(database, till) == 1_000

    back = told(till.post(f"/v1/pos/orders/{sold['order_id']}/refunds", refund()))

    assert (back["fen"], back["coupons"]) == (9_000, [])


def test_two_lanes_at_once_use_a_token_once(
    till: Till, database: Database, made: MadeOutCoupon
) -> None:
    """On connections of their own, each sale sent twice at once."""
    sales = [captured(made, hours=hour) for hour in (1, 2, 3, 4)]

    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(uploaded, till, sale) for sale in [*sales, *sales]]
        verdicts = [each.result()[0] for each in sent]

    assert sorted(each["status"] for each in verdicts) == [200] * 4 + [201] * 4
    orders = {each["order"]["order_id"]: each["order"] for each in verdicts}
    honoured = [each["offline_coupon"]["honoured"] for each in orders.values()]
    assert sorted(honoured) == [False, False, False, True]
    assert len(broken(database, made)) == 3
    assert due_of(database, till) == 1_000
    with database.transaction("test", repeatable_read=True) as session:
        assert invariants.audit(session) == []
        assert ledger.upkeep.audit_all(session) == []


def test_the_journal_of_another_store_is_a_break_there_and_the_coupon_stays_good_here(
    till: Till, database: Database, made: MadeOutCoupon
) -> None:
    """Double use in two stores' journals: it was made out for one of them."""
    other = open_till(till.client, database, "test")

    (there,) = uploaded(other, captured(made))
    (here,) = uploaded(till, captured(made))

    assert there["order"]["offline_coupon"]["kind"] == "coupon_wrong_store"
    assert here["order"]["offline_coupon"]["honoured"] is True
    assert (due_of(database, other), due_of(database, till)) == (0, 1_000)
    assert [each.order for each in broken(database, made)] == [there["order"]["order_id"]]


def test_a_recalled_coupon_is_listed_for_tills_and_one_that_was_taken_is_a_break(
    till: Till, database: Database, made: MadeOutCoupon
) -> None:
    before = told(till.get("/v1/pos/offline-keys"), 200)
    with database.transaction("test") as session:
        issuing.void(session, [made.coupon], why="印错")
    after = till.get("/v1/pos/offline-keys")

    (verdict,) = uploaded(till, captured(made))

    said = told(after, 200)
    keys = {each["kid"]: public_key(each["public_key"]) for each in said["keys"]}
    assert after.headers["Cache-Control"] == "private, max-age=300"
    assert said["store_id"] == till.store.public_id
    assert before["revoked"] == []
    token = tokens.read(made.token, keys)
    assert (token.store, token.fen, [token.jti]) == (
        till.store.public_id, 1_000, [each["jti"] for each in said["revoked"]],
    )  # fmt: skip
    assert verdict["order"]["offline_coupon"]["kind"] == "coupon_revoked"


@pytest.mark.parametrize(
    ("hours", "judged"),
    [
        (-0.1, (True, True, None)),
        (-0.2, (False, True, "coupon_out_of_time")),
        (23.9, (True, False, None)),
        (24.1, (True, True, None)),
        (24.5, (False, True, "coupon_out_of_time")),
    ],
)
def test_a_clock_that_is_a_little_off_is_flagged_and_more_is_a_break(
    till: Till, database: Database, member: KnownMember, hours: float, judged: tuple[object, ...]
) -> None:
    """Semantics 40: ten minutes, by the till's own time."""
    made = make_out(database, till, member, hours_ago=30)

    (verdict,) = uploaded(till, captured(made, hours=hours))

    said = verdict["order"]["offline_coupon"]
    assert (said["honoured"], said["skewed"], said["kind"]) == judged


def test_a_sale_that_comes_after_72_hours_is_not_sold_and_its_coupon_is_a_break(
    till: Till, database: Database, member: KnownMember
) -> None:
    """Late is never a silent loss: the break stands, told once, with its price and owner."""
    made = make_out(database, till, member, hours_ago=75)
    sale = captured(made)

    (first,) = uploaded(till, sale)
    (again,) = uploaded(till, sale)

    late = [each for each in broken(database, made) if each.kind == "coupon_late"]
    assert (first["status"], again["status"]) == (410, 410)
    assert [(each.fen, each.owner, each.order) for each in late] == [(1_000, "system:test", None)]
    assert late[0].public_id in first["problem"]["detail"]
    assert late[0].public_id in again["problem"]["detail"]


def test_what_is_no_token_of_ours_refuses_its_sale_alone(
    till: Till, database: Database, made: MadeOutCoupon
) -> None:
    """Bytes flipped; the other sales stand."""
    flipped = made.token[:-3] + ("A" if made.token[-3] != "A" else "B") + made.token[-2:]
    sales = [
        captured(made, offline_coupon=flipped),
        captured(made, paid=10_000, offline_coupon=None),
        captured(made, offline_coupon="OCT1.x.y"),
        captured(made),
    ]

    verdicts = uploaded(till, *sales)

    assert [each["status"] for each in verdicts] == [400, 201, 400, 201]
    assert verdicts[0]["problem"]["code"] == "validation-failed"
    assert verdicts[1]["order"]["offline_coupon"] is None
    assert verdicts[3]["order"]["offline_coupon"]["honoured"] is True


@pytest.mark.parametrize("paid", [10_000, 10_001, 8_999, 0])
def test_tenders_that_no_coupon_explains_refuse_the_sale(
    till: Till, database: Database, made: MadeOutCoupon, paid: int
) -> None:
    (verdict,) = uploaded(till, captured(made, paid=paid))

    assert verdict["status"] == 409
    assert "¥90.00" in verdict["problem"]["detail"]
    assert broken(database, made) == []


def test_less_than_the_coupon_gives_or_goods_that_it_does_not_count_are_the_stores_own(
    till: Till, database: Database, made: MadeOutCoupon
) -> None:
    parcel = {"sku": "D", "name": "配送", "category": "delivery", "amount_fen": 10_000}

    less, on_delivery = uploaded(
        till, captured(made, paid=9_100), captured(made, lines=[parcel], hours=2)
    )
    (good,) = uploaded(till, captured(made, hours=3))

    assert less["order"]["offline_coupon"]["kind"] == "coupon_unmet"
    assert on_delivery["order"]["offline_coupon"]["kind"] == "coupon_unmet"
    assert good["order"]["offline_coupon"]["honoured"] is True
    assert sorted(each.fen for each in broken(database, made)) == [900, 1_000]


def test_a_sale_for_less_than_the_coupon_costs_nothing(
    till: Till, database: Database, made: MadeOutCoupon
) -> None:
    """Semantics 21: what is above the goods is forfeited."""
    cheap = {**TEA, "amount_fen": 600}

    (verdict,) = uploaded(till, captured(made, paid=0, lines=[cheap]))

    order = verdict["order"]
    assert (order["discount_fen"], order["due_fen"]) == (600, 0)
    assert order["offline_coupon"]["given_fen"] == 600
    assert due_of(database, till) == 600


def test_a_break_is_owned_and_closed_like_any_other(
    till: Till, database: Database, made: MadeOutCoupon
) -> None:
    uploaded(till, captured(made), captured(made, hours=2))
    (found,) = broken(database, made)

    with database.transaction("test") as session:
        breaks.own(session, found.public_id, owner="stf_lin", by="stf_wang")
        breaks.close(session, found.public_id, by="stf_lin", reason="门店已说明")

    assert broken(database, made) == []
    assert found.age == "0-1"


def test_an_old_sale_is_known_though_it_is_sent_after_72_hours(
    till: Till, database: Database, member: KnownMember
) -> None:
    made = make_out(database, till, member, hours_ago=74)
    sale = captured(made, hours=1.9, number=unique("N"))
    with database.transaction("test") as session:
        at = now_of(session) - timedelta(hours=71, minutes=30)
    young = {**sale, "occurred_at": at.isoformat()}

    (first,) = uploaded(till, young)
    (again,) = uploaded(till, sale)

    assert (first["status"], again["status"]) == (201, 200)
    assert again["order"]["order_id"] == first["order"]["order_id"]
