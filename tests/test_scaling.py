"""Functions that read what readers and models write take linear time.

Patterns alone are timed in `test_pattern_time.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from rag.answering.citation_check import supporting_passages
from rag.answering.citation_filter import CitationFilter, link_markers
from rag.answering.claims import find_markers
from rag.answering.extractive import quote_sections
from rag.answering.prompt import answer_messages, count_tokens
from rag.answering.quotes import escape_markers, escape_open_html, parse_blocks
from rag.answering.sources import make_source, snippet
from rag.answering.text_fragments import text_directive
from rag.language.sentences import sentences
from rag.language.small_talk import classify_small_talk, reply_language
from rag.language.tokens import content_words, sparse_passage, sparse_question, term_hashes
from rag.language.visible import tidy
from rag.models import AnswerRequest, Chunk, Passage, SearchResult
from rag.retrieval.highlighted import put_highlighted_first
from rag.retrieval.spelling import correct
from sites.slugs import github_slug, mdbook_slug, vitepress_slug

SHORT, LONG = 2_000, 8_000
SLACK = 0.1
"""Seconds that a long text may take in any case."""
FLOODS = (
    *(" ", "\t", "\n", "\u00a0", "\u200b", "\u3000", "a", "a ", "a.", "a. ", "A", "aB", "a_", "a-"),
    *(
        "1,",
        "1.",
        "[",
        "[1",
        "[1]",
        "[1†1, ",
        "[1](http:",
        "](",
        "![",
        "[a](",
        "(",
        "`",
        "` ",
        "```",
    ),
    *(
        "``` ",
        "```\n",
        "~~~\n",
        "<",
        "<a ",
        "<!--",
        "<!--\n",
        "*a _",
        "**",
        "~~",
        "|",
        "| a ",
        "- ",
    ),
    *(
        "> ",
        "1. ",
        "# a\n",
        "\\",
        "'",
        "“",
        "!",
        "?",
        "。",
        "中",
        "中。",
        "ก",
        "か",
        "é",
        "e\u0301",
    ),
    *(
        "\u0301",
        "\u0f73",
        "\uff9e",
        "\u200d",
        "👩\u200d",
        "\ufdfa",
        "hi ",
        "the ",
        "=== ",
        "http://a ",
    ),
)


def chunk(text: str) -> Chunk:
    return Chunk("c", text, "A title", "A section", "page#part", "page.md", 0)


def passages(text: str) -> list[Passage]:
    return [Passage(chunk(text), 0.5)]


def filtered(text: str) -> None:
    """Filter a text that comes in small pieces."""
    citations = CitationFilter(9)
    for at in range(0, len(text), 7):
        citations.feed(text[at : at + 7])
    citations.flush()


def quoted(text: str) -> None:
    answer = quote_sections(AnswerRequest("Which part?", passages(text)))
    with pytest.raises(StopIteration):
        answer.send(None)  # it waits for nothing


FUNCTIONS: dict[str, Callable[[str], object]] = {
    "tidy": tidy,
    "classify_small_talk": classify_small_talk,
    "reply_language": reply_language,
    "content_words": content_words,
    "sparse_question": sparse_question,
    "sparse_passage": sparse_passage,
    "term_hashes": term_hashes,
    "sentences": sentences,
    "correct": lambda text: correct(text, passages("Some words of a passage.")),
    "put_highlighted_first": lambda text: put_highlighted_first(
        SearchResult(tuple(passages(text)), "answer"), text
    ),
    "count_tokens": count_tokens,
    "answer_messages": lambda text: answer_messages(
        AnswerRequest(text, passages(text), highlighted=text)
    ),
    "filter": filtered,
    "link_markers": lambda text: link_markers(text, {1: ("a", "b")}),
    "find_markers": find_markers,
    "supporting_passages": lambda text: supporting_passages(text, text, passages(text)),
    "text_directive": lambda text: text_directive(text, "some words"),
    "make_source": lambda text: make_source(passages(text)[0], "http://a.b", [text[:2000]]),
    "snippet": lambda text: snippet(text, text),
    "parse_blocks": parse_blocks,
    "escape_markers": escape_markers,
    "escape_open_html": escape_open_html,
    "quoted answer": quoted,
    "github_slug": github_slug,
    "vitepress_slug": vitepress_slug,
    "mdbook_slug": mdbook_slug,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_flood_takes_linear_time(name: str) -> None:
    """Of four times the text, four times the time would be linear and sixteen times quadratic."""

    def seconds(unit: str, length: int) -> float:
        text = (unit * length)[:length]
        begin = time.thread_time()
        FUNCTIONS[name](text)
        return time.thread_time() - begin

    slow = []
    for unit in FLOODS:
        if (took := seconds(unit, SHORT)) < SLACK / 16:
            continue  # even quadratic time would be short
        if (longer := seconds(unit, LONG)) < max(SLACK, 8 * took):
            continue
        took = max(took, seconds(unit, SHORT))
        if (longer := min(longer, seconds(unit, LONG))) > max(SLACK, 8 * took):
            slow.append(f"{unit!r}: {took:.3f} s, {longer:.3f} s")
    assert not slow, "\n".join(slow)
