"""`plaza settle …`: closing periods, reading what they came to, and what follows."""

from app.cli.settle import closing, dues, papers
from app.cli.settle.opening import settle

__all__ = ["closing", "dues", "papers", "settle"]
