"""Read an HTML table whose cells hold Markdown, which has cut it into several blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape

from markdown_it.token import Token

from rag.models import Block
from sites.html_blocks import HeadingMark, read_fragment
from sites.html_tags import TagWords, read_tag
from sites.inline_text import InlineText
from sites.tree import Node

_PARTS = frozenset({"table", "thead", "tbody", "tfoot", "tr", "th", "td", "caption"})
_TABLE = re.compile(r"<(/?)table\b", re.IGNORECASE)
_STARTS = frozenset({"html_block", "mdx_tag", "paragraph"})
_NOT_IN_ROWS = frozenset({"heading", "fence", "code_block", "table"})
"""What is better read as blocks of its own than in a row."""


def table_runs(nodes: Sequence[Node]) -> Iterator[tuple[bool, Sequence[Node]]]:
    """Split blocks into runs. Yield with each whether it is a table of rows."""
    at = 0
    while at < len(nodes):
        counts = [*_tables(nodes[at])] if nodes[at].type in _STARTS else []
        opened, end = sum(counts), at + 1
        while opened > 0 and end < len(nodes):
            opened += sum(_tables(nodes[end]))
            end += 1
        run = nodes[at:end]
        inside = {inner.type for each in run for inner in each.walk()}
        yield 1 in counts[:1] and opened <= 0 and not inside & _NOT_IN_ROWS, run
        at = end


def read_table(nodes: Sequence[Node], words_of: TagWords) -> list[Block | HeadingMark]:
    """Return the table that some blocks hold, and what is before and after it."""
    return read_fragment("\n".join(_html(nodes, words_of)), words_of)


def _tables(node: Node) -> Iterator[int]:
    """Yield 1 for each table that begins in a block, and -1 for each that ends."""
    for inner in node.walk():
        if inner.type == "html_block":
            yield from (-1 if found[1] else 1 for found in _TABLE.finditer(inner.token.content))
        for token in (inner.token, *inner.inline) if inner.type in ("mdx_tag", "inline") else ():
            if (name := _part(token)).endswith("table"):
                yield -1 if name[0] == "/" else 1


def _part(token: Token) -> str:
    """Return the name of a tag that a table consists of, with its slash, or ""."""
    if token.type == "mdx_tag":
        name = str(token.meta["tag"][0])
    elif token.type == "html_inline":
        name = read_tag(token.content)[0]
    else:
        return ""
    return name if name.removeprefix("/") in _PARTS else ""


def _html(nodes: Sequence[Node], words_of: TagWords) -> Iterator[str]:
    for node in (inner for outer in nodes for inner in outer.walk()):
        if node.type == "html_block":
            yield node.token.content
        elif node.type in ("mdx_tag", "inline"):
            yield from _inline_html(node.inline or [node.token], words_of)


def _inline_html(tokens: Sequence[Token], words_of: TagWords) -> Iterator[str]:
    """Yield the tags of tables in inline Markdown, and the text between them."""
    run: list[Token] = []
    for token in (*tokens, None):
        part = _part(token) if token else ""
        if token and not part:
            run.append(token)
            continue
        yield escape(InlineText(run, words_of).text)
        run = []
        if part:
            yield f"<{part}>"
