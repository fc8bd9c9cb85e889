"""`plaza coupons …`: templates, batches, codes, coupons of members, and trying them on paper."""

from app.cli.coupons import batches, codes, paying, people, renewals, templates, trying
from app.cli.coupons.group import coupons

__all__ = ["batches", "codes", "coupons", "paying", "people", "renewals", "templates", "trying"]
