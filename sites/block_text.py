"""Write code, tables and powers as Markdown, the form in which blocks hold them."""

from __future__ import annotations

import re
from typing import Literal

from rag.models import Block

_POWER = re.compile(r"(?:(\^)\((\w+)\)|\^\([^\w)]{0,40}(?:\)|\Z))")


class Contents(Block):
    """A list that only leads to the page itself: perhaps its table of contents."""


def linked(kind: Literal["paragraph", "list"], text: str, links: set[str]) -> Block:
    """Return a block of a kind, or one of links if it has nothing else.

    `links` tells where they lead, "page" or "site", and "text" for words outside of them.
    """
    if not links or "text" in links:
        return Block(kind, text)
    return (Contents if kind == "list" and "site" not in links else Block)("links", text)


def raised(text: str) -> str:
    """Return `2^n` for `2^(n)`, and a text without raised signs."""
    return _POWER.sub(r"\1\2", text)


def code_span(code: str) -> str:
    """Put code between as many backticks as it needs."""
    tick = "``" if "`" in code else "`"
    pad = " " if code[:1] == "`" or code[-1:] == "`" else ""
    return f"{tick}{pad}{code}{pad}{tick}"


def fenced(code: str, language: str) -> str:
    """Make a fenced block whose fence is longer than any in the code."""
    longest = 2
    for line in code.split("\n"):
        stripped = line.lstrip()
        longest = max(longest, len(stripped) - len(stripped.lstrip("`")))
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{code}\n{fence}"


def markdown_table(rows: list[list[str]]) -> str:
    """Make a Markdown table, with each row on one line; the first row is its header."""
    width = max(len(row) for row in rows)
    padded = [
        [cell.replace("\n", " ").replace("|", "\\|") for cell in row] + [""] * (width - len(row))
        for row in rows
    ]
    lines = ["| " + " | ".join(row) + " |" for row in padded]
    lines.insert(1, "|" + " --- |" * width)
    return "\n".join(lines)


def code_language(attributes: dict[str, str]) -> str:
    """Return the language that the classes or data of an element name, or ""."""
    for name in attributes.get("class", "").split():
        for prefix in ("language-", "lang-", "highlight-source-"):
            if name.startswith(prefix):
                return name[len(prefix) :][:40]
    return attributes.get("data-language", attributes.get("data-lang", ""))[:40]
