"""Bad input is reported and bounded, and the rest of the folder is read."""

from __future__ import annotations

import os
import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest

from rag.errors import SourceError
from rag.indexing.chunking import LIMIT, chunk_book
from sites import read_book
from sites.book import READERS
from sites.files import MAX_FILE_BYTES, Limits


def messages(folder: Path, generator: str = "plain") -> list[str]:
    return [problem.message for problem in read_book(folder, generator=generator).problems]


def test_bad_files_are_reported_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "good.md").write_text("# Good\n\ntext")
    (tmp_path / "binary.md").write_bytes(b"\x89PNG\r\n\0\0\0")
    (tmp_path / "latin.md").write_bytes("# Caf\xe9\n\ntext".encode("latin-1"))
    (tmp_path / "empty.md").write_text(" \n")
    (tmp_path / "yaml.md").write_text("---\ntitle: [never\n---\n\n# Body\n\ntext")
    (tmp_path / "comment.md").write_text("# Seen\n\ntext\n\n<!-- never closed\n\nhidden")
    (tmp_path / "deep.md").write_text("> " * 500 + "deep\n\nshown")
    (tmp_path / "folder.md").mkdir()
    with open(tmp_path / "huge.md", "wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "dangling.md").symlink_to(tmp_path / "nowhere")
    book = read_book(tmp_path, generator="plain")
    named = {problem.source_path: problem.message for problem in book.problems}
    assert {page.source_path for page in book.pages} == {
        "good.md",
        "latin.md",
        "yaml.md",
        "comment.md",
        "deep.md",
    }
    assert "binary" in named["binary.md"]
    assert "UTF-8" in named["latin.md"]
    assert "empty" in named["empty.md"]
    assert "front matter in line 3" in named["yaml.md"]
    assert "never closed" in named["comment.md"]
    assert "nested" in named["deep.md"]
    assert "larger than" in named["huge.md"]
    assert "loop" in named
    assert "could not be read" in named["dangling.md"]
    assert all(message.startswith(path) for path, message in named.items())


@pytest.mark.parametrize("generator", sorted(READERS.keys() - {"html"}))
def test_every_reader_handles_circular_links_and_open_comments(
    tmp_path: Path, generator: str
) -> None:
    (tmp_path / "good.md").write_text("# Good\n\ntext")
    (tmp_path / "self.md").symlink_to(tmp_path / "self.md")
    (tmp_path / "comment.md").write_text("# Seen\n\nshown\n\n<!-- never closed\n\nhidden")
    (tmp_path / "include.md").write_text(
        '# Includes\n\n{{#include self.md}}\n\n--8<-- "self.md"\n\n'
        "<!--@include: ./self.md-->\n\nimport Self from './self.md';\n\n<Self />\n\ntext"
    )
    book = read_book(tmp_path, generator=generator)
    named = {problem.source_path: problem.message for problem in book.problems}
    assert {"good.md", "comment.md", "include.md"} <= {page.source_path for page in book.pages}
    assert "could not be read" in named["self.md"]
    assert "never closed" in named["comment.md"]


@pytest.mark.parametrize("generator", ["plain", "docusaurus", "mkdocs"])
@pytest.mark.parametrize(
    "text",
    [
        "# a\n" * 3_000,
        "x" * 1_000_000,
        "[" * 1_000_000,
        "\n\n".join(["[" * 2_000] * 50),
        "- " * 3_000 + "a",
        "\n".join("  " * depth + "- a" for depth in range(300)),
        ">" * 3_000 + "a",
        "<!-- \n" * 10_000,
        "<A b={\n" * 5_000,
        "{\n" * 5_000,
        "```\n" * 5_000,
        "\n".join("    " * depth + "!!! note" for depth in range(200)),
        "<div>" + "<![CDATA[" * 5_000,
        "|" * 100_000,
        "`" * 15_000 + "a",
        "import {\n" * 5_000,
        "import {\n\n" * 5_000,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_huge_pages_are_read_in_time(tmp_path: Path, generator: str, text: str) -> None:
    (tmp_path / "a.md").write_text(f"# Top\n\nfirst words\n\n{text}")
    if generator == "mkdocs" and text.startswith(("- - ", "<A ")):  # Python-Markdown gives up
        with pytest.raises(
            SourceError, match=r"a\.md (took longer|could not).*, so it was skipped"
        ):
            read_book(tmp_path, generator=generator, limits=Limits(page_seconds=1))
        return
    book = read_book(tmp_path, generator=generator)
    chunks = chunk_book(book.pages)
    assert chunks[0].text.startswith("first words")
    assert max(len(chunk.text) for chunk in chunks) <= LIMIT


def test_long_paragraph_loses_nothing(tmp_path: Path) -> None:
    words = " ".join(f"w{number}" for number in range(100_000))
    (tmp_path / "a.md").write_text(words)
    chunks = chunk_book(read_book(tmp_path, generator="plain").pages)
    assert " ".join(chunk.text for chunk in chunks).split() == words.split()


def test_pages_at_one_address_are_reported(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("---\nslug: /x\n---\none")
    (tmp_path / "b.md").write_text("---\nslug: /x\n---\ntwo")
    book = read_book(tmp_path, generator="docusaurus")
    assert [page.source_path for page in book.pages] == ["a.md"]
    assert book.problems[0].message == "b.md has the same address as a.md (docs/x); it was skipped."


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything; run as another user")
def test_an_unreadable_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("text")
    (tmp_path / "b.md").write_text("text")
    (tmp_path / "b.md").chmod(0)
    assert "could not be read" in messages(tmp_path)[0]


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="There is no folder"):
        read_book(tmp_path / "missing")
    with pytest.raises(SourceError, match="There are no pages to read"):
        read_book(tmp_path)
    (tmp_path / "a.md").write_text("")
    with pytest.raises(SourceError, match=r"a\.md is empty"):
        read_book(tmp_path)
    with pytest.raises(SourceError, match="is a file"):
        read_book(tmp_path / "a.md")
    with pytest.raises(SourceError, match="no reader called word"):
        read_book(tmp_path, generator="word")


@pytest.mark.parametrize("generator", ["plain", "mkdocs"])
def test_many_equal_headings_are_numbered(tmp_path: Path, generator: str) -> None:
    (tmp_path / "a.md").write_text("words\n\n" + "## A b\n\n" * 3_000)
    (page,) = read_book(tmp_path, generator=generator).pages
    assert page.sections[-1].anchor == ("a-b_2999" if generator == "mkdocs" else "a-b-2999")


@pytest.mark.parametrize(
    "nav",
    [
        "nav: &a\n  - a.md\n  - *a\n  - *a\n",
        "nav: &a\n  - a.md\n  - Title: *a\n",
        "a: &a [a.md]\n"
        + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in pairwise("abcdefghi"))
        + "nav: *i\n",
    ],
    ids=["circle", "named circle", "nested aliases"],
)
def test_circular_navigation(tmp_path: Path, nav: str) -> None:
    (tmp_path / "mkdocs.yml").write_text(nav)
    (tmp_path / "docs").mkdir()
    for name in ("a", "b"):
        (tmp_path / "docs" / f"{name}.md").write_text(f"# {name}\n\ntext")
    assert [page.source_path for page in read_book(tmp_path).pages] == ["a.md", "b.md"]


def test_a_file_of_100_mb_is_reported_and_not_read(tmp_path: Path) -> None:
    (tmp_path / "good.md").write_text("text")
    with open(tmp_path / "huge.md", "wb") as file:
        file.truncate(100_000_000)
    tracemalloc.start()
    try:
        assert messages(tmp_path) == ["huge.md is larger than 4 MB, so it was skipped."]
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


def test_ten_thousand_headings(tmp_path: Path) -> None:
    text = "\n\n".join(f"## Heading {n}\n\ntext {n}" for n in range(10_000))
    (tmp_path / "a.md").write_text(text)
    book = read_book(tmp_path, generator="plain")
    assert len(book.pages[0].sections) == 10_000
    assert "text 9999" in chunk_book(book.pages)[-1].text


def test_circular_links_are_reported_once(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "x.md").write_text("text")
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path / "a")
    (tmp_path / "self").symlink_to(tmp_path / "self")
    (tmp_path / "c").symlink_to(tmp_path / "a" / "b")
    book = read_book(tmp_path, generator="plain")
    assert [page.source_path for page in book.pages] == ["a/x.md"]
    assert len(book.problems) <= 2


@pytest.mark.parametrize(
    "text",
    ["<a " * 100_000, "<a x='" * 50_000, "</" * 100_000, "<a\n" * 50_000 + ">", "<x " * 999 + ">"],
    ids=lambda text: repr(text[:8]),
)
@pytest.mark.parametrize("name", ["a.html", "a.md"])
def test_unclosed_tags_are_read_in_time(tmp_path: Path, name: str, text: str) -> None:
    head = "<main><p>first words</p>" if name == "a.html" else "first words\n\n<div>"
    (tmp_path / name).write_text(head + text)
    assert "first words" in chunk_book(read_book(tmp_path).pages)[0].text
