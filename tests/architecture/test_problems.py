"""Every refusal of the house is a problem with a code of its own choosing (reliability §15)."""

import importlib
import pkgutil
import re

import pytest

from app.api.problems import PROBLEMS, ROOTS

_CODES = re.findall(
    r"\S+",
    """
    bad-request unknown-field validation-failed idempotency-key-missing idempotency-key-invalid
    unauthenticated bad-signature clock-skew forbidden approval-required consent-required not-found
    idempotency-in-flight business-key-conflict sold-out already-claimed already-redeemed expired
    member-code-used insufficient-points budget-exhausted state-conflict lock-expired too-large
    burn-not-confirmed not-sealed-yet
    unsupported-media-type idempotency-key-reused rule-not-met refund-exceeds-remaining internal
    rate-limited overloaded outcome-unknown maintenance
    """,
)


def _refusals() -> list[type[Exception]]:
    for package in ("app", "config", "coupons", "integrations", "ledger", "migrations"):
        path = [package]
        for module in pkgutil.walk_packages(path, prefix=f"{package}."):
            if not re.search(r"versions|env$|gunicorn$|__main__$", module.name):
                importlib.import_module(module.name)
    found: list[type[Exception]] = []
    open_classes: list[type[Exception]] = list(ROOTS)
    while open_classes:
        below = open_classes.pop().__subclasses__()
        found += below
        open_classes += below
    return found


def test_every_leaf_of_the_error_roots_has_its_problem() -> None:
    at_the_command_line = ("app.cli", "app.lab", "tests")

    missing = [
        refusal.__qualname__
        for refusal in _refusals()
        if not refusal.__subclasses__()
        and not refusal.__module__.startswith(at_the_command_line)
        and not any(above in PROBLEMS for above in refusal.__mro__)
    ]

    assert missing == []


@pytest.mark.parametrize("refusal", PROBLEMS, ids=lambda refusal: refusal.__name__)
def test_codes_are_those_of_the_rules_and_titles_are_in_both_languages(
    refusal: type[Exception],
) -> None:
    problem = PROBLEMS[refusal]

    assert problem.code in _CODES
    assert re.fullmatch(r".*[\u4e00-\u9fff].* / [A-Z].*", problem.title)
