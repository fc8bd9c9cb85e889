"""Why a sale's coupons are what they are, as the JSON of a quote (C8, C10)."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.checkout.discounts import Stack as Used
from app.checkout.stacks import Chosen
from app.points.policy import BestBy
from coupons.stacking import LeftOut, Stack

_NONE: Mapping[str, Any] = {"coupons": [], "left_out": [], "runner_up": None, "proof": None}


def told(chosen: Chosen | None) -> Mapping[str, Any]:
    """Return the coupons of a sale with their shares, what is left out and why, and the proof."""
    if chosen is None:
        return _NONE
    answer = chosen.answer
    if answer is None:
        return {**_NONE, "left_out": [_left_out(each) for each in chosen.not_usable]}
    return {
        "coupons": used(chosen.stack),
        "left_out": [_left_out(each) for each in (*chosen.not_usable, *answer.left_out)],
        "runner_up": None if answer.runner_up is None else _other(answer.runner_up),
        "proof": {
            "proved": answer.certificate.proved,
            "gap_fen": answer.certificate.gap_fen,
            "nodes": answer.certificate.nodes,
            "zh": answer.certificate.zh,
            "en": answer.certificate.en,
            "best_by": BestBy.DUE if chosen.rules.points else BestBy.DISCOUNT,
            "at_most": chosen.rules.at_most,
        },
    }


def used(stack: Used) -> list[Mapping[str, Any]]:
    """Return the coupons of a sale: what each takes off it, of which line, and who pays for it."""
    return [
        {
            "coupon_id": use.coupon,
            "template": use.template,
            "zh": use.zh,
            "en": use.en,
            "fen": use.fen,
            "funders": [{"funder": gift.of.funder, "fen": sum(gift.shares)} for gift in use.gifts],
            "shares": _summed([gift.shares for gift in use.gifts]),
        }
        for use in stack.uses
    ]


def _summed(shares: Sequence[Sequence[int]]) -> list[int]:
    return [sum(each) for each in zip(*shares, strict=True)]


def _other(stack: Stack) -> Mapping[str, Any]:
    return {
        "coupon_ids": [use.coupon for use in stack.uses],
        "discount_fen": stack.discount_fen + stack.own_fen,
    }


def _left_out(each: LeftOut) -> Mapping[str, Any]:
    return {
        "coupon_id": each.coupon,
        "why": each.why.value,
        "zh": each.zh,
        "en": each.en,
        "less_fen": each.less_fen,
        "by": list(each.by),
        "unmet": [
            {
                "code": unmet.code,
                "zh": unmet.zh,
                "en": unmet.en,
                "gap_fen": unmet.gap_fen,
                "gap_units": unmet.gap_units,
                "lines": list(unmet.lines),
            }
            for unmet in each.unmet
        ],
    }
