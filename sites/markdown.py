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

from sites.attributes import CurlyAttributes
from sites.html_tags import TagWords, tag_words
from sites.inline_text import plain_text
from sites.markdown_sections import SectionReader, ShownCode
from sites.sections import UNCLOSED_COMMENT, Document
from sites.slugs import Slugger, github_slugger
from sites.tree import read_tree

_PLAIN = re.compile(r"[^\n\\`*_\[\]!<>&{}~$:^|#+]*+")
"""Text in which no dialect has markup."""
_TAG = re.compile(r"<[a-zA-Z/!][^<>]*+>")
MAX_INLINE = 20_000
"""Characters of one paragraph; longer ones are kept as text without tags."""
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
    heading_id: Callable[[list[Token]], str] = CurlyAttributes(ids_only=True).heading_id
    """Removes an id written by the author from a heading's tokens and returns it, or ""."""
    h1_has_anchor: bool = True
    terms_have_anchors: bool = False
    """Whether the terms of definition lists get anchors, too, and so number those after them."""
    tag_words: TagWords = tag_words
    shown_code: ShownCode = lambda code, info: code

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
        token.children = []
        text = token.content
        if is_too_long(text) or _PLAIN.fullmatch(text):
            text = without_tags(text)
            token.children += [Token("text", "", 0, content=text)] if text else []
        else:
            state.md.inline.parse(text, state.md, state.env, token.children)


def is_too_long(text: str) -> bool:
    """Return whether a paragraph could take quadratic time, so that it is kept as raw text."""
    return len(text) > MAX_INLINE or _unclosed(text) > MAX_UNCLOSED


def without_tags(text: str) -> str:
    """Remove the tags and most comments of HTML from text that is not parsed."""
    return _TAG.sub(" ", text) if "<" in text else text


def _unclosed(text: str) -> int:
    """Count unclosed `[`: the parser scans the rest of the text for each."""
    if text.count("[") <= MAX_UNCLOSED:
        return 0
    depth = 0
    for match in re.finditer(r"[\[\]]", text):
        depth = depth + 1 if match[0] == "[" else max(0, depth - 1)
    return depth


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
    reader = SectionReader(dialect.tag_words, dialect.shown_code, title)
    document = reader.read(read_tree(tokens), fallback)
    return replace(document, warnings=tuple(_warnings(tokens)))


def _warnings(tokens: Sequence[Token]) -> Iterator[str]:
    html = (token.content for token in tokens if token.type == "html_block")
    if any(content.rfind("<!--") > content.rfind("-->") for content in html):
        yield "has an HTML comment that is never closed; it hides the rest."
    texts = (child for token in tokens for child in token.children or () if child.type == "text")
    if any("<!--" in child.content for child in texts):
        yield UNCLOSED_COMMENT
    if any(token.level >= MAX_NESTING - 1 for token in tokens):
        yield (
            f"has lists nested more than {MAX_NESTING // 2} levels deep, or quotes {MAX_NESTING}; "
            "deeper content is left out."
        )


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
