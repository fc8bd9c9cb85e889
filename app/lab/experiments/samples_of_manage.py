"""A right request for every route of staff; see samples.py."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from app.approvals import ChangeRequest
from app.campaigns import coupons as room
from app.lab.experiments.district import DISTRICT
from app.lab.experiments.routes import Ask
from app.lab.experiments.stage import Stage
from app.members.sealing import coupon_keys
from config.database import new_id, now_of
from coupons import batches, issuing, runs, templates

_WHY = {"reason": "实验"}


def coupon_batch(stage: Stage) -> str:
    """Open a batch that anybody may claim, of coupons that may be handed on and go offline."""
    code, now = new_id("b"), now_of(stage.session)
    batches.add_template(stage.session, templates.load(_document(code)), by="system:lab")
    batches.open_batch(
        stage.session,
        code=code,
        template=code,
        starts_at=now - timedelta(days=1),
        ends_at=now + timedelta(days=1),
        by="system:lab",
    )
    return code


def _document(code: str) -> dict[str, Any]:
    return {
        "code": code,
        "title_zh": "实验券",
        "title_en": "a coupon of the lab",
        "offer": {"benefit": {"kind": "amount_off", "fen": 100}},
        "terms": {
            "validity": {"days": 30},
            "funding": {"parts": [{"funder": "district", "share_bps": 10_000}]},
            "claim": True,
            "transfer": 1,
            "offline_ok": True,
        },
    }


def _trial(_: Stage) -> Ask:
    return Ask(
        body={
            "at": "2026-12-01T12:00:00+08:00",
            "lines": [{"amount_fen": 3_000}],
            "coupons": [{"template": _document("LAB")}],
            "member": {"tier": "gold"},
        }
    )


def _opening(stage: Stage) -> Ask:
    now, code = now_of(stage.session), new_id("b")
    batches.add_template(stage.session, templates.load(_document(code)), by="system:lab")
    window = {"starts_at": now.isoformat(), "ends_at": (now + timedelta(days=1)).isoformat()}
    return Ask(body={"batch": code, "template": code, **window, **_WHY})


def _requested(stage: Stage, *, by: str) -> str:
    """Have somebody ask for a batch without any limit."""
    now, code = now_of(stage.session), new_id("b")
    batches.add_template(stage.session, templates.load(_document(code)), by="system:lab")
    asked = room.open_batch(
        stage.session, code=code, template=code, starts_at=now, ends_at=now + timedelta(days=1),
        by=by, reason="实验",
    )  # fmt: skip
    assert isinstance(asked, ChangeRequest)
    return asked.public_id


def _of_another(stage: Stage) -> str:
    return _requested(stage, by="stf_lab_other")


def _in_batch(body: Mapping[str, Any]) -> Callable[[Stage], Ask]:
    return lambda stage: Ask(ids={"batch": coupon_batch(stage)}, body=body)


def _run(stage: Stage) -> str:
    """Make ten codes and return their run."""
    keys = coupon_keys(stage.session)
    run = runs.open_run(
        stage.session, batch=coupon_batch(stage), name="lab", wanted=10, keys=keys, by="system:lab"
    )
    runs.fill(stage.session, run, keys=keys)
    return run.public_id


def _recalled(stage: Stage) -> Ask:
    coupon = issuing.claim(stage.session, batch=coupon_batch(stage), holder=stage.person.member)[
        0
    ].coupon
    return Ask(body={"coupon_ids": [coupon], **_WHY})


MANAGE_THINGS: Mapping[str, Callable[[Stage], str]] = {
    "template": coupon_batch,  # Its template has its name.
    "batch": coupon_batch,
    "request_id": _of_another,
    "run_id": _run,
}

MANAGE_SAMPLES: Mapping[str, Callable[[Stage], Ask]] = {
    "manage.start_staff_session": lambda _: Ask(
        body={"district": DISTRICT, "login": "lab1", "password": "x" * 12, "code": "000000"}
    ),
    "manage.try_quote": _trial,
    "manage.add_template": lambda _: Ask(body={"template": _document(new_id("t"))}),
    "manage.retire_template": lambda stage: Ask(ids={"template": coupon_batch(stage)}, body=_WHY),
    "manage.open_batch": _opening,
    "manage.close_batch": _in_batch(_WHY),
    "manage.approve_batch": lambda stage: Ask(ids={"request_id": _of_another(stage)}, body={}),
    "manage.reject_batch": lambda stage: Ask(ids={"request_id": _of_another(stage)}, body=_WHY),
    "manage.withdraw_batch": lambda stage: Ask(
        ids={"request_id": _requested(stage, by=stage.console.staff)}, body=_WHY
    ),
    "manage.grant_coupons": lambda stage: Ask(
        ids={"batch": coupon_batch(stage)},
        body={"key": new_id("g"), "member_ids": [stage.person.member], **_WHY},
    ),
    "manage.void_coupons": _recalled,
    "manage.void_batch": _in_batch(_WHY),
    "manage.make_codes": _in_batch({"name": "lab", "count": 10}),
    "manage.import_codes": lambda stage: Ask(
        ids={"batch": coupon_batch(stage)}, body={"name": "lab", "codes": [new_id("old")]}
    ),
}
