"""What is embedded stays in proportion to what was written, and costs are known before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rag.errors import ConfigurationError, SourceError
from rag.indexing.bounds import within_bounds
from rag.indexing.chunking import LIMIT, chunk_book
from rag.indexing.costs import PRICES, check_cost, count_tokens, describe_cost, price_of
from rag.models import Block, Chunk, Page, Section
from sites.markdown import read_markdown
from sites.plain import DIALECT
from tests.indexing.test_chunking import words


def page(*blocks: Block, title: str = "T") -> Page:
    return Page("a.md", title, "a", (Section("T", 1, "", (), blocks),))


def nested(depth: int, item: str = "- x") -> str:
    return "\n".join("  " * n + item for n in range(depth))


def embedded(chunks: list[Chunk]) -> int:
    return sum(len(chunk.embedded_text) for chunk in chunks)


@pytest.mark.parametrize("kind", ["list", "paragraph"])
@pytest.mark.parametrize("item", ["- x", "1. x", "- word word"])
def test_nesting_does_not_multiply_the_text(kind: str, item: str) -> None:
    """50 KB of nested lists made 34,300 chunks, 617 times the text."""
    depth = 50_000 // (len(item) + 6)
    written = page(Block(kind, nested(depth, item)))  # type: ignore[arg-type]
    chunks = chunk_book([written])
    assert embedded(chunks) < 2 * 50_000
    assert len(chunks) < 100
    found = words("\n".join(chunk.text for chunk in chunks))
    assert found == words(nested(depth, item))


def test_nested_lists_in_html_do_not_multiply_the_text() -> None:
    text = "# T\n\n" + "<ul><li>x" * 1_500 + "\n"
    document = read_markdown(text, DIALECT, DIALECT.parser(), "T")
    chunks = chunk_book([Page("a.md", "T", "a", document.sections)])
    assert embedded(chunks) < 5 * len(text)


def test_lists_as_people_write_them_keep_their_indentation() -> None:
    text = "\n".join(f"{'  ' * (n % 12)}- item {n} {'word ' * 5}" for n in range(400))
    chunks = chunk_book([page(Block("list", text))])
    assert "\n" + "  " * 11 + "- item 11 " in chunks[0].text


def test_a_long_title_above_short_sections_does_not_multiply_the_text() -> None:
    path = tuple(name * 200 for name in "abcde")
    sections = tuple(
        Section(f"Q{n}?", 6, f"q{n}", (*path, f"Q{n}?"), (Block("paragraph", "x"),))
        for n in range(1_000)
    )
    chunks = chunk_book([Page("a.md", "t" * 200, "a", sections)])
    assert len(chunks) == 1_000
    assert embedded(chunks) < 60 * len(chunks)
    assert chunks[7].section == "Q7?"
    assert chunks[7].title.endswith("…")
    assert len({chunk.chunk_id for chunk in chunks}) == 1_000


def test_short_answers_under_usual_headings_keep_their_context() -> None:
    sections = tuple(
        Section(
            f"Does it work on {n}?",
            3,
            "",
            ("Questions", f"Does it work on {n}?"),
            (Block("paragraph", "Yes."),),
        )
        for n in range(100)
    )
    chunks = chunk_book([Page("a.md", "Frequent questions", "a", sections)])
    assert chunks[-1].section == "Questions › Does it work on 99?"


def test_a_fence_of_any_length_is_not_repeated() -> None:
    fence = "`" * 16_000
    text = fence + "\n" + "code\n" * 3_500 + fence
    chunks = chunk_book([page(Block("code", text))])
    assert embedded(chunks) < 2 * len(text)
    assert max(len(chunk.text) for chunk in chunks) <= LIMIT


# ---------------------------------------------------------------- limits


def chunks_of(**pages: int) -> list[Chunk]:
    made = [(name, n) for name, count in pages.items() for n in range(count)]
    return [
        Chunk(f"{name}{n}", "x" * 97, "T", "", name, f"{name}.md", at)
        for at, (name, n) in enumerate(made)
    ]


def test_a_page_with_too_many_chunks_is_named_and_left_out() -> None:
    kept, problems = within_bounds(chunks_of(a=2, big=6, c=3), 5, 10_000)
    assert [(chunk.chunk_id, chunk.order_index) for chunk in kept] == [
        ("a0", 0), ("a1", 1), ("c0", 2), ("c1", 3), ("c2", 4)
    ]  # fmt: skip
    [problem] = problems
    assert problem.startswith("big.md makes 6 chunks, more than MAX_PAGE_CHUNKS (5)")


def test_a_book_within_the_limits_is_left_alone() -> None:
    chunks = chunks_of(a=5, b=5)
    assert within_bounds(chunks, 5, 1_000) == (chunks, [])


def test_a_book_that_is_too_long_is_refused_and_its_longest_page_named() -> None:
    with pytest.raises(SourceError, match=r"1,000 characters .*longest page is b\.md with 700"):
        within_bounds(chunks_of(a=3, b=7), 10, 999)


# ---------------------------------------------------------------- costs

CHUNK = Chunk("", "x" * 300, "", "", "", "", 0)


def test_the_price_of_a_model() -> None:
    assert price_of("all-MiniLM-L6-v2 int8 256", 5.0) == 0
    assert price_of("embed-english-v3.0") == 0.10
    assert price_of("embed-english-v3.0", 0.08) == 0.08
    assert price_of("embed-v9.0") is None
    assert all(0 < price < 1 for price in PRICES.values())


def test_tokens_are_rather_over_than_underestimated() -> None:
    assert count_tokens([CHUNK] * 2) == 202
    assert count_tokens([replace(CHUNK, text="書" * 300)]) == 301


def test_costs_are_described() -> None:
    assert describe_cost(2_000_000, 0.1) == "about $0.2000"
    assert describe_cost(2_000_000, 0.0) == "free"
    assert describe_cost(2_000_000, None) == "price unknown, see EMBED_PRICE"


def test_a_cost_over_the_limit_is_refused() -> None:
    check_cost("m", 1_000_000, 0.1, 0.1)
    check_cost("m", 10**9, 0.0, 0.0)
    check_cost("m", 0, None, 0.0)
    with pytest.raises(ConfigurationError, match=r"would cost about \$0\.1000, more than"):
        check_cost("m", 1_000_000, 0.1, 0.09)
    with pytest.raises(ConfigurationError, match="Set EMBED_PRICE"):
        check_cost("m", 1, None, 100.0)
