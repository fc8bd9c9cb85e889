"""C8, C10: coupons tried on a sale of paper over HTTP, as by command, without a stored row."""

import json
import re
from typing import Any

import pytest

from app.checkout import trying
from app.lab.experiments.tables import moved, state_of
from config.database import Database
from config.settings import PROJECT
from tests.app.api.consoles import Console
from tests.app.api.phones import told

DOCUMENT = (PROJECT / "docs/coupons-try.md").read_text(encoding="utf-8")
TRIALS: list[dict[str, Any]] = [
    json.loads(block)
    for block in re.findall(r"```json\n(.*?)```", DOCUMENT, re.S)
    if '"at":' in block
]


@pytest.mark.parametrize("trial", TRIALS, ids=range(1, len(TRIALS) + 1))
def test_a_trial_is_answered_as_the_command_answers_it(
    marketer: Console, trial: dict[str, Any]
) -> None:
    answered = told(marketer.post("quotes/try", trial, key=""))

    assert answered == json.loads(json.dumps(trying.answer(trying.load(trial))))


def test_the_document_has_its_twelve_examples() -> None:
    assert len(TRIALS) == 12


def test_a_trial_changes_no_row(marketer: Console, database: Database) -> None:
    marketer.get("me")
    before = state_of(database, "test")

    told(marketer.post("quotes/try", TRIALS[0], key=""))

    assert moved(before, state_of(database, "test")) == []


def test_what_is_wrong_is_named_by_its_place_in_the_body(marketer: Console) -> None:
    """P5"""
    bad_template = {**TRIALS[0], "coupons": [{"template": {"colour": "red"}}]}
    bad_line = {**TRIALS[0], "lines": [{"amount_fen": 100, "sku": "a b"}]}
    never = {**TRIALS[0], "member": {"birthday": "13-40"}}

    refused = [
        told(marketer.post("quotes/try", each, key=""), 400)
        for each in (bad_template, bad_line, {"at": "yesterday", "lines": []}, never)
    ]

    assert refused[0]["errors"] == [{"pointer": "/coupons/0/template/colour", "code": "invalid"}]
    assert "未知字段" in refused[0]["detail"]
    assert refused[1]["errors"] == [{"pointer": "/lines/0/sku", "code": "wrong-form"}]
    assert {each["pointer"] for each in refused[2]["errors"]} == {"/at", "/lines"}
    assert {each["code"] for each in refused} == {"validation-failed"}
