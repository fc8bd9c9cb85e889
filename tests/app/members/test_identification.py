"""A member is found by what a person says, in one statement, and by nothing else."""

import pytest
from sqlalchemy.orm import Session

from app.members import identification
from app.members.errors import BadPhone, UnknownMember
from app.members.models import CashierMember
from app.merchants import registration
from app.merchants.directory import get_directory
from tests.factories import TESTER, make_member, make_merchant, new_phone, store_of, unique


def test_staff_may_say_an_id_a_card_or_a_phone(session: Session) -> None:
    phone, card = new_phone(), unique("C")
    member = make_member(session, phone=phone, card_number=card)

    for said in (member.public_id, card, phone, phone[-11:]):
        assert identification.get_by_any(session, said) == member


@pytest.mark.parametrize("said", ["mem_unknown", "13700000000"])
def test_an_unknown_person_is_refused_without_repeating_the_phone(
    session: Session, said: str
) -> None:
    with pytest.raises(UnknownMember) as refused:
        identification.get_by_any(session, said)
    assert "13700000000" not in str(refused.value)


def test_what_is_neither_card_nor_phone_is_a_bad_phone(session: Session) -> None:
    with pytest.raises(BadPhone):
        identification.get_by_any(session, "no-such-card")


def test_finding_a_member_takes_one_statement(session: Session, sent: list[object]) -> None:
    phone = new_phone()
    make_member(session, phone=phone)
    sent.clear()

    assert identification.find_by_phone(session, phone) is not None

    assert len(sent) == 1


def test_a_member_who_is_a_cashier_is_known_as_one(session: Session) -> None:
    """Semantics 56: an order compares these with its own cashier."""
    member, merchant = make_member(session), make_merchant(session)
    registration.add_cashier(session, store=merchant.code, code="7", name="周", by=TESTER)
    cashier = get_directory(session).get_cashier(store_of(session, merchant), "7")

    identification.link_cashier(session, member=member, cashier=cashier, by="stf_1")

    known = identification.get_by_public_id(session, member.public_id)
    assert known.cashier_ids == {cashier.id}
    assert session.get(CashierMember, cashier.id) is not None
