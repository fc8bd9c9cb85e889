"""G3, reliability §13: all that is kept of a member, readable by machines, once, within a day."""

import json
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from app import audit
from app.checkout.returns import RefundWhole
from app.errors import NotFound, TooOften
from app.members import enrolment, exporting, referring
from app.members.arrivals import ChannelName, NewMember
from app.members.models import Source
from config.database import Database, now_of
from tests.app.api.phones import Phone, new_member, told
from tests.app.checkout.shops import open_shop
from tests.factories import make_member, unique


def download(phone: Phone) -> str:
    return f"exports/{told(phone.post('exports'), 201)['export_id']}/download"


def test_everything_is_in_the_export_in_clear(phone: Phone, database: Database) -> None:
    openid, member = unique("openid-"), phone.member(database)
    with database.transaction("test") as session:
        enrolment.enrol(
            session,
            NewMember(
                source=Source.WECHAT,
                phone=phone.number,
                name="张三",
                identity=ChannelName(channel="wechat", app_id="wx1", identity=openid),
            ),
        )
        shop = open_shop(session)
        sales = [shop.sell(session, member, fen) for fen in (10_000, 20_000)]
        shop.refund(session, sales[0].public_id, RefundWhole())
        code = referring.code_of(session, member)
        assert referring.refer(session, make_member(session), code=code, month_friends=1)

    data = told(phone.post(download(phone)))

    assert (data["profile"]["name"], data["profile"]["phone"]) == ("张三", phone.number)
    assert [each["identity"] for each in data["identities"]] == [openid]
    assert [each["merchant_id"] for each in data["memberships"]] == [shop.merchant.public_id]
    assert [(each["purpose"], each["decision"]) for each in data["consents"]] == [
        ("membership", "given")
    ]
    assert len(data["consents"][0]["text_sha256"]) == 64
    assert data["balance"]["spendable_points"] == 200
    assert sorted(each["points"] for each in data["movements"]) == [-100, 100, 200]
    assert [each["order_id"] for each in data["orders"]] == [
        sale.public_id for sale in reversed(sales)
    ]
    assert [len(each["lines"]) for each in data["orders"]] == [1, 1]
    assert [len(each["refunds"]) for each in data["orders"]] == [0, 1]
    assert (data["referral_code"], len(data["referrals"])) == (code, 1)
    assert [each["source"] for each in data["devices"]] == ["web"]


def test_an_export_is_fetched_once_by_nobody_else_and_on_record(
    phone: Phone, client: FlaskClient, database: Database
) -> None:
    path = download(phone)

    foreign = new_member(client).post(path).status_code
    first, second = [phone.post(path).status_code for _ in range(2)]

    assert (foreign, first, second) == (404, 200, 404)
    member = phone.member(database)
    with database.transaction("test") as session:
        acts = audit.list_records(session, about=member.public_id)
    assert [(act.actor, act.action, act.source) for act in acts] == [
        (member.public_id, "member.export", "member")
    ]


def test_nothing_of_it_is_stored(phone: Phone, database: Database) -> None:
    path, key = download(phone), unique("idem-key-")
    phone.post(path, key=key)

    with database.transaction("test") as session:
        stored = session.scalars(
            text("SELECT body FROM idempotency WHERE principal = :id"),
            {"id": phone.member(database).public_id},
        ).all()
    assert [set(json.loads(body)) for body in stored] == [{"export_id", "until"}]


def test_it_waits_for_a_day_and_may_be_asked_for_five_times_in_one(
    phone: Phone, database: Database
) -> None:
    member = phone.member(database)
    with database.transaction("test") as session:
        now = now_of(session)
        asked = [exporting.ask(session, member=member, now=now) for _ in range(5)]
        with pytest.raises(TooOften):
            exporting.ask(session, member=member, now=now)
        with pytest.raises(NotFound):
            exporting.fetch_once(
                session, asked[0].public_id, member=member, now=now + timedelta(hours=24)
            )
        exporting.ask(session, member=member, now=now + timedelta(hours=25))
