"""Turn the blocks of a Markdown page into sections."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from markdown_it.token import Token

from rag.models import Block
from sites.block_text import fenced, linked, markdown_table
from sites.html_blocks import HeadingMark, read_fragment
from sites.html_tables import read_table, table_runs
from sites.html_tags import TagWords
from sites.inline_text import InlineText
from sites.sections import Document, SectionBuilder
from sites.tree import Node

ShownCode = Callable[[str, str], str]
"""(code, info string) -> the code as the page shows it."""
_LISTS = ("bullet_list", "ordered_list")
_HEADING_TAG = re.compile(r"h[1-6]")
_LANGUAGE = re.compile(r"[\w+#.-]{1,40}")


class SectionReader:
    """Walks the syntax tree of one page."""

    def __init__(self, words_of: TagWords, shown_code: ShownCode, title: str) -> None:
        self._words_of, self._shown_code = words_of, shown_code
        self._sections = SectionBuilder(title)

    def read(self, root: Node, fallback: str) -> Document:
        """Return the page; `fallback` is its title if it has no other."""
        self._container(root)
        return self._sections.finish(fallback)

    def _heading(self, node: Node) -> HeadingMark:
        words = self._inline(node.inline).text.replace("`", "")
        return HeadingMark(int(node.token.tag[1:]), words, node.token.meta["anchor"])

    def _container(self, node: Node) -> None:
        for is_table, nodes in table_runs(node.children):
            if is_table:
                for item in read_table(nodes, self._words_of):
                    self._sections.add(item)
            else:
                for child in nodes:
                    self._block(child)

    def _block(self, node: Node) -> None:
        kind = node.type
        if kind == "heading":
            self._sections.add(self._heading(node))
        elif kind == "blockquote":
            mark = self._sections.mark()
            self._container(node)
            self._sections.resume(mark)
        elif kind in _LISTS and any(inner.type == "heading" for inner in node.walk()):
            mark = self._sections.mark()
            for child in node.children:  # a heading starts a section at any depth
                self._container(child)
            self._sections.resume(mark)
        elif kind in _LISTS:
            links = set[str]()
            if text := "\n".join(self._list(node, links)):
                self._add("list", text, links)
        elif kind in ("html_block", "mdx_tag"):
            for item in self._fragment(node):
                self._sections.add(item)
        elif kind in ("fence", "code_block", "table"):
            if text := self._code_or_table(node):
                self._sections.add(Block("table" if kind == "table" else "code", text))
        elif kind == "inline" and (heading := self._jsx_heading(node.inline)):
            self._sections.add(heading)
        elif kind == "inline":
            line = self._inline(node.inline)
            if line.text:
                self._add("paragraph", line.text, line.links)
        elif kind not in ("hr", "mdx_esm", "footnote_anchor"):
            self._container(node)

    def _add(self, kind: Literal["paragraph", "list"], text: str, links: set[str]) -> None:
        self._sections.add(linked(kind, text, links))

    def _jsx_heading(self, tokens: Sequence[Token]) -> HeadingMark | None:
        """Read `<h2 id="x">…</h2>` in MDX; without an id it is an ordinary paragraph."""
        if not tokens or tokens[0].type != "mdx_tag":
            return None
        name, attributes = tokens[0].meta["tag"]
        if not _HEADING_TAG.fullmatch(name) or not attributes.get("id"):
            return None
        words = self._inline(tokens).text.replace("`", "")
        return HeadingMark(int(name[1]), words, attributes["id"])

    def _fragment(self, node: Node) -> list[Block | HeadingMark]:
        if node.type == "html_block":
            return read_fragment(node.token.content, self._words_of)
        words = self._words_of(*node.token.meta["tag"])
        return [Block("paragraph", words)] if words else []

    def _code_or_table(self, node: Node) -> str:
        """Return code as a fenced block or a table as Markdown rows; "" if it is empty."""
        if node.type == "table":
            rows = [
                [self._inline(cell.inline).text for cell in row.children]
                for part in node.children
                for row in part.children
            ]
            return markdown_table(rows) if any(any(row) for row in rows) else ""
        info = node.token.info.strip() if node.type == "fence" else ""
        code = self._shown_code(node.token.content, info).rstrip("\n")
        language = _LANGUAGE.match(info)
        return fenced(code, language[0] if language else "") if code.strip() else ""

    def _list(self, node: Node, links: set[str]) -> Iterator[str]:
        """Yield the lines of a list: marker and text, then the rest of the item, indented."""
        start = node.token.attrs.get("start", 1)
        number = start if isinstance(start, int) else 1
        for item in node.children:
            marker = f"{number}." if node.type == "ordered_list" else "-"
            number += 1
            lines: list[str] = []
            for text in self._item(item, links):
                lines += text.split("\n")
            indent = " " * (len(marker) + 1)
            if lines:
                yield f"{marker} {lines[0]}"
                yield from (indent + line if line else "" for line in lines[1:])

    def _item(self, node: Node, links: set[str]) -> Iterator[str]:
        """Yield the parts of a list item as text."""
        previous = ""
        for child in node.children:
            kind = child.type
            if kind in _LISTS:
                text = "\n".join(self._list(child, links))
            elif kind in ("fence", "code_block", "table"):
                text = self._code_or_table(child)
                links.add("text")
            elif kind in ("html_block", "mdx_tag"):
                items = self._fragment(child)
                text = "\n".join(i.words if isinstance(i, HeadingMark) else i.text for i in items)
                links |= {"text"} if text else set()
            elif kind == "inline":
                line = self._inline(child.inline)
                text = line.text
                links |= line.links
            else:
                text = "\n".join(self._item(child, links))
            if text:
                if previous == "paragraph" and kind == "paragraph":
                    yield ""
                yield text
                previous = kind

    def _inline(self, tokens: Sequence[Token]) -> InlineText:
        return InlineText(tokens, self._words_of)
