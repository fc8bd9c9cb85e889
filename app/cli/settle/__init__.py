"""`plaza settle …`: closing periods, reading what they came to, and what follows."""

from app.cli.settle import closing, donations, dues, papers
from app.cli.settle.opening import settle

__all__ = ["closing", "donations", "dues", "papers", "settle"]
