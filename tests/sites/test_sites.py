"""What the readers return about a whole site."""

from __future__ import annotations

from pathlib import Path

import pytest

from sites import read_book
from sites.html import site_title
from sites.source import public_url


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return root


@pytest.mark.parametrize(
    ("files", "url"),
    [
        ({"mkdocs.yml": "site_url: https://a.dev/book/", "docs/a.md": "A."}, "https://a.dev/book"),
        ({"mkdocs.yml": "site_name: x", "docs/a.md": "A."}, ""),
        (
            {"docusaurus.config.js": "x={url:'https://a.dev',baseUrl:'/'}", "docs/a.md": "A."},
            "https://a.dev",
        ),
        (
            {"book.toml": '[output.html]\nsite-url = "/b/"\ncname = "a.dev"', "src/SUMMARY.md": "",
             "src/a.md": "A."},
            "https://a.dev/b",
        ),
        (
            {"book.toml": '[output.html]\nsite-url = "/b/"', "src/SUMMARY.md": "[A](a.md)",
             "src/a.md": "A."},
            "",
        ),
        (
            {".vitepress/config.js": "x={base:'/b/',sitemap:{hostname:'https://a.dev/b/'}}",
             "a.md": "A."},
            "https://a.dev/b",
        ),
        (
            {".vitepress/config.js": "x={base:'/b/',sitemap:{hostname:'https://a.dev'}}",
             "a.md": "A."},
            "https://a.dev/b",
        ),
        ({".vitepress/config.js": "x={base:'/b/'}", "a.md": "A."}, ""),
    ],
)  # fmt: skip
def test_the_configured_address(tmp_path: Path, files: dict[str, str], url: str) -> None:
    files = {name: text or "[A](a.md)" for name, text in files.items()}
    assert read_book(write(tmp_path, files)).site_url == url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.dev/x/?y#z", "https://a.dev/x"),
        ("a.dev", ""),
        ("/b/", ""),
        ("http://localhost:8000/", ""),
        ("https://example.com/docs", ""),
        ("https://your-site.example.com", ""),
        ("https://notexample.com", "https://notexample.com"),
    ],
)
def test_addresses_that_are_not_public_are_ignored(url: str, expected: str) -> None:
    assert public_url(url) == expected


def test_a_built_folder_inside_a_project_is_read_as_html(tmp_path: Path) -> None:
    page = "<main><h1 id='a'>A</h1><p>Text.</p></main>"
    files = {"mkdocs.yml": "site_name: x", "docs/a.md": "A.", "site/index.html": page}
    write(tmp_path, files)
    assert read_book(tmp_path).generator == "mkdocs"
    assert read_book(tmp_path / "site").generator == "html"


def test_mkdocs_ignores_mdx(tmp_path: Path) -> None:
    write(tmp_path, {"mkdocs.yml": "site_name: x", "docs/a.md": "A.", "docs/b.mdx": "B."})
    assert [page.source_path for page in read_book(tmp_path).pages] == ["a.md"]


@pytest.mark.parametrize(
    ("titles", "expected"),
    [
        (["Start | My Book", "Use | My Book", "My Book"], "My Book"),
        (["My Book - Start", "My Book - Use - Here"], "My Book"),
        (["My Book", "Use - My Book"], "My Book"),
        (["Start", "Use"], ""),
        (["A | B"], ""),
        ([], ""),
    ],
)
def test_the_title_of_a_site(titles: list[str], expected: str) -> None:
    assert site_title(titles) == expected


@pytest.mark.parametrize("folder", ["", "en/"])
def test_a_page_that_repeats_the_start_page_is_read_once(tmp_path: Path, folder: str) -> None:
    start = "<main><h1 id='a'>A</h1><p>Text.</p></main>"
    files = {f"{folder}{name}.html": start for name in ("index", "preface", "one/preface")}
    other = {"other/preface.html": start, f"{folder}b.html": start.replace("Text", "More")}
    book = read_book(write(tmp_path, {**files, **(other if folder else {}), "c/d.html": "<p>D"}))
    kept = {folder, "other/preface.html", f"{folder}b.html"} if folder else {""}
    assert {page.slug for page in book.pages} == {*kept, "c/d.html"}
