"""The tills' API with every resource on it: importing one puts its views on the blueprint."""

from app.api.pos import (
    burns,
    changes,
    coupons,
    events,
    exchanges,
    mall,
    offline,
    orders,
    pos,
    quotes,
    refunds,
    roll_backs,
    sandbox,
    till,
    totals,
    uploads,
)

RESOURCES = (
    till, quotes, orders, events, coupons, mall, refunds, roll_backs, changes, exchanges, burns,
    uploads, offline, totals, sandbox,
)  # fmt: skip

__all__ = ["RESOURCES", "pos"]
