"""A statement as one page that loads nothing from elsewhere and prints well."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.money import yuan
from app.settlement.papers import paper as words
from app.settlement.papers.paper import Paper

_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_PAGES.filters["yuan"] = yuan


def render(paper: Paper) -> bytes:
    """Return a statement as HTML in UTF-8; every name is escaped."""
    page = _PAGES.get_template("statement.html").render(paper=paper, words=words)
    return page.encode()
