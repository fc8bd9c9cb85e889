"""`plaza perks …`: limits of adjustments and gifts, proposed by one and approved by another."""

import click

from app.cli.setting import add_setting
from app.points.perks import PERKS

_MEANING = {
    "adjust_limit_points": "一人可调整某会员的积分（24 小时） / one person may adjust, in 24 hours",
    "gift_day_points": "会员每日可赠 / a member may give a day",
    "gift_month_points": "会员每月可赠 / a member may give a month",
    "gift_cooling_days": "受赠积分几天内不可转赠 / days before a gift may be given on",
    "gift_new_member_days": "新会员几天内不可赠 / days before a new member may give",
}


@click.group()
def perks() -> None:
    """人工调整与赠送的限额：一人提出，另一人审批 / limits of adjustments and gifts.

    \b
    plaza perks show
    plaza perks propose --set gift_day_points=500 --reason 防刷 --as lin
    plaza perks approve chg_01J… --as wang
    """


add_setting(perks, PERKS, meanings=_MEANING, propose=PERKS.propose)
