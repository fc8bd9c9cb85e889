"""Documents as pages: safe, with anchors, and no link that leads nowhere."""

import pytest

from app.api.reading.chapters import Section, anchor, chapter

TEXT = """# The *tills'* API

See [below](#a-day-offline), [members](members.md#consent) or [the standard](https://example.org/).

## A day offline

| a | b |
|---|---|
| `x` | <script>alert(1)</script> |

## `JSON` 数字

```sh
echo '<b>'
```
"""


def test_a_document_becomes_a_page_with_anchors() -> None:
    made = chapter(TEXT, links={"members.md": "/docs/members"})

    assert made.title == "The tills' API"
    assert made.sections == [
        Section(anchor="a-day-offline", title="A day offline"),
        Section(anchor="json-数字", title="JSON 数字"),
    ]
    assert '<h2 id="a-day-offline">' in made.body
    assert "<table>" in made.body


def test_links_lead_to_the_pages() -> None:
    made = chapter(TEXT, links={"members.md": "/docs/members"})

    assert 'href="#a-day-offline"' in made.body
    assert 'href="/docs/members#consent"' in made.body
    assert 'href="https://example.org/"' in made.body


def test_a_link_that_leads_nowhere_is_refused() -> None:
    with pytest.raises(KeyError):
        chapter(TEXT, links={})


def test_html_in_a_document_is_shown_and_not_run() -> None:
    made = chapter(TEXT, links={"members.md": "/docs/members"})

    assert "<script>" not in made.body
    assert "&lt;script&gt;" in made.body


def test_an_anchor_is_the_heading_in_small_letters() -> None:
    assert anchor("From an empty shell") == "from-an-empty-shell"
    assert anchor("JSON & 错误!") == "json-错误"
