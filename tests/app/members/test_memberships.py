"""M1, M9, S6, semantics 48: members of merchants, and what a merchant may see of them."""

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.errors import Invalid
from app.members import memberships
from app.members.identification import KnownMember
from app.members.memberships import MerchantMember
from app.members.models import Membership, MemberStatus, Source
from app.merchants.directory import ListedMerchant
from tests.factories import make_member, make_merchant, new_phone


def _row(session: Session, member: KnownMember, merchant: ListedMerchant) -> Membership:
    row = session.scalar(
        select(Membership)
        .where(Membership.member_id == member.id, Membership.merchant_id == merchant.id)
        .execution_options(populate_existing=True)
    )
    assert row is not None
    return row


def test_a_first_order_makes_a_membership_without_consent(session: Session) -> None:
    member, merchant = make_member(session), make_merchant(session)

    news = memberships.join(session, member=member, merchants=[merchant], source=Source.PAYMENT)

    row = _row(session, member, merchant)
    assert (row.source, row.consent_version) == ("payment", None)
    assert [(each.topic, each.aggregate, dict(each.payload)) for each in news] == [
        (
            "membership.created",
            row.pseudonym,
            {"member": member.public_id, "merchant": merchant.public_id, "source": "payment"},
        )
    ]


def test_joining_several_merchants_takes_one_statement_and_a_repeat_changes_nothing(
    session: Session, sent: list[object]
) -> None:
    member = make_member(session)
    merchants = [make_merchant(session) for _ in range(3)]
    sent.clear()

    first = memberships.join(
        session, member=member, merchants=[*merchants, merchants[0]], source=Source.PAYMENT
    )
    again = memberships.join(session, member=member, merchants=merchants, source=Source.PAYMENT)

    assert (len(first), len(again), len(sent)) == (3, 0, 2)
    assert memberships.join(session, member=member, merchants=[], source=Source.WEB) == []


def test_registering_after_an_order_adds_the_consent_and_keeps_the_source(
    session: Session,
) -> None:
    member, merchant = make_member(session), make_merchant(session)
    memberships.join(session, member=member, merchants=[merchant], source=Source.PAYMENT)

    fresh = memberships.register(
        session, member=member, merchant=merchant, source=Source.WECHAT, consent_version="2026-1"
    )

    row = _row(session, member, merchant)
    assert not fresh
    assert (row.source, row.consent_version) == ("payment", "2026-1")
    assert row.consented_at is not None


def test_registering_at_a_merchant_is_told_once(session: Session) -> None:
    member, merchant = make_member(session), make_merchant(session)

    fresh = [
        memberships.register(
            session, member=member, merchant=merchant, source=Source.WEB, consent_version="v1"
        )
        for _ in range(2)
    ]

    assert fresh == [True, False]
    told = session.scalar(
        text("SELECT count(*) FROM outbox WHERE aggregate = :pseudonym"),
        {"pseudonym": _row(session, member, merchant).pseudonym},
    )
    assert told == 1


def test_paying_gives_no_consent(session: Session) -> None:
    member, merchant = make_member(session), make_merchant(session)

    with pytest.raises(Invalid, match="不含营销同意"):
        memberships.join(
            session,
            member=member,
            merchants=[merchant],
            source=Source.PAYMENT,
            consent_version="v1",
        )


def test_a_merchant_sees_its_own_members_under_pseudonyms_of_its_own(session: Session) -> None:
    """M9: two merchants cannot join their lists, and neither sees who anybody is."""
    one, two = make_merchant(session), make_merchant(session)
    phone = new_phone()
    shared = make_member(session, phone=phone, name="张小明")
    other = make_member(session)
    memberships.join(session, member=shared, merchants=[one, two], source=Source.PAYMENT)
    memberships.join(session, member=other, merchants=[two], source=Source.COUNTER)

    seen_by_one = memberships.list_members_of(session, merchant_id=one.id)
    seen_by_two = memberships.list_members_of(session, merchant_id=two.id)

    assert (len(seen_by_one), len(seen_by_two)) == (1, 2)
    assert {each.source for each in seen_by_two} == {Source.PAYMENT, Source.COUNTER}
    assert not {each.pseudonym for each in seen_by_one} & {each.pseudonym for each in seen_by_two}
    assert seen_by_one[0].status is MemberStatus.ACTIVE
    written = repr(seen_by_one + seen_by_two)
    for secret in (phone, phone[-11:], "张", shared.public_id, other.public_id):
        assert secret not in written


def test_pages_of_a_merchants_members_neither_overlap_nor_miss(session: Session) -> None:
    merchant = make_merchant(session)
    for _ in range(5):
        memberships.join(
            session, member=make_member(session), merchants=[merchant], source=Source.WEB
        )

    seen: list[MerchantMember] = []
    while page := memberships.list_members_of(
        session, merchant_id=merchant.id, after=seen[-1].pseudonym if seen else "", limit=2
    ):
        seen += page

    assert len(seen) == len({each.pseudonym for each in seen}) == 5
