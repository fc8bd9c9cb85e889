"""C8, C10: `plaza coupons try` reads a sale of paper and answers in JSON, or says where it errs."""

import json
from pathlib import Path

from tests.app.cli.conftest import Plaza
from tests.docs.test_trying import EXAMPLES


def test_the_command_answers_an_example_without_a_district(plaza: Plaza, tmp_path: Path) -> None:
    asked, wanted = EXAMPLES[0]
    file = tmp_path / "sale.json"
    file.write_text(json.dumps(asked, ensure_ascii=False), encoding="utf-8")

    printed = plaza("--district", "nowhere", "coupons", "try", str(file))

    answer = json.loads(printed)
    assert answer["discount_fen"] == wanted["discount_fen"] == 2_000
    assert answer["coupons"][0]["zh"] == "满100减20"


def test_what_is_no_json_or_of_no_sense_is_refused_with_its_place(
    plaza: Plaza, tmp_path: Path
) -> None:
    file = tmp_path / "sale.json"
    file.write_text("{", encoding="utf-8")
    broken = plaza.refused("coupons", "try", str(file))
    file.write_text('{"at": "2026-11-27T12:00:00+08:00", "lines": [{}]}', encoding="utf-8")

    lacking = plaza.refused("coupons", "try", str(file))

    assert "is no JSON" in broken
    assert "trial.lines[0].amount_fen：缺少" in lacking
