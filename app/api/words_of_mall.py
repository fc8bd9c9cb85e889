"""What the fields mean that tell of the reward mall; see words.py."""

from collections.abc import Mapping
from typing import Any

_AT = "2026-11-27T02:03:04.000+00:00"
_UNTIL = "2026-12-27T16:00:00.000+00:00"
_TAKING = "tak_01KB2N7QX4T5W6Y8Z9ABCDEFGH"

MALL_WORDS: Mapping[str, tuple[Any, ...]] = {
    "Mall.items": ("可换购的商品与券", "what the mall offers"),
    "OwnData.rewards": ("换购记录", "what was taken from the reward mall"),
    "item": ("商品编号", "the item's code", "MUG"),
    "MallItem.zh": ("名称（中文）", "its name, in Chinese", "马克杯"),
    "MallItem.en": ("名称（英文）", "its name, in English", "A mug"),
    "Taking.zh": ("名称（中文）", "its name, in Chinese", "马克杯"),
    "Taking.en": ("名称（英文）", "its name, in English", "A mug"),
    "Reward.zh": ("名称（中文）", "its name, in Chinese", "马克杯"),
    "Reward.en": ("名称（英文）", "its name, in English", "A mug"),
    "gives": ("goods 到店自提，coupon 即时发券", "goods to pick up, or a coupon at once", "goods"),
    "MallItem.batch": ("发哪个批次的券；商品为 null", "the coupon's batch; null for goods", None),
    "MallItem.points": ("该会员等级的价格", "its price for the member's tier", 500),
    "TakeItem.points": ("会员看到的价格", "the price that the member was shown", 500),
    "Taking.points": ("所付积分", "points that were paid", 500),
    "cash_fen": ("自提时另付现金，单位分", "what is paid at the pick-up beside, in fen", 1000),
    "left": ("剩余库存", "how many are left", 20),
    "MallItem.per_member": ("每人限换几件", "how many a member may have", 1),
    "MallItem.taken": ("已换几件", "how many the member has", 0),
    "pick_up_days": ("几天内自提", "days to pick it up", 30),
    "MallItem.starts_at": ("何时起可换", "from when on it may be taken", _AT),
    "MallItem.ends_at": ("换到何时（不含）", "until when, half-open", _UNTIL),
    "takeable": ("现在能否换购", "whether it may be taken now", True),
    "MallItem.why_not": ("不能换购的原因", "why it may not be taken"),
    "takings": ("已换购的，新的在前", "what the member took, newest first"),
    "taking_id": ("换购编号", "the taking's id", _TAKING),
    "Taking.state": (
        "waiting、given、picked_up、cancelled 或 lapsed",
        "waiting, given, picked_up, cancelled or lapsed",
        "waiting",
    ),
    "Reward.state": ("waiting 或 picked_up", "waiting or picked_up", "waiting"),
    "Taking.coupon_id": (
        "所得的券；商品为 null",
        "the coupon that was given; null for goods",
        None,
    ),
    "Taking.order_id": ("现金部分的订单；没有为 null", "the sale of the cash part, or null", None),
    "Reward.order_id": ("现金部分的订单；没有为 null", "the sale of the cash part, or null", None),
    "Taking.until": ("自提截止（不含）", "until when it may be picked up, half-open", _UNTIL),
    "Reward.until": ("自提截止（不含）", "until when it may be picked up, half-open", _UNTIL),
    "picked_up_at": ("何时提走；未提为 null", "when it was picked up; else null", None),
    "repeated": ("本店此前已提走", "it was picked up at this store before", False),
    "taken_at": ("换购时间", "when it was taken", _AT),
    "Taking.ended_at": (
        "领取或取消的时间；未结束为 null",
        "when it was given or given up; or null",
    ),
    "PickUpCode.code": (
        "提货码，向收银员出示",
        "the code to show at a till",
        "C7K2M9QX4T5W6Y8Z9ABC",
    ),
    "LookUpReward.code": (
        "顾客出示的提货码",
        "the code that the customer shows",
        "C7K2M9QX4T5W6Y8Z9ABC",
    ),
    "PickUpReward.code": (
        "顾客出示的提货码",
        "the code that the customer shows",
        "C7K2M9QX4T5W6Y8Z9ABC",
    ),
    "PickUpReward.number": (
        "现金部分的收银单号",
        "the till's own number of the cash part",
        "T1-0003",
    ),
    "PickUpReward.tenders": ("现金部分的支付方式及金额", "what pays the cash part"),
}
