"""Read a whole HTML page: its main part as blocks and headings, metadata, ids and links."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from rag.models import Block
from sites.html_blocks import BlockReader, HeadingMark

_REFRESH = re.compile(r"^[0-9.]{1,9}[;,] {0,9}url {0,9}= {0,9}(.+)", re.IGNORECASE)


@dataclass(slots=True)
class HtmlPage:
    """A page as the reader of built HTML, the crawler and the link checker need it."""

    items: tuple[Block | HeadingMark, ...] = ()
    """Of the main part."""
    title: str = ""
    language: str = ""
    redirects: bool = False
    ids: set[str] = field(default_factory=set)
    """The id of every element and the name of every `<a name>`."""
    links: list[str] = field(default_factory=list)
    """Every `<a href>` and redirect, in order; relative to `base` if that is set."""
    base: str = ""
    canonical: str = ""
    site_name: str = ""
    noindex: bool = False
    sitemaps: list[str] = field(default_factory=list)
    """Every `<link rel="sitemap">`."""


def read_page(html: str) -> HtmlPage:
    """Read the page's only article, else its main part, else its body."""
    reader = _PageReader()
    reader.read(html)
    begin, end = reader.main or (0, len(reader.items))
    inside = [(b, e) for b, e in reader.articles if begin <= b and e <= end]
    if len(inside) == 1 and (inside[0][1] - inside[0][0]) * 2 >= end - begin:
        begin, end = inside[0]
    page = reader.page
    page.items = tuple(reader.items[begin:end])
    page.title = " ".join(page.title.split())
    return page


class _PageReader(BlockReader):
    def __init__(self) -> None:
        super().__init__()
        self.page = HtmlPage()
        self.main: tuple[int, int] | None = None
        """Start and end (exclusive) of the main part in `items`."""
        self.articles: list[tuple[int, int]] = []
        self._article_begins: list[int] = []
        self._main_tag, self._main_depth, self._main_begin = "", 0, 0
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: (value or "").strip() for name, value in attrs}
        self._targets(tag, attributes)
        if not self.dropping:
            self._metadata(tag, attributes)
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

    def _targets(self, tag: str, attributes: dict[str, str]) -> None:
        """Read the ids, links and metadata that count anywhere on the page."""
        page, href = self.page, attributes.get("href", "")
        page.ids.add(attributes.get("id", ""))
        if tag == "a":
            page.ids.add(attributes.get("name", ""))
            page.links += filter(None, [href])
        elif tag == "base":
            page.base = page.base or href
        elif tag == "link":
            relations = attributes.get("rel", "").lower().split()
            if "canonical" in relations:
                page.canonical = page.canonical or href
            if "sitemap" in relations:
                page.sitemaps.append(href)
        elif tag == "meta":
            name = (attributes.get("property") or attributes.get("name", "")).lower()
            content = attributes.get("content", "")
            if name == "og:site_name":
                page.site_name = page.site_name or " ".join(content.split())
            elif name == "robots":
                said = content.lower().replace(",", " ").split()
                page.noindex = page.noindex or "noindex" in said or "none" in said
            elif attributes.get("http-equiv", "").lower() == "refresh":
                page.links += [to.strip("\"'") for to in _REFRESH.findall(content)]

    def _metadata(self, tag: str, attributes: dict[str, str]) -> None:
        page = self.page
        if tag in ("html", "body", "main"):
            page.language = attributes.get("lang") or attributes.get("xml:lang") or page.language
        elif tag == "title":
            self._in_title = not page.title
        elif tag == "meta":
            name = attributes.get("http-equiv", "").lower()
            page.redirects = page.redirects or name == "refresh"
            if name == "content-language":
                content = attributes.get("content", "").partition(",")[0]
                page.language = page.language or content

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
            self.page.title += data
        super().handle_data(data)

    def finish(self) -> None:
        super().finish()
        if self._main_depth:
            self.main = (self._main_begin, len(self.items))
