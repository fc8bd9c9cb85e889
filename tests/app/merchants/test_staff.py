"""G1, G2: staff act under their own name, as far as their roles allow, and on record."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app import audit
from app.errors import Invalid, NotFound, StateConflict
from app.merchants import staff
from app.merchants.errors import CodeTaken, FirstStaffIsAdmin, LastAdmin, NotPermitted
from app.merchants.staff import PERMISSIONS, Permission, Role
from config.database import Database
from config.settings import Settings
from migrations.run import create_district
from tests.factories import make_staff, unique


def _without_staff(session: Session) -> None:
    session.execute(text("UPDATE staff SET status = 'disabled'"))


def test_a_role_allows_what_its_table_says(session: Session) -> None:
    finance = make_staff(session, roles=[Role.FINANCE])

    acting = staff.acting(session, finance.login, permission=Permission.TERMS_PROPOSE)

    assert acting.public_id == finance.public_id
    with pytest.raises(NotPermitted, match=r"没有权限：staff\.write"):
        staff.acting(session, finance.login, permission=Permission.STAFF_WRITE)


def test_two_roles_allow_what_either_does(session: Session) -> None:
    both = make_staff(session, roles=[Role.MARKETER, Role.SUPPORT])

    staff.acting(session, both.login, permission=Permission.RULE_PROPOSE)
    staff.acting(session, both.login, permission=Permission.MEMBER_REVEAL)


def test_every_permission_is_somebodys_and_an_admin_has_all() -> None:
    assert PERMISSIONS[Role.ADMIN] == frozenset(Permission)
    assert set(PERMISSIONS) == set(Role)
    assert PERMISSIONS[Role.AUDITOR] == {Permission.COUPON_READ, Permission.AUDIT_READ}


def test_an_unknown_or_disabled_login_acts_no_more(session: Session) -> None:
    make_staff(session)
    leaver = make_staff(session)
    staff.disable(session, leaver.login, by="stf_1", reason="离职")

    with pytest.raises(StateConflict, match="已停用"):
        staff.acting(session, leaver.login, permission=Permission.AUDIT_READ)
    with pytest.raises(StateConflict):
        staff.disable(session, leaver.login, by="stf_1", reason="离职")
    with pytest.raises(NotFound):
        staff.acting(session, "nobody", permission=Permission.AUDIT_READ)
    assert leaver in staff.list_staff(session)
    record = audit.list_records(session, about=leaver.public_id)[0]
    assert (record.action, record.reason) == ("staff.disable", "离职")


def test_the_last_admin_stays(session: Session) -> None:
    _without_staff(session)
    admin = make_staff(session)

    with pytest.raises(LastAdmin):
        staff.disable(session, admin.login, by=admin.public_id, reason="x")


def test_only_the_first_comes_without_a_sponsor_and_is_an_admin(session: Session) -> None:
    make_staff(session)

    with pytest.raises(FirstStaffIsAdmin):
        staff.add(session, login=unique("s").lower(), name="林", roles=[Role.ADMIN], by=None)


def test_of_two_first_admins_at_once_one_comes(settings: Settings, owner_url: str) -> None:
    fresh = unique("race").lower()
    create_district(owner_url, fresh, name="新商圈", sandbox=False)
    database = Database(settings.database.url, pool_size=4)
    start = Barrier(4)

    def add_first(number: int) -> bool:
        start.wait()
        try:
            with database.transaction(fresh) as session:
                staff.add(session, login=f"s{number}", name="林", roles=[Role.ADMIN], by=None)
        except FirstStaffIsAdmin:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        came = list(threads.map(add_first, range(4)))
    database.dispose()

    assert came.count(True) == 1


def test_a_login_is_never_given_twice(session: Session) -> None:
    taken = make_staff(session).login

    with pytest.raises(CodeTaken):
        make_staff(session, login=taken)


def test_bad_logins_and_missing_roles_are_refused(session: Session) -> None:
    with pytest.raises(Invalid):
        make_staff(session, roles=[])
    with pytest.raises(Invalid, match="login"):
        make_staff(session, login="Lin Wei")
