"""The experiments in their short form (E16-E19, E23, E24, E33; G8, G9, G12, G13), and that they can
fail: one that could not would prove nothing."""

import json
from collections.abc import Callable, Mapping

import pytest
from apiflask import APIFlask
from marshmallow import EXCLUDE
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.api.auth import Role, SignedIn, requires
from app.api.edge import reads, writes
from app.api.fields import DoorSchema, Text
from app.checkout.models import Order
from app.errors import NotFound
from app.factory import create_app
from app.lab.experiments import catalogue
from app.lab.experiments.catalogue import EXPERIMENTS
from app.lab.experiments.findings import Report
from app.lab.experiments.samples import NoSample
from config.settings import Settings
from tests.app.cli.conftest import Plaza
from tests.app.cli.conftest import plaza as plaza_fixture

plaza = plaza_fixture


class Shown(DoorSchema):
    state = Text(most=20, required=True)


class Careless(DoorSchema):
    class Meta:
        unknown = EXCLUDE


def run(
    settings: Settings, name: str, *, create_app: Callable[[Settings], APIFlask] = create_app
) -> Report:
    return catalogue.run(settings, name, seed=7, commit="test", short=True, create_app=create_app)


def leaking(settings: Settings) -> APIFlask:
    """An application with a row in the policy for a route that asks nobody whose order it is."""
    app = create_app(settings)
    app.extensions["plaza_policy"]["member.peek"] = Role.MEMBER

    @app.get("/v1/member/peek/<public_id:order_id>", endpoint="member.peek")
    @requires(Role.MEMBER)
    @reads(Shown)
    def peek(session: Session, caller: SignedIn, order_id: str) -> Mapping[str, object]:
        state = session.scalar(select(Order.state).where(Order.public_id == order_id))
        if state is None:
            raise NotFound("order", order_id)
        return {"state": state}

    return app


def swallowing(settings: Settings) -> APIFlask:
    """An application with a route that ignores what it does not know."""
    app = create_app(settings)
    app.extensions["plaza_policy"]["member.swallow"] = Role.MEMBER

    @app.post("/v1/member/swallow", endpoint="member.swallow")
    @requires(Role.MEMBER)
    @writes(Careless, Shown)
    def swallow(session: Session, caller: SignedIn, asked: object) -> Mapping[str, object]:
        return {"state": "fed"}

    return app


def unsampled(settings: Settings) -> APIFlask:
    """An application with a new route of tills whose body nobody has written down."""
    app = create_app(settings)
    app.extensions["plaza_policy"]["pos.feed"] = Role.STORE

    @app.post("/v1/pos/feed", endpoint="pos.feed")
    @requires(Role.STORE)
    @writes(Shown, Shown)
    def feed(session: Session, store: object, asked: object) -> object:
        return asked

    return app


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_short_form_meets_every_threshold(settings: Settings, name: str) -> None:
    report = run(settings, name)

    missed = [each for each in report.findings if not each.met]
    assert (missed, list(report.examples)) == ([], [])
    assert report.met
    assert report.cases > 0


def test_a_route_that_shows_other_people_s_orders_is_found(settings: Settings) -> None:
    """G9"""
    report = run(settings, "E18", create_app=leaking)

    missed = {each.what for each in report.findings if not each.met}
    assert not report.met
    assert {"foreign thing", "foreign looks as absent"} <= missed
    assert any("member.peek → 200" in example for example in report.examples)


def test_a_route_that_swallows_unknown_fields_is_found(settings: Settings) -> None:
    report = run(settings, "E19", create_app=swallowing)

    assert not report.met
    assert any("member.swallow" in example for example in report.examples)


def test_a_new_route_with_a_body_wants_its_sample(settings: Settings) -> None:
    """Reliability §0 rule 8: what nobody tests does not pass unseen."""
    with pytest.raises(NoSample, match=r"pos\.feed"):
        run(settings, "E19", create_app=unsampled)


def test_the_command_lists_runs_and_tells_the_outcome(plaza: Plaza) -> None:
    listed = plaza("lab").splitlines()
    printed = plaza("lab", "E19", "--short", "--seed", "3")
    told = plaza.json("lab", "E19", "--short", "--seed", "3")

    assert [line.split()[0] for line in listed] == list(EXPERIMENTS)
    assert "✔ E19 达标 / met" in printed
    assert "seed 3" in printed
    (report,) = told
    assert (report["experiment"], report["seed"], report["met"]) == ("E19", 3, True)
    assert json.dumps(report["findings"])
    assert "no such experiment" in plaza.refused("lab", "E99")
