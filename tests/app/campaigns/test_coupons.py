"""G1, E36: two people where more than a little is promised; everything on record."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app import approvals, audit
from app.approvals import ChangeRequest, SamePerson
from app.campaigns import coupons
from app.checkout import invariants
from app.errors import StateConflict
from app.members.identification import KnownMember
from app.members.sealing import coupon_keys
from app.points import merging
from config.database import Database, now_of
from coupons import aliases, batches, codes, presets, runs, shares, templates
from coupons import invariants as of_coupons
from coupons.batches import ListedBatch
from coupons.errors import BadTemplate, ClaimLimit, NoSuchCoupon
from coupons.issuing import Verdict
from coupons.templates import Template
from tests.app.points.test_merging import merge, undo
from tests.coupons.makers import make_batch, make_template
from tests.coupons.test_races import Act, race
from tests.factories import make_member, make_merchant, make_staff, unique

NAMED = {"code": "P", "title_zh": "名称", "title_en": "Title"}


def _open(session: Session, template: Template, *, by: str) -> ListedBatch | ChangeRequest:
    coupons.add_template(session, template, by=by)
    now = now_of(session)
    return coupons.open_batch(
        session, code=unique("B"), template=template.code, starts_at=now,
        ends_at=now + timedelta(days=9), by=by, reason="开业",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("template", "fen"),
    [
        (make_template(limits={"total": 200}), 1_000_000),
        (make_template(limits={"total": 200}, uses=2), 2_000_000),
        (make_template(limits={"total": 200}, budget={"fen": {"all": 7}}), 7),
        (make_template(limits={}, budget={"count": {"all": 3}}), 15_000),
        (make_template(limits={}), None),
        (presets.discount(**NAMED, off_bps=1_000, ceiling_fen=500, days=1, total=10), 5_000),
        (presets.flash_sale(**NAMED, sku="TEA", pay_fen=100, total=10), None),
        (presets.pack(**NAMED, batches=["B1"], total=10), 0),
    ],
)
def test_what_a_batch_promises_is_the_least_of_its_limits(
    template: Template, fen: int | None
) -> None:
    assert coupons.promised_fen(template) == fen


def test_one_person_opens_what_promises_little(session: Session) -> None:
    by = make_staff(session).public_id

    opened = _open(session, make_template(limits={"total": 200}), by=by)

    assert isinstance(opened, ListedBatch)
    acts = [
        each.action for each in audit.list_records(session, about=f"coupon-batch:{opened.code}")
    ]
    assert acts == ["coupon.batch_open"]


def test_above_that_a_second_person_has_to_agree(session: Session) -> None:
    """G1; E36"""
    one, two = make_staff(session).public_id, make_staff(session).public_id

    asked = _open(session, make_template(limits={"total": 201}), by=one)

    assert isinstance(asked, ChangeRequest)
    assert asked.payload["promised_fen"] == 1_005_000
    with pytest.raises(NoSuchCoupon):
        batches.get_batch(session, asked.subject)
    with pytest.raises(SamePerson):
        coupons.approve(session, asked.public_id, by=one)
    assert coupons.approve(session, asked.public_id, by=two) == now_of(session)
    assert batches.get_batch(session, asked.subject).template.terms.limits.total == 201


def test_what_was_agreed_to_is_what_opens(session: Session) -> None:
    one, two = make_staff(session).public_id, make_staff(session).public_id
    template = make_template(limits={})
    asked = _open(session, template, by=one)
    assert isinstance(asked, ChangeRequest)
    document = make_template(limits={"total": 5})
    coupons.add_template(
        session,
        Template(
            code=template.code, title_zh="新", title_en="New", offer=template.offer,
            terms=document.terms,
        ),
        by=one,
    )  # fmt: skip

    with pytest.raises(StateConflict, match="新版本"):
        coupons.approve(session, asked.public_id, by=two)


def test_a_proposal_may_be_withdrawn(session: Session) -> None:
    one = make_staff(session).public_id
    asked = _open(session, make_template(limits={}), by=one)
    assert isinstance(asked, ChangeRequest)

    coupons.reject(session, asked.public_id, by=one, reason="算错")

    assert asked.public_id not in {
        each.public_id for each in approvals.list_open(session, kind=coupons.KIND)
    }


def test_a_grant_goes_on_record_with_its_people(session: Session) -> None:
    by = make_staff(session).public_id
    batch = _open(session, make_template(limits={"total": 9}), by=by)
    assert isinstance(batch, ListedBatch)
    members = [make_member(session) for _ in range(3)]

    given = coupons.grant(
        session, batch=batch.code, members=members, key="spring", by=by, reason="补发"
    )

    assert {each.holder for each in given} == {each.public_id for each in members}
    row = audit.list_records(session, about=f"coupon-batch:{batch.code}")[0]
    assert (row.action, row.reason) == ("coupon.grant", "补发")


def test_the_keys_of_codes_are_their_own(session: Session) -> None:
    keys = coupon_keys(session)

    assert keys == coupon_keys(session)
    assert len({keys.index, keys.seal, session.info["key_ring"].index}) == 3


def _paid_by(funder: str, owner: str) -> Template:
    document: Any = templates.dump(make_template())
    district = {"funder": "district", "share_bps": 5_000}
    theirs = {"funder": "merchant", "name": funder, "share_bps": 5_000}
    document["terms"]["funding"] = {"parts": [district, theirs]}
    document["offer"]["stacking"]["owner"] = owner
    return templates.load(document)


def test_a_template_that_names_a_merchant_who_is_not_there_is_refused(session: Session) -> None:
    """Else each sale whose best stack holds such a coupon would be refused, for every holder."""
    there, by = make_merchant(session), make_staff(session).public_id
    none = unique("M")

    for template, path in (
        (_paid_by(none, "district"), "template.terms.funding.parts[1].name"),
        (_paid_by(there.code, none), "template.offer.stacking.owner"),
    ):
        with pytest.raises(
            BadTemplate, match=r"商圈没有商户.*the district has no merchant"
        ) as wrong:
            coupons.add_template(session, template, by=by)
        assert wrong.value.path == path

    for template in (_paid_by(there.code, there.code), _paid_by(there.public_id, "district")):
        assert coupons.add_template(session, template, by=by).version == 1


def test_an_owner_is_named_by_the_code_and_money_is_for_one_merchant(session: Session) -> None:
    """C1: a stored value that several merchants accept would be another business."""
    there, by = make_merchant(session), make_staff(session).public_id
    with pytest.raises(BadTemplate, match=there.code):
        coupons.add_template(session, _paid_by(there.code, there.public_id), by=by)
    document: Any = templates.dump(make_template())
    document["offer"]["benefit"] = {"kind": "stored_value", "fen": 3_000}
    del document["terms"]["uses"]
    for merchants in ([], [there.code, "other"]):
        document["offer"]["scope"] = {"include": {"merchants": merchants}}
        with pytest.raises(BadTemplate, match="储值券仅限一家商户"):
            coupons.add_template(session, templates.load(document), by=by)
    document["offer"]["scope"] = {"include": {"merchants": [there.code]}}
    assert coupons.add_template(session, templates.load(document), by=by).version == 1


def test_what_a_merged_member_took_counts_for_the_survivors_limit(session: Session) -> None:
    """Semantics 46: what is above it is kept, nothing more is issued; an undo parts them again."""
    loser, survivor = make_member(session), make_member(session)
    one, two = make_batch(session), make_batch(session, limits={"per_member": 2})
    for batch in (one, two):
        coupons.claim(session, batch=batch.code, holder=loser.public_id)
    done = merge(session, loser, survivor)

    with pytest.raises(ClaimLimit):
        coupons.claim(session, batch=one.code, holder=survivor.public_id)
    (second,) = coupons.claim(session, batch=two.code, holder=survivor.public_id)
    with pytest.raises(ClaimLimit):
        coupons.claim(session, batch=two.code, holder=survivor.public_id, n=2)
    (again,) = coupons.claim(session, batch=two.code, holder=survivor.public_id)
    assert (again.coupon, again.repeated) == (second.coupon, True)

    undo(session, done.merge)
    (own,) = coupons.claim(session, batch=one.code, holder=survivor.public_id)
    assert not own.repeated


def test_a_pack_is_refused_to_whom_a_merge_brought_its_coupons(session: Session) -> None:
    loser, survivor = make_member(session), make_member(session)
    inner = make_batch(session)
    pack = presets.pack(**{**NAMED, "code": unique("P")}, batches=[inner.code], total=10)
    outer = make_batch(session, pack)
    coupons.claim(session, batch=inner.code, holder=loser.public_id)
    merge(session, loser, survivor)

    with pytest.raises(ClaimLimit):
        coupons.claim(session, batch=outer.code, holder=survivor.public_id)
    assert len(coupons.claim(session, batch=outer.code, holder=make_member(session).public_id)) == 1


def test_a_merged_member_gets_no_second_one_by_any_way_until_the_merge_is_undone(
    session: Session,
) -> None:
    """Semantics 46, over two merges"""
    first, loser, survivor, friend = [make_member(session) for _ in range(4)]
    batch = make_batch(session, transfer=1)
    coupons.claim(session, batch=batch.code, holder=first.public_id)
    (given,) = coupons.claim(session, batch=batch.code, holder=friend.public_id)
    index = _printed(session, batch)
    keys, until = coupon_keys(session), now_of(session) + timedelta(days=1)
    token = shares.share(
        session, coupon=given.coupon, giver=friend.public_id, until=until, keys=keys
    ).token
    merge(session, first, loser)
    done = merge(session, loser, survivor)
    him = survivor.public_id

    for act in (
        lambda: coupons.claim(session, batch=batch.code, holder=him),
        lambda: coupons.exchange(session, index=index, holder=him),
        lambda: coupons.hand_on(session, coupon=given.coupon, giver=friend.public_id, taker=him),
        lambda: coupons.accept(session, token=token, taker=him),
    ):
        with pytest.raises(ClaimLimit):
            act()
    assert _granted(session, batch, survivor, key="1") is Verdict.CLAIM_LIMIT

    undo(session, done.merge)
    assert _granted(session, batch, loser, key="2") is Verdict.CLAIM_LIMIT
    coupons.accept(session, token=token, taker=him)
    assert _granted(session, batch, survivor, key="3") is Verdict.CLAIM_LIMIT
    assert invariants.audit(session) == []
    assert of_coupons.audit(session) == []


def test_the_auditor_and_the_clock_find_a_merged_member_whose_coupons_count_alone(
    session: Session,
) -> None:
    """As code of before the names would have left him while it still ran."""
    loser, survivor = make_member(session), make_member(session)
    merge(session, loser, survivor)
    aliases.part(session, alias=loser.public_id)
    broken = [(each.subject, each.invariant) for each in invariants.audit(session)]

    merging.gather(session)

    assert broken == [(loser.public_id, "a merged member's coupons count for who he is")]
    assert invariants.audit(session) == []


def test_members_who_claim_while_they_are_merged_have_no_more_than_was_theirs(
    database: Database, district: str
) -> None:
    """The merge is the only way above a limit, and none is had after it."""
    with database.transaction(district) as session:
        loser, survivor = make_member(session), make_member(session)
        batch = make_batch(session, limits={"per_member": 2, "total": 99}).code
        request = merging.propose(
            session, loser=loser.public_id, survivor=survivor.public_id, by="lin", reason="test"
        ).public_id

    def claim(member: KnownMember, n: int) -> Act:
        return lambda session: coupons.claim(session, batch=batch, holder=member.public_id, n=n)

    acts = [claim(member, n) for n in (1, 2) for member in (loser, survivor)]
    said = race(
        database, district,
        [*acts[:2], lambda session: merging.approve(session, request, by="wang"), *acts[2:]],
    )  # fmt: skip
    later = race(database, district, [claim(survivor, n) for n in range(3, 9)])

    assert said["done"] >= 3
    assert later == {"ClaimLimit": 6}
    with database.transaction(district, repeatable_read=True) as session:
        assert invariants.audit(session) == []
        assert of_coupons.audit(session) == []


def _granted(session: Session, batch: ListedBatch, member: KnownMember, *, key: str) -> Verdict:
    (given,) = coupons.grant(
        session, batch=batch.code, members=[member], key=key, by="lin", reason="test"
    )
    return given.verdict


def _printed(session: Session, batch: ListedBatch) -> bytes:
    """Return the hash of a printed code of a batch."""
    keys = coupon_keys(session)
    run = runs.open_run(session, batch=batch.code, name="r", wanted=1, keys=keys, by="lin")
    runs.fill(session, run, keys=keys, limit=1)
    return codes.index_of(keys, codes.normal(next(run.lines(start=0)).decode()))
