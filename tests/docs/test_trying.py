"""C8, C10: the worked examples of docs/coupons-try.md answer what stands there."""

import json
import re
from typing import Any

import pytest

from app.checkout import trying
from config.settings import PROJECT

_TEXT = (PROJECT / "docs/coupons-try.md").read_text(encoding="utf-8")
_BLOCKS = [json.loads(each) for each in re.findall(r"^```json\n(.*?)^```", _TEXT, re.M | re.S)]
EXAMPLES = list(zip(_BLOCKS[::2], _BLOCKS[1::2], strict=True))


def shown(answer: Any, wanted: Any) -> Any:
    """Return of an answer what the document shows of it."""
    if isinstance(wanted, dict):
        return {name: shown(answer[name], each) for name, each in wanted.items()}
    if isinstance(wanted, list):
        assert len(answer) == len(wanted)
        return [shown(each, like) for each, like in zip(answer, wanted, strict=True)]
    return answer


def test_there_are_twelve_examples() -> None:
    assert len(EXAMPLES) == 12


@pytest.mark.parametrize(("asked", "wanted"), EXAMPLES)
def test_every_example_answers_what_stands_there(asked: Any, wanted: Any) -> None:
    answer = json.loads(json.dumps(trying.answer(trying.load(asked))))

    assert shown(answer, wanted) == wanted
