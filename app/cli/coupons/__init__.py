"""`plaza coupons …`: templates, batches, codes, and coupons of members."""

from app.cli.coupons import batches, codes, people, templates
from app.cli.coupons.group import coupons

__all__ = ["batches", "codes", "coupons", "people", "templates"]
