"""What the fields mean that tell of coupons; see words.py."""

from collections.abc import Mapping
from typing import Any

_COUPON = "cpn_01KB2N7QX4T5W6Y8Z9ABCDEFGH"

COUPON_WORDS: Mapping[str, tuple[Any, ...]] = {
    # What a till asks for, and what it is told.
    "QuoteBasket.coupons": ("要用的券：编号或券码", "coupons to use, by id or by code", [_COUPON]),
    "PlaceOrder.coupons": ("要用的券：编号或券码", "coupons to use, by id or by code", [_COUPON]),
    "best_coupons": (
        "由系统选会员最省的券；不与 coupons 同用",
        "let the member's coupons be chosen that save most; not together with coupons",
        False,
    ),
    "coupons": ("所用的券", "the coupons that are used"),
    "coupon_id": ("券编号", "the coupon's id", _COUPON),
    "template": ("券模板编号", "code of its template", "M50"),
    "discount_fen": ("券优惠合计，单位分", "what coupons take off, in fen", 0),
    "CouponUse.zh": ("券名（中文）", "its name, in Chinese", "满100减20"),
    "CouponUse.en": ("券名（英文）", "its name, in English", "20 off 100"),
    "CouponUse.fen": ("本券优惠，单位分", "what it takes off, in fen", 2000),
    "OrderCoupon.zh": ("券名（中文）", "its name, in Chinese", "满100减20"),
    "OrderCoupon.en": ("券名（英文）", "its name, in English", "20 off 100"),
    "OrderCoupon.fen": ("本券优惠，单位分", "what it takes off, in fen", 2000),
    "shares": ("各行分摊，顺序同商品行，单位分", "its share of each line, in fen", [2000]),
    "funders": ("由谁出资", "who pays for it"),
    "funder": (
        "出资方：district、merchant:编号 或 brand:编号",
        "district, merchant:id or brand:code",
        "district",
    ),
    "Funder.fen": ("出资金额，单位分", "what it pays, in fen", 2000),
    "left_out": ("未用的券及原因", "coupons that are not used, and why"),
    "LeftOut.coupon_id": ("券编号或所报的券码", "the coupon's id, or the code as named", _COUPON),
    "LeftOut.why": ("原因代码", "the reason's code", "conditions"),
    "LeftOut.zh": ("原因（中文）", "the reason, in Chinese", "适用商品再买 ¥12.50（第 1 行）"),
    "LeftOut.en": (
        "原因（英文）",
        "the reason, in English",
        "another ¥12.50 of goods that count (lines 1)",
    ),
    "less_fen": ("加用它会少省多少，单位分", "what would be saved less with it, in fen", 0),
    "by": ("因哪些券而不能用", "the coupons that keep it out", []),
    "unmet": ("全部未满足的条件", "every condition that fails"),
    "Unmet.code": ("条件代码", "the condition's code", "below-amount"),
    "Unmet.zh": ("条件（中文）", "the condition, in Chinese", "适用商品再买 ¥12.50（第 1 行）"),
    "Unmet.en": (
        "条件（英文）",
        "the condition, in English",
        "another ¥12.50 of goods that count (lines 1)",
    ),
    "gap_fen": ("还差多少钱，单位分", "what is missing, in fen", 1250),
    "gap_units": ("还差几件", "units that are missing", 0),
    "Unmet.lines": ("计入的商品行", "the lines that count towards it", [1]),
    "runner_up": ("次优组合；没有为 null", "the second best choice; null without one"),
    "coupon_ids": ("券编号", "the coupons' ids", [_COUPON]),
    "proof": ("最优证明；无券为 null", "why it is the best; null without coupons"),
    "proved": ("是否已证明最优", "whether it is proved that nothing saves more", True),
    "StackProof.gap_fen": (
        "未证明时，最多可能少省多少，单位分",
        "at most so much more could be saved, in fen",
        0,
    ),
    "nodes": ("搜索的组合数", "combinations that were looked at", 12),
    "StackProof.zh": ("结论（中文）", "what is claimed, in Chinese", "已证明最优"),
    "StackProof.en": ("结论（英文）", "what is claimed, in English", "proved optimal"),
    "Problem.reasons": (
        "各券不能使用的原因，随 rule-not-met",
        "why each coupon cannot be used, with rule-not-met",
    ),
    "Reason.coupon_id": ("券编号或所报的券码", "the coupon's id, or the code as named", _COUPON),
    "Reason.zh": ("原因（中文）", "the reason, in Chinese", "券已过期"),
    "Reason.en": ("原因（英文）", "the reason, in English", "it has expired"),
    # What a refund does to them.
    "CouponBack.fen": ("退回的优惠，单位分", "what went back of its discount, in fen", 2000),
    "returned": ("券本身是否退回", "whether the coupon itself may be used again", True),
    "reissued_id": (
        "代之补发的券；没有为 null",
        "the smaller coupon that came instead; null without one",
        _COUPON,
    ),
    "Refund.coupons": ("各券的去向", "what became of each coupon"),
    "Refund.discount_fen": (
        "退回出资方的优惠，单位分",
        "discount that went back to its funders, in fen",
        0,
    ),
}
