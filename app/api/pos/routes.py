"""The tills' API with every resource on it: importing one puts its views on the blueprint."""

from app.api.pos import exchanges, orders, pos, quotes, refunds, till, uploads

RESOURCES = (till, quotes, orders, refunds, exchanges, uploads)

__all__ = ["RESOURCES", "pos"]
