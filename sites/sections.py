"""Group a page's headings and blocks into sections."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from rag.models import Block, Section
from sites.block_text import Contents
from sites.html_blocks import HeadingMark

_ITEM = re.compile(r"^ *(?:-|\d+\.) ", re.MULTILINE)
MAX_HEADING = 200
"""Characters; a longer heading is also repeated below as a paragraph."""
UNCLOSED_COMMENT = "has an HTML comment that is never closed; it is read as text."


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed page."""

    title: str
    """The title set by the author, else the first heading of the first level, else the fallback."""
    sections: tuple[Section, ...]
    warnings: tuple[str, ...] = ()
    """What was left out or misread; each message reads on from the page's path."""


@dataclass(slots=True)
class _Open:
    """The section being filled."""

    heading: str
    level: int
    anchor: str
    path: tuple[str, ...]
    blocks: list[Block] = field(default_factory=list)


class SectionBuilder:
    """Collects the sections of one page; `title` is the one set by the author, or ""."""

    def __init__(self, title: str) -> None:
        self._title = clip(title)
        self._stack: list[tuple[int, str]] = []
        self._section = _Open("", 1, "", ())
        self._sections = [self._section]
        self._started = False
        self._later_title = ""
        """The first heading of the first level, if it has text above it."""
        self._has_title_heading = False

    def add(self, item: Block | HeadingMark) -> None:
        """Add a block to the current section, or start the next section."""
        if isinstance(item, HeadingMark):
            self._open(item)
        else:
            self._started = self._started or not isinstance(item, Contents)
            self._section.blocks.append(item)

    def _open(self, mark: HeadingMark) -> None:
        words = " ".join(mark.words.split())
        shown = clip(words)
        if not self._started and not shown:  # perhaps a logo above the title
            self._section.anchor = mark.anchor
            return
        if not self._started and (mark.level == 1 or _repeats_title(shown, self._title)):
            self._has_title_heading = True
            self._title = self._title or shown
            self._section.heading, self._section.level = shown, mark.level
            self._section.anchor = mark.anchor
        else:
            while self._stack and self._stack[-1][0] >= mark.level:
                self._stack.pop()
            if shown:
                self._stack.append((mark.level, shown))
            if mark.level == 1:
                self._later_title = self._later_title or shown
            # A heading without an id is linked to through the nearest anchor above it.
            anchor = mark.anchor or self._section.anchor
            path = tuple(text for _, text in self._stack)
            self._section = _Open(shown, mark.level, anchor, path)
            self._sections.append(self._section)
        self._started = True
        if shown != words:
            self.add(Block("paragraph", words))

    def mark(self) -> tuple[_Open, list[tuple[int, str]]]:
        """Return the current position, for `resume`."""
        return self._section, list(self._stack)

    def resume(self, mark: tuple[_Open, list[tuple[int, str]]]) -> None:
        """Continue the marked section if another one was started since."""
        section, stack = mark
        if self._section is not section:
            self._stack = stack
            self._section = _Open(section.heading, section.level, section.anchor, section.path)
            self._sections.append(self._section)

    def finish(self, fallback: str) -> Document:
        """Return the page; `fallback` is its title if it has no other."""
        title = self._title or self._later_title or clip(fallback)
        self._drop_contents(title)
        first = self._sections[0]
        first.heading = first.heading or title
        if len(self._sections) > 1 and not first.blocks and not self._has_title_heading:
            del self._sections[0]
        sections = (
            Section(s.heading, s.level, s.anchor, _below(title, s.path), tuple(s.blocks))
            for s in self._sections
        )
        return Document(title, tuple(sections))

    def _drop_contents(self, title: str) -> None:
        """Leave out the lists of links to headings of the page: to half of the highest or more."""
        headings = {_words(text) for text in (title, *(s.heading for s in self._sections))}
        levels = [section.level for section in self._sections[1:]]
        highest = levels.count(min(levels, default=0))
        for section in self._sections:
            section.blocks = [
                Block("links", block.text) if isinstance(block, Contents) else block
                for block in section.blocks
                if not isinstance(block, Contents)
                or 2 * len(items := _ITEM.split(block.text)[1:]) < highest
                or not headings.issuperset(map(_words, items))
            ]


def in_sections(items: Iterable[Block | HeadingMark], title: str, fallback: str) -> Document:
    """Group the parts of a page. `title` wins over the first heading; `fallback` is the last."""
    sections = SectionBuilder(title)
    for item in items:
        sections.add(item)
    return sections.finish(fallback)


def clip(words: str) -> str:
    """Shorten a heading or title to one line of at most MAX_HEADING characters."""
    words = " ".join(words.split()).encode("utf-8", "replace").decode("utf-8")
    return words if len(words) <= MAX_HEADING else words[: MAX_HEADING - 1] + "…"


def _below(title: str, path: tuple[str, ...]) -> tuple[str, ...]:
    """Return a path of headings without the title of the page."""
    return path[1:] if path[:1] == (title,) else path


def _repeats_title(heading: str, title: str) -> bool:
    """Return whether a heading repeats the title: the same words, or a few more."""
    said, wanted = _words(heading), _words(title)
    if said == wanted:
        return True
    return len(wanted) > 1 and set(wanted) <= set(said) and len(said) <= 2 * len(wanted)


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\w+", text.casefold()))
