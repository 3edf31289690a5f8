"""Sections of the book as an answer quotes them: whole blocks, as the author wrote them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from rag.links import sentences

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
_CODE_OR_MARKER = re.compile(r"(`+)(?:.+?)(?<!`)\1(?!`)|(?<!\\)\[(?= ?\^?\d)")
_KINDS: dict[str, Literal["heading", "paragraph"]] = {
    "heading_open": "heading",
    "paragraph_open": "paragraph",
}
_SPECIAL = re.compile(r"([\\\[\]*_`<>])")


class Sentence(NamedTuple):
    text: str
    """As a page shows it: without Markdown, white space collapsed."""
    line: int
    """Last line of its paragraph within the block, from 0."""


@dataclass(frozen=True, slots=True)
class QuotedBlock:
    """A paragraph, list, table, heading or piece of code of a chunk's Markdown."""

    text: str
    kind: Literal["heading", "paragraph", "other"]
    sentences: tuple[Sentence, ...] = ()

    @property
    def introduces(self) -> bool:
        """Whether it says little without the block below it."""
        return self.kind == "heading" or self.text.rstrip("*_ ").endswith((":", "："))

    def marked(self, marker: str, line: int) -> str:
        """The text with a citation marker at the end of a line."""
        lines = self.text.split("\n")
        lines[line] += f" {marker}"
        return "\n".join(lines)


def blocks(text: str) -> list[QuotedBlock]:
    """The top-level blocks of a chunk's text, in order."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    found: list[QuotedBlock] = []
    inner: list[Sentence] = []
    first = 0
    for token in _parser().parse(text):
        if token.map is None:
            continue
        begin, end = token.map
        if token.level == 0:
            first, inner = begin, []
            raw = "\n".join(lines[begin:end]).rstrip()
            found.append(QuotedBlock(raw, _KINDS.get(token.type, "other")))
        if token.type == "paragraph_open":
            whole = "\n".join(lines[begin:end])
            inner += [Sentence(sentence, end - 1 - first) for sentence in sentences(whole)]
            found[-1] = replace(found[-1], sentences=tuple(inner))
    return found


def beginning(whole: Sequence[QuotedBlock], room: int) -> list[QuotedBlock]:
    """The blocks from the first on that fit into `room` characters, at least one."""
    shown = list(_fitting(whole, room, least=1))
    while len(shown) > 1 and shown[-1].introduces and len(shown) < len(whole):
        shown.pop()
    return shown


def around(whole: Sequence[QuotedBlock], at: int, room: int) -> list[QuotedBlock]:
    """Consecutive blocks with the one at `at`: what introduces it, what follows, what precedes."""
    first, last = at, at
    if at and whole[at].kind == "other" and whole[at - 1].kind == "paragraph":
        first = at - 1  # a list or code is hard to read without the paragraph that leads to it
    room -= sum(len(block.text) for block in whole[first : at + 1])
    for block in _fitting(whole[at + 1 :], room, least=0):
        room -= len(block.text)
        last += 1
    first -= len(list(_fitting(whole[:first][::-1], room, least=0)))
    while last > at and whole[last].introduces and last + 1 < len(whole):
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


def escaped(text: str) -> str:
    """The author's own `[1]` kept from being read as a citation; code stays as it is."""
    fence = ""
    lines = []
    for line in text.split("\n"):
        opening = _FENCE.match(line)
        if fence:
            closes = opening and opening[1].startswith(fence) and not line.strip("`~ \t")
            fence = "" if closes else fence
        elif opening:
            fence = opening[1]
        else:
            line = _CODE_OR_MARKER.sub(lambda m: m[0] if m[1] else "\\[", line)
        lines.append(line)
    return "\n".join(lines)


def link(text: str, url: str) -> str:
    """A Markdown link that shows `text`; a number is quoted, or it would be a citation marker."""
    shown = _SPECIAL.sub(r"\\\1", " ".join(text.split()))
    if not re.search(r"[^\W\d]", shown):
        shown = f"“{shown}”"
    return f"[{shown}]({url.replace('(', '%28').replace(')', '%29')})"


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable("table").disable(["inline", "text_join"])
