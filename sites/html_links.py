"""Read an HTML page's ids, links and metadata."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from sites.html_cleanup import prepare_html

_REFRESH = re.compile(r"^[0-9.]{1,9}[;,] {0,9}url {0,9}= {0,9}(.+)", re.IGNORECASE)


@dataclass(slots=True)
class Targets:
    """The parts of a page that the link checker and the crawler need."""

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


def read_targets(html: str) -> Targets:
    reader = _Reader()
    reader.feed(prepare_html(html))
    reader.close()
    return reader.found


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found = Targets()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: (value or "").strip() for name, value in attrs}
        found = self.found
        found.ids.add(given.get("id", ""))
        if tag == "a":
            found.ids.add(given.get("name", ""))
            found.links += filter(None, [given.get("href")])
        elif tag == "base":
            found.base = found.base or given.get("href", "")
        elif tag == "link":
            relations = given.get("rel", "").lower().split()
            if "canonical" in relations:
                found.canonical = found.canonical or given.get("href", "")
            if "sitemap" in relations:
                found.sitemaps.append(given.get("href", ""))
        elif tag == "meta":
            name = (given.get("property") or given.get("name", "")).lower()
            content = given.get("content", "")
            if name == "og:site_name":
                found.site_name = found.site_name or " ".join(content.split())
            elif name == "robots":
                said = content.lower().replace(",", " ").split()
                found.noindex = found.noindex or "noindex" in said or "none" in said
            elif given.get("http-equiv", "").lower() == "refresh":
                found.links += [to.strip("\"'") for to in _REFRESH.findall(content)]
