"""mdBook as mdBook 0.5 publishes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.models import Page
from sites import Book, read_book
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
    [
        ("हिन्दी", "हिनदी"), ("ที่นี่", "ทีนี"), ("தமிழ்", "தமிழ"), ("நூல் 1", "நூல-1"), ("e\u0301", "e"),
        ("\u0670\u0656\u0657x", "\u0670\u0656\u0657x"), ("\u05d0\u05c4\u0591", "\u05d0\u05c4"),
        ("Ⓐ Ⓑ", "ⓐ-ⓑ"), ("\U000111c1\U000111c9\U000111ca", "\U000111c1"),
    ],
)  # fmt: skip
def test_marks_that_rust_takes_for_letters(heading: str, anchor: str) -> None:
    assert mdbook_slug(heading) == anchor


def book(root: Path, toml: str, files: dict[str, str]) -> Book:
    config = f"[book]\ntitle = 'K'\n{toml}"
    links = "".join(f"- [{name[0]}]({name})\n" for name in files)
    pages = {f"src/{name}": text for name, text in files.items()}
    return read_book(write(root, {"book.toml": config, "src/SUMMARY.md": links, **pages}))


@pytest.mark.parametrize(
    ("toml", "anchors"),
    [
        ("", ["a", "kettle-1", "on--off", "on--off-1"]),
        ("[output.html]\nsmart-punctuation = false", ["a", "kettle-1", "on----off", "on--off"]),
        ("[output.html]\ndefinition-lists = false", ["a", "kettle", "on--off", "on--off-1"]),
    ],
)
def test_anchors_by_the_options_of_html(tmp_path: Path, toml: str, anchors: list[str]) -> None:
    text = "# A\n\nKettle\n: Boils.\n\n## Kettle\n\n## On -- off\n\n## On  off\n"
    made = book(tmp_path, toml, {"a.md": text}).pages[0]
    assert [section.anchor for section in made.sections] == anchors


def test_hidden_lines_of_other_languages(tmp_path: Path) -> None:
    toml = "[output.html.code.hidelines]\npython = '~'"
    text = (
        "```python\n~x\n  ~y\nz\n```\n\n```sh,hidelines=!!\n!!x\n~z\n```\n\n"
        "```rust no_run\n# x\nz\n```"
    )
    made = book(tmp_path, toml, {"a.md": text}).pages[0]
    assert texts(made) == ["```python\nz\n```", "```sh\n~z\n```", "```rust\nz\n```"]


def test_preprocessors(tmp_path: Path) -> None:
    files = {"README.md": "{{#include x.md}} {{#playground}}", "a.md": "x"}
    toml = "[preprocessor.own]\n[preprocessor.mermaid]\n"
    made = book(tmp_path / "1", toml, files)
    assert [page.slug for page in made.pages] == ["index.html", "a.html"]
    assert [loss.detail for loss in made.losses] == ["own", "x.md"]
    assert texts(made.pages[0]) == ["{{#playground}}"]
    made = book(tmp_path / "2", "[build]\nuse-default-preprocessors = false", files)
    assert [page.slug for page in made.pages] == ["README.html", "a.html"]
    assert texts(made.pages[0]) == ["{{#include x.md}} {{#playground}}"]


def test_redirects_make_no_pages(tmp_path: Path) -> None:
    toml = "[output.html.redirect]\n'/old.html' = 'a.html'\n'/a.html#x' = 'b.html#y'"
    made = book(tmp_path, toml, {"a.md": "# A\n\nx", "b.md": "# B\n\ny"})
    assert [page.slug for page in made.pages] == ["a.html", "b.html"]


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ('<span class="boring">use a;\n</span>b();\n<span class="boring">}\n</span>', "b();"),
        ('a &lt; <span class="hljs-x"><span class="boring">h</span>b</span>', "a < b"),
    ],
)
def test_hidden_lines_of_a_built_book(tmp_path: Path, code: str, shown: str) -> None:
    html = f'<main><h1 id="a">A</h1><pre><code class="language-rust">{code}</code></pre></main>'
    built = read_book(write(tmp_path, {"a.html": html, "b.html": "<h1>B</h1>"})).pages[0]
    assert texts(built) == [f"```rust\n{shown}\n```"]


def test_chapters_of_any_suffix(tmp_path: Path) -> None:
    summary = "- [A](a.markdown)\n- [B](b.txt#part)\n- [W](https://x.y/z)\n"
    files = {
        "book.toml": "",
        "src/SUMMARY.md": summary,
        "src/a.markdown": "# A",
        "src/b.txt": "# B",
    }
    book = read_book(write(tmp_path, files))
    assert [(page.source_path, page.slug) for page in book.pages] == [
        ("a.markdown", "a.html"), ("b.txt", "b.html"),
    ]  # fmt: skip


def test_alerts_and_footnotes_of_headings(tmp_path: Path) -> None:
    text = "# One\n\n> [!NOTE]\n> Mind.\n\n## Note[^a] this\n\n[^a]: Foot.\n"
    made = page(tmp_path, text)
    assert texts(made) == ["Mind.", "Foot."]
    assert [section.anchor for section in made.sections] == ["one", "note1-this"]


def test_dashes_at_the_ends_of_headings(tmp_path: Path) -> None:
    made = page(tmp_path, "# One\n\n## -- Kettle --\n\n## Off ---\n")
    assert [section.anchor for section in made.sections] == ["one", "-kettle-", "off-"]


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Fill {cup}", "fill"),
        ("Fill {a cup}", "fill"),
        ("Fill { .cls #cup }", "cup"),
        ("{a} b", "a-b"),
    ],
)
def test_attributes_of_headings(tmp_path: Path, heading: str, anchor: str) -> None:
    assert page(tmp_path, f"# {heading}\n\nx\n").sections[0].anchor == anchor


@pytest.mark.parametrize(
    ("heading", "shown", "anchor"),
    [("Hive {}", "Hive", "hive"), ("Fn() {}{}", "Fn() {}", "fn-"), ("`x{}` {}", "x{}", "x"),
     ("`{}`", "{}", ""), ("{}", "", "")],
)  # fmt: skip
def test_empty_attributes_of_a_heading(
    tmp_path: Path, heading: str, shown: str, anchor: str
) -> None:
    section = page(tmp_path, f"# A\n\n## {heading}\n\nx\n").sections[1]
    assert (section.heading, section.anchor) == (shown, anchor or "a")


@pytest.mark.parametrize(
    "mark", ["[]:#({}: all)", "/* {}: all*/", "<!-- {}: all -->", '"{}:all"', "#{}: all, part"]
)
def test_an_anchor_ends_with_its_name(tmp_path: Path, mark: str) -> None:
    lines = ["no", mark.format("ANCHOR"), "", "yes", "", mark.format("ANCHOR_END"), "no"]
    write(tmp_path, {"book/src/a.txt": "\n".join(lines)})
    assert texts(page(tmp_path, "a\n\n{{#include a.txt:all}}\n")) == ["a", "yes"]


@pytest.mark.parametrize("again", ["ANCHOR: a\nno\nANCHOR_END: a", "ANCHOR_END: a\nno"])
def test_an_anchor_given_twice_is_the_first(tmp_path: Path, again: str) -> None:
    marked = "ANCHOR_END: a\nANCHOR: a\nyes\nANCHOR: b\nand\nANCHOR: a\nyes\nANCHOR_END: a\n"
    write(tmp_path, {"book/src/a.txt": f"{marked}{again}\n"})
    assert texts(page(tmp_path, "{{#include a.txt:a}}\n")) == ["yes and yes"]
