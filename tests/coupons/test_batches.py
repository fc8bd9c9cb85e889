"""Templates by version, batches by window: what is written down stays (semantics 42, 60)."""

from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from config.database import now_of
from coupons import batches, issuing
from coupons.errors import NoSuchCoupon, OtherContent, Over, Retired
from coupons.presets import pack
from tests.coupons.makers import DAY, make_batch, make_template, tally
from tests.factories import unique


def test_an_edit_is_a_new_version_and_the_same_again_is_none(session: Session) -> None:
    """semantics 42: a batch keeps the version that it was opened with."""
    first = make_template()
    batches.add_template(session, first, by="stf_1")
    batch = make_batch(session, first)

    again = batches.add_template(session, first, by="stf_2")
    second = batches.add_template(session, replace(first, title_zh="改名"), by="stf_2")

    assert (again.version, second.version) == (1, 2)
    assert batches.get_batch(session, batch.code).template == first
    versions = batches.list_templates(session, code=first.code)
    assert [(each.version, each.created_by) for each in versions] == [(2, "stf_2"), (1, "stf_1")]
    newest = {each.template.code: each.version for each in batches.list_templates(session)}
    assert newest[first.code] == 2


def test_a_version_is_written_once(session: Session) -> None:
    make_batch(session)

    with pytest.raises(DBAPIError, match="permission denied"), session.begin_nested():
        session.execute(text("UPDATE coupon_template_version SET document = '{}'"))


def test_the_same_batch_again_is_the_same_and_other_content_is_refused(session: Session) -> None:
    batch = make_batch(session)
    said = {"code": batch.code, "template": batch.template.code, "by": "stf_1"}

    again = batches.open_batch(session, **said, starts_at=batch.starts_at, ends_at=batch.ends_at)

    assert again == batch
    with pytest.raises(OtherContent):
        batches.open_batch(session, **said, starts_at=batch.starts_at, ends_at=batch.ends_at + DAY)


def test_a_batch_whose_coupons_would_be_over_is_refused(session: Session) -> None:
    template = make_template(validity={"through": "2020-01-01"})
    batches.add_template(session, template, by="stf_1")

    with pytest.raises(Over):
        make_batch(session, template)
    with pytest.raises(Over):
        batches.open_batch(
            session, code=unique("B"), template=template.code, by="stf_1",
            starts_at=now_of(session), ends_at=now_of(session) - DAY,
        )  # fmt: skip


def test_what_is_not_there_is_told(session: Session) -> None:
    with pytest.raises(NoSuchCoupon):
        batches.list_templates(session, code="nothing")
    with pytest.raises(NoSuchCoupon):
        batches.retire(session, "nothing", why="x")
    with pytest.raises(NoSuchCoupon):
        batches.close(session, "nothing", why="x")
    with pytest.raises(NoSuchCoupon):
        batches.get_batch(session, "nothing")
    holding = pack(code=unique("T"), title_zh="包", title_en="Pack", batches=["nothing"], total=5)
    with pytest.raises(NoSuchCoupon):
        make_batch(session, holding)


def test_a_retired_template_opens_nothing_and_its_batches_are_closed(session: Session) -> None:
    """semantics 60; E14"""
    template = make_template()
    batch = make_batch(session, template)
    coupon = issuing.claim(session, batch=batch.code, holder="mem_1")

    closed = batches.retire(session, template.code, why="活动下线")

    assert closed == [batch.code]
    assert batches.retire(session, template.code, why="again") == []
    assert batches.standing(session, batch.code).closed_why == "活动下线"
    with pytest.raises(Retired):
        batches.add_template(session, template, by="stf_1")
    with pytest.raises(Retired):
        batches.open_batch(
            session, code=unique("B"), template=template.code, by="stf_1",
            starts_at=batch.starts_at, ends_at=batch.ends_at,
        )  # fmt: skip
    with pytest.raises(Over):
        issuing.claim(session, batch=batch.code, holder="mem_2")
    again = issuing.claim(session, batch=batch.code, holder="mem_1")
    assert again == [replace(coupon[0], repeated=True)]


def test_where_a_batch_stands_is_counted(session: Session) -> None:
    batch = make_batch(session, limits={"total": 5, "per_day": 3})
    issuing.claim(session, batch=batch.code, holder="mem_1")

    stands = batches.standing(session, batch.code)

    assert stands.coupons == {"issued": 1}
    assert {(each.scope, each.used, each.ceiling) for each in stands.counts} == {
        ("all", 1, 5), ("day", 1, 3)
    }  # fmt: skip
    assert tally(session, batch.code, "issued") == (0, 1)
    assert batch.code in {each.code for each, _ in batches.list_batches(session)}
