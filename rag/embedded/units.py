"""A passage's text cut into what can be quoted: sentences, list items, table rows, code."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Literal

from rag.text import sentences

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

Kind = Literal["sentence", "item", "row", "code"]


_WORD_ALONE = re.compile(r"\w{1,12}[.!]")
"""A sentence such as "Yes.", which is read with the next."""
_CAPTION = re.compile(
    r"(?:figure|listing|table)\s+[\dA-Z][\w.-]*\b.*|\([\w./:-]+\)|[\w-]+(?:[./:][\w-]+)+",
    re.IGNORECASE | re.DOTALL,
)
"""A caption, or the name of a file: no sentence."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One quotable piece; `block` numbers the block it came from, in the passage's order."""

    kind: Kind
    text: str
    block: int
    head: str = ""
    """Of a table row: the head of its table, which it cannot be read without."""
    heading: str = ""
    """What it stands under."""
    opens: bool = False
    """The first piece of the passage, or under its heading."""

    @property
    def leads_in(self) -> bool:
        """Announces what comes next and says little without it."""
        return self.kind == "sentence" and self.text.rstrip("*_ ").endswith((":", "："))


def units(text: str, heading: str = "") -> list[Unit]:
    """The pieces of a passage's Markdown, in order. `heading` is what it stands under.

    Headings are no pieces, nor are captions, unless there is nothing else.
    """
    found = _units(text, heading)
    return [unit for unit in found if not _is_caption(unit)] or found


def _is_caption(unit: Unit) -> bool:
    return unit.kind == "sentence" and _CAPTION.fullmatch(unit.text) is not None


def _units(text: str, heading: str) -> list[Unit]:
    lines = text.splitlines()
    tokens = _parser().parse(text)
    found: list[Unit] = []
    opens = True
    for number, token in enumerate(tokens):
        if token.map is None or token.level > 1:
            continue
        own = lines[slice(*token.map)]
        pieces: list[Unit] = []
        if token.type == "heading_open" and token.level == 0:
            heading, opens = own[0].strip("# "), True
        elif token.type in ("fence", "code_block", "html_block") and token.level == 0:
            pieces = [Unit("code", "\n".join(own).rstrip(), number)]
        elif token.type == "table_open" and token.level == 0:
            pieces = [Unit("row", row.strip(), number, "\n".join(own[:2])) for row in own[2:]]
        elif token.type == "paragraph_open" and token.level == 0:
            prose = " ".join(line.strip() for line in own)
            pieces = [Unit("sentence", sentence, number) for sentence in _readable(prose)]
        elif token.type == "list_item_open" and token.level == 1:
            # Items of one list share the number of the list.
            block = found[-1].block if tokens[number - 1].type == "list_item_close" else number
            pieces = [Unit("item", "\n".join(own).rstrip(), block)]
        for piece in pieces:
            found.append(replace(piece, heading=heading, opens=opens))
            opens = False
    return found


def _readable(prose: str) -> list[str]:
    """The sentences, each with the word alone that stands before it."""
    found: list[str] = []
    for sentence in sentences(prose):
        if found and _WORD_ALONE.fullmatch(found[-1]):
            found[-1] += f" {sentence}"
        else:
            found.append(sentence)
    return found


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable("table").disable(["inline", "text_join"])
