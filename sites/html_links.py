"""Read an HTML page's ids, links and metadata."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser

from sites.html_cleanup import prepare_html

_REFRESH = re.compile(r"^[0-9.]{1,9}[;,] {0,9}url {0,9}= {0,9}(.+)", re.IGNORECASE)
_LINKS = {"a": "href", "area": "href", "frame": "src"}


@dataclass(frozen=True, slots=True)
class Targets:
    """The parts of a page that the link checker and the crawler need."""

    ids: frozenset[str]
    """The id of every element and the name of every `<a name>`."""
    links: tuple[str, ...]
    """Every `<a href>`, frame and redirect, in order; relative to `base` if that is set."""
    base: str
    canonical: str
    site_name: str
    noindex: bool
    sitemaps: tuple[str, ...] = ()
    """Every `<link rel="sitemap">`."""


def read_targets(html: str) -> Targets:
    reader = _Reader()
    reader.feed(prepare_html(html))
    reader.close()
    return Targets(
        frozenset(reader.ids),
        tuple(dict.fromkeys(reader.links)),
        reader.base,
        reader.canonical,
        " ".join(reader.site_name.split()),
        reader.noindex,
        tuple(reader.sitemaps),
    )


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.sitemaps: list[str] = []
        self.base = self.canonical = self.site_name = ""
        self.noindex = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: (value or "").strip() for name, value in attrs}
        self.ids.add(given.get("id", ""))
        if tag == "a":
            self.ids.add(given.get("name", ""))
        if tag in _LINKS:
            self.links += filter(None, [given.get(_LINKS[tag])])
        elif tag == "base":
            self.base = self.base or given.get("href", "")
        elif tag == "link":
            relations = given.get("rel", "").lower().split()
            if "canonical" in relations:
                self.canonical = self.canonical or given.get("href", "")
            if "sitemap" in relations:
                self.sitemaps.append(given.get("href", ""))
        elif tag == "meta":
            name = (given.get("property") or given.get("name", "")).lower()
            content = given.get("content", "")
            if name == "og:site_name":
                self.site_name = self.site_name or content
            elif name == "robots":
                said = content.lower().replace(",", " ").split()
                self.noindex = self.noindex or "noindex" in said or "none" in said
            elif given.get("http-equiv", "").lower() == "refresh":
                self.links += [to.strip("\"'") for to in _REFRESH.findall(content)]
