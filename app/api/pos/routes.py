"""The tills' API with every resource on it: importing one puts its views on the blueprint."""

from app.api.pos import (
    burns,
    changes,
    exchanges,
    orders,
    pos,
    quotes,
    refunds,
    sandbox,
    till,
    totals,
    uploads,
)

RESOURCES = (till, quotes, orders, refunds, changes, exchanges, burns, uploads, totals, sandbox)

__all__ = ["RESOURCES", "pos"]
