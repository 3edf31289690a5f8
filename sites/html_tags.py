"""Read a single HTML tag, and the text that its attributes put on the page."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser

TagWords = Callable[[str, dict[str, str]], str]
"""(name, attributes) of an opening tag -> text that its attributes show, or "".

The name of a component such as `LinkCard` is as its author wrote it, any other in lower case.
"""
_TEXT_ATTRIBUTE = re.compile(
    r"(?!aria|context)\w*(?:title|label|text|heading|header|caption|description|summary)|alt",
    re.IGNORECASE,
)
"""Names that components give to attributes which they show."""


_DARK = ("#only-dark", "#gh-dark-mode-only")
"""Ends the address of a picture that Material or GitHub shows in place of one for light mode."""


def tag_words(name: str, attributes: dict[str, str]) -> str:
    """Return the text that attributes put on the page."""
    twin = attributes.get("src", "").endswith(_DARK)
    return attributes.get("alt", "") if name == "img" and not twin else ""


def shows(key: str) -> bool:
    """Return whether a component shows an attribute with a name."""
    return _TEXT_ATTRIBUTE.fullmatch(key) is not None


def component_words(name: str, attributes: dict[str, str]) -> str:
    """Do the same where tags may be components."""
    if not name[:1].isupper():
        return tag_words(name, attributes)
    return "\n".join(text for key, text in attributes.items() if shows(key))


def written_name(tag: str, source: str | None) -> str:
    """Return the name for `TagWords` of a tag that a parser calls `tag`, by its source."""
    name = (source or "")[1 : len(tag) + 1]
    return tag if name.isupper() else name


def read_tag(html: str) -> tuple[str, dict[str, str]]:
    """Return the name and attributes of one tag; a closing tag's name starts with `/`."""
    reader = _TagReader()
    reader.feed(html)
    return reader.tag


class _TagReader(HTMLParser):
    tag: tuple[str, dict[str, str]] = ("!--", {})

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        name = written_name(tag, self.get_starttag_text())
        self.tag = (name, {key: value or "" for key, value in attrs})

    handle_startendtag = handle_starttag

    def handle_endtag(self, tag: str) -> None:
        self.tag = (f"/{tag}", {})
