"""`plaza race` in its short form: exactly so much is had, told and left (C4, C13, C16)."""

from typing import Any

import pytest

from app.lab.races.running import Found
from tests.app.cli.conftest import Plaza


def exact(found: dict[str, Any], wanted: int) -> bool:
    """Tell whether a race ended with exactly so many, and say its figures where it did not."""
    assert list(found) == ["accepted", "issued", "errors_5xx", "p99_ms", "audit"]
    assert found["p99_ms"] > 0
    return Found(**found).is_exact(wanted)


@pytest.mark.parametrize("how", [(), ("--kill", "worker"), ("--gate", "--kill", "redis")])
def test_as_many_members_claim_as_there_are_coupons(plaza: Plaza, how: tuple[str, ...]) -> None:
    """C4; E04, E12: neither oversold nor undersold, also when something dies in the middle."""
    found = plaza.json("race", "claim", "--stock", "20", "--claimants", "120", *how)

    assert exact(found, 20)
    assert "race" not in plaza("district", "list").split()


def test_the_last_code_becomes_one_coupon(plaza: Plaza) -> None:
    """C5, C17; whoever was cut off asks again, and hears of his coupon if it is his."""
    found = plaza.json("race", "last-code", "--claimants", "60", "--kill", "worker")

    assert exact(found, 1)


@pytest.mark.parametrize("kill", [(), ("--kill", "worker"), ("--kill", "redis")])
def test_every_code_is_redeemed_once_though_several_tills_show_it(
    plaza: Plaza, kill: tuple[str, ...]
) -> None:
    """C13; E14: a till that lost its answer asks again and hears the same."""
    found = plaza.json("race", "redeem", "--tills", "6", "--coupons", "20", *kill)

    assert exact(found, 20)


def test_a_budget_is_used_up_to_the_last_coupon_that_it_covers(plaza: Plaza) -> None:
    """C16; semantics 36"""
    found = plaza.json("race", "budget", "--tills", "6", "--coupons", "16", "--budget", "3999")

    assert exact(found, 7)
