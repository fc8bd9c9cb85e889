"""The pages themselves: rendered at first use, kept, the same for everybody and offline.

Nothing is loaded from elsewhere, and the policy of each page forbids it: own style, own scripts.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, cast

from apiflask import APIFlask
from flask import Response, abort, current_app, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from app.api import limits, problems
from app.api.auth import Role, requires
from app.api.openapi import document
from app.api.reading import reading
from app.api.reading.advice import ADVICE
from app.api.reading.chapters import chapter
from app.api.reading.reference import routes
from app.api.reading.signing import examples
from config.settings import PROJECT

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
SAMPLES = PROJECT / "docs/samples"

_LINKS = {
    "api.md": "/docs/tills",
    "../api.md": "/docs/tills",
    "members.md": "/docs/members",
    "manage.md": "/docs/manage",
    "coupons.md": "/docs/coupons",
    "coupons-try.md": "/docs/coupons-try",
    "proofs.md": "/docs/proofs",
    "samples/README.md": "/docs/samples",
    "openapi.json": "/openapi.json",
    "node/till.mjs": "/docs/samples/node",
    "python/till.py": "/docs/samples/python",
    "csharp/Till.cs": "/docs/samples/csharp",
    "java/Till.java": "/docs/samples/java",
    "php/till.php": "/docs/samples/php",
}
_ASSETS = {"style.css": "text/css", "page.js": "text/javascript", "signing.js": "text/javascript"}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A page: its name in the address, what the list at the side calls it, how it is made."""

    name: str
    zh: str
    en: str
    template: str
    given: Callable[[], Mapping[str, Any]]

    @property
    def address(self) -> str:
        """Where it is."""
        return f"/docs/{self.name}".rstrip("/")


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What was made once, and the tag by which a browser knows that it has it."""

    body: bytes
    content_type: str

    @property
    def tag(self) -> str:
        """The same for the same bytes."""
        return hashlib.sha256(self.body).hexdigest()[:32]


@reading.get("/docs")
@requires(Role.ANYONE, limit=limits.READER)
def read_start() -> Response:
    """Show where to begin."""
    return _answer(_page(""))


@reading.get("/docs/<name>")
@requires(Role.ANYONE, limit=limits.READER)
def read_page(name: str) -> Response:
    """Show a page."""
    return _answer(_page(name))


@reading.get("/docs/assets/<name>")
@requires(Role.ANYONE, limit=limits.READER)
def read_asset(name: str) -> Response:
    """Return the style or a script of the pages."""
    if name not in _ASSETS:
        abort(404)
    found = resources.files(__package__).joinpath("assets", name)
    return _answer(Kept(body=found.read_bytes(), content_type=_ASSETS[name]))


@reading.get("/docs/samples/<language>")
@requires(Role.ANYONE, limit=limits.READER)
def read_sample(language: str) -> Response:
    """Return the program of a sample as text."""
    found = samples().get(language)
    if found is None:
        abort(404)
    return _answer(Kept(body=found.read_bytes(), content_type="text/plain"))


@reading.get("/problems/<code>")
@requires(Role.ANYONE, limit=limits.READER)
def explain_problem(code: str) -> AnyResponse:
    """Lead from the `type` of a problem to where it is explained."""
    if code not in {each.code for each in problems.kinds()}:
        abort(404)
    return redirect(f"/docs/errors#{code}")


def samples() -> Mapping[str, Path]:
    """Return the program of each language."""
    found = sorted(SAMPLES.glob("*/[Tt]ill.*"))
    return {path.parent.name: path for path in found}


def _page(name: str) -> Kept:
    kept: dict[str, Kept] = current_app.extensions.setdefault("plaza_pages", {})
    if name not in kept:
        entry = next((each for each in ENTRIES if each.name == name), None)
        if entry is None:
            abort(404)
        text = render_template(
            f"reading/{entry.template}.html", entry=entry, entries=ENTRIES, **entry.given()
        )
        kept[name] = Kept(body=text.encode(), content_type="text/html")
    return kept[name]


def _answer(kept: Kept) -> Response:
    response = Response(kept.body, content_type=f"{kept.content_type}; charset=utf-8")
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.headers["Cache-Control"] = "no-cache"  # Kept by the browser, asked about each time.
    response.set_etag(kept.tag)
    response.make_conditional(request)
    return response


def _chapter(file: str) -> Callable[[], Mapping[str, Any]]:
    def given() -> Mapping[str, Any]:
        text = (PROJECT / file).read_text(encoding="utf-8")
        return {"chapter": chapter(text, links=_LINKS)}

    return given


def _reference(*tags: str) -> Callable[[], Mapping[str, Any]]:
    def given() -> Mapping[str, Any]:
        described = json.loads(document(cast("APIFlask", current_app)))
        return {"routes": routes(described, tags=tags, problems=problems.kinds())}

    return given


def _errors() -> Mapping[str, Any]:
    shown = sorted(problems.kinds(), key=lambda each: (each.status, each.code))
    return {"problems": shown, "advice": ADVICE}


def _signing() -> Mapping[str, Any]:
    return {"examples": examples()}


def _nothing() -> Mapping[str, Any]:
    return {}


ENTRIES = (
    Entry(name="", zh="开始", en="Start", template="start", given=_nothing),
    Entry(name="tills", zh="收银接口指南", en="Guide for tills", template="chapter",
          given=_chapter("docs/api.md")),
    Entry(name="reference-tills", zh="收银接口参考", en="Reference for tills",
          template="reference", given=_reference("pos", "signing")),
    Entry(name="signing", zh="签名调试", en="Signature debugger", template="signing",
          given=_signing),
    Entry(name="samples", zh="示例代码", en="Samples", template="chapter",
          given=_chapter("docs/samples/README.md")),
    Entry(name="errors", zh="错误代码", en="Errors", template="errors", given=_errors),
    Entry(name="members", zh="会员接口指南", en="Guide for members' apps", template="chapter",
          given=_chapter("docs/members.md")),
    Entry(name="reference-members", zh="会员接口参考", en="Reference for members' apps",
          template="reference", given=_reference("member")),
    Entry(name="manage", zh="管理接口指南", en="Guide for consoles", template="chapter",
          given=_chapter("docs/manage.md")),
    Entry(name="reference-manage", zh="管理接口参考", en="Reference for consoles",
          template="reference", given=_reference("manage")),
    Entry(name="coupons", zh="卡券规则", en="Coupons", template="chapter",
          given=_chapter("docs/coupons.md")),
    Entry(name="coupons-try", zh="卡券试算", en="Trying coupons", template="chapter",
          given=_chapter("docs/coupons-try.md")),
    Entry(name="proofs", zh="证明", en="Proofs", template="chapter",
          given=_chapter("docs/proofs.md")),
)  # fmt: skip
