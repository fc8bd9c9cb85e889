"""Every table of the product in one metadata, and what a comparison with it leaves out."""

from importlib import import_module
from typing import Any

from config.database import Base

for _module in (
    "ledger.models",
    "coupons.models",
    "app.outbox",
    "app.audit",
    "app.sealing",
    "app.approvals",
    "app.policies",
    "app.merchants.models",
    "app.members.models",
    "app.members.presence",
    "app.members.devices",
    "app.members.seeds",
    "app.members.confirming",
    "app.members.consents",
    "app.members.refreshing",
    "app.members.sign_in",
    "app.members.closing",
    "app.members.merges",
    "app.members.referring",
    "app.members.exporting",
    "app.points.models",
    "app.points.openings",
    "app.points.check_ins",
    "app.points.promises",
    "app.campaigns.models",
    "app.checkout.models",
    "app.checkout.totals",
    "app.checkout.claims",
    "app.checkout.referrals",
    "app.settlement.models",
    "app.settlement.bills",
    "app.settlement.breaks",
    "app.day_change",
    "app.api.answers",
    "app.api.guessing",
):
    import_module(_module)

metadata = Base.metadata


def include(thing: Any, name: str | None, kind: str, _reflected: bool, _compared: Any) -> bool:
    """Leave out partitions, which jobs make, and the migrations' own record."""
    table = name if kind == "table" else getattr(getattr(thing, "table", None), "name", None)
    return not str(table).startswith("transfer_") and table not in ("repeatable", "alembic_version")
