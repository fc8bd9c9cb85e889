"""C8, C10: a trial on paper says what a real quote says, and reads and writes nothing."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.checkout import quotes, trying
from app.checkout.baskets import BEST
from config.database import now_of
from coupons import issuing, templates
from coupons.errors import BadTemplate
from tests.app.checkout.shops import open_shop
from tests.app.checkout.test_coupons import off, open_batch
from tests.factories import make_member

LINE = {"merchant": "tea", "category": "food", "sku": "S0", "amount_fen": 12_000}


def template(offer: dict[str, Any], code: str = "M20", **terms: Any) -> dict[str, Any]:
    return {
        "code": code, "title_zh": "测试券", "title_en": "test coupon", "offer": offer,
        "terms": {
            "validity": {"days": 30},
            "funding": {"parts": [{"funder": "district", "share_bps": 10_000}]},
            **terms,
        },
    }  # fmt: skip


def tried(*coupons: dict[str, Any], **fields: Any) -> Any:
    document = {"at": "2026-11-27T12:00:00+08:00", "lines": [LINE], "coupons": coupons} | fields
    return trying.answer(trying.load(document))


def test_a_trial_says_what_the_quote_of_the_same_sale_says(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    offers = [off(2_000, 10_000), off(9_000, 50_000), {"benefit": {"kind": "percent_off",
              "off_bps": 1_000}}]  # fmt: skip
    batches = [open_batch(session, offer) for offer in offers]
    names = {
        issuing.claim(session, batch=each.code, holder=member.public_id)[0].coupon: (
            f"{each.template.code}#1"
        )
        for each in batches
    }
    basket = replace(shop.basket(session, member, 9_000, 3_000), coupons=BEST)
    lines = [
        {"merchant": shop.merchant.code, "store": shop.till.store.code, "category": "food",
         "sku": f"S{index}", "trade": shop.merchant.trade, "amount_fen": fen}
        for index, fen in enumerate((9_000, 3_000))
    ]  # fmt: skip

    quoted = quotes.answer(quotes.quote(session, basket))
    paper = tried(
        *[{"template": templates.dump(each.template)} for each in batches],
        at=now_of(session).isoformat(), lines=lines, member={"tier": member.tier},
    )  # fmt: skip

    assert quoted["discount_fen"] == paper["discount_fen"] > 0
    for name in ("coupons", "left_out"):
        real = sorted([{**each, "coupon_id": names[each["coupon_id"]]} for each in quoted[name]],
                      key=lambda each: each["coupon_id"])  # fmt: skip
        assert real == sorted(paper[name], key=lambda each: each["coupon_id"])


def test_every_fen_of_the_discount_stands_at_a_line_and_at_a_funder() -> None:
    answer = tried(
        {"template": template(off(2_000))},
        lines=[{**LINE, "amount_fen": fen} for fen in (100, 3_333, 777)],
    )

    (used,) = answer["coupons"]
    assert sum(used["shares"]) == sum(each["fen"] for each in used["funders"]) == 2_000
    assert [each["discount_fen"] for each in answer["lines"]] == used["shares"]
    assert sum(each["due_fen"] for each in answer["lines"]) == answer["due_fen"] == 2_210


def test_who_buys_and_when_decide() -> None:
    birthday = {"template": template({**off(500), "who": {"birthday": "day"}})}

    today = tried(birthday, member={"birthday": "11-27"})
    another = tried(birthday, member={"birthday": "11-28"})

    assert today["discount_fen"] == 500
    assert another["left_out"][0]["unmet"][0]["code"] == "not-birthday"


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"at": "2026-11-27T12:00:00"}, "trial.at"),
        ({"at": None}, "trial.at"),
        ({"lines": []}, "trial.lines"),
        ({"lines": [{"amount_fen": 1.5}]}, "trial.lines[0].amount_fen"),
        ({"lines": [{"amount_fen": -1}]}, "trial.lines[0].amount_fen"),
        ({"member": {"age": 20}}, "trial.member.age"),
        ({"more": 1}, "trial.more"),
        ({"coupons": [{}]}, "trial.coupons[0].template"),
        ({"coupons": [{"template": template(off(1)), "count": 31}]}, "trial.coupons[0].count"),
        (
            {"coupons": [{"template": template(off(1))}, {"template": template(off(2))}]},
            "trial.coupons[1].template",
        ),
        (
            {
                "coupons": [
                    {"template": template(off(1)), "count": 30},
                    {"template": template(off(1))},
                ]
            },
            "trial.coupons",
        ),
    ],
)
def test_what_is_of_no_sense_is_refused_with_its_path(fields: dict[str, Any], path: str) -> None:
    with pytest.raises(BadTemplate) as refused:
        tried(**fields)

    assert refused.value.path == path
