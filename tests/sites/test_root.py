"""Nothing outside the book's own root is read, and everything that is left out is named."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from pathlib import Path

import pytest

from rag.errors import SourceError
from sites import Book, read_book, read_path
from sites.book import READERS
from sites.published_site import BuiltFolder

SECRET = "the-secret-words"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    return root


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a book's folder, which is empty, and secrets beside it."""
    page = f"# Page\n\n{SECRET}\n"
    names = ("secret.md", "secret.txt", "private/index.md", "private/SUMMARY.md", "secret.html")
    write(tmp_path, dict.fromkeys(names, page))
    (tmp_path / "book").mkdir()
    return tmp_path


def said(book: Book) -> str:
    return "\n".join(problem.message for problem in book.problems)


LINKS: dict[str, str] = {
    "page.md": "../secret.md",
    "other.md": "../secret.txt",
    "chain.md": "link-1",
    "folder": "../private",
    "environment.md": "/proc/self/environ",
    "absolute.md": "/etc/hosts",
    "page.html": "../secret.html",
}


@pytest.mark.parametrize("generator", READERS)
def test_links_out_of_the_book_are_named_and_skipped(place: Path, generator: str) -> None:
    book = place / "book"
    end = "html" if generator == "html" else "md"
    write(book, {f"good.{end}": "<h1>Good</h1>\n\nWords."})
    (book / "link-1").symlink_to("link-2")
    (book / "link-2").symlink_to("../secret.md")
    for name, target in LINKS.items():
        (book / name).symlink_to(target)
    read = read_book(book, generator=generator)
    assert [page.source_path for page in read.pages] == [f"good.{end}"]
    assert SECRET not in repr(read)
    for name in LINKS:
        if "." not in name or name.endswith(end):
            assert f"{name} leads outside the book (see --root), so it was skipped." in said(read)
    assert read.skipped > 1


def test_links_inside_the_book_are_followed(place: Path) -> None:
    book = write(place / "book", {"a/one.md": "One."})
    (book / "two.md").symlink_to("a/one.md")
    (place / "alias").symlink_to(book)
    read = read_book(place / "alias")
    assert sorted(page.source_path for page in read.pages) == ["a/one.md", "two.md"]
    assert read.problems == ()


CONFIGURED = {
    "docs_dir": ("mkdocs", "mkdocs.yml", "docs_dir: {}"),
    "src": ("mdbook", "book.toml", '[book]\nsrc = "{}"'),
    "srcDir": ("vitepress", ".vitepress/config.js", "export default {{srcDir: '{}'}}"),
    "path": (
        "docusaurus",
        "docusaurus.config.js",
        "x = {{presets: [['classic', {{docs: {{path: '{}'}}}}]]}}",
    ),
}


@pytest.mark.parametrize("key", CONFIGURED)
@pytest.mark.parametrize("target", ["../private", "{place}/private", "link", "sub/../../private"])
def test_configured_folders_outside_the_book(place: Path, key: str, target: str) -> None:
    generator, name, text = CONFIGURED[key]
    target = target.format(place=place)
    book = write(place / "book", {name: text.format(target), "good.md": "Good words."})
    (book / "sub").mkdir()
    (book / "link").symlink_to("../private")
    read = read_book(book, generator=generator)
    assert SECRET not in repr(read.pages)
    assert [page.source_path for page in read.pages] == ["good.md"]
    outside = re.escape(f" names the folder {target}, which leads outside the book (see --root)")
    assert re.search(rf":[0-9]+{outside}", said(read))


@pytest.mark.parametrize("key", CONFIGURED)
def test_a_configured_folder_inside_the_repository_that_is_named(place: Path, key: str) -> None:
    generator, name, text = CONFIGURED[key]
    write(place / "docs", {"page.md": "Page.", "SUMMARY.md": "- [Page](page.md)"})
    write(place / "site", {name: text.format("../docs")})
    read = read_book(place / "site", generator=generator, root=place)
    assert "page.md" in [page.source_path for page in read.pages]
    assert read.problems == ()
    with pytest.raises(SourceError, match=r"names the folder \.\./docs, which leads outside"):
        read_book(place / "site", generator=generator)


def test_odd_names_of_configured_folders(place: Path) -> None:
    for name in ("x" * 5_000, "a\\0b", "\\ud800", "/dev/fd/0", "~"):
        files = {"mkdocs.yml": f'docs_dir: "{name}"', "docs/a.md": "A.", "b.md": "B."}
        assert read_book(write(place / "book", files)).pages


INCLUDES = {
    "mdbook": "{{{{#include {0}}}}}",
    "mkdocs": '--8<-- "{0}"',
    "vitepress": "<!--@include: {0}-->",
    "docusaurus": "import Part from '{0}';\n\n<Part />",
}


@pytest.mark.parametrize("generator", INCLUDES)
@pytest.mark.parametrize(
    "target",
    ["../secret.md", "{place}/secret.md", "link.md", "/proc/self/environ", "folder/index.md"],
)
def test_includes_from_outside_the_book(place: Path, generator: str, target: str) -> None:
    if generator == "docusaurus" and not target.endswith(".md"):
        pytest.skip("only Markdown is imported as text")
    target = target.format(place=place)
    if generator == "mkdocs":
        config = {"mkdocs.yml": "markdown_extensions: [pymdownx.snippets]"}
        book, name = write(place / "book", config), "docs/a.md"
    else:
        book, name = place / "book", "a.md"
    write(book, {name: f"{INCLUDES[generator].format(target)}\n\n# A\n\nbefore\n"})
    (book / "link.md").symlink_to(place / "secret.md")
    (book / "folder").symlink_to(place / "private")
    read = read_book(book, generator=generator)
    assert SECRET not in repr(read)
    assert "PATH=" not in repr(read)
    assert "before" in repr(read.pages)
    assert f"a.md includes {target}, which leads outside the book" in said(read)


@pytest.mark.parametrize("generator", ["mdbook", "vitepress", "docusaurus", "mkdocs"])
def test_includes_from_the_repository_that_is_named(place: Path, generator: str) -> None:
    write(place, {"parts/part.md": "Shared words."})
    target = "parts/part.md" if generator == "mkdocs" else "../../parts/part.md"
    config = "markdown_extensions:\n- pymdownx.snippets: {base_path: [..]}"
    text = f"{INCLUDES[generator].format(target)}\n\n# A\n"
    files = {"docs/a.md": text, "mkdocs.yml": config, "docs/SUMMARY.md": "- [A](a.md)"}
    book = write(place / "book", files)
    folder = book if generator == "mkdocs" else book / "docs"
    read = read_book(folder, generator=generator, root=place)
    assert "Shared words." in repr(read.pages)
    assert read.problems == ()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (".parts/a.md", True),
        (".parts/a.txt", True),
        (".seen.md", True),
        (".parts/a.json", False),
        (".env.txt", False),
        (".ssh/id", False),
    ],
)
def test_hidden_prose_may_be_included(place: Path, name: str, shown: bool) -> None:
    text = f"# A\n\n{{{{#include ../{name}}}}}\n"
    files = {"book.toml": "", "src/SUMMARY.md": "- [A](a.md)", "src/a.md": text, name: "Kept."}
    read = read_book(write(place / "book", files))
    assert ("Kept." in repr(read.pages)) == shown
    assert ("leads to a hidden file" in said(read)) != shown


def test_secrets_inside_the_book_are_not_included(place: Path) -> None:
    text = "# A\n\n{{#include ../.env}}\n\n{{#include ../.git/config}}\n\nafter"
    files = {"book.toml": "", "src/a.md": text, ".env": SECRET, ".git/config": SECRET}
    book = write(place / "book", {**files, "src/SUMMARY.md": "- [A](a.md)\n- [B](b.md)"})
    (book / "src" / "b.md").symlink_to("../.env")
    read = read_book(book)
    assert SECRET not in repr(read.pages)
    assert "a.md includes ../.env, which leads to a hidden file, and 1 more" in said(read)
    assert "b.md leads to a hidden file, so it was skipped." in said(read)


@pytest.mark.parametrize("generator", ["plain", "docusaurus", "auto", "mkdocs", "mdbook"])
def test_what_is_not_a_file_is_named_and_never_waited_for(place: Path, generator: str) -> None:
    book = write(place / "book", {"good.md": "Good.", "folder.md/inner.md": "Inner."})
    os.mkfifo(book / "a-pipe.md")
    os.mkfifo(book / "versions.json")
    with socket.socket(socket.AF_UNIX) as server:
        place_of_socket = os.path.relpath(book / "socket.md")
        server.bind(place_of_socket)
        (book / "device.md").symlink_to("/dev/zero")
        read = read_book(book, generator=generator)
    assert {"good.md"} <= {page.source_path for page in read.pages}
    for name in ("a-pipe.md", "socket.md"):
        assert f"{name} is a pipe, socket or device, not a file, so it was skipped." in said(read)
    assert "device.md leads outside the book" in said(read)
    assert "folder.md is a folder, not a page" in said(read)


@pytest.mark.parametrize("name", ["mkdocs.yml", "book.toml", "docusaurus.config.js", "sidebars.js"])
def test_configurations_are_opened_like_pages(place: Path, name: str) -> None:
    for target in ("../secret.txt", "/proc/self/environ", "docs"):
        book = write(place / f"book{len(target)}", {"docs/a.md": "A.", "docusaurus.config.ts": ""})
        (book / name).symlink_to(target)
        read = read_book(book, generator="auto" if name != "sidebars.js" else "docusaurus")
        assert SECRET not in repr(read)


def test_sidebars_and_inherited_configurations_outside_the_book(place: Path) -> None:
    book = place / "book"
    files = {
        "docusaurus.config.js": "x = {plugins: [['content-docs', {sidebarPath: '../secret.txt'}]]}",
        "docs/a.md": "A.",
    }
    assert "../secret.txt leads outside the book" in said(read_book(write(book, files)))
    files = {"mkdocs.yml": "INHERIT: ../secret.txt", "docs/a.md": "A."}
    read = read_book(write(place / "second", files))
    assert "../secret.txt leads outside the book" in said(read)


def test_names_that_are_not_utf_8(place: Path) -> None:
    book = write(place / "book", {"good.md": "Good."})
    for name in (b"caf\xe9.md", b"\xff", b"old\x80.md"):
        path = os.path.join(os.fsencode(book), name)
        if name == b"\xff":
            os.mkdir(path)
            path = os.path.join(path, b"inner.md")
        with open(path, "wb") as file:
            file.write(b"text")
    read = read_book(book)
    assert [page.source_path for page in read.pages] == ["good.md"]
    assert said(read).count("has a name that is not UTF-8, so it was skipped.") == 3
    said(read).encode()


def test_a_file_of_this_machine_is_not_a_book(place: Path) -> None:
    for path in ("/proc/self/environ", "/proc/self/status", "/proc/cpuinfo"):
        with pytest.raises(SourceError, match="leads outside the book"):
            read_path(path)
    (place / "link.md").symlink_to("/proc/self/environ")
    with pytest.raises(SourceError, match="leads outside the book"):
        read_path(str(place / "link.md"))
    os.mkfifo(place / "pipe.md")
    with pytest.raises(SourceError, match="is a file"):
        read_path(str(place / "pipe.md"))
    (place / "loop").symlink_to("loop")
    with pytest.raises(SourceError):
        read_path(str(place / "loop"))


def test_even_with_the_root_folder_as_root(place: Path) -> None:
    book = write(place / "book", {"good.md": "Good."})
    (book / "environment.md").symlink_to("/proc/self/environ")
    read = read_book(book, root=Path("/"))
    assert [page.source_path for page in read.pages] == ["good.md"]


def test_a_root_must_hold_the_book(place: Path) -> None:
    write(place / "book", {"a.md": "A."})
    with pytest.raises(SourceError, match="is not inside"):
        read_book(place / "book", root=place / "private")
    with pytest.raises(SourceError, match="There is no folder"):
        read_path(str(place / "book"), root=str(place / "nowhere"))


def test_links_out_of_a_built_site(place: Path) -> None:
    built = write(place / "built", {"index.html": "<p id='a'>A"})
    (built / "secret.html").symlink_to("../secret.html")
    site = BuiltFolder(built)
    with pytest.raises(SourceError, match="leads outside the book"):
        asyncio.run(site.ids("secret.html"))
