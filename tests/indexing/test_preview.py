"""The preview of a book: what its pages show, and the way to the list of pages."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urljoin

import pytest

from rag.indexing import preview
from rag.models import Block, Page, Section
from tests.support.service import environment, run, serving


def shown(text: str, kind: str = "paragraph") -> str:
    """Return the preview of a page with one block, without the page around it."""
    block = Block(kind, text)  # type: ignore[arg-type]
    section = Section(heading="Title", level=1, anchor="", heading_path=(), blocks=(block,))
    page = Page(source_path="a.md", slug="a", title="Title", sections=(section,), language="en")
    html = preview.page_html(page, "Book", "/book")
    return html.partition("</h1>")[2].partition("</main>")[0].strip()


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("{* ../../docs_src/first.py hl[1:3] *}", "<p></p>"),
        ("Before {* a.py *} and {* b.py *} after", "<p>Before  and  after</p>"),
        ('A <font color="red">red</font> word', "<p>A red word</p>"),
        ("<CENTER>In the <big>middle</big></CENTER>", "<p>In the middle</p>"),
        ("- one {* a.py *}", "<ul>\n<li>one </li>\n</ul>"),
        ("Put it in <name> and {braces}", "<p>Put it in &lt;name&gt; and {braces}</p>"),
        ("Write `{* a.py *}`", "<p>Write <code>{* a.py *}</code></p>"),
        ("Write `<font>`", "<p>Write <code>&lt;font&gt;</code></p>"),
    ],
)
def test_markup_that_means_nothing_here_is_dropped(text: str, html: str) -> None:
    assert shown(text) == html


def test_code_is_shown_as_it_is() -> None:
    code = "```html\n<font>{* a.py *}</font>\n```"
    assert "&lt;font&gt;{* a.py *}&lt;/font&gt;" in shown(code, "code")


def links(page: str, html: str) -> dict[str, str]:
    """Return where the links of a page lead, by their text."""
    found = re.findall(r'<a href="([^"]*)">([^<]*)</a>', html)
    return {text: urljoin(page, target) for target, text in found}


def test_the_list_of_pages_is_reached_from_every_page(tmp_path: Path) -> None:
    book, data = tmp_path / "book", {"DATA_DIR": str(tmp_path / "data")}
    book.mkdir()
    (book / "index.md").write_text("# The front page\n\nWelcome to the book.\n")
    (book / "other.md").write_text("# Another page\n\nMore to read.\n")
    run("ingest.py", str(book), env=environment(**data)).check_returncode()
    with serving(tmp_path / "log", **data) as service, service.client() as http:
        assert "Welcome to the book." in http.get("/book/").text
        for page in ("/book/", "/book/other"):
            contents = links(page, http.get(page).text)["All pages"]
            assert contents == "/book/?contents=true"
        pages = links(contents, http.get(contents).text)
        assert pages["The front page"] == "/book/"
        assert pages["Another page"] == "/book/other"
