"""Convert inline Markdown tokens to text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter

from markdown_it.token import Token

from sites.block_text import code_span, raised
from sites.html_tags import TagWords, read_tag, tag_words

Words = Mapping[str, Callable[[Token], str]]
"""By the type of a token, the function that returns its text."""


def plain_text(tokens: Sequence[Token], own: Words | None = None) -> str:
    """Return the text of inline tokens without markup, as most generators slug it.

    `own` is for the types of tokens that a generator reads differently.
    """
    words = {**_PLAIN, **(own or {})}
    return "".join(words[token.type](token) for token in tokens if token.type in words)


def no_text(token: Token) -> str:
    return ""


_PLAIN: Words = {
    **dict.fromkeys(("text", "code_inline", "text_special", "entity"), attrgetter("content")),
    "softbreak": lambda token: "\n",
    "image": lambda token: plain_text(token.children or ()),
}
_TAGS_WITHOUT_SPACE = frozenset(
    {"a", "abbr", "b", "bdi", "bdo", "cite", "code", "del", "dfn", "em", "font", "i", "ins"}
    | {"kbd", "mark", "q", "s", "samp", "small", "span", "strong", "sub", "sup", "tt", "u"}
    | {"var", "wbr"}
)


class InlineText:
    """The text that the page shows for inline tokens."""

    def __init__(self, tokens: Sequence[Token], words_of: TagWords) -> None:
        self.links = set[str]()
        """As `linked` takes them."""
        self._words_of = words_of
        self._parts: list[str] = []
        self._in_link = 0
        for token in tokens:
            self._add(token)
        lines = raised("".join(self._parts)).split("\n")
        self.text = "\n".join(part for part in (" ".join(line.split()) for line in lines) if part)

    def _add(self, token: Token) -> None:
        kind = token.type
        if kind in ("text", "text_special", "entity", "emoji"):
            self._put(token.content)
        elif kind == "code_inline":
            self._put(code_span(token.content))
        elif kind == "softbreak":
            self._parts.append(" ")
        elif kind == "hardbreak":
            self._parts.append("\n")
        elif kind == "image":
            alt = plain_text(token.children or ())
            self._put(tag_words("img", {"src": str(token.attrs.get("src")), "alt": alt}))
        elif kind == "link_open":
            self._in_link += 1
            self.links.add("page" if str(token.attrs.get("href")).startswith("#") else "site")
        elif kind == "link_close":
            self._in_link -= 1
        elif kind == "mdx_expression":
            self._put(token.meta["words"])
        elif kind == "mdx_tag":
            self._tag(*token.meta["tag"])
        elif kind == "html_inline":
            self._tag(*read_tag(token.content))

    def _tag(self, name: str, attributes: dict[str, str]) -> None:
        bare = name.lstrip("/")
        if bare == "br":
            self._parts.append("\n")
        elif bare in ("code", "tt"):
            self._parts.append("`")
        elif bare == "sup":  # 2<sup>n</sup> is not 2n
            self._parts.append("^(" if name == bare else ")")
        elif bare not in _TAGS_WITHOUT_SPACE:
            self._parts.append(" ")
        if words := "" if name[:1] == "/" else self._words_of(name, attributes):
            self._put(f"{words} ")

    def _put(self, text: str) -> None:
        self._parts.append(text)
        if not self._in_link and any(ch.isalnum() for ch in text):
            self.links.add("text")
