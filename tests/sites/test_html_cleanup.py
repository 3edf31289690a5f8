"""Comments in HTML are removed, as a browser reads them, before the page is parsed."""

from __future__ import annotations

import time

import pytest

from sites.html_cleanup import prepare_html
from sites.html_page import read_page


@pytest.mark.parametrize(
    "head",
    [
        '<meta name=description content="<!-- first words of the page">',
        "<meta content = '5 > 4 <!--' name=x>",
        '<script>const mark = "<!--";</script>',
        "<TITLE>How to write <!-- in HTML</TITLE>",
        "<style>a::after {content: '<!--'}</style>",
        "<p title=don't>It's here</p><!-- gone -->",
    ],
)
def test_a_comment_does_not_begin_in_an_attribute_or_a_script(head: str) -> None:
    html = f"{head}<h1 id=a>One</h1>\n<!-- hidden --><p id=b>two</p><!-- never closed <p>last"
    assert {"a", "b"} <= read_page(html).ids
    shown = str(read_page(html).items)
    words = ("One", "two", "hidden", "last")
    assert [word in shown for word in words] == [True, True, False, False]


@pytest.mark.parametrize(
    "unit", ['<a ="', "<a =\" ='", "<a '", "<script>", "<title ", "<!--", '="']
)
def test_a_megabyte_of_what_is_never_closed(unit: str) -> None:
    start = time.process_time()
    prepare_html(unit * (1_000_000 // len(unit)))
    assert time.process_time() - start < 5
