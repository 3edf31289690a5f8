"""A real Docusaurus site, built with npm, with the widget in its configuration.

The project reads its pages, and the browser follows every citation to an existing element.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from tests.browser.conftest import Reader
from tests.browser.fake import Fake, Reply, serve, source

pytest.importorskip("playwright.sync_api")
from playwright.sync_api import expect

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("npm"), reason="needs npm to build a Docusaurus site"),
]

PACKAGES = ("@docusaurus/core@3", "@docusaurus/preset-classic@3", "react@19", "react-dom@19")

CONFIG = """
export default {
  title: 'A handbook', url: 'http://127.0.0.1', baseUrl: '/handbook/', onBrokenLinks: 'ignore',
  scripts: [{ src: 'HOST/widget.js', type: 'module' }],
  presets: [['classic', { docs: { routeBasePath: 'docs' }, blog: false, pages: false }]],
};
"""
PAGES = {
    "intro.md": "# Introduction\n\nThis handbook is about keeping bees in a small garden.\n\n"
    "## What you need\n\nA hive, a smoker and a quiet corner with morning sun.\n",
    "01-hives/02-placing.md": "---\ntitle: Placing the hive\n---\n\nFace the entrance to the "
    "south east, so that the first sun wakes the bees.\n\n## Wind & shade\n\nA hedge to the north "
    "keeps the cold wind away from the combs.\n\n## Wind & shade\n\nThe same heading twice gets "
    "another anchor, as readers of long pages know.\n\n### Water {#bees-drink}\n\nPut a shallow "
    "dish with stones beside it, within twenty metres.\n",
    "year/spring.mdx": "---\nslug: /year/first\n---\n\n# Spring\n\n## ¿Cuándo empezar?\n\nOpen the "
    "hive on the first day above fifteen degrees.\n\n:::tip\n\nNever open it in the rain.\n\n:::\n",
}


@pytest.fixture(scope="module")
def built(
    tmp_path_factory: pytest.TempPathFactory, servers: tuple[Fake, object]
) -> Iterator[tuple[Path, str]]:
    """Build and serve the site; yield its folder and address."""
    folder = tmp_path_factory.mktemp("handbook")
    (folder / "package.json").write_text('{"private": true}')
    (folder / "docusaurus.config.mjs").write_text(CONFIG.replace("HOST", servers[0].url))
    for name, text in PAGES.items():
        path = folder / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    quiet = ["--no-audit", "--no-fund", "--prefer-offline"]
    for command in (["npm", "install", *quiet, *PACKAGES], ["npx", "docusaurus", "build"]):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    files = StaticFiles(directory=folder / "build", html=True)
    with serve(Starlette(routes=[Mount("/handbook", files)])) as url:
        yield folder, f"{url}/handbook"


def test_every_citation_lands_on_an_element(
    readers: Callable[..., Reader], fake: Fake, built: tuple[Path, str]
) -> None:
    book = pytest.importorskip("sites.book")
    links = pytest.importorskip("rag.answering.text_fragments")
    folder, url = built
    sources = [
        source(
            n,
            title=page.title,
            section=section.heading,
            url=links.citation_url(
                url, page.slug + (f"#{section.anchor}" if section.anchor else ""), text
            ),
        )
        for n, (page, section, text) in enumerate(
            (
                (page, section, "\n\n".join(block.text for block in section.blocks))
                for page in book.read_book(folder / "docs").pages
                for section in page.sections
                if section.blocks
            ),
            start=1,
        )
    ]
    assert len(sources) >= 7
    fake.config["site_url"] = url
    markers = "\n\n".join(f"Statement {s['section']} [{n}]." for n, s in enumerate(sources, 1))
    fake.replies = [Reply(markers, sources)]
    reader = readers()
    reader.open(f"{url}/docs/intro")
    expect(reader.page.locator("ask-the-book")).to_have_count(1)
    reader.ask("Everything?")

    for n, cited in enumerate(sources):
        link = reader.turns.first.locator(".prose .cite").nth(n)
        expect(link).to_be_visible()
        assert link.get_attribute("target") is None
        link.click()
        address = urlsplit(cited["url"])
        reader.page.wait_for_url(re.compile(re.escape(address.path) + r"/?(#|$)"))
        expect(reader.page.locator("article h1").first).to_be_visible()
        anchor = unquote(address.fragment.partition(":~:")[0])
        if anchor:
            target = reader.page.locator(f'[id="{anchor}"]')
            expect(target).to_have_count(1)
            expect(target).to_contain_text(cited["section"])
        expect(reader.page.get_by_role("dialog")).to_be_visible()  # the chat stays open
    assert fake.seen.count("POST /chat") == 1


def test_it_follows_the_theme_switch_of_docusaurus(
    readers: Callable[..., Reader], built: tuple[Path, str]
) -> None:
    reader = readers(color_scheme="light")
    reader.page.goto(f"{built[1]}/docs/intro")
    book = reader.page.locator("ask-the-book .book")
    expect(book).to_have_attribute("data-theme", "light")
    switch = reader.page.locator("button[class*=toggleButton]").first
    for _ in range(3):
        switch.click()
        if reader.page.evaluate("document.documentElement.dataset.theme") == "dark":
            break
    expect(book).to_have_attribute("data-theme", "dark")
    assert reader.page.locator(".launcher").is_visible()


def test_highlighted_text_of_a_built_page(
    readers: Callable[..., Reader], fake: Fake, built: tuple[Path, str]
) -> None:
    reader = readers()
    reader.page.goto(f"{built[1]}/docs/hives/placing")
    paragraph = reader.page.locator("article p").nth(1)
    paragraph.evaluate("e => getSelection().selectAllChildren(e)")
    reader.page.get_by_role("button", name="Ask about this").click()
    reader.ask("Which side?")
    assert fake.asked[0]["context"].startswith("A hedge to the north")
    assert fake.asked[0]["page"]["heading"] == "Wind & shade"
    assert re.search(r"/docs/hives/placing/?#wind--shade$", fake.asked[0]["page"]["url"])
