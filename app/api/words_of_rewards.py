"""What the fields mean that tell of points which wait, or which no sale makes; see words.py."""

from collections.abc import Mapping
from typing import Any

REWARD_WORDS: Mapping[str, tuple[Any, ...]] = {
    # Points that wait.
    "pending_points": ("待生效积分", "points that may not be spent yet", 0),
    "pending": ("待生效积分及其生效条件", "points that wait for a day or an event"),
    "activates_on": ("生效日，空为等待事件", "first day on which they may be spent; else null"),
    "event": ("等待的订单事件，空为按日生效", "event of the order that they await", None),
    "OrderEvent.event": ("订单事件", "what has come, by its name", "order.collected"),
    "OrderEventAnswer.event": ("订单事件", "what has come, by its name", "order.collected"),
    "activated_points": ("由此生效的积分", "points that became active by it", 50),
    # Check-ins.
    "CheckIn.occurred_at": (
        "签到时间；省略为现在",
        "when it was, some minutes late at most; now by default",
    ),
    "CheckedIn.business_date": ("上海日期", "the day in Shanghai", "2026-11-27"),
    "streak": ("连续第几天", "the how-manieth day in a row", 3),
    "CheckedIn.points": ("所得积分", "points that it gave", 5),
    "offered": ("本商圈是否开放签到", "whether there are check-ins in this district", True),
    "Streak.days": ("已连续天数", "days in a row up to now", 3),
    "today": ("今天的签到；null 为尚未签到", "the check-in of today; null before it"),
    "next_points": ("下次签到可得", "what the next check-in would give", 5),
    "OwnData.check_ins": ("全部签到", "all check-ins"),
    "OwnData.referrals": ("推荐的好友", "the friends who were referred"),
    "cycle": ("周期内每天的积分", "points of each day of the cycle", [1, 2, 5]),
    # Late claims.
    "ClaimOrder.store": ("门店代码，见小票", "the store's code, as on the receipt", "tea-1"),
    "ClaimOrder.number": ("小票上的收银单号", "the till's number, as on the receipt", "T1-0001"),
    "ClaimOrder.day": ("消费日期（上海）", "the day of the sale in Shanghai", "2026-11-27"),
    "ClaimOrder.amount_fen": ("订单总额，单位分", "the sum of all lines, in fen", 12800),
    # Referrals.
    "referral_code": ("推荐码", "the code by which friends join", "K7M2PQ9X"),
    "SignIn.referral_code": ("推荐人的推荐码", "the code of who referred the new member"),
    "referred": ("推荐是否有效", "whether the referral counts", False),
    "referrer_points": ("推荐人可得", "points for who refers", 50),
    "friend_points": ("好友可得", "points for the friend", 20),
    "return_days": ("首单后几天可用", "days after the first order until they may be spent", 7),
    "this_month": ("本月已推荐", "friends who joined by it this month", 1),
    "most_a_month": ("每月有效上限", "how many a month count", 10),
    "friends": ("已推荐的好友，新的在前", "the friends, newest first"),
    "Referred.points": ("所得积分；null 为尚无首单", "points that it gave; null before", 50),
    "active_on": ("可用之日", "the first day on which they may be spent", "2026-12-04"),
    "taken_back": ("订单全退，已收回", "taken back, for the order went back", False),
}
