"""A document in Markdown becomes a page: safe HTML, an anchor a heading, links that stay inside."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

_ANCHOR = re.compile(r"[^\w]+")


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading of a page, and where it is."""

    anchor: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """A document as a page shows it."""

    title: str
    sections: Sequence[Section]
    body: Markup


def chapter(text: str, *, links: Mapping[str, str]) -> Chapter:
    """Return a document as HTML; what is HTML in it is shown and not run.

    `links` says where the files that it links to are found here.

    Raises:
        KeyError: it links to a file that is not found here.
    """
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(text)
    title, sections = "", []
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            heading = Section(anchor=anchor(inline.content), title=_plain(inline))
            opening.attrSet("id", heading.anchor)
            if opening.tag == "h1":
                title = heading.title
            elif opening.tag == "h2":
                sections.append(heading)
        for child in inline.children or []:
            if child.type == "link_open":
                child.attrSet("href", _found(str(child.attrGet("href")), links))
    body = Markup(markdown.renderer.render(tokens, markdown.options, {}))  # noqa: S704  (no raw HTML)
    return Chapter(title=title, sections=sections, body=body)


def anchor(title: str) -> str:
    """Return the anchor of a heading, as GitHub makes it, so that links hold in both places."""
    return _ANCHOR.sub("-", title.lower()).strip("-")


def _plain(inline: Token) -> str:
    return "".join(child.content for child in inline.children or [])


def _found(href: str, links: Mapping[str, str]) -> str:
    if "://" in href or href.startswith(("#", "/")):
        return href
    file, hash_, place = href.partition("#")
    return links[file] + hash_ + place
