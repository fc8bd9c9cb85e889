"""C18, reliability 10: a till proves an offline coupon by itself, with keys that it has kept."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from plaza_client import (
    BadOfflineCoupon,
    Captured,
    Line,
    OfflineKeys,
    Tender,
    check_offline_coupon,
)

from app.checkout import offline
from config.database import Database
from coupons import tokens
from coupons.tokens import Token
from tests.app.checkout.test_coupons import give
from tests.app.checkout.test_coupons import off as fen_off
from tests.clients.python.network import Network
from tests.clients.python.worlds import World
from tests.coupons.test_tokens import PUBLISHED, SEED
from tests.factories import unique

WRITTEN = tokens.write(PUBLISHED, SEED)
NOON = PUBLISHED.starts_at + timedelta(hours=12)
KNOWN = OfflineKeys(
    store_id="store_S01",
    now=NOON,
    keys={"oct-2026-01": "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"},
    revoked=frozenset({"cpn_other"}),
)
TEA = Line(sku="S1", name="龙井", amount_fen=1_500, category="tea")
PARCEL = Line(sku="D1", name="配送", amount_fen=9_000, category="delivery")


def test_a_sound_token_gives_what_it_says_at_most_what_the_goods_cost() -> None:
    coupon = check_offline_coupon(WRITTEN, KNOWN, at=NOON)

    assert (coupon.jti, coupon.template, coupon.fen) == ("cpn_01HZX", "tpl_7", 2_000)
    assert coupon.ends_at == PUBLISHED.ends_at
    assert coupon.discount_fen([TEA, PARCEL]) == 1_500
    assert coupon.discount_fen([TEA, TEA]) == 2_000
    assert coupon.discount_fen([PARCEL]) == 0


@pytest.mark.parametrize(
    ("known", "at", "code"),
    [
        (replace(KNOWN, store_id="store_S02"), NOON, "wrong-store"),
        (replace(KNOWN, revoked=frozenset({"cpn_01HZX"})), NOON, "revoked"),
        (replace(KNOWN, keys={}), NOON, "forged"),
        (KNOWN, PUBLISHED.starts_at - timedelta(minutes=10, seconds=1), "not-yet"),
        (KNOWN, PUBLISHED.ends_at, "expired"),
    ],
)
def test_a_token_is_refused_with_words_for_the_cashier(
    known: OfflineKeys, at: datetime, code: str
) -> None:
    with pytest.raises(BadOfflineCoupon) as refused:
        check_offline_coupon(WRITTEN, known, at=at)

    assert refused.value.code == code
    assert refused.value.zh
    assert refused.value.en
    assert check_offline_coupon(WRITTEN, KNOWN, at=PUBLISHED.starts_at - timedelta(minutes=10))


@given(st.data())
def test_no_character_of_a_token_can_be_another(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(WRITTEN) - 1))
    other = data.draw(st.characters(codec="utf-8", exclude_characters=WRITTEN[place]))

    with pytest.raises(BadOfflineCoupon, match="不是有效的离线券"):
        check_offline_coupon(WRITTEN[:place] + other + WRITTEN[place + 1 :], KNOWN, at=NOON)


@given(
    st.builds(
        Token,
        kid=st.just("oct-2026-01"),
        jti=st.text("abcXYZ0189_", min_size=1, max_size=30),
        template=st.text(max_size=20),
        store=st.just("store_S01"),
        fen=st.integers(1, 2_000),
        starts_at=st.just(PUBLISHED.starts_at),
        ends_at=st.just(PUBLISHED.ends_at),
    ),
    st.booleans(),
)
def test_the_till_and_the_server_agree_on_every_token(token: Token, ours: bool) -> None:
    stranger = Ed25519PrivateKey.from_private_bytes(bytes(range(9, 41)))
    written = tokens.write(token, SEED if ours else stranger)

    if ours:
        coupon = check_offline_coupon(written, KNOWN, at=NOON)
        read = tokens.read(written, {"oct-2026-01": SEED.public_key()})
        assert (coupon.jti, coupon.template, coupon.fen) == (read.jti, read.template, read.fen)
    else:
        with pytest.raises(BadOfflineCoupon):
            check_offline_coupon(written, KNOWN, at=NOON)


def test_keys_are_fetched_a_coupon_is_taken_and_the_sale_uploaded_over_a_lost_answer(
    line: Network, world: World, database: Database
) -> None:
    """The line drops the answer of the upload: the repeat tells the same, and moves nothing."""
    with database.transaction(world.district) as session:
        coupon = give(session, world.member, fen_off(1_000), offline_ok=True)
        store = world.shop.till.store
        made = offline.make_out(session, member=world.member, coupon=coupon, store=store)
    now = datetime.now(UTC)
    with world.till(line.base_url) as till:
        known = till.offline_keys()
        taken = check_offline_coupon(made.token, known, at=now)
        sale = Captured(
            number=unique("N"), occurred_at=now, lines=[TEA], offline_coupon=taken.token,
            tenders=[Tender(name="cash", fen=1_500 - taken.discount_fen([TEA]))],
        )  # fmt: skip
    line.faults.extend(["lost", "torn"])
    with world.till(line.base_url) as till:
        (verdict,) = till.upload([sale])
        (again,) = till.upload([sale])

    assert (known.store_id, known.revoked) == (store.public_id, frozenset())
    assert (verdict.status, again.status) == (201, 200)
    assert verdict.order is not None
    assert verdict.order.offline_coupon is not None
    assert verdict.order.offline_coupon.honoured
    assert (verdict.order.discount_fen, verdict.order.due_fen) == (1_000, 500)
    assert again.order == verdict.order
