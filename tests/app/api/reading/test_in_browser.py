"""The pages in a real browser: readable, light and dark, wide and narrow, nothing refused (P5)."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from app.api.reading.pages import ENTRIES
from config.settings import Settings
from tests.serving import served

pytestmark = pytest.mark.vendor

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def base_url(settings: Settings, sandbox: str) -> Iterator[str]:
    with served(settings) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium: apt-get install chromium fonts-noto-cjk"""
    program = shutil.which("chromium")
    assert program, "apt-get install chromium fonts-noto-cjk"
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        yield made
        made.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complains about; refused by the policy or not found."""
    return []


@pytest.fixture
def context(browser: Browser, base_url: str) -> Iterator[BrowserContext]:
    """A desk in daylight, cut off from everything but the server."""
    made = browser.new_context(base_url=base_url, viewport={"width": 1280, "height": 860})
    made.route(
        re.compile(r"^(?!data:)"),
        lambda route: (
            route.continue_() if route.request.url.startswith(base_url) else route.abort()
        ),
    )
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext, complaints: list[str]) -> Page:
    made = context.new_page()

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    made.on("console", hear)
    made.on("pageerror", lambda error: complaints.append(str(error)))
    made.on("requestfailed", lambda request: complaints.append(request.url))
    return made


def _keep(page: Page, name: str) -> None:
    """Keep a picture to look at, where somebody asks for it."""
    folder = os.environ.get("PLAZA_TEST_PICTURES")
    if folder:
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name or "start")
def test_a_page_shows_without_a_complaint(
    page: Page, complaints: list[str], entry: object, scheme: str
) -> None:
    address = str(vars(entry)["name"])
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")

    page.goto(f"/docs/{address}".rstrip("/"))
    _keep(page, f"{address or 'start'}-{scheme}")

    assert complaints == []
    assert page.locator("h1").first.is_visible()
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper)[:3])) < 200) is (scheme == "dark")


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name or "start")
def test_a_page_fits_on_a_phone(page: Page, complaints: list[str], entry: object) -> None:
    address = str(vars(entry)["name"])
    page.set_viewport_size({"width": 390, "height": 800})

    page.goto(f"/docs/{address}".rstrip("/"))
    _keep(page, f"{address or 'start'}-phone")

    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390
    assert complaints == []


def test_the_filter_leaves_what_holds_every_word(page: Page, complaints: list[str]) -> None:
    page.goto("/docs/reference-tills")
    before = page.locator("section.route:visible").count()

    page.keyboard.press("/")
    page.keyboard.type("refund parts")
    after = page.locator("section.route:visible h2").all_inner_texts()
    page.keyboard.type(" nonsense")

    assert before > 10
    assert 0 < len(after) < before
    assert any("/refunds" in each for each in after)
    assert page.locator("section.route:visible").count() == 0
    assert page.locator(".none").is_visible()
    assert complaints == []


def test_the_debugger_explains_a_missing_newline(page: Page, complaints: list[str]) -> None:
    page.goto("/docs/signing")

    page.get_by_role("button", name="Without the last newline").click()
    page.locator("#answer .compare").wait_for()
    _keep(page, "signing-answer")

    answer = page.locator("#answer")
    assert "the last line needs its newline too" in answer.inner_text()
    assert answer.locator("tr.differs").count() == 1
    assert answer.locator("tr.differs mark").count() == 2
    assert complaints == []


def test_the_debugger_takes_the_exact_bytes_of_a_file(page: Page, tmp_path: Path) -> None:
    """A text area would have made \\n of \\r\\n."""
    file = tmp_path / "string.txt"
    page.goto("/docs/signing")
    page.get_by_role("button", name="A right example").click()
    page.locator("#answer .compare").wait_for()
    text = page.locator("textarea[name=string_to_sign]").input_value()
    file.write_bytes(text.replace("\n", "\r\n").encode())

    page.set_input_files("input[name=string_to_sign_file]", file)
    page.get_by_role("button", name="检查 / Check").click()
    page.locator("#answer tr.differs").first.wait_for()

    assert page.locator("#answer tr.differs").count() == 9
    assert "«CR»«LF»" in page.locator("#answer").inner_text()
