"""The Markdown of mdBook: its rule for anchors, hidden lines of code and listings.

https://rust-lang.github.io/mdBook/format/mdbook.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from markdown_it.token import Token
from mdit_py_plugins.deflist import deflist_plugin

from sites.alerts import alerts
from sites.attributes import CurlyAttributes
from sites.html_tags import tag_words
from sites.inline_text import Words, no_text, plain_text
from sites.markdown import Dialect
from sites.slugs import mdbook_slugger

_HIDDEN = re.compile(r"[ \t]*#(?:[ \t]|$)")


def dialect(html: Mapping[str, Any], hidden: Mapping[str, Any]) -> Dialect:
    """Return the dialect for `[output.html]` and its prefixes of hidden lines by language."""
    terms = html.get("definition-lists") is not False
    anchors: Words = {"image": no_text, "footnote_ref": lambda token: str(token.meta["id"] + 1)}
    if html.get("smart-punctuation") is not False:  # which turns `--` into a dash
        anchors = {**anchors, "text": lambda token: re.sub("-{2,}", "–", token.content)}
    return Dialect(
        slugger=mdbook_slugger,
        plugins=(alerts, *((deflist_plugin,) if terms else ())),
        anchor_text=partial(plain_text, own=anchors),
        heading_id=_heading_id,
        terms_have_anchors=terms,
        tag_words=_tag_words,
        shown_code=partial(_shown_code, hidden),
    )


def _heading_id(tokens: list[Token]) -> str:
    """Remove the attributes of a heading, which may be `{}`; return its id, or ""."""
    last = tokens[-1] if tokens else None
    if last and last.type == "text" and last.content.endswith("{}"):
        last.content = last.content[:-2].rstrip(" \t")
        return ""
    return CurlyAttributes().heading_id(tokens)


def _shown_code(prefixes: Mapping[str, Any], code: str, info: str) -> str:
    """Remove the lines that the page hides: in Rust those that begin with `# `."""
    language, *options = re.split(r"[\s,]+", info)
    lines = code.split("\n")
    if language == "rust":
        shown = (line for line in lines if not _HIDDEN.match(line))
        return "\n".join(re.sub(r"^(\s*)##", r"\1#", line) for line in shown)
    given = [word.removeprefix("hidelines=") for word in options if word.startswith("hidelines=")]
    prefix = str(given[0] if given else prefixes.get(language, ""))
    return "\n".join(line for line in lines if not prefix or not line.lstrip().startswith(prefix))


def _tag_words(name: str, attributes: dict[str, str]) -> str:
    """Show the number, file and caption of a `<Listing>`, which the Rust books use."""
    if name.lower() != "listing":
        return tag_words(name, attributes)
    number, caption = attributes.get("number", ""), attributes.get("caption", "")
    words = f"Listing {number}" if number else "Listing" if caption else ""
    if file := attributes.get("file-name"):
        words = f"{words} ({file})".strip()
    caption = re.sub("<[^<>]*>", "", caption)
    return f"{words}: {caption}" if caption else words
