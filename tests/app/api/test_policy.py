"""Reliability §0 rule 8: a route without a row in the policy is no route."""

from apiflask import APIFlask
from flask.testing import FlaskClient

from app.api.auth import Role, requires
from app.api.policy import POLICY, role_of
from tests.factories import unique


def test_every_route_has_a_row_and_every_row_a_route(app: APIFlask) -> None:
    routes = {rule.endpoint for rule in app.url_map.iter_rules()}

    assert routes == set(POLICY)


def test_every_view_says_what_its_row_says(app: APIFlask) -> None:
    said = {endpoint: role_of(app, endpoint) for endpoint in POLICY}

    assert said == dict(POLICY)


def test_nobody_gets_into_a_route_of_stores_members_or_staff_without_proof(
    app: APIFlask, client: FlaskClient
) -> None:
    for rule in app.url_map.iter_rules():
        if POLICY[rule.endpoint] not in (Role.STORE, Role.MEMBER, Role.STAFF):
            continue
        path = rule.build({name: "ord_" + "0" * 26 for name in rule.arguments})
        assert path is not None
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            address = {"REMOTE_ADDR": unique("10.")}  # Who fails often is told to wait instead.
            answer = client.open(path[1], method=method, environ_overrides=address)
            assert answer.status_code == 401, f"{method} {path[1]}"


def test_a_route_without_a_row_answers_404(app: APIFlask) -> None:
    @app.get("/forgotten")
    @requires(Role.SUPERVISOR)
    def forgotten() -> str:
        return "secret"

    @app.get("/contradicted")
    @requires(Role.ANYONE)
    def contradicted() -> str:
        return "secret"

    app.extensions["plaza_policy"]["contradicted"] = Role.SUPERVISOR

    assert app.test_client().get("/forgotten").status_code == 404
    assert app.test_client().get("/contradicted").status_code == 404


def test_options_tell_nothing(client: FlaskClient) -> None:
    assert client.options("/healthz").status_code == 405
