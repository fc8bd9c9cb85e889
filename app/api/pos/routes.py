"""The tills' API with every resource on it: importing one puts its views on the blueprint."""

from app.api.pos import orders, pos, quotes, refunds, till

RESOURCES = (till, quotes, orders, refunds)

__all__ = ["RESOURCES", "pos"]
