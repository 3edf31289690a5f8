"""Generators that are not read, formats that are not read, and mistyped sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.errors import SourceError
from sites import in_language, read_book
from tests.sites.test_sites import write


@pytest.mark.parametrize(
    ("config", "text", "name", "command"),
    [
        ("astro.config.mjs", "import s from '@astrojs/starlight'", "Astro Starlight", "dist"),
        ("next.config.ts", "import nextra from 'nextra'", "Nextra", "out"),
        ("docs.json", '{"$schema": "https://mintlify.com/docs.json"}', "Mintlify", "https://"),
        (".gitbook.yaml", "root: ./", "GitBook", "https://"),
        ("SUMMARY.md", "# Table of contents\n\n* [A](a.md)", "GitBook", "https://"),
        ("hugo.toml", "baseURL = 'x'", "Hugo", "public"),
        ("config.toml", "baseURL = 'x'", "Hugo", "public"),
        ("_config.yml", "theme: just-the-docs", "Jekyll", "_site"),
        ("conf.py", "extensions = ['myst_parser']", "Sphinx", "build"),
        ("antora.yml", "name: x", "Antora", "build/site"),
    ],
)
def test_the_built_site_is_named(
    tmp_path: Path, config: str, text: str, name: str, command: str
) -> None:
    write(tmp_path, {config: text, "content/a.mdx": "# A\n\nx", "content/b.md": "# B\n\nx"})
    for folder in (tmp_path, tmp_path / "content"):
        with pytest.raises(SourceError, match=f"{name} are not read.*ingest.py {command}"):
            read_book(folder)
    assert read_book(tmp_path / "content", generator="plain").pages
    write(tmp_path, {"content/mkdocs.yml": "docs_dir: ."})
    assert read_book(tmp_path / "content").generator == "mkdocs"


def test_built_output_is_html(tmp_path: Path) -> None:
    page = "<html><main><h1>A</h1><p>x</p></main></html>"
    files = {"dist/index.html": page, "dist/index.md": "# A", "dist/b/index.html": page,
             "dist/b.md": "# B", "dist/c.html": page, "dist/c.html.md": "# C"}  # fmt: skip
    write(tmp_path, {"astro.config.mjs": "starlight", **files})
    assert read_book(tmp_path / "dist").generator == "html"
    write(tmp_path, {"dist/own.md": "# D\n\nx"})
    with pytest.raises(SourceError, match="Starlight"):
        read_book(tmp_path / "dist")


def test_other_formats_are_named(tmp_path: Path) -> None:
    write(tmp_path, {"a.rst": "A\n=\n", "b/c.adoc": "= C\n"})
    with pytest.raises(SourceError, match=r"2 files in formats that are not read, such as a.rst"):
        read_book(tmp_path)
    write(tmp_path, {"d.md": "# D\n\nx"})
    assert [loss.place for loss in read_book(tmp_path).losses] == ["a.rst", "b/c.adoc"]


@pytest.mark.parametrize(
    ("source", "address"),
    [("my-book.dev/docs", "https://my-book.dev/docs"), ("localhost:3000", "http://localhost:3000")],
)
def test_an_address_without_scheme(source: str, address: str) -> None:
    with pytest.raises(SourceError, match=f"For the site at that address: {address}"):
        read_book(Path(source))


def test_one_language(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": "---\nlang: pt-BR\n---\n# A\n\nx", "b.md": "# B\n\nx"})
    book = read_book(tmp_path)
    assert [page.slug for page in in_language(book, "pt").pages] == ["a"]
    with pytest.raises(SourceError, match="no pages in the language fr; there are pages in en"):
        in_language(book, "fr")
