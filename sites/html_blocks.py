"""Convert HTML to blocks and headings: whole pages, or raw HTML inside Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser

from rag.models import Block
from sites.block_text import code_language, code_span, fenced, markdown_table, raised
from sites.html_cleanup import prepare_html

_DROPPED = frozenset(
    {"script", "style", "template", "svg", "math", "noscript", "iframe", "object"}
    | {"nav", "footer", "button", "form", "select", "dialog"}
)
_DROPPED_CLASSES = frozenset(
    {"hash-link", "headerlink", "header-anchor", "anchor-link", "linenos", "toc", "toctree"}
    | {"table-of-contents", "theme-doc-toc-mobile", "theme-doc-breadcrumbs", "pagination-nav"}
    | {"md-source-file", "md-feedback", "md-content__button", "sr-only", "visually-hidden"}
    | {"VPDocFooter", "line-numbers-wrapper", "boring"}
    | {"footnote-ref", "footnote-reference", "footnote-backref", "data-footnote-backref"}
)
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source"}
    | {"track", "wbr"}
)
_BREAKING = frozenset(
    {"address", "article", "aside", "blockquote", "body", "center", "dd", "details", "div"}
    | {"dl", "dt", "fieldset", "figcaption", "figure", "header", "hr", "html", "label", "main"}
    | {"p", "section", "summary", "tbody", "tfoot", "thead", "caption"}
    | {"h1", "h2", "h3", "h4", "h5", "h6", "li", "menu", "ol", "pre", "table", "ul"}
)
_HEADING = re.compile("h[1-6]")
_CELLS = ("tr", "td", "th")
_LISTS = ("ul", "ol", "menu")
MAX_LIST_DEPTH = 20
"""Levels of lists that are indented; deeper ones are read at the last level."""
_BREAK = "\x00"
"""Stands for `<br>` until the text is joined."""


@dataclass(frozen=True, slots=True)
class HeadingMark:
    level: int
    words: str
    anchor: str


@dataclass(frozen=True, slots=True)
class HtmlPage:
    """The main part of a page and its metadata."""

    items: tuple[Block | HeadingMark, ...]
    title: str
    language: str
    redirects: bool


TagWords = Callable[[str, dict[str, str]], str]
"""(name, attributes) of an opening tag -> text that its attributes show, or ""."""


def tag_words(name: str, attributes: dict[str, str]) -> str:
    """Return the text that attributes put on the page: labels, titles, alt texts."""
    if name == "img":
        return attributes.get("alt", "")
    if name == "TabItem":
        return attributes.get("label") or attributes.get("value", "")
    if name[:1].isupper():
        return attributes.get("title") or attributes.get("label", "")
    return ""


def read_fragment(html: str, words_of: TagWords = tag_words) -> list[Block | HeadingMark]:
    """Return the visible content of a piece of HTML, in order."""
    return list(_read(html, words_of).items)


def read_page(html: str) -> HtmlPage:
    """Read the page's only article, else its main part, else its body."""
    reader = _read(html, tag_words)
    begin, end = reader.main or (0, len(reader.items))
    inside = [(b, e) for b, e in reader.articles if begin <= b and e <= end]
    if len(inside) == 1 and (inside[0][1] - inside[0][0]) * 2 >= end - begin:
        begin, end = inside[0]
    items = tuple(reader.items[begin:end])
    title = " ".join(reader.title.split())
    return HtmlPage(items, title, reader.language, reader.redirects)


def read_tag(html: str) -> tuple[str, dict[str, str]]:
    """Return the name and attributes of one tag; a closing tag's name starts with `/`."""
    reader = _TagReader()
    reader.feed(html)
    return reader.tag


class _TagReader(HTMLParser):
    tag: tuple[str, dict[str, str]] = ("!--", {})

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tag = (tag, {name: value or "" for name, value in attrs})

    handle_startendtag = handle_starttag

    def handle_endtag(self, tag: str) -> None:
        self.tag = (f"/{tag}", {})


def _read(html: str, words_of: TagWords) -> _Reader:
    reader = _Reader(words_of)
    reader.feed(prepare_html(html))
    reader.close()
    reader.finish()
    return reader


class _Reader(HTMLParser):
    def __init__(self, words_of: TagWords) -> None:
        super().__init__(convert_charrefs=True)
        self.items: list[Block | HeadingMark] = []
        self.title = self.language = ""
        self.redirects = False
        self.main: tuple[int, int] | None = None
        """Start and end (exclusive) of the main part in `items`."""
        self.articles: list[tuple[int, int]] = []
        self._article_begins: list[int] = []
        self._main_tag, self._main_depth, self._main_begin = "", 0, 0
        self._words_of = words_of
        self._dropping: list[str] = []
        self._in_title = False
        self._text: list[str] = []
        self._pre: str | None = None
        """Language of the code being read; None outside code."""
        self._code = self._code_at = 0
        self._in_link, self._links = False, set[str]()
        """Where the block's links lead, "page" or "site", and "text" for words outside of them."""
        self._heading: int | None = None
        self._anchor = ""
        self._lists: list[int] = []
        """For each open list its next number, or 0 for bullets."""
        self._lines: list[str] = []
        self._marker = ""
        self._rows: list[list[str]] | None = None

    # ------------------------------------------------------------ events

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._dropping:
            if tag == self._dropping[-1]:
                self._dropping.append(tag)
            return
        attributes = {name: value or "" for name, value in attrs}
        classes = frozenset(attributes.get("class", "").split())
        if tag in ("html", "body", "main"):
            self.language = attributes.get("lang") or attributes.get("xml:lang") or self.language
        slot = tag == "template" and any(name.startswith(("#", "v-")) for name in attributes)
        if (tag in _DROPPED and not slot) or (classes & _DROPPED_CLASSES and tag not in _VOID):
            self._dropping.append(tag)
        elif tag == "title":
            self._in_title = not self.title
        elif tag == "meta":
            self._meta(attributes.get("http-equiv", "").lower(), attributes.get("content", ""))
        elif self._pre is not None:
            self._pre = self._pre or code_language(attributes)
            if tag == "br":
                self._text.append("\n")
        else:
            self._open(tag, attributes)
            if words := self._words_of(tag, attributes):
                inline = tag == "img"
                if not inline:
                    self._flush()
                self._text.append(words)
                if not inline:
                    self._flush()

    def _meta(self, name: str, content: str) -> None:
        self.redirects = self.redirects or name == "refresh"
        if name == "content-language":
            self.language = self.language or content.partition(",")[0]

    def _open(self, tag: str, attributes: dict[str, str]) -> None:
        anchor = attributes.get("id", "")
        starts_heading = _HEADING.fullmatch(tag)
        in_heading = self._heading is not None and anchor and not starts_heading
        if tag in _BREAKING and not in_heading:
            self._flush()
        if starts_heading:
            self._heading = int(tag[1])
            self._anchor = anchor or self._anchor
        elif tag == "pre":
            self._pre = code_language(attributes)
        elif tag in _LISTS:
            start = attributes.get("start", "")
            number = int(start) if start.isascii() and start.isdigit() and len(start) < 9 else 1
            self._lists.append(number if tag == "ol" else 0)
        elif tag == "li":
            self._marker = "- "
            if self._lists and self._lists[-1]:
                self._marker = f"{self._lists[-1]}. "
                self._lists[-1] += 1
        elif tag == "table":
            self._rows = self._rows or []
        elif self._rows is not None and tag in _CELLS:
            self._flush()
            if tag == "tr" or not self._rows:
                self._rows.append([])
            if tag != "tr":
                self._rows[-1].append("")
        elif tag == "br":
            self._text.append(_BREAK)
        elif tag in ("code", "tt"):
            self._code_at = self._code_at if self._code else len(self._text)
            self._code += 1
        elif tag == "a" and "href" in attributes:
            self._in_link = True
            self._links.add("page" if attributes["href"].startswith("#") else "site")
        elif tag == "sup":  # 2<sup>n</sup> is not 2n
            self._text.append("^(")
        elif in_heading:
            self._anchor = self._anchor or anchor
        elif tag in ("section", "div"):  # Sphinx and others put the id around the heading
            self._anchor = anchor
        if tag == "article":
            self._article_begins.append(len(self.items))
        if self._main_depth and tag == self._main_tag:
            self._main_depth += 1
        elif (tag == "main" or attributes.get("role") == "main") and not self._main_tag:
            self._flush()
            self._main_tag, self._main_depth, self._main_begin = tag, 1, len(self.items)

    def handle_endtag(self, tag: str) -> None:
        if self._dropping:
            if tag == self._dropping[-1]:
                self._dropping.pop()
            return
        if tag == "title":
            self._in_title = False
        elif self._pre is not None:
            if tag == "pre":
                self._end_pre()
        elif tag in _LISTS:
            self._flush()
            del self._lists[-1:]
            if not self._lists:
                self._end_list()
        elif tag == "table":
            self._end_table()
        elif tag in ("code", "tt"):
            self._code = max(0, self._code - 1)
            if not self._code and (code := "".join(self._text[self._code_at :]).strip()):
                self._text[self._code_at :] = [code_span(code)]
        elif tag == "a":
            self._in_link = False
        elif tag == "sup":
            self._text.append(")")
        elif tag in _BREAKING or tag in _CELLS:
            self._flush()
        if tag == "article" and self._article_begins:
            self.articles.append((self._article_begins.pop(), len(self.items)))
        if self._main_depth and tag == self._main_tag:
            self._main_depth -= 1
            if not self._main_depth:
                self._flush()
                self.main = (self._main_begin, len(self.items))

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data
        elif not self._dropping:
            self._text.append(data.replace(_BREAK, ""))
            if not self._in_link and any(map(str.isalnum, data)):
                self._links.add("text")

    def finish(self) -> None:
        """Close everything the document left open."""
        if self._pre is not None:
            self._end_pre()
        self._flush()
        self._end_list()
        self._end_table()
        if self._main_depth:
            self.main = (self._main_begin, len(self.items))

    # ------------------------------------------------------------ pieces

    def _flush(self) -> None:
        """Finish the current heading, paragraph, list item or cell."""
        raw, self._text, self._code_at = raised("".join(self._text)), [], 0
        lines = (" ".join(line.split()) for line in raw.split(_BREAK))
        text = "\n".join(line for line in lines if line)
        if self._heading is not None:
            words = text.replace("`", "").replace("\n", " ")
            self._end_list()
            self._add(HeadingMark(self._heading, words, self._anchor))
            self._heading, self._anchor = None, ""
        elif not text:
            return
        elif self._rows and self._rows[-1]:
            cell = text.replace("\n", " ").replace("|", "\\|")
            self._rows[-1][-1] = f"{self._rows[-1][-1]} {cell}".strip()
        elif self._lists:
            indent = "  " * (min(len(self._lists), MAX_LIST_DEPTH) - 1)
            body = text.replace("\n", f"\n{indent}  ")
            if not self._marker and self._lines:  # another paragraph of the item
                self._lines.append("")
            self._lines.append(f"{indent}{self._marker or '  '}{body}")
            self._marker = ""
        else:
            self._add(Block("links" if self._only_links() else "paragraph", text))

    def _end_pre(self) -> None:
        raw, self._text = "".join(self._text).strip("\n"), []
        language, self._pre = self._pre or "", None
        if not raw.strip():
            return
        code = fenced(raw, language)
        if self._lists:
            indent = "  " * min(len(self._lists), MAX_LIST_DEPTH)
            self._lines += [indent + line if line else "" for line in code.split("\n")]
        else:
            self._add(Block("code", code))

    def _end_list(self) -> None:
        if self._lines and not (self._only_links() and "site" not in self._links):
            self._add(Block("links" if self._only_links() else "list", "\n".join(self._lines)))
        self._lines, self._marker = [], ""

    def _end_table(self) -> None:
        self._flush()
        rows, self._rows = [row for row in self._rows or [] if any(row)], None
        if rows:
            self._add(Block("table", markdown_table(rows)))

    def _add(self, item: Block | HeadingMark) -> None:
        self.items.append(item)
        self._links = set()

    def _only_links(self) -> bool:
        return bool(self._links) and "text" not in self._links
