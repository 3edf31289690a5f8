"""Read a whole HTML page: its main part as blocks and headings, and its metadata."""

from __future__ import annotations

from dataclasses import dataclass

from rag.models import Block
from sites.html_blocks import BlockReader, HeadingMark


@dataclass(frozen=True, slots=True)
class HtmlPage:
    """The main part of a page and its metadata."""

    items: tuple[Block | HeadingMark, ...]
    title: str
    language: str
    redirects: bool


def read_page(html: str) -> HtmlPage:
    """Read the page's only article, else its main part, else its body."""
    reader = _PageReader()
    reader.read(html)
    begin, end = reader.main or (0, len(reader.items))
    inside = [(b, e) for b, e in reader.articles if begin <= b and e <= end]
    if len(inside) == 1 and (inside[0][1] - inside[0][0]) * 2 >= end - begin:
        begin, end = inside[0]
    items = tuple(reader.items[begin:end])
    title = " ".join(reader.title.split())
    return HtmlPage(items, title, reader.language, reader.redirects)


class _PageReader(BlockReader):
    def __init__(self) -> None:
        super().__init__()
        self.title = self.language = ""
        self.redirects = False
        self.main: tuple[int, int] | None = None
        """Start and end (exclusive) of the main part in `items`."""
        self.articles: list[tuple[int, int]] = []
        self._article_begins: list[int] = []
        self._main_tag, self._main_depth, self._main_begin = "", 0, 0
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if not self.dropping:
            self._metadata(tag, {name: value or "" for name, value in attrs})
        super().handle_starttag(tag, attrs)
        if self.dropping:
            return
        if tag == "article":
            self._article_begins.append(len(self.items))
        if self._main_depth and tag == self._main_tag:
            self._main_depth += 1
        elif not self._main_tag and (tag == "main" or ("role", "main") in attrs):
            self.flush()
            self._main_tag, self._main_depth, self._main_begin = tag, 1, len(self.items)

    def _metadata(self, tag: str, attributes: dict[str, str]) -> None:
        if tag in ("html", "body", "main"):
            self.language = attributes.get("lang") or attributes.get("xml:lang") or self.language
        elif tag == "title":
            self._in_title = not self.title
        elif tag == "meta":
            name = attributes.get("http-equiv", "").lower()
            self.redirects = self.redirects or name == "refresh"
            if name == "content-language":
                content = attributes.get("content", "").partition(",")[0]
                self.language = self.language or content

    def handle_endtag(self, tag: str) -> None:
        dropped = bool(self.dropping)
        super().handle_endtag(tag)
        if dropped:
            self._in_title = self._in_title and bool(self.dropping)
            return
        if tag == "article" and self._article_begins:
            self.articles.append((self._article_begins.pop(), len(self.items)))
        if self._main_depth and tag == self._main_tag:
            self._main_depth -= 1
            if not self._main_depth:
                self.flush()
                self.main = (self._main_begin, len(self.items))

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data
        super().handle_data(data)

    def finish(self) -> None:
        super().finish()
        if self._main_depth:
            self.main = (self._main_begin, len(self.items))
