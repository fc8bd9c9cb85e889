"""The points policy by command: shown, proposed and approved by two people (B2, E5, G1).

In a district of its own: a policy is everybody's, and other tests count on the first one.
"""

from collections.abc import Iterator
from dataclasses import fields

import pytest

from app.merchants.staff import Role
from app.points.policy import BurnTerms, Programme
from config.database import Database
from migrations.run import create_district, drop_district
from tests.app.cli.conftest import Plaza
from tests.factories import make_merchant, make_staff

AT_FIRST = {
    "effective_from": "1999-12-31T16:00:00+00:00",
    "expiry_months": 12,
    "point_value_fen": "1",
    "combine": "max",
    "negative_policy": "debt",
    "debt_floor_points": None,
    "courtesy_days": 7,
    "return_first": "money_first",
    "hold_minutes": 15,
    "quote_minutes": 5,
    "breakage_share": "1",
}


@pytest.fixture(scope="module")
def district_of_its_own(owner_url: str, database: Database) -> Iterator[str]:
    """A district with a marketer (lin), two in finance (wang, mei) and a merchant (tea)."""
    create_district(owner_url, "policies", name="方案", sandbox=True)
    with database.transaction("policies") as session:
        make_staff(session, login="lin", roles=[Role.MARKETER])
        make_staff(session, login="wang", roles=[Role.FINANCE])
        make_staff(session, login="mei", roles=[Role.FINANCE])
        make_merchant(session, code="tea")
    yield "policies"
    drop_district(owner_url, "policies")


@pytest.fixture
def policies(plaza: Plaza, district_of_its_own: str) -> Plaza:
    """The command in that district."""
    return Plaza(environ=plaza.environ, district=district_of_its_own)


def propose(plaza: Plaza, *words: str, login: str = "lin") -> tuple[str, str]:
    """Propose a policy; return the request and all that was printed."""
    printed = plaza("programme", *words, "--reason", "年度方案", "--as", login)
    return next(word for word in printed.split() if word.startswith("chg_")), printed


def test_a_new_district_shows_the_policy_of_its_first_day(policies: Plaza) -> None:
    shown = policies.json("programme", "show", "--at", "2016-01-01")

    assert shown["programme"] == AT_FIRST
    assert [terms["max_share"] for terms in shown["burn_terms"]] == ["1"]
    printed = policies("programme", "show", "--at", "2016-01-01")
    assert "积分方案 programme · 2000-01-01 00:00 起" in printed
    for each in (*fields(Programme), *fields(BurnTerms)):
        assert each.name in printed or each.name in ("effective_from", "merchant", "tier")


def test_every_field_can_be_proposed_and_what_is_not_named_stays(policies: Plaza) -> None:
    """semantics 29"""
    request, printed = propose(
        policies, "propose", "--expiry-months", "3", "--point-value-fen", "3/2",
        "--combine", "product", "--negative-policy", "refuse", "--debt-floor-points", "-500",
        "--courtesy-days", "0", "--return-first", "points_first", "--hold-minutes", "10",
        "--quote-minutes", "2", "--breakage-share", "1/2", "--extend-months", "6",
        "--extended-by", "purchase,burn", "--best-by", "due", "--coupons-at-most", "3",
        "--from", "2017-01-01",
    )  # fmt: skip

    assert "  expiry_months: 12 → 3\n" in printed
    assert "  debt_floor_points: — → -500\n" in printed
    assert "  courtesy_days: 7 → 0\n" in printed
    assert request in policies("programme", "pending")
    assert policies.json("programme", "show", "--at", "2017-01-01")["programme"] == AT_FIRST
    assert "起生效" in policies("programme", "approve", request, "--as", "wang")
    agreed = policies.json("programme", "show", "--at", "2017-01-01")["programme"]
    assert agreed == {
        "effective_from": "2016-12-31T16:00:00+00:00",
        "expiry_months": 3,
        "point_value_fen": "3/2",
        "combine": "product",
        "negative_policy": "refuse",
        "debt_floor_points": -500,
        "courtesy_days": 0,
        "return_first": "points_first",
        "hold_minutes": 10,
        "quote_minutes": 2,
        "breakage_share": "1/2",
        "extend_months": 6,
        "extended_by": ["burn", "purchase"],
        "best_by": "due",
        "coupons_at_most": 3,
    }
    assert "burn,purchase" in policies("programme", "show", "--at", "2017-01-01")

    request, printed = propose(
        policies, "propose", "--never-expires", "--no-debt-floor", "--no-extension",
        "--any-coupons",
        "--from", "2018-01-01",
    )  # fmt: skip
    policies("programme", "approve", request, "--as", "wang")

    assert "  expiry_months: 3 → —\n" in printed
    assert "courtesy_days" not in printed
    lifted = {"expiry_months": None, "debt_floor_points": None}
    del agreed["extend_months"], agreed["extended_by"], agreed["coupons_at_most"]
    assert policies.json("programme", "show", "--at", "2018-01-01")["programme"] == {
        **agreed, **lifted, "effective_from": "2017-12-31T16:00:00+00:00"
    }  # fmt: skip
    assert policies.json("programme", "show", "--at", "2016-12-31")["programme"] == AT_FIRST


def test_burn_terms_begin_from_those_that_hold_there(policies: Plaza) -> None:
    """B2"""
    for words in (
        ("--daily-limit-points", "5000", "--from", "2019-01-01"),
        ("--merchant", "tea", "--max-share", "1/2", "--from", "2019-02-01"),
        ("--merchant", "tea", "--tier", "gold", "--min-unit-points", "100", "--from", "2019-03-01"),
        ("--merchant", "tea", "--tier", "gold", "--no-daily-limit", "--from", "2019-04-01"),
    ):
        request, printed = propose(policies, "burn-terms", "propose", *words)
        assert request in policies("programme", "pending")
        policies("programme", "approve", request, "--as", "mei")

    assert "  daily_limit_points: 5000 → —\n" in printed
    found = policies.json("programme", "show", "--at", "2019-04-01")["burn_terms"]
    assert [
        (bool(each["merchant"]), each["tier"], each["min_unit_points"], each["max_share"],
         each["daily_limit_points"])
        for each in found
    ] == [
        (False, None, 1, "1", 5000),
        (True, None, 1, "1/2", 5000),
        (True, "gold", 100, "1/2", None),
    ]  # fmt: skip
    printed = policies("programme", "show", "--at", "2019-04-01")
    assert "抵扣条款 burn terms · 商户 merchant tea · 等级 tier gold" in printed


def test_history_tells_who_decided(policies: Plaza) -> None:
    request, _ = propose(policies, "propose", "--courtesy-days", "30", "--from", "2020-01-01")
    policies("programme", "approve", request, "--as", "wang")

    decided = policies.json("programme", "history")

    assert decided[0] == {
        "kind": "programme", **AT_FIRST,
        "request": None, "reason": None, "proposed_by": None, "approved_by": None,
    }  # fmt: skip
    (last,) = [each for each in decided if each["request"] == request]
    assert (last["kind"], last["courtesy_days"], last["reason"]) == ("programme", 30, "年度方案")
    assert last["proposed_by"].startswith("stf_")
    assert last["approved_by"].startswith("stf_")
    assert f"{request} · 年度方案 · {last['proposed_by']} → {last['approved_by']}" in policies(
        "programme", "history"
    )


def test_it_takes_two_people_with_the_right(policies: Plaza) -> None:
    """G1"""
    request, _ = propose(policies, "propose", "--hold-minutes", "20", login="mei")

    assert "提出人不能审批" in policies.refused("programme", "approve", request, "--as", "mei")
    assert "没有权限" in policies.refused("programme", "approve", request, "--as", "lin")
    policies("programme", "reject", request, "--reason", "再议", "--as", "lin")

    assert request not in policies("programme", "pending")
    assert "已有决定" in policies.refused("programme", "approve", request, "--as", "wang")


@pytest.mark.parametrize(
    "words",
    [
        ("propose",),
        ("propose", "--expiry-months", "12", "--from", "2016-01-01"),
        ("propose", "--expiry-months", "0"),
        ("propose", "--expiry-months", "6", "--never-expires"),
        ("propose", "--point-value-fen", "0"),
        ("propose", "--combine", "min"),
        ("propose", "--debt-floor-points", "5"),
        ("propose", "--courtesy-days", "100001"),
        ("propose", "--from", "2026-01-01T00:00", "--courtesy-days", "1"),
        ("propose", "--extend-months", "6"),
        ("propose", "--extended-by", "purchase"),
        ("propose", "--extend-months", "6", "--extended-by", "purchase,sleep"),
        ("propose", "--no-extension"),
        ("burn-terms", "propose"),
        ("burn-terms", "propose", "--max-share", "3/2"),
        ("burn-terms", "propose", "--merchant", "nowhere", "--max-share", "1/2"),
        ("burn-terms", "propose", "--daily-limit-points", "5", "--no-daily-limit"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(policies: Plaza, words: tuple[str, ...]) -> None:
    before = policies("programme", "pending")

    policies.refused("programme", *words, "--reason", "试", "--as", "lin")

    assert policies("programme", "pending") == before


@pytest.mark.parametrize(
    ("words", "kind"), [(("propose",), Programme), (("burn-terms", "propose"), BurnTerms)]
)
def test_the_help_explains_every_field(
    policies: Plaza, words: tuple[str, ...], kind: type[Programme] | type[BurnTerms]
) -> None:
    printed = policies("programme", *words, "--help")

    named = {each.name for each in fields(kind)} - {"effective_from"}
    assert [name for name in named if f"--{name.replace('_', '-')}" not in printed] == []
    assert "--from" in printed
