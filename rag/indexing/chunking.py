"""Split pages into chunks along their headings, without losing or repeating text.

A section becomes one chunk, or several of about equal size. Blocks stay whole if they fit. Small
sections are merged with neighbours under the same parent, but a question with its answer stays on
its own. Headings inside a chunk are part of its text.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from rag.indexing.bounds import shallow, with_short_context
from rag.language.sentences import sentences
from rag.models import Block, Chunk, Page, Section

TARGET = 900
"""Preferred chunk size, in characters."""
LIMIT = 1500
"""Maximum chunk size, in characters."""
SMALL = 380
"""Chunks shorter than this are merged with a neighbour under the same parent."""
TINY = 160
"""Chunks shorter than this are merged with any neighbour on the page."""
LABEL = 40
"""Paragraphs up to this length between links are treated as their labels."""
NAMESPACE = uuid.UUID("6f0d5a5e-2c0b-5a53-9a64-8a4f7d0e3f7b")


def chunk_book(pages: Iterable[Page]) -> list[Chunk]:
    """Split pages into chunks, in book order.

    Every word of a page is in the text of exactly one chunk, or in its title or section. Exceptions
    are sections that contain only links and empty sections at the end of a page, which are kept
    only if a neighbour has room. Each part of a divided code block repeats the fence, and each part
    of a divided table repeats the header. No text is longer than LIMIT characters.
    """
    chunks: list[Chunk] = []
    seen: dict[str, int] = {}
    for page in pages:
        made = [_chunk(page, draft) for draft in _join(_drafts(page))]
        for chunk in with_short_context(page, made):
            ordinal = seen[chunk.embedded_text] = seen.get(chunk.embedded_text, -1) + 1
            name = f"{chunk.embedded_text}\0{ordinal}" if ordinal else chunk.embedded_text
            chunk_id = str(uuid.uuid5(NAMESPACE, name))
            chunks.append(replace(chunk, chunk_id=chunk_id, order_index=len(chunks)))
    return chunks


def _chunk(page: Page, draft: _Draft) -> Chunk:
    """Make a chunk without its id and position."""
    section = draft.sections[0]
    return Chunk(
        "",
        draft.text,
        page.title,
        " › ".join(section.heading_path),
        f"{page.slug}#{section.anchor}" if section.anchor else page.slug,
        page.source_path,
        0,
        page.language,
        tuple(section.anchor for section in draft.shown),
    )


@dataclass(slots=True)
class _Draft:
    """A chunk in progress: consecutive sections, or part of one, and their text."""

    sections: list[Section]
    text: str
    headings: Sequence[Section] = ()
    """Sections whose headings precede the text if it is merged into the previous chunk."""
    orphans: Sequence[Section] = ()
    """Sections whose headings always precede the text, because no heading path has them."""
    links: bool = False
    """Whether it contains only links."""
    shown: list[Section] = field(default_factory=list)
    """Sections whose headings are in the text."""


def _drafts(page: Page) -> Iterator[_Draft]:
    """Yield one or more drafts for each section that has content."""
    waiting: list[Section] = []
    shown: set[tuple[str, tuple[str, ...]]] = set()
    for section in page.sections:
        key = (section.anchor, section.heading_path)
        fresh = key not in shown
        shown.add(key)
        if fresh:
            waiting.append(section)
        pieces = [text for block in section.blocks for text in _pieces(block)]
        if not pieces:
            continue
        covered = {page.title, *section.heading_path}
        headings = [s for s in waiting if s.heading and s.heading != page.title]
        orphans = [s for s in waiting if s.heading and s.heading not in covered]
        waiting = []
        links = _only_links(section)
        for text in _pack(pieces):
            yield _Draft([section], text, headings, orphans, links)
            headings, orphans = [], []
    rest = [s for s in waiting if s.heading and s.heading != page.title]
    if rest:
        yield _Draft([waiting[0]], "", rest, links=True)


def _only_links(section: Section) -> bool:
    """Whether a section contains only links, with at most short labels between them."""
    kinds = {block.kind for block in section.blocks if len(block.text) > LABEL}
    return kinds <= {"links"} and any(block.kind == "links" for block in section.blocks)


def _under(headings: Iterable[Section], text: str) -> str:
    """Put Markdown headings above a text."""
    lines = [f"{'#' * max(1, section.level)} {section.heading}" for section in headings]
    return "\n\n".join([*lines, text] if text else lines)


def _join(drafts: Iterable[_Draft]) -> list[_Draft]:
    """Merge small neighbours. Drafts with only links are merged if there is room, or dropped."""
    done: list[_Draft] = []
    for draft in drafts:
        added = _under(draft.headings, draft.text)
        if done:
            last = done[-1]
            size = len(last.text) + 2 + len(added)
            if _may_join(last, draft, size):
                last.text = f"{last.text}\n\n{added}"
                last.sections += draft.sections
                last.shown += draft.headings
                continue
        if draft.links:
            continue
        orphans = list(draft.orphans)
        begin = _under(orphans, draft.text)
        if len(begin) > LIMIT:
            done.append(_Draft(draft.sections, _under(orphans, ""), shown=orphans))
            begin, orphans = draft.text, []
        done.append(_Draft(draft.sections, begin, shown=orphans))
    return done


def _may_join(last: _Draft, draft: _Draft, size: int) -> bool:
    """Return whether two drafts, which make a text of this size, are merged."""
    above, below = last.sections[0], draft.sections[0]
    before, here = above.heading_path, below.heading_path
    answered = above.is_question and len(here) <= len(before)
    if (below.is_question or answered) and above is not below and not draft.links:
        return False
    if min(len(last.text), len(draft.text)) < TINY and size <= TARGET * 4 // 3:
        return True
    if size > TARGET:
        return False
    family = here[: len(before)] == before or here[:-1] == before[:-1]
    return family and (draft.links or min(len(last.text), len(draft.text)) < SMALL)


# ---------------------------------------------------------------- sections to texts


def _pack(pieces: Sequence[str]) -> Iterator[str]:
    """Join pieces into texts of about equal size, close to TARGET and at most LIMIT."""
    total = sum(len(text) + 2 for text in pieces) - 2
    if total <= TARGET * 5 // 4:
        yield "\n\n".join(pieces)
    else:
        yield from _merge_tiny(_balanced(pieces, total / -(-total // TARGET)))


def _merge_tiny(texts: Iterable[str]) -> list[str]:
    """Merge a tiny text with the one before it."""
    done: list[str] = []
    for text in texts:
        size = len(done[-1]) + 2 + len(text) if done else 0
        if done and min(len(done[-1]), len(text)) < TINY * 2 and size <= LIMIT:
            done[-1] += f"\n\n{text}"
        else:
            done.append(text)
    return done


def _balanced(pieces: Iterable[str], ideal: float) -> Iterator[str]:
    """Yield texts of about `ideal` characters, keeping a block with the line that introduces it."""
    current: list[str] = []
    size = 0
    for text in pieces:
        if current:
            introduced = current[-1].endswith((":", "：")) and len(current) > 1
            full = size + 2 + len(text) > LIMIT
            if full and introduced and len(current[-1]) + 2 + len(text) <= LIMIT:
                lead = current.pop()  # keep the introductory line with its block
                yield "\n\n".join(current)
                current, size = [lead], len(lead)
            elif full or (size + len(text) / 2 > ideal and not current[-1].endswith((":", "："))):
                yield "\n\n".join(current)
                current, size = [], 0
        size += len(text) + (2 if current else 0)
        current.append(text)
    yield "\n\n".join(current)


def _pieces(block: Block) -> Iterator[str]:
    """Yield the block, or its parts if it is too long."""
    text = shallow(block)
    if len(text) <= LIMIT:
        if text.strip():
            yield text
    elif block.kind == "code":
        yield from _divide_code(text)
    elif block.kind == "table":
        yield from _divide_table(text)
    elif block.kind == "paragraph":
        yield from _divide_prose(text)
    else:
        yield from _divide_list(text)


def _divide_code(text: str) -> Iterator[str]:
    """Split code at line breaks, with a fence around each part."""
    first, *lines = text.split("\n")
    opening = _FENCE.fullmatch(first)
    if not opening:
        yield from _lines([first, *lines], TARGET)
        return
    fence = opening[1]
    if lines and lines[-1] == fence:
        lines.pop()
    room = max(TARGET - len(first) - len(fence) - 2, TARGET // 2)
    for part in _lines(lines, room):
        if part.strip():
            yield f"{first}\n{part}\n{fence}"


def _divide_table(text: str) -> Iterator[str]:
    """Split a table between rows, with the header on each part."""
    head, rule, *rows = [*text.split("\n"), ""]
    if len(head) + len(rule) > TARGET // 2:
        yield from _lines(text.split("\n"), TARGET)
        return
    room = TARGET - len(head) - len(rule) - 2
    for part in _lines(rows, room):
        yield f"{head}\n{rule}\n{part}"


def _divide_list(text: str) -> Iterator[str]:
    """Split a list between its top-level items. Items that are too long are split further."""
    items: list[str] = []
    for line in text.split("\n"):
        if items and (not line or line[0] == " "):
            items[-1] += f"\n{line}"
        else:
            items.append(line)
    parts: list[str] = []
    for item in items:
        parts += [item] if len(item) <= TARGET else _divide_item(item.split("\n"))
    yield from _lines(parts, TARGET)


def _divide_item(lines: Sequence[str]) -> Iterator[str]:
    """Split a list item at code blocks and lines. Later parts lose their indentation."""
    below = (len(line) - len(line.lstrip(" ")) for line in lines[1:] if line.strip())
    indentation = re.compile(f"^ {{0,{min(below, default=0)}}}", re.M)
    begins = True
    for is_code, segment in _segments(lines):
        if is_code:
            yield from _divide_code(segment) if len(segment) > TARGET else [segment]
        else:
            for part in _lines(segment.split("\n"), TARGET):
                yield part if begins else indentation.sub("", part)
                begins = False
        begins = False


def _segments(lines: Iterable[str]) -> Iterator[tuple[bool, str]]:
    """Group lines into runs: fenced code, dedented, and other text."""
    fence, indent = "", 0
    run: list[str] = []
    for line in lines:
        bare = line.lstrip(" ")
        if not fence and (opening := _FENCE.fullmatch(bare)):
            if run:
                yield False, "\n".join(run)
            fence, indent, run = opening[1], len(line) - len(bare), [bare]
        elif fence:
            run.append(line[indent:] if not line[:indent].strip() else bare)
            if bare == fence:
                yield True, "\n".join(run)
                fence, run = "", []
        else:
            run.append(line)
    if run:
        yield bool(fence), "\n".join(run)


_FENCE = re.compile(r"(`{3,40})[^\s`]{0,40}")
"""The opening line of code. All readers of books write code between backticks."""


def _divide_prose(text: str) -> Iterator[str]:
    """Split prose between sentences."""
    found = [sentence for line in text.split("\n") for sentence in sentences(line)]
    yield from _lines(found, TARGET, " ")


def _lines(lines: Iterable[str], room: int, glue: str = "\n") -> Iterator[str]:
    """Join lines up to `room` characters. Longer lines are split between words."""
    current, size = list[str](), 0
    for line in lines:
        for piece in _words(line, room) if len(line) > room else (line,):
            if current and size + len(glue) + len(piece) > room:
                yield glue.join(current)
                current, size = [], 0
            size += len(piece) + (len(glue) if current else 0)
            current.append(piece)
    if current:
        yield glue.join(current)


def _words(line: str, room: int) -> Iterator[str]:
    """Split a line into parts of at most `room` characters, at whitespace if possible."""
    begin = 0
    while len(line) - begin > room:
        cut = line.rfind(" ", begin + room // 2, begin + room)
        cut = begin + room if cut < 0 else cut
        yield line[begin:cut]
        begin = cut + 1 if line[cut : cut + 1] == " " else cut
    yield line[begin:]
