"""C1-C3, A6, semantics 42, 60: templates over HTTP, every version of them."""

from typing import Any

from coupons import templates
from coupons.presets import PRESETS
from tests.app.api.consoles import Console
from tests.app.api.phones import told
from tests.coupons.makers import make_template
from tests.factories import unique


def document(**terms: Any) -> dict[str, Any]:
    return dict(templates.dump(make_template(**terms)))


def added(console: Console, **terms: Any) -> dict[str, Any]:
    return told(console.post("templates", {"template": document(**terms)}), 201)


def test_an_edit_is_a_new_version_and_the_same_again_is_none(marketer: Console) -> None:
    first = document()
    edited = {**first, "title_en": "better"}

    versions = [
        told(marketer.post("templates", {"template": each}), 201)["version"]
        for each in (first, first, edited)
    ]

    code = first["code"]
    newest = told(marketer.get(f"templates/{code}"))
    all_of_it = told(marketer.get(f"templates/{code}/versions"))["versions"]
    assert versions == [1, 1, 2]
    assert (newest["version"], newest["en"], newest["document"]) == (2, "better", edited)
    assert [each["version"] for each in all_of_it] == [2, 1]
    assert all_of_it[1]["document"] == first
    assert newest["created_by"] == marketer.staff_id


def test_a_preset_says_what_it_wants_and_is_made_of_it(marketer: Console) -> None:
    """A6"""
    listed = told(marketer.get("presets"))["presets"]
    wanted = next(each for each in listed if each["preset"] == "money-off")
    values = {"code": unique("T"), "title_zh": "满300减50", "title_en": "50 off", "fen": 5000,
              "min_fen": 30000, "days": 30, "total": 100}  # fmt: skip

    made = told(marketer.post("templates", {"preset": "money-off", "values": values}), 201)

    assert {each["preset"] for each in listed} == set(PRESETS)
    assert {each["name"] for each in wanted["parameters"]} == set(values)
    assert wanted["says"].startswith("满减")
    assert made["document"]["offer"]["benefit"] == {"kind": "amount_off", "fen": 5000}
    for wrong in ({**values, "fen": "many"}, {**values, "colour": 1}, {"code": "T"}):
        refused = told(marketer.post("templates", {"preset": "money-off", "values": wrong}), 400)
        assert refused["errors"][0]["pointer"].startswith("/values/")


def test_neither_both_nor_half_is_taken(marketer: Console) -> None:
    for body in (
        {},
        {"preset": "money-off"},
        {"template": document(), "preset": "money-off", "values": {}},
    ):
        assert told(marketer.post("templates", body), 400)["code"] == "validation-failed"
    unknown = told(marketer.post("templates", {"preset": "free", "values": {}}), 400)
    assert unknown["errors"] == [{"pointer": "/preset", "code": "invalid"}]


def test_what_is_wrong_in_a_template_is_named_by_its_place(marketer: Console) -> None:
    wrong = document()
    wrong["offer"]["benefit"]["fen"] = -1

    refused = told(marketer.post("templates", {"template": wrong}), 400)

    assert refused["errors"] == [{"pointer": "/template/offer/benefit/fen", "code": "invalid"}]


def test_a_payer_who_is_no_merchant_here_is_refused_and_named(marketer: Console) -> None:
    values = {"code": unique("T"), "title_zh": "异业券", "title_en": "next door", "fen": 500,
              "min_fen": 0, "days": 7, "merchant": "M1", "payer": unique("M")}  # fmt: skip

    refused = told(marketer.post("templates", {"preset": "cross-merchant", "values": values}), 400)

    assert refused["code"] == "validation-failed"
    place = "/template/terms/funding/parts/0/name"
    assert refused["errors"] == [{"pointer": place, "code": "invalid"}]
    assert marketer.get(f"templates/{values['code']}").status_code == 404


def test_a_retired_template_issues_nothing_more_and_stays(marketer: Console) -> None:
    """Semantics 60"""
    code = added(marketer, limits={"total": 10})["template"]
    batch = unique("B")
    window = {"starts_at": "2026-01-01T00:00:00+08:00", "ends_at": "2099-01-01T00:00:00+08:00"}
    body = {"batch": batch, "template": code, **window, "reason": "开业"}
    told(marketer.post("batches", body), 201)

    retired = told(marketer.post(f"templates/{code}/retire", {"reason": "下线"}))

    assert retired == {"template": code, "closed": [batch]}
    assert told(marketer.get(f"templates/{code}"))["retired_at"] is not None
    assert told(marketer.get(f"batches/{batch}"))["closed_why"] == "下线"
    again = told(marketer.post("batches", {**body, "batch": unique("B")}), 409)
    assert again["code"] == "state-conflict"


def test_a_list_goes_on_where_its_page_ended_while_others_come_in(marketer: Console) -> None:
    """P6"""
    codes = [added(marketer)["template"] for _ in range(3)]

    first = told(marketer.get("templates?limit=2"))
    added(marketer)
    second = told(marketer.get(f"templates?limit=2&cursor={first['next_cursor']}"))

    shown = [each["template"] for each in (*first["templates"], *second["templates"])]
    assert shown[:3] == codes[::-1]
    assert told(marketer.get("templates?cursor=nonsense"), 400)["code"] == "validation-failed"


def test_a_template_that_is_not_there_is_404(marketer: Console) -> None:
    for path in ("templates/NOWHERE", "templates/NOWHERE/versions"):
        assert marketer.get(path).status_code == 404
    assert marketer.post("templates/NOWHERE/retire", {"reason": "x"}).status_code == 404


def test_a_repeated_key_writes_once(marketer: Console) -> None:
    """P1"""
    key, body = unique("idem-key-"), {"template": document()}

    first, again = (marketer.post("templates", body, key=key) for _ in range(2))
    other = marketer.post("templates", {"template": document()}, key=key)

    assert (first.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert first.data == again.data
    assert told(other, 422)["code"] == "idempotency-key-reused"
