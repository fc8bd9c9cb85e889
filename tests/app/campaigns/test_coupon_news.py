"""C7, C20: what others are told of coupons, in the transaction of the effect, and told once."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.campaigns import coupons
from app.campaigns.coupon_news import Topic
from app.checkout import takings
from app.checkout.drafts import Sale
from app.members.identification import KnownMember
from app.members.sealing import coupon_keys
from app.outbox import Message
from config.database import Database, now_of
from coupons import issuing, presets, shares
from coupons.errors import SoldOut
from tests.app.campaigns.test_mall import put_up
from tests.app.campaigns.test_pay_gifts import open_gift
from tests.app.checkout.shops import Shop, give_points, open_shop
from tests.app.checkout.test_coupons import give, off, sell
from tests.counting import sent_by_all
from tests.coupons.makers import DAY, make_batch
from tests.factories import make_member, unique


def _sell(session: Session, shop: Shop, member: KnownMember, coupon: str, fen: int) -> Sale:
    """Sell for ¥50 with a coupon that takes so many fen off."""
    basket = replace(shop.basket(session, member, 5_000), coupons=[coupon])
    return sell(session, basket, 5_000 - fen)


def _told(session: Session, coupon: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the news of a coupon in its order, without what every one says."""
    rows = session.scalars(select(Message).where(Message.aggregate == coupon).order_by(Message.seq))
    return [
        (row.topic, {name: said for name, said in row.payload.items() if name != "coupon"})
        for row in rows
    ]


def test_a_claim_and_what_follows_are_told_in_order_and_a_repeat_is_not(session: Session) -> None:
    batch = make_batch(session, transfer=2).code
    one, two, three = [make_member(session).public_id for _ in range(3)]
    for _ in range(2):
        (got,) = coupons.claim(session, batch=batch, holder=one)
    for _ in range(2):
        coupons.hand_on(session, coupon=got.coupon, giver=one, taker=two)
    link = shares.share(
        session, coupon=got.coupon, giver=two, until=now_of(session) + DAY,
        keys=coupon_keys(session),
    )  # fmt: skip
    for _ in range(2):
        coupons.accept(session, token=link.token, taker=three)
    for _ in range(2):
        coupons.void(session, [got.coupon], by="system:test", reason="test")

    told = _told(session, got.coupon)

    assert told == [
        (
            Topic.CLAIMED,
            {"batch": batch, "member": one, "valid_until": got.valid_until.isoformat()},
        ),
        (Topic.TRANSFERRED, {"giver": one, "taker": two}),
        (Topic.TRANSFERRED, {"giver": two, "taker": three}),
        (Topic.VOIDED, {}),
    ]


def test_of_a_pack_each_coupon_is_told_and_a_refused_claim_is_not(session: Session) -> None:
    inner = [make_batch(session).code for _ in range(2)]
    named = {"code": unique("P"), "title_zh": "包", "title_en": "pack"}
    outer = make_batch(session, presets.pack(**named, batches=inner, total=1)).code
    one, two = [make_member(session).public_id for _ in range(2)]
    before = session.scalar(select(func.count()).select_from(Message)) or 0

    got = coupons.claim(session, batch=outer, holder=one)
    with pytest.raises(SoldOut):
        coupons.claim(session, batch=outer, holder=two)

    assert [_told(session, each.coupon)[0][1]["batch"] for each in got] == inner
    assert session.scalar(select(func.count()).select_from(Message)) == before + 2


def test_whoever_gives_a_coupon_is_named_in_its_news(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    batch = make_batch(session, limits={"per_member": 9, "total": 9}).code
    only = {"scope": {"include": {"merchants": [shop.merchant.code]}}}
    gift = open_gift(session, batch=batch, conditions=only)
    for _ in range(2):
        (granted,) = coupons.grant(
            session, batch=batch, members=[member], key="spring", by="system:test", reason="test"
        )
    sale = give_points(session, shop, member, 500)
    taken = takings.take(session, member, item=put_up(session, shop, batch=batch).code, points=500)

    said = [granted.coupon, sale.gifts[0].coupon, taken.coupon]

    assert gift.batch == batch
    assert [_told(session, coupon or "") for coupon in said] == [
        [(Topic.GRANTED, {"batch": batch, "member": member.public_id, "by": by})]
        for by in ("spring", sale.public_id, taken.public_id)
    ]


def test_a_whole_refund_voids_the_gift_and_tells_it(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    only = {"scope": {"include": {"merchants": [shop.merchant.code]}}}
    open_gift(session, batch=make_batch(session).code, conditions=only)
    sale = shop.sell(session, member, 5_000)

    shop.refund(session, sale.public_id)

    told = _told(session, sale.gifts[0].coupon or "")
    assert [topic for topic, _ in told] == [Topic.GRANTED, Topic.VOIDED]


def test_a_use_and_its_return_are_told_with_order_and_refund(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    coupon = give(session, member, off(1_000))
    sale = _sell(session, shop, member, coupon, 1_000)

    refund = shop.refund(session, sale.public_id)

    (topic, used), (after, back) = _told(session, coupon)
    assert (topic, used) == (
        Topic.REDEEMED,
        {"order": sale.public_id, "member": member.public_id, "discount_fen": 1_000},
    )
    assert (after, back["order"], back["refund"], back["reissued"]) == (
        Topic.RETURNED, sale.public_id, refund.public_id, None,
    )  # fmt: skip


def test_news_of_a_use_goes_with_the_orders_own(database: Database, district: str) -> None:
    """One statement writes all news of a sale, whatever it used."""
    with database.transaction(district) as session:
        shop, member = open_shop(session), make_member(session)
        mine = [give(session, member, off(100)) for _ in range(2)]
        _sell(session, shop, member, mine[0], 100)
    with sent_by_all(database) as statements, database.transaction(district) as session:
        _sell(session, shop, member, mine[1], 100)

    assert sum("INSERT INTO outbox" in str(each) for each in statements) == 1


def test_recalls_of_a_batch_tell_each_coupon(session: Session) -> None:
    """C20"""
    batch = make_batch(session).code
    had = [issuing.claim(session, batch=batch, holder=f"mem_{n}")[0].coupon for n in range(3)]

    done = coupons.void_some(session, batch=batch, run=None, why="test", after=0)

    assert done.voided == 3
    assert {tuple(topic for topic, _ in _told(session, each)) for each in had} == {(Topic.VOIDED,)}
