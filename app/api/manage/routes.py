"""The management API with every resource on it: importing one puts its views on the blueprint."""

from app.api.manage import batches, codes, coupons, manage, quotes, sessions, templates

RESOURCES = (sessions, quotes, templates, batches, coupons, codes)

__all__ = ["RESOURCES", "manage"]
