"""`plaza rewards …`: points for check-ins and referrals, and how late an order may be claimed."""

from collections.abc import Callable, Mapping

import click

from app.cli.setting import add_setting
from app.points import rewards as room
from app.points.rewards import REWARDS

_MEANING = {
    "issuer": "由哪家商户承担 / the merchant that bears the points",
    "check_in_points": "签到第 1、2… 天的积分 / of the first day of a streak, the second, …",
    "check_in_missed_days": "漏签几天不算中断 / missed days that break no streak",
    "check_in_late_minutes": "可补报几分钟 / minutes that a check-in is told late",
    "check_in_month_points": "每月签到积分上限 / a member gets a month at most",
    "referrer_points": "推荐人所得 / for who refers",
    "friend_points": "被推荐人所得 / for the friend",
    "referral_return_days": "首单后几天生效 / days after the first order",
    "referral_month_friends": "每月最多推荐几人 / friends a month that count",
    "claim_days": "几天内可补登 / days in which an order is claimed",
    "claim_tries_a_day": "每日可错几次 / wrong claims a day",
}


@click.group()
def rewards() -> None:
    """签到、推荐与补登的规则：一人提出，另一人审批 / points that no sale makes.

    \b
    plaza rewards show
    plaza rewards propose --set issuer=longjing --set check_in_points=1,1,2,2,5 \\
        --reason 春季签到 --as lin
    plaza rewards approve chg_01J… --as wang
    """


_READERS: Mapping[str, Callable[[str], object]] = {
    "issuer": lambda value: value or None,
    "check_in_points": lambda value: [int(each) for each in value.split(",") if each],
}

add_setting(rewards, REWARDS, meanings=_MEANING, readers=_READERS, propose=room.propose)
