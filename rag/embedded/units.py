"""A passage's text cut into what can be quoted: sentences, list items, table rows, code."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

from rag.text import sentences

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

Kind = Literal["sentence", "item", "row", "code"]


@dataclass(frozen=True, slots=True)
class Unit:
    """One quotable piece; `block` numbers the block it came from, in the passage's order."""

    kind: Kind
    text: str
    block: int
    head: str = ""
    """Of a table row: the head of its table, which it cannot be read without."""

    @property
    def leads_in(self) -> bool:
        """Announces what comes next and says little without it."""
        return self.kind == "sentence" and self.text.rstrip("*_ ").endswith((":", "："))


def units(text: str) -> list[Unit]:
    """The pieces of a passage's Markdown, in order. Headings are no pieces."""
    lines = text.splitlines()
    tokens = _parser().parse(text)
    found: list[Unit] = []
    for number, token in enumerate(tokens):
        if token.map is None:
            continue
        own = lines[slice(*token.map)]
        if token.level == 0 and token.type in ("fence", "code_block", "html_block"):
            found.append(Unit("code", "\n".join(own).rstrip(), number))
        elif token.level == 0 and token.type == "table_open":
            found += [Unit("row", row.strip(), number, "\n".join(own[:2])) for row in own[2:]]
        elif token.level == 0 and token.type == "paragraph_open":
            prose = " ".join(line.strip() for line in own)
            found += [Unit("sentence", sentence, number) for sentence in sentences(prose)]
        elif token.level == 1 and token.type == "list_item_open":
            # Items of one list share the number of the list.
            block = found[-1].block if tokens[number - 1].type == "list_item_close" else number
            found.append(Unit("item", "\n".join(own).rstrip(), block))
    return found


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable("table").disable(["inline", "text_join"])
