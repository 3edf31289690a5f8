"""mdBook as mdBook 0.5 publishes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.models import Page
from sites import read_book
from sites.slugs import mdbook_slug
from tests.sites.test_sites import write


def page(root: Path, text: str) -> Page:
    files = {"book/book.toml": "[book]\ntitle = 'K'", "book/src/SUMMARY.md": "- [One](one.md)"}
    write(root, {**files, "book/src/one.md": text})
    return read_book(root / "book").pages[0]


def texts(page: Page) -> list[str]:
    return [block.text for section in page.sections for block in section.blocks]


@pytest.mark.parametrize("word", ["playground", "playpen"])
def test_a_playground_is_code(tmp_path: Path, word: str) -> None:
    write(tmp_path, {"book/src/boil.rs": "# fn main() {\nboil(); // ```\n# }\n"})
    made = page(tmp_path, f"# One\n\n{{{{#{word} boil.rs editable}}}}\n\n## Two\n\nx\n")
    assert texts(made) == ["```rust\nboil(); // ```\n```", "x"]
    assert [section.heading for section in made.sections] == ["One", "Two"]


@pytest.mark.parametrize(
    ("included", "shown"),
    [("{{#shiftinclude auto:a.txt:2:3}}", "b\n  c"), ("{{#shiftinclude -2:a.txt:2}}", "b"),
     ("{{#shiftinclude 1:a.txt:1}}", " a")],
)  # fmt: skip
def test_shifted_includes(tmp_path: Path, included: str, shown: str) -> None:
    write(tmp_path, {"book/src/a.txt": "a\n  b\n    c\n"})
    assert texts(page(tmp_path, f"```text\n{included}\n```\n")) == [f"```text\n{shown}\n```"]


def test_includes_from_the_repository(tmp_path: Path) -> None:
    text = "```rust\n// x\n{{#include ../../examples/boil.rs}}\n```\n"
    write(tmp_path, {"examples/boil.rs": "fn boil() {}\n"})
    assert texts(page(tmp_path, text)) == ["```rust\n// x\n```"]
    (tmp_path / ".git").mkdir()
    assert texts(page(tmp_path, text)) == ["```rust\n// x\nfn boil() {}\n```"]


def test_a_missing_include_is_named(tmp_path: Path) -> None:
    page(tmp_path, "a\n\n{{#include no.md}}\n\n{{#playground no.rs}}\n")
    assert [loss.detail for loss in read_book(tmp_path / "book").losses] == ["no.md", "no.rs"]


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [("हिन्दी", "हिनदी"), ("ที่นี่", "ทีนี"), ("தமிழ்", "தமிழ"), ("நூல் 1", "நூல-1"), ("e\u0301", "e")],
)
def test_marks_that_rust_takes_for_letters(heading: str, anchor: str) -> None:
    assert mdbook_slug(heading) == anchor
