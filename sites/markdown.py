"""Convert a Markdown page to sections and blocks, as the site shows it.

One parser serves every generator. A `Dialect` holds the differences: parser plugins and the
rule for anchors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from mdit_py_plugins.footnote import footnote_plugin

from rag.models import Block
from sites.attributes import trailing_id
from sites.block_text import fenced, markdown_table
from sites.html_blocks import (
    HeadingMark,
    TagWords,
    read_fragment,
    tag_words,
)
from sites.inline_text import InlineText, LinkCount, plain_text
from sites.sections import UNCLOSED_COMMENT, Document, SectionBuilder
from sites.slugs import Slugger, github_slugger
from sites.tree import Node, read_tree

MAX_INLINE = 20_000
"""Characters of one paragraph; longer ones are kept as raw text."""
MAX_UNCLOSED = 100
"""Unclosed brackets in one paragraph; with more it is kept as raw text."""
MAX_NESTING = 40
"""Levels of quotes, and twice those of lists; deeper content is left out."""


@dataclass(frozen=True)
class Dialect:
    """The differences between generators."""

    slugger: Callable[[], Slugger] = github_slugger
    """Makes a page's slugger."""
    plugins: tuple[Callable[[MarkdownIt], None], ...] = ()
    anchor_text: Callable[[Sequence[Token]], str] = plain_text
    """Returns the text of a heading's tokens that is slugged."""
    heading_id: Callable[[list[Token]], str] = trailing_id
    """Removes an id written by the author from a heading's tokens and returns it, or ""."""
    h1_has_anchor: bool = True
    terms_have_anchors: bool = False
    """Whether the terms of definition lists get anchors, too, and so number those after them."""
    tag_words: TagWords = tag_words
    shown_code: Callable[[str, str], str] = lambda code, info: code
    """(code, info string) -> the code as the page shows it."""

    def parser(self) -> MarkdownIt:
        md = MarkdownIt("commonmark", {"maxNesting": MAX_NESTING})
        md.normalizeLink = lambda url: url  # type: ignore[method-assign]  # no page shows it
        md.enable(["table", "strikethrough"]).use(footnote_plugin).disable("footnote_inline")
        md.core.ruler.at("inline", _bounded_inline)
        for plugin in self.plugins:
            plugin(md)
        return md


def _bounded_inline(state: StateCore) -> None:
    """Parse inline Markdown, except in huge paragraphs, where it could take quadratic time."""
    for token in state.tokens:
        if token.type != "inline":
            continue
        if token.children is None:
            token.children = []
        text = token.content
        if is_too_long(text) or _PLAIN.fullmatch(text):
            token.children += [Token("text", "", 0, content=text)] if text else []
        else:
            state.md.inline.parse(text, state.md, state.env, token.children)


def is_too_long(text: str) -> bool:
    """Return whether a paragraph could take quadratic time, so that it is kept as raw text."""
    return len(text) > MAX_INLINE or _unclosed(text) > MAX_UNCLOSED


def _unclosed(text: str) -> int:
    """Count unclosed `[`: the parser scans the rest of the text for each."""
    if text.count("[") <= MAX_UNCLOSED:
        return 0
    depth = 0
    for match in re.finditer(r"[\[\]]", text):
        depth = depth + 1 if match[0] == "[" else max(0, depth - 1)
    return depth


_PLAIN = re.compile(r"[^\n\\`*_\[\]!<>&{}~$:^|#+]*+")
"""Text in which no dialect has markup."""
_LISTS = ("bullet_list", "ordered_list")
_HEADING_TAG = re.compile(r"h[1-6]")
_LANGUAGE = re.compile(r"[\w+#.-]{1,40}")


def read_markdown(
    text: str, dialect: Dialect, parser: MarkdownIt, title: str = "", fallback: str = ""
) -> Document:
    """Parse one page. `title` wins over the first heading; `fallback` is used without either."""
    return read_tokens(parser.parse(text), dialect, title, fallback)


def read_tokens(
    tokens: Sequence[Token], dialect: Dialect, title: str = "", fallback: str = ""
) -> Document:
    """Do the same for a page that is already parsed into tokens."""
    give_anchors(tokens, dialect)
    document = _Page(dialect, title).read(read_tree(tokens), fallback)
    warnings = list(document.warnings)
    texts = (child for token in tokens for child in token.children or () if child.type == "text")
    if any("<!--" in child.content for child in texts):
        warnings.append(UNCLOSED_COMMENT)
    if any(token.level >= MAX_NESTING - 1 for token in tokens):
        warnings.append(
            f"has lists nested more than {MAX_NESTING // 2} levels deep, or quotes {MAX_NESTING}; "
            "deeper content is left out."
        )
    return replace(document, warnings=tuple(warnings))


def give_anchors(tokens: Sequence[Token], dialect: Dialect) -> None:
    """Store in each heading token the anchor that the generator gives it.

    Headings that already have an anchor are skipped: they belong to another file.
    """
    kinds = ("heading_open", "dt_open") if dialect.terms_have_anchors else ("heading_open",)
    headings = [
        (token, tokens[at + 1].children or [])
        for at, token in enumerate(tokens)
        if token.type in kinds and "anchor" not in token.meta
    ]
    explicit = [dialect.heading_id(children) for _, children in headings]
    slug = dialect.slugger()
    for (token, children), name in zip(headings, explicit, strict=True):
        anchor = slug(dialect.anchor_text(children), name)
        token.meta["anchor"] = "" if token.tag == "h1" and not dialect.h1_has_anchor else anchor


class _Page:
    """Walks the syntax tree of one page."""

    def __init__(self, dialect: Dialect, title: str) -> None:
        self._dialect = dialect
        self._sections = SectionBuilder(title)
        self._open_comment = False

    def read(self, root: Node, fallback: str) -> Document:
        self._container(root)
        warning = "has an HTML comment that is never closed; it hides the rest."
        document = self._sections.finish(fallback)
        return replace(document, warnings=(warning,) if self._open_comment else ())

    def _heading(self, node: Node) -> HeadingMark:
        words = self._inline(node.inline).text.replace("`", "")
        return HeadingMark(int(node.token.tag[1:]), words, node.token.meta["anchor"])

    # ------------------------------------------------------------ blocks

    def _container(self, node: Node) -> None:
        for child in node.children:
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
            links = LinkCount()
            text = "\n".join(self._list(node, links))
            if text and not (links.only and links.local):
                self._sections.add(Block("links" if links.only else "list", text))
        elif kind == "html_block" or kind == "mdx_tags":
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
                self._sections.add(Block("links" if line.links.only else "paragraph", line.text))
        elif kind not in ("hr", "mdx_esm", "footnote_anchor"):
            self._container(node)

    def _jsx_heading(self, tokens: Sequence[Token]) -> HeadingMark | None:
        """Read `<h2 id="x">…</h2>` in MDX; without an id it is an ordinary paragraph."""
        if not tokens or tokens[0].type != "mdx_tag":
            return None
        name, attributes = tokens[0].meta["tags"][0]
        if not _HEADING_TAG.fullmatch(name) or not attributes.get("id"):
            return None
        words = self._inline(tokens).text.replace("`", "")
        return HeadingMark(int(name[1]), words, attributes["id"])

    def _fragment(self, node: Node) -> list[Block | HeadingMark]:
        if node.type == "html_block":
            if node.token.content.rfind("<!--") > node.token.content.rfind("-->"):
                self._open_comment = True
            return read_fragment(node.token.content, self._dialect.tag_words)
        words = (self._dialect.tag_words(name, attrs) for name, attrs in node.token.meta["tags"])
        return [Block("paragraph", text) for text in words if text]

    def _code_or_table(self, node: Node) -> str:
        """Return code as a fenced block or a table as Markdown rows; "" if it is empty."""
        if node.type == "table":
            rows = [
                [self._inline(cell.inline).text.replace("|", "\\|") for cell in row.children]
                for part in node.children
                for row in part.children
            ]
            return markdown_table(rows) if any(any(row) for row in rows) else ""
        info = node.token.info.strip() if node.type == "fence" else ""
        code = self._dialect.shown_code(node.token.content, info).rstrip("\n")
        language = _LANGUAGE.match(info)
        return fenced(code, language[0] if language else "") if code.strip() else ""

    def _list(self, node: Node, links: LinkCount) -> Iterator[str]:
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

    def _item(self, node: Node, links: LinkCount) -> Iterator[str]:
        """Yield the parts of a list item as text."""
        previous = ""
        for child in node.children:
            kind = child.type
            if kind in _LISTS:
                text = "\n".join(self._list(child, links))
            elif kind in ("fence", "code_block", "table"):
                text, links.other = self._code_or_table(child), True
            elif kind in ("html_block", "mdx_tags"):
                items = self._fragment(child)
                text = "\n".join(i.words if isinstance(i, HeadingMark) else i.text for i in items)
                links.other |= bool(text)
            elif kind == "inline":
                line = self._inline(child.inline)
                text = line.text
                links.merge(line.links)
            else:
                text = "\n".join(self._item(child, links))
            if text:
                if previous == "paragraph" and kind == "paragraph":
                    yield ""
                yield text
                previous = kind

    # ------------------------------------------------------------ inline

    def _inline(self, tokens: Sequence[Token]) -> InlineText:
        return InlineText(tokens, self._dialect.tag_words)
