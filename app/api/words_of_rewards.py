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
}
