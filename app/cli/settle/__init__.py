"""`plaza settle …`: closing periods, reading what they came to, and what follows."""

from app.cli.settle import closing, donations, dues, losses, papers, rhythm
from app.cli.settle.opening import settle

__all__ = ["closing", "donations", "dues", "losses", "papers", "rhythm", "settle"]
