"""Convert HTML to blocks and headings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Literal

from rag.models import Block
from sites.block_text import code_language, code_span, fenced, linked, markdown_table, raised
from sites.html_cleanup import prepare_html
from sites.html_tags import TagWords, tag_words, written_name

_DROPPED = frozenset(
    {"script", "style", "title", "template", "svg", "noscript", "iframe", "object"}
    | {"nav", "footer", "button", "form", "select", "dialog", "annotation", "mjx-assistive-mml"}
)
_DROPPED_CLASSES = frozenset(
    {"hash-link", "headerlink", "header-anchor", "anchor-link", "linenos", "toc", "toctree"}
    | {"table-of-contents", "theme-doc-toc-mobile", "theme-doc-breadcrumbs", "pagination-nav"}
    | {"md-source-file", "md-feedback", "md-content__button", "sr-only", "visually-hidden"}
    | {"VPDocFooter", "line-numbers-wrapper", "boring", "katex-mathml", "search-results"}
    | {"viewcode-link", "viewcode-back"}
    | {"footnote-ref", "footnote-reference", "footnote-backref", "data-footnote-backref"}
)
_LINE_NUMBERS = frozenset({"lnt", "ln", "lineno", "line-number", "linenumber", "gutter"})
"""Dropped in code and in cells, like what Hugo makes hard to select: numbers beside code."""
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source"}
    | {"track", "wbr"}
)
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_BREAKING = frozenset(
    {"address", "article", "aside", "blockquote", "body", "center", "dd", "details", "div"}
    | {"dl", "dt", "fieldset", "figcaption", "figure", "header", "hr", "html", "label", "main"}
    | {"p", "section", "summary", "tbody", "tfoot", "thead", "caption"}
    | {"li", "menu", "ol", "pre", "table", "ul", *_HEADINGS}
)
_CELLS = ("tr", "td", "th")
_LINES = ("div", "p", "li", "tr")
"""The elements that begin a line of code."""
_SIGNS = ("mi", "mn", "mo", "mtext")
"""The elements of formulas that hold text; `<msup><mn>2</mn><mi>n</mi></msup>` is not 2n."""
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


def read_fragment(html: str, words_of: TagWords = tag_words) -> list[Block | HeadingMark]:
    """Return the visible content of a piece of HTML, in order."""
    reader = BlockReader(words_of)
    reader.read(html)
    return reader.items


def fragment_words(html: str) -> str:
    """Return the visible words of a piece of HTML, or of plain text, on one line."""
    if "<" not in html and "&" not in html:
        return " ".join(html.split())
    items = read_fragment(html)
    texts = (item.words if isinstance(item, HeadingMark) else item.text for item in items)
    return " ".join(" ".join(texts).split())


class BlockReader(HTMLParser):
    """Collects blocks and headings."""

    def __init__(self, words_of: TagWords = tag_words) -> None:
        super().__init__(convert_charrefs=True)
        self.items: list[Block | HeadingMark] = []
        self._words_of = words_of
        self.dropping: list[str] = []
        """Open elements of which nothing is read."""
        self._text: list[str] = []
        self._pre: str | None = None
        """Language of the code being read; None outside code."""
        self._code = self._code_at = 0
        self._in_link, self._links = False, set[str]()
        """The links are as `linked` takes them."""
        self._heading: int | None = None
        self._anchor = ""
        self._lists: list[int] = []
        """For each open list its next number, or 0 for bullets."""
        self._lines: list[str] = []
        self._marker = ""
        self._rows: list[list[str]] | None = None
        self._is_frame = False
        """Whether a table begins that only puts an icon beside text, as AsciiDoc's notes do."""

    def read(self, html: str) -> None:
        """Read a whole document or fragment."""
        self.feed(prepare_html(html))
        self.close()
        self.finish()

    # ------------------------------------------------------------ events

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self.dropping:
            if tag == self.dropping[-1]:
                self.dropping.append(tag)
            return
        attributes = {name: value or "" for name, value in attrs}
        if self._is_dropped(tag, attributes):
            self.dropping.append(tag)
        elif self._pre is not None:
            self._pre = self._pre or code_language(attributes)
            next_line = tag in _LINES and self._text and self._text[-1][-1:] != "\n"
            if tag == "br" or next_line:
                self._text.append("\n")
        else:
            self._open(tag, attributes)
            if words := self._words_of(written_name(tag, self.get_starttag_text()), attributes):
                inline = tag == "img"
                if not inline:
                    self.flush()
                shown = words.replace("\n", _BREAK)
                self._text.append(f" {shown} ")
                if not inline:
                    self.flush()

    def _is_dropped(self, tag: str, attributes: Mapping[str, str]) -> bool:
        """Return whether nothing of an element is read."""
        classes = frozenset(attributes.get("class", "").split())
        slot = tag == "template" and any(name.startswith(("#", "v-")) for name in attributes)
        if tag in _DROPPED and not slot:
            return True
        if tag in _VOID:
            return False
        if self._pre is not None or tag == "td":
            style = attributes.get("style", "").replace(" ", "")
            if classes & _LINE_NUMBERS or "user-select:none" in style:
                return True
        refers = tag == "sup" and not classes.isdisjoint(("footnote", "footnoteref"))
        refers = refers or "data-footnote-ref" in attributes
        return refers or bool(classes & _DROPPED_CLASSES)

    def _open(self, tag: str, attributes: dict[str, str]) -> None:
        anchor = attributes.get("id", "")
        starts_heading = tag in _HEADINGS
        in_heading = self._heading is not None and anchor and not starts_heading
        if tag in _BREAKING and not in_heading:
            self.flush()
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
            if not self._is_frame and "highlighttable" not in attributes.get("class", ""):
                self._rows = self._rows or []
            self._is_frame = False
        elif self._rows is not None and tag in _CELLS:
            self.flush()
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
            self._is_frame = "admonitionblock" in attributes.get("class", "")

    def handle_endtag(self, tag: str) -> None:
        if self.dropping:
            if tag == self.dropping[-1]:
                self.dropping.pop()
            return
        if self._pre is not None:
            if tag == "pre":
                self._end_pre()
        elif tag in _LISTS:
            self.flush()
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
        elif tag in _SIGNS:
            self._text.append(" ")
        elif tag in _BREAKING or tag in _CELLS:
            self.flush()

    def handle_data(self, data: str) -> None:
        if not self.dropping:
            self._text.append(data.replace(_BREAK, ""))
            if not self._in_link and any(map(str.isalnum, data)):
                self._links.add("text")

    def finish(self) -> None:
        """Close everything the document left open."""
        if self._pre is not None:
            self._end_pre()
        self._end_table()
        self._end_list()

    # ------------------------------------------------------------ pieces

    def flush(self) -> None:
        """Finish the current heading, paragraph, list item or cell."""
        raw, self._text, self._code_at = "".join(self._text), [], 0
        if self._heading is None and not raw.strip():
            return
        lines = (" ".join(line.split()) for line in raised(raw).split(_BREAK))
        text = "\n".join(line for line in lines if line)
        if self._heading is not None:
            words = text.replace("`", "").replace("\n", " ")
            self._end_list()
            self._add(HeadingMark(self._heading, words, self._anchor))
            self._heading, self._anchor = None, ""
        elif not text:
            return
        elif self._rows and self._rows[-1]:
            self._rows[-1][-1] = f"{self._rows[-1][-1]} {text}".strip()
        elif self._lists:
            indent = "  " * (min(len(self._lists), MAX_LIST_DEPTH) - 1)
            body = text.replace("\n", f"\n{indent}  ")
            if not self._marker and self._lines:  # another paragraph of the item
                self._lines.append("")
            self._lines.append(f"{indent}{self._marker or '  '}{body}")
            self._marker = ""
        else:
            self._add(linked("paragraph", text, self._links))

    def _end_pre(self) -> None:
        raw, self._text = "".join(self._text).strip("\n"), []
        language, self._pre = self._pre or "", None
        if not raw.strip():
            return
        self._add_lines("code", fenced(raw, language))

    def _end_list(self) -> None:
        if self._lines:
            self._add(linked("list", "\n".join(self._lines), self._links))
        self._lines, self._marker = [], ""

    def _end_table(self) -> None:
        self.flush()
        rows, self._rows = [row for row in self._rows or [] if any(row)], None
        if rows:
            self._add_lines("table", markdown_table(rows))

    def _add_lines(self, kind: Literal["code", "table"], text: str) -> None:
        """Add code or a table; in a list it is a part of its item."""
        if self._lists:
            indent = "  " * min(len(self._lists), MAX_LIST_DEPTH)
            first, *rest = text.split("\n")
            self._lines.append(f"{indent[2:]}{self._marker or '  '}{first}")
            self._lines += [indent + line if line else "" for line in rest]
            self._marker = ""
        else:
            self._add(Block(kind, text))

    def _add(self, item: Block | HeadingMark) -> None:
        self.items.append(item)
        self._links = set()
