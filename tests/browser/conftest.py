"""A real browser, the scripted backend, and book sites on another origin.

These tests need Chromium and Playwright's Python package, and do not download a browser:
`apt-get install chromium` and `pip install -r requirements-dev.txt`, then
`pytest tests/browser`. If either is missing they are skipped.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from tests.browser.fake import Fake, serve

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TIMEOUT_MS = 30_000
"""Timeout of expectations in milliseconds, generous for a loaded machine."""
HOW = "needs `apt-get install chromium` and `pip install playwright`; then pytest tests/browser"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
DESKTOP = {"viewport": {"width": 1280, "height": 800}}

STRICT = (
    "default-src 'none'; script-src {host}; connect-src {host}; img-src data:; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""The strictest policy under which a book site can load the widget."""

BODY = """<main><h1 id="top">A book</h1><p>It begins here.</p>
<h2 id="install">Installing it<a href="#install">#</a></h2>
<p id="passage">Fetch the archive for your platform, and run the installer.</p>
<h2 id="later">What comes later</h2><p id="last">The last words.</p></main>"""


@dataclass
class Site:
    """The book's site, with the content and policy that a test sets."""

    url: str = ""
    host: str = ""
    attributes: str = ""
    root: str = 'lang="en"'
    style: str = ""
    body: str = BODY
    script: str = ""
    csp: str = STRICT
    pages: dict[str, str] = field(default_factory=dict)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.respond(Request(scope))(scope, receive, send)

    def respond(self, request: Request) -> Response:
        if request.url.path in self.pages:
            return HTMLResponse(self.pages[request.url.path])
        if request.url.path == "/style.css":
            return Response(self.style, media_type="text/css")
        link = '<link rel="stylesheet" href="style.css">' if self.style else ""
        script = self.script or (
            f'<script type="module" src="{self.host}/widget.js" {self.attributes}></script>'
        )
        csp = self.csp.format(host=self.host) + ("; style-src 'self'" if self.style else "")
        return HTMLResponse(
            f"<!doctype html><html {self.root}><head><title>A book</title>"
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<link rel="icon" href="data:,">{link}</head><body>{self.body}{script}</body></html>',
            headers={"Content-Security-Policy": csp},
        )


class Reader:
    """A reader with a browser page, and the common actions."""

    def __init__(self, page: Page, site: Site) -> None:
        self.page = page
        self.site = site
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self._hear(message.type, message.text))

    def _hear(self, kind: str, text: str) -> None:
        """Record console errors, except the failed requests that many tests cause."""
        if kind == "error" and "Failed to load resource" not in text and "CORS" not in text:
            self.complaints.append(text)

    def open(self, url: str = "") -> Reader:
        self.page.goto(url or self.site.url)
        launcher = self.page.locator(".launcher")
        launcher.click()
        self.page.get_by_role("dialog").wait_for()
        return self

    @property
    def field(self) -> Locator:
        return self.page.get_by_role("textbox", name="Ask a question")

    @property
    def turns(self) -> Locator:
        return self.page.locator(".turn")

    @property
    def answer(self) -> Locator:
        return self.turns.last.locator(".answer")

    def type(self, text: str) -> None:
        self.field.fill(text)
        self.field.press("Enter")

    def ask(self, text: str = "How do I install it?") -> Locator:
        """Ask a question and wait for the whole answer."""
        before = self.turns.count()
        self.type(text)
        last = self.turns.nth(before)
        last.locator(".actions").wait_for()
        return last.locator(".answer")


@pytest.fixture(scope="session")
def servers() -> Iterator[tuple[Fake, Site]]:
    fake, site = Fake(), Site()
    with serve(fake.app()) as fake.url, serve(site) as site.url:
        yield fake, site


@pytest.fixture
def fake(servers: tuple[Fake, Site]) -> Fake:
    """The backend, reset to normal behaviour."""
    fake = servers[0]
    url = fake.url
    fake.__init__()  # type: ignore[misc]
    fake.url = url
    return fake


@pytest.fixture
def site(fake: Fake, servers: tuple[Fake, Site]) -> Site:
    """A plain page with the script tag, under the strictest policy."""
    site = servers[1]
    url = site.url
    site.__init__(url=url, host=fake.url)  # type: ignore[misc]
    return site


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    sync_api = pytest.importorskip("playwright.sync_api", reason=HOW)
    sync_api.expect.set_options(timeout=TIMEOUT_MS)
    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("BROWSER_PATH") or next(filter(None, map(shutil.which, names)), None)
    if not path:
        pytest.skip(HOW)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def readers(browser: Browser, site: Site) -> Iterator[Callable[..., Reader]]:
    """Make readers with separate browser profiles; fail if one had a console error."""
    made: list[Reader] = []

    def make(**options: Any) -> Reader:
        context = browser.new_context(**{**DESKTOP, **options})
        context.set_default_timeout(TIMEOUT_MS)
        made.append(Reader(context.new_page(), site))
        return made[-1]

    yield make
    complaints = [complaint for reader in made for complaint in reader.complaints]
    for reader in made:
        reader.page.context.close()
    assert complaints == []


@pytest.fixture
def reader(readers: Callable[..., Reader]) -> Reader:
    return readers()
