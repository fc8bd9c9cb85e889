"""M1, S6, semantics 47 and 48: becoming a member, once, however often and from wherever."""

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app import audit
from app.errors import Invalid
from app.members import devices, enrolment, freezing, refreshing
from app.members.arrivals import ChannelName, NewMember
from app.members.errors import (
    BadPhone,
    ChallengeNeeded,
    DetailDiffers,
    MemberNotActive,
    TwoMembers,
)
from app.members.identification import (
    find_by_card,
    find_by_identity,
    find_by_phone,
    find_by_public_id,
    get_by_public_id,
    list_by_cards,
)
from app.members.models import Kind, Member, Membership, MemberStatus, Source
from app.members.privacy import masked_person
from config.database import now_of
from tests.factories import make_member, new_phone, unique


def _wechat(identity: str | None = None, *, app_id: str = "wxapp1") -> ChannelName:
    return ChannelName(channel="wechat", app_id=app_id, identity=identity or unique("o"))


def _find(session: Session, name: ChannelName) -> str | None:
    found = find_by_identity(
        session, channel=name.channel, app_id=name.app_id, identity=name.identity
    )
    return found.public_id if found else None


def test_a_new_member_is_found_by_phone_card_identity_and_public_id(session: Session) -> None:
    phone, card, identity = new_phone(), unique("C"), _wechat()

    enrolled = enrolment.enrol(
        session,
        NewMember(
            source=Source.WECHAT, phone=phone, card_number=card, identity=identity, name="张小明"
        ),
    )

    member = enrolled.member
    assert enrolled.created
    assert (member.kind, member.status, member.tier) == (
        Kind.REGISTERED,
        MemberStatus.ACTIVE,
        "basic",
    )
    assert find_by_phone(session, phone) == member
    assert find_by_phone(session, phone.removeprefix("+86")) == member
    assert find_by_card(session, card) == member
    assert find_by_public_id(session, member.public_id) == member
    assert _find(session, identity) == member.public_id


def test_the_same_phone_enrols_one_member_with_one_wallet(session: Session) -> None:
    phone = new_phone()
    first = enrolment.enrol(session, NewMember(source=Source.COUNTER, phone=phone))

    again = enrolment.enrol(session, NewMember(source=Source.WEB, phone=f" {phone} "))

    assert not again.created
    assert again.member == first.member


def test_each_member_has_a_wallet_of_his_own(session: Session) -> None:
    wallets = {make_member(session).wallet_id for _ in range(3)}

    assert len(wallets) == 3
    assert session.scalar(
        text("SELECT count(*) FROM wallet WHERE id = ANY(:ids)"), {"ids": list(wallets)}
    ) == len(wallets)


def test_thousands_enrol_in_a_dozen_sent(session: Session, sent: list[object]) -> None:
    mark = unique("H")
    people = [
        NewMember(source=Source.IMPORT, card_number=f"{mark}-{n}", phone=None) for n in range(2469)
    ]
    sent.clear()

    enrolled = enrolment.enrol_many(session, people)

    assert len(sent) <= 12
    assert all(each.created for each in enrolled)
    assert [each.member.card_number for each in enrolled] == [each.card_number for each in people]
    found = list_by_cards(session, [f"{mark}-7", f"{mark}-2468", "nobody"])
    assert found[f"{mark}-7"] == enrolled[7].member
    assert len(found) == 2


def test_people_of_one_batch_who_share_a_detail_are_one_member(session: Session) -> None:
    phone, card, identity = new_phone(), unique("C"), _wechat()

    enrolled = enrolment.enrol_many(
        session,
        [
            NewMember(source=Source.COUNTER, phone=phone),
            NewMember(source=Source.IMPORT, card_number=card),
            NewMember(source=Source.WECHAT, phone=phone, identity=identity),
            NewMember(source=Source.PAYMENT, identity=identity),
        ],
    )

    assert [each.created for each in enrolled] == [True, True, False, False]
    assert enrolled[0].member.id == enrolled[2].member.id == enrolled[3].member.id
    assert enrolled[1].member.id != enrolled[0].member.id


def test_a_batch_may_hold_newcomers_known_members_and_members_who_gain(session: Session) -> None:
    known, gaining = (
        make_member(session, card_number=unique("C")),
        make_member(session, card_number=unique("C")),
    )
    phone, fresh = new_phone(), unique("C")

    enrolled = enrolment.enrol_many(
        session,
        [
            NewMember(source=Source.IMPORT, card_number=fresh),
            NewMember(source=Source.IMPORT, card_number=known.card_number),
            NewMember(source=Source.IMPORT, card_number=gaining.card_number, phone=phone),
        ],
    )

    assert [each.created for each in enrolled] == [True, False, False]
    assert [each.member.card_number for each in enrolled][1:] == [
        known.card_number,
        gaining.card_number,
    ]
    found = find_by_phone(session, phone)
    assert found is not None
    assert found.id == gaining.id
    assert enrolment.enrol_many(session, []) == []


def test_who_pays_is_a_pseudonymous_member_at_once_without_consent(session: Session) -> None:
    """Semantics 48, decision 14."""
    identity = _wechat()

    first = enrolment.enrol_by_payment(session, identity)
    second = enrolment.enrol_by_payment(session, identity)

    assert (first.created, second.created) == (True, False)
    assert first.member.kind is Kind.PSEUDONYMOUS
    assert second.member == first.member
    person = masked_person(session, first.member.public_id)
    assert (person.phone, person.name) == (None, None)
    assert not session.scalars(
        select(Membership).where(Membership.member_id == first.member.id)
    ).all()


def test_a_known_payer_costs_one_statement(session: Session, sent: list[object]) -> None:
    identity = _wechat()
    enrolment.enrol_by_payment(session, identity)
    sent.clear()

    enrolment.enrol_by_payment(session, identity)

    assert len(sent) == 1


def test_a_pseudonymous_payer_who_registers_keeps_his_wallet(session: Session) -> None:
    identity, phone = _wechat(), new_phone()
    payer = enrolment.enrol_by_payment(session, identity).member

    registered = enrolment.enrol(
        session, NewMember(source=Source.WECHAT, identity=identity, phone=phone, name="张小明")
    )

    assert not registered.created
    assert registered.member.kind is Kind.REGISTERED
    assert (registered.member.id, registered.member.wallet_id) == (payer.id, payer.wallet_id)
    assert find_by_phone(session, phone) == registered.member
    assert masked_person(session, payer.public_id).name == "张*"


def test_a_payment_takes_nothing_from_a_registered_member(session: Session) -> None:
    identity = _wechat()
    member = enrolment.enrol(
        session, NewMember(source=Source.WECHAT, identity=identity, phone=new_phone())
    ).member

    paid = enrolment.enrol_by_payment(session, identity)

    assert paid.member == member
    assert paid.member.kind is Kind.REGISTERED


def test_one_identity_in_two_apps_is_two_identities(session: Session) -> None:
    same = unique("o")

    one = enrolment.enrol_by_payment(session, _wechat(same, app_id="wxapp1")).member
    two = enrolment.enrol_by_payment(session, _wechat(same, app_id="wxapp2")).member

    assert one.id != two.id


def test_another_channel_of_the_same_phone_joins_the_same_member(session: Session) -> None:
    """S1: one member, many channels."""
    phone = new_phone()
    alipay = ChannelName(channel="alipay", app_id="2021001", identity=unique("2088"))
    member = enrolment.enrol(
        session, NewMember(source=Source.WECHAT, phone=phone, identity=_wechat())
    ).member

    again = enrolment.enrol(session, NewMember(source=Source.ALIPAY, phone=phone, identity=alipay))

    assert again.member.id == member.id
    assert _find(session, alipay) == member.public_id


def test_a_recycled_phone_needs_a_challenge_and_then_parks_the_former_holder(
    session: Session,
) -> None:
    """Semantics 47 (号码回收): the newcomer never gets the former holder's points."""
    phone, newcomer = new_phone(), _wechat()
    former = enrolment.enrol(
        session, NewMember(source=Source.WECHAT, phone=phone, identity=_wechat())
    ).member
    new = NewMember(source=Source.WECHAT, phone=phone, identity=newcomer)
    with pytest.raises(ChallengeNeeded, match="回收号码"):
        enrolment.enrol(session, new)

    enrolled = enrolment.enrol_after_challenge(session, new, by="stf_1", reason="短信验证通过")

    assert enrolled.created
    assert enrolled.member.wallet_id != former.wallet_id
    assert find_by_phone(session, phone) == enrolled.member
    parked = get_by_public_id(session, former.public_id)
    assert parked.status is MemberStatus.PARKED
    assert audit.list_records(session, about=former.public_id)[0].action == "member.park"


def test_who_is_parked_is_signed_out_everywhere(session: Session) -> None:
    """Semantics 47: who signed in by the number goes on neither by a token nor by a code."""
    phone = new_phone()
    former = make_member(session, phone=phone)
    device = devices.open_on(session, member=former, source="web", now=now_of(session))
    token = refreshing.issue(session, device, now=now_of(session)).token

    enrolment.enrol_after_challenge(
        session, NewMember(source=Source.WEB, phone=phone), by="stf_1", reason="x"
    )

    assert devices.find(session, device.public_id, now=now_of(session)) is None
    assert refreshing.rotate(session, token, now=now_of(session)) is None


def test_a_frozen_holder_of_a_number_is_not_parked(session: Session) -> None:
    """Semantics 47: nobody gets rid of a freeze by saying that the number is his now."""
    phone = new_phone()
    frozen = make_member(session, phone=phone)
    freezing.freeze(session, frozen.public_id, by="stf_1", reason="x")

    with pytest.raises(MemberNotActive):
        enrolment.enrol_after_challenge(
            session, NewMember(source=Source.WEB, phone=phone), by="stf_1", reason="x"
        )

    still = get_by_public_id(session, frozen.public_id)
    assert still.status is MemberStatus.FROZEN
    assert find_by_phone(session, phone) == still


def test_a_parked_member_comes_back_with_another_phone(session: Session) -> None:
    phone, fresh, identity = new_phone(), new_phone(), _wechat()
    former = enrolment.enrol(
        session, NewMember(source=Source.WECHAT, phone=phone, identity=identity)
    ).member
    enrolment.enrol_after_challenge(
        session,
        NewMember(source=Source.WECHAT, phone=phone, identity=_wechat()),
        by="stf_1",
        reason="x",
    )

    back = enrolment.enrol(
        session, NewMember(source=Source.WECHAT, phone=fresh, identity=identity)
    ).member

    assert (back.id, back.status) == (former.id, MemberStatus.ACTIVE)
    assert find_by_phone(session, fresh) == back


def test_a_proved_phone_that_nobody_held_simply_enrols(session: Session) -> None:
    new = NewMember(source=Source.WECHAT, phone=new_phone(), identity=_wechat())

    enrolled = enrolment.enrol_after_challenge(session, new, by="stf_1", reason="x")

    assert enrolled.created
    assert audit.list_records(session, about=enrolled.member.public_id)[0].action == "member.enrol"


def test_a_challenge_without_a_phone_parks_nobody(session: Session) -> None:
    bystander = make_member(session, card_number=unique("C"))

    with pytest.raises(Invalid, match="phone"):
        enrolment.enrol_after_challenge(
            session, NewMember(source=Source.WECHAT, identity=_wechat()), by="stf_1", reason="x"
        )

    assert get_by_public_id(session, bystander.public_id) == bystander


def test_a_frozen_member_stays_frozen_whatever_he_brings(session: Session) -> None:
    member = make_member(session, card_number=unique("C"))
    freezing.freeze(session, member.public_id, by="stf_1", reason="x")

    again = enrolment.enrol(
        session,
        NewMember(source=Source.WEB, card_number=member.card_number, phone=new_phone()),
    )

    assert again.member.status is MemberStatus.FROZEN


def test_details_of_two_members_are_never_joined_silently(session: Session) -> None:
    one, two = make_member(session, card_number=unique("C")), make_member(session)
    phone = new_phone()
    three = make_member(session, phone=phone)

    with pytest.raises(TwoMembers) as refused:
        enrolment.enrol(
            session, NewMember(source=Source.WEB, phone=phone, card_number=one.card_number)
        )

    assert set(refused.value.members) == {one.public_id, three.public_id}
    assert get_by_public_id(session, two.public_id) == two


def test_enrolling_never_changes_a_phone_or_a_card(session: Session) -> None:
    phone, card = new_phone(), unique("C")
    make_member(session, phone=phone, card_number=card)

    with pytest.raises(DetailDiffers, match="phone"):
        enrolment.enrol(session, NewMember(source=Source.WEB, phone=new_phone(), card_number=card))
    with pytest.raises(DetailDiffers, match="card"):
        enrolment.enrol(session, NewMember(source=Source.WEB, phone=phone, card_number=unique("C")))


def test_nobody_is_enrolled_by_nothing_or_by_a_bad_phone(session: Session) -> None:
    before = session.scalar(select(func.count()).select_from(Member))

    with pytest.raises(Invalid, match="需要手机号"):
        NewMember(source=Source.WEB, name="张")
    with pytest.raises(Invalid, match="name"):
        NewMember(source=Source.WEB, phone=new_phone(), name=" ")
    with pytest.raises(Invalid, match="card_number"):
        NewMember(source=Source.WEB, card_number="卡 1")
    with pytest.raises(Invalid, match="identity"):
        ChannelName(channel="wechat", app_id="", identity="x")
    with pytest.raises(BadPhone):
        enrolment.enrol(session, NewMember(source=Source.WEB, phone="12345"))
    assert session.scalar(select(func.count()).select_from(Member)) == before


def test_what_staff_enrol_or_complete_is_on_record_and_told(session: Session) -> None:
    card = unique("C")
    new = NewMember(source=Source.COUNTER, card_number=card)
    member = enrolment.enrol(session, new, by="stf_1").member

    enrolment.enrol(
        session,
        NewMember(source=Source.COUNTER, card_number=card, phone=new_phone()),
        by="stf_2",
    )

    records = audit.list_records(session, about=member.public_id)
    assert [(row.actor, row.action) for row in records] == [
        ("stf_2", "member.complete"),
        ("stf_1", "member.enrol"),
    ]
    assert records[0].after == {"added": ["phone"]}
    told = session.execute(
        text("SELECT topic, payload FROM outbox WHERE aggregate = :member"),
        {"member": member.public_id},
    ).all()
    assert [(row.topic, row.payload["kind"]) for row in told] == [("member.enrolled", "registered")]


def test_a_person_is_never_printed(session: Session) -> None:
    phone = new_phone()
    new = NewMember(source=Source.WEB, phone=phone, name="张小明", identity=_wechat("o-secret"))

    printed = repr(new) + repr(enrolment.enrol(session, new))

    assert phone not in printed
    assert "张小明" not in printed
    assert "o-secret" not in printed
