"""Read a single HTML tag, and the text that its attributes put on the page."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser

TagWords = Callable[[str, dict[str, str]], str]
"""(name, attributes) of an opening tag -> text that its attributes show, or ""."""


_DARK = ("#only-dark", "#gh-dark-mode-only")
"""Ends the address of a picture that Material or GitHub shows in place of one for light mode."""


def tag_words(name: str, attributes: dict[str, str]) -> str:
    """Return the text that attributes put on the page."""
    twin = attributes.get("src", "").endswith(_DARK)
    return attributes.get("alt", "") if name == "img" and not twin else ""


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
