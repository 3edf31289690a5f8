"""Signs in the names of files: every reader's slugs lead to the file that the generator writes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pytest

from rag.answering.urls import address, page_path
from rag.indexing.chunking import chunk_book
from rag.indexing.link_check import check_links
from sites import read_book
from sites.crawler import read_site
from sites.fetch import Limits
from sites.published_site import BuiltFolder
from tests.support.served_site import html, served

NAMES = [
    "C# guide",
    "what?",
    "why? #1",
    "100%",
    "100% done",
    "a%20b",
    "%23",
    "über uns/größe",
    "a & b + c",
    "x (1) [2]",
    "it's;=@,!$",
    "C++/a+b",
    "F#/C#/notes",
    "q\"uote'<x>",
    "back\\slash",
    "日本/ページ",
    "دليل/صفحة",
    "til~de.v1.2",
    "colon: a",
    "`code` *star*",
]
"""Paths as MkDocs 1.6.1 and, but for `?` and `[`, VitePress 1.6.4 publish them: as they are.

Docusaurus 3.10.2 refuses a document or post whose address is not plain, such as `C# guide.md`.
"""
SETUPS = {
    "plain": ("", {}, "{}"),
    "mkdocs": ("docs/", {"mkdocs.yml": "site_name: Odd\n"}, "{}/index.html"),
    "vitepress": ("", {".vitepress/config.mts": "export default {}\n"}, "{}.html"),
    "mdbook": ("src/", {"book.toml": "[book]\n"}, "{}.html"),
    "docusaurus": ("docs/", {"docusaurus.config.js": "module.exports = {}\n"}, "docs/{}"),
}
"""The folder of the pages, further files, and the file that a page becomes."""
TEXT = "# Page\n\nIntro.\n\n## Größe of C# & co\n\nText of the section.\n"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    return root


def names(generator: str) -> list[str]:
    return [n for n in NAMES if generator != "vitepress" or "[" not in n]  # a dynamic route


def summary(found: list[str]) -> str:
    links = "".join(f"- [{n}](<{_written(name)}>)\n" for n, name in enumerate(found))
    return f"# Summary\n\n{links}"


def _written(name: str) -> str:
    """A link of SUMMARY.md; angle brackets and backslashes are written with a backslash."""
    for sign in "\\<>":
        name = name.replace(sign, f"\\{sign}")
    return f"{name.replace('%', '%25')}.md"


@pytest.mark.parametrize("generator", SETUPS)
def test_slugs_lead_to_the_published_file(generator: str, tmp_path: Path) -> None:
    folder, files, published = SETUPS[generator]
    found = names(generator)
    pages = {f"{folder}{name}.md": TEXT for name in found}
    if generator == "mdbook":
        files = {**files, "src/SUMMARY.md": summary(found)}
    book = read_book(write(tmp_path, {**files, **pages}), generator=generator)
    assert book.problems == ()
    assert len(book.pages) == len(found)
    there = {page.source_path.removeprefix(folder).removesuffix(".md"): page for page in book.pages}
    for name in found:
        slug = there[name].slug
        url = urlsplit(address("https://book.example/base/", f"{slug}#größe"))
        assert unquote(url.fragment) == "größe", name
        assert not url.query
        path = unquote(url.path.removeprefix("/base/"))
        assert path.rstrip("/") == published.format(name).removesuffix("/index.html"), name
        assert page_path(slug) == path.strip("/")


def test_built_html_is_linked_to_as_it_is(tmp_path: Path) -> None:
    page = '<main><h1>Page</h1><p>Intro.</p><h2 id="größe">Größe</h2><p>Text {}.</p></main>'
    write(tmp_path, {f"{name}.html": page.format(n) for n, name in enumerate(["index", *NAMES])})
    book = read_book(tmp_path, generator="html")
    checked = asyncio.run(check_links(chunk_book(book.pages), BuiltFolder(tmp_path)))
    assert checked.problems == ()
    assert checked.pages == len(NAMES) + 1


def test_a_live_site_is_linked_to_as_it_was_read() -> None:
    paths = [f"/{name}" for name in NAMES if "\\" not in name]
    links = [quote(path) for path in paths]
    pages = {"/": html("Start", "<p>Start.</p>", *links)}
    pages |= {path: html(path, f"<p>The words of {n}.</p>") for n, path in enumerate(paths)}
    with served(pages) as live:
        book = asyncio.run(read_site(live.url, limits=Limits(delay=0.0), allow_private=True))
    assert {page_path(page.slug) for page in book.pages} == {path.strip("/") for path in pages}
    assert {address("", page.slug) for page in book.pages} == {
        quote(path, safe="/:@!$'()*+,;=~") for path in pages
    }


def test_slugs_that_authors_write(tmp_path: Path) -> None:
    """An author writes an address: what is encoded in it stays encoded once."""
    files = {"docusaurus.config.js": "module.exports = {}\n"}
    for n, slug in enumerate(("/enc%20oded", "/größe", "what?", "/c#", "50%")):
        files[f"docs/{n}.md"] = f"---\nslug: '{slug}'\n---\n{TEXT}"
    book = read_book(write(tmp_path, files), generator="docusaurus")
    assert {address("", page.slug) for page in book.pages} == {
        "/docs/enc%20oded",
        "/docs/gr%C3%B6%C3%9Fe",
        "/docs/what%3F",
        "/docs/c%23",
        "/docs/50%25",
    }


@pytest.mark.parametrize(
    ("link", "path"),
    [
        ("C#%20guide.md", "C# guide.md"),
        ("<C# guide.md>", "C# guide.md"),
        ("C%23%20guide.md", "C# guide.md"),
        ("intro.md#part", "intro.md"),
        ("a%3F.md", "a?.md"),
        ("./F#/C#.md#top", "F#/C#.md"),
    ],
)
def test_links_of_an_mdbook_summary(link: str, path: str, tmp_path: Path) -> None:
    files = {"book.toml": "", "src/SUMMARY.md": f"- [One]({link})\n", f"src/{path}": TEXT}
    book = read_book(write(tmp_path, files), generator="mdbook")
    assert [page.source_path for page in book.pages] == [path]
