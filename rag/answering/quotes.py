"""Quote sections of the book in whole Markdown blocks."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from rag.answering.citation_filter import CitationFilter
from rag.answering.claims import find_markers, inline_code
from rag.answering.code_reader import FencedLines
from rag.answering.text_fragments import LONGEST_BLOCK, plain_sentences

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_TILDES = re.compile(r"^([ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*)(~{3,}+)")
_HTML = re.compile(
    r"([ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?)(<(?:[!?]|(?i:script|pre|style|textarea)\b))"
)
_TICKS = re.compile("`+")
_SIGN = re.compile(r"\\.|`+|[\[【［](?= ?\^?\d)")
_LITERAL = re.compile(r"\\.|`|[\[【［](?= ?\^?\d)")
_HAS_MARKER = re.compile(r"[\[【［] ?\^?\d")
_ESCAPES = {"[": "\\[", "【": "&#12304;", "［": "&#65339;"}
"""Escapes for opening brackets. Markdown has no backslash escape for non-ASCII characters."""
_KINDS: dict[str, Literal["heading", "paragraph"]] = {
    "heading_open": "heading",
    "paragraph_open": "paragraph",
}
_BEGINS_BLOCK = re.compile(r"^(\d{0,9})([-+#.)])(?=[\s#])")
_SPECIAL = re.compile(r"([\\\[\]*_`<>&~])")


class Sentence(NamedTuple):
    """A sentence of a block."""

    text: str
    """Without Markdown and with collapsed whitespace."""
    line: int
    """Last line of its paragraph within the block, from 0."""


@dataclass(frozen=True, slots=True)
class QuotedBlock:
    """A top-level block of a chunk's Markdown: paragraph, list, table, heading or code."""

    text: str
    kind: Literal["heading", "paragraph", "other"]
    line: int = 0
    """Line of the chunk's text where it starts, from 0."""
    sentences: tuple[Sentence, ...] = ()

    @property
    def leads_in(self) -> bool:
        """Whether it introduces the next block and says little without it."""
        return self.kind == "heading" or self.text.rstrip("*_ ").endswith((":", "："))

    def with_marker(self, marker: str, line: int) -> str:
        """Return the text with a citation marker at the end of a line."""
        lines = self.text.split("\n")
        lines[line] += f" {marker}"
        return "\n".join(lines)


def parse_blocks(text: str) -> list[QuotedBlock]:
    """Parse a chunk's text into its top-level blocks."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    found: list[QuotedBlock] = []
    inner: list[list[Sentence]] = []
    for token in _parser().parse(text):
        if token.map is None:
            continue
        begin, end = token.map
        if token.level == 0:
            raw = "\n".join(lines[begin:end]).rstrip()
            found.append(QuotedBlock(raw, _KINDS.get(token.type, "other"), begin))
            inner.append([])
        if token.type == "paragraph_open":
            texts, last = plain_sentences("\n".join(lines[begin:end])), end - 1 - found[-1].line
            inner[-1] += [Sentence(sentence, last) for sentence in texts]
    return [replace(b, sentences=tuple(texts)) for b, texts in zip(found, inner, strict=True)]


def first_blocks(whole: Sequence[QuotedBlock], room: int) -> list[QuotedBlock]:
    """Return the first blocks that fit into `room` characters, at least one."""
    shown = list(_fitting(whole, room, least=1))
    while len(shown) > 1 and shown[-1].leads_in and len(shown) < len(whole):
        shown.pop()
    return shown


def blocks_around(whole: Sequence[QuotedBlock], at: int, room: int) -> list[QuotedBlock]:
    """Return consecutive blocks around `at` that fit into `room` characters.

    The block that introduces it has priority, then the blocks after it, then those before it.
    """
    first, last = at, at
    if at and whole[at].kind == "other" and whole[at - 1].kind == "paragraph":
        first = at - 1  # a list or code block is hard to read without its introduction
    room -= sum(len(block.text) for block in whole[first : at + 1])
    for block in _fitting(whole[at + 1 :], room, least=0):
        room -= len(block.text)
        last += 1
    first -= len(list(_fitting(whole[:first][::-1], room, least=0)))
    while last > at and whole[last].leads_in and last + 1 < len(whole):
        last -= 1
    while first < at and whole[first].kind == "other" and first:
        first += 1
    return list(whole[first : last + 1])


def _fitting(whole: Iterable[QuotedBlock], room: int, *, least: int) -> Iterator[QuotedBlock]:
    used = 0
    for n, block in enumerate(whole):
        used += len(block.text)
        if used > room and n >= least:
            return
        yield block


def escape_markers(text: str) -> str:
    """Escape the author's own `[1]`, so that it is not read as a citation. Code is unchanged.

    An open fence is closed, so that it does not swallow the rest of the answer. Code is recognized
    as in `citation_filter`: inline code does not cross lines. Where Markdown takes something else
    for code, everything but fenced code is made text, so that each bracket can be escaped.
    """
    escaped = _escape_by_line(text)
    if not _HAS_MARKER.search(text) or (len(text) <= LONGEST_BLOCK and _is_safe(escaped, text)):
        return escaped
    fenced = {
        line
        for token in _parser().parse(text)
        if token.type == "fence" and token.map
        for line in range(*token.map)
    }
    literal = [
        line if n in fenced else _escape_literally(line) for n, line in enumerate(text.split("\n"))
    ]
    shown = "\n".join(literal)
    if len(text) > LONGEST_BLOCK or not _is_safe(shown):
        shown = "\n".join(map(_escape_literally, text.split("\n")))
    return shown


def escape_open_html(text: str) -> str:
    """Escape HTML that Markdown continues past empty lines, such as a comment. Code is unchanged.

    Left open, it would hide the rest of the text.
    """
    lines: list[str] = []
    code = FencedLines()
    for line in text.split("\n"):
        html = None if code.read(line) else _HTML.match(line)
        lines.append(f"{html[1]}\\{line[html.start(2) :]}" if html else line)
    return "\n".join(lines)


def _is_safe(escaped: str, text: str | None = None) -> bool:
    """Whether neither Markdown nor `citation_filter` finds a marker in a quotation.

    With the author's `text`, its inline code must be unchanged as well.
    """
    message, citations = f"{escaped}\n\n[1]", CitationFilter(1000)
    filtered = citations.feed(message) + citations.flush()
    return (
        filtered == message
        and citations.cited == (1,)
        and [marker.number for marker in find_markers(message)] == [1]
        and (text is None or inline_code(escaped) == inline_code(text))
    )


def _escape_literally(line: str) -> str:
    """Escape markers, backticks and the start of a fence, so that the line contains no code."""
    line = _TILDES.sub(r"\1\\\2", line)
    return _LITERAL.sub(lambda sign: (_ESCAPES | {"`": "\\`"}).get(sign[0], sign[0]), line)


def _escape_by_line(text: str) -> str:
    lines: list[str] = []
    code = FencedLines()
    for line in text.split("\n"):
        if code.fence and _ends_container(line, code):
            lines.append(code.end)
            code = FencedLines()
        lines.append(line if code.read(line) else _escape_line(line))
    return "\n".join([*lines, code.end] if code.fence else lines)


def _ends_container(line: str, code: FencedLines) -> bool:
    """Whether a line ends the quotation or list item of a fence, and so the fence itself."""
    if ">" in code.prefix:
        return not line.lstrip(" \t").startswith(">")
    width = len(code.prefix.expandtabs(4)) if code.in_list else 0
    text = line.expandtabs(4).lstrip(" ")
    return bool(text) and len(line.expandtabs(4)) - len(text) < width


def _escape_line(line: str) -> str:
    """Escape markers in one line. Inline code ends at the next backtick run of equal length."""
    ends: dict[int, list[int]] = {}
    for run in _TICKS.finditer(line):
        ends.setdefault(len(run[0]), []).append(run.end())
    written: list[str] = []
    at = 0
    while found := _SIGN.search(line, at):
        written.append(line[at : found.start()])
        sign, at = found[0], found.end()
        if sign[0] == "`":
            later = ends.get(len(sign), ())
            closing = bisect_right(later, at)
            at = later[closing] if closing < len(later) else at
            sign = line[found.start() : at]
        written.append(_ESCAPES.get(sign, sign))
    return "".join([*written, line[at:]])


def escape_markdown(text: str) -> str:
    """Escape text so that Markdown shows it literally, on one line."""
    words = _SPECIAL.sub(r"\\\1", " ".join(text.split()))
    return _BEGINS_BLOCK.sub(r"\1\\\2", words)


def markdown_link(text: str, url: str) -> str:
    """Return a Markdown link, or only the text if there is no URL.

    A link's text without letters is quoted, so that it is not a citation.
    """
    shown = escape_markdown(text)
    if not url:
        return shown
    if not re.search(r"[^\W\d]", shown):
        shown = f"“{shown}”"
    return f"[{shown}]({url.replace('(', '%28').replace(')', '%29')})"


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable("table").disable(["inline", "reference", "text_join"])
