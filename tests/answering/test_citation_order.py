"""Citations are numbered in the order of their first mention, however the text arrives."""

from __future__ import annotations

import pytest

from rag.answering.citation_filter import CitationOrder


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("text", "expected", "cited"),
    [
        ("One [3]. Two [1]. Three [3].", "One [1]. Two [2]. Three [1].", (3, 1)),
        ("One [2][4].", "One [1][2].", (2, 4)),
        ("```\na[3] [3]\n```\nThen [3].", "```\na[3] [3]\n```\nThen [1].", (3,)),
        ("In code `[2]`, and [5]. \\[1]", "In code `[2]`, and [1]. \\[1]", (5,)),
        ("Nothing.", "Nothing.", ()),
    ],
)
def test_order(text: str, expected: str, cited: tuple[int, ...], size: int) -> None:
    order = CitationOrder(5)
    written = [order.feed(text[at : at + size]) for at in range(0, len(text), size)]
    assert "".join([*written, order.flush()]) == expected
    assert order.cited == cited
