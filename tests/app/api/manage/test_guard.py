"""Reliability §0, §11: every route of staff, from the URL map, against everybody else."""

from collections.abc import Iterator

from apiflask import APIFlask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from app.api.auth import Role
from app.api.edge import Contract
from app.api.policy import POLICY, STAFF_MAY, may_of
from app.merchants.staff import PERMISSIONS, Permission
from app.merchants.staff import Role as StaffRole
from config.database import Database
from tests.app.api.consoles import Console, signed_in
from tests.app.api.tills import Till
from tests.factories import unique


def _rules(app: APIFlask) -> Iterator[tuple[Rule, str]]:
    for rule in app.url_map.iter_rules():
        if POLICY[rule.endpoint] is Role.STAFF:
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                yield rule, method


def _path(rule: Rule) -> str:
    built = rule.build({name: "chg_" + "0" * 26 for name in rule.arguments})
    assert built is not None
    return built[1].removeprefix("/v1/manage/")


def test_every_route_of_staff_has_a_row_of_what_it_needs_and_its_view_says_the_same(
    app: APIFlask,
) -> None:
    routes = {rule.endpoint for rule, _ in _rules(app)}

    assert set(STAFF_MAY) == routes
    assert {name: may_of(app, name) for name in STAFF_MAY} == dict(STAFF_MAY)


def test_a_route_whose_row_says_otherwise_answers_404(app: APIFlask, marketer: Console) -> None:
    app.extensions["plaza_staff_may"]["manage.list_batches"] = Permission.AUDIT_READ
    del app.extensions["plaza_staff_may"]["manage.list_templates"]

    assert marketer.get("batches").status_code == 404
    assert marketer.get("templates").status_code == 404


def test_a_role_gets_in_exactly_where_its_table_says(
    app: APIFlask, client: FlaskClient, database: Database
) -> None:
    """G1: the table of permissions over the door; whoever may is refused for what he names."""
    for role in StaffRole:
        console = signed_in(client, database, role)
        for rule, method in _rules(app):
            need = STAFF_MAY[rule.endpoint]
            if rule.endpoint == "manage.end_staff_session":
                continue
            answer = console.send(method, _path(rule), {}, key=unique("idem-key-"))
            allowed = need is None or need in PERMISSIONS[role]
            body_first = method != "GET" and answer.status_code == 400  # Its shape comes first.
            assert (answer.status_code == 403) is not (allowed or body_first), rule.endpoint


def test_neither_a_till_nor_a_member_is_staff_nor_staff_one_of_them(
    app: APIFlask, marketer: Console, till: Till
) -> None:
    for rule, method in _rules(app):
        path = f"/v1/manage/{_path(rule)}"
        assert till.send(method, path, b"{}", key=unique("idem-key-")).status_code == 401, path
    for path in ("/v1/pos/orders/ord_" + "0" * 26, "/v1/member/profile"):
        answer = marketer.client.get(
            path,
            headers={"Authorization": f"Bearer {marketer.token}"},
            environ_overrides={"REMOTE_ADDR": marketer.address},
        )
        assert answer.status_code == 401, path


def test_every_write_but_those_that_store_nothing_wants_a_key(app: APIFlask) -> None:
    """Reliability §1"""
    contracts = {
        rule.endpoint: getattr(app.view_functions[rule.endpoint], "contract", None)
        for rule, method in _rules(app)
        if method != "GET"
    }

    unkeyed = {
        name for name, each in contracts.items() if isinstance(each, Contract) and not each.keyed
    }
    assert unkeyed == {"manage.end_staff_session", "manage.try_quote"}
