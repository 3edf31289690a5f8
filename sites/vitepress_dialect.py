"""The Markdown of VitePress: containers, titles of code, snippets and its rule for anchors."""

from __future__ import annotations

import re
from functools import partial
from itertools import pairwise
from pathlib import PurePosixPath

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from sites.alerts import alerts
from sites.attributes import CurlyAttributes
from sites.block_rules import add_block
from sites.directives import directives
from sites.dollar_math import dollar_math
from sites.emoji import emoji
from sites.fences import fence_titles, label
from sites.html_tags import component_words
from sites.inline_text import Words, no_text, plain_text
from sites.markdown import Dialect
from sites.records import described
from sites.script import evaluate
from sites.slugs import Slugger, vitepress_slugger
from sites.vue_tags import vue_tags

_MARK = re.compile(
    r"(?<![ \t])[ \t]*+(?://|#|--|/\*|<!--)[ \t]*+\[!code [^\]\n]{0,200}\][ \t]*+(?:\*/|-->)?"
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*+m")
_TWOSLASH = re.compile(
    r"[ \t]*+//[ \t]*+(?:---cut(?P<cut>|-before|-after|-start|-end)---|\^[?|^].*"
    r"|@(?!(?:filename|log|warn|error|annotate)\b)[A-Za-z]\w*+(?::.*)?)\s*"
)
_CONTENTS = re.compile(r"\[\[toc\]\][ \t]*+", re.IGNORECASE)
_SNIPPET = re.compile(
    r"<<<[ \t]*+(?P<path>[^{}\n]{1,500}?)(?:(?P<region>\#[\w-]++))?"
    r"[ \t]*+(?:\{(?P<options>[^{}\n]*)\})?[ \t]*+(?:\[(?P<label>[^\[\]\n]*)\])?[ \t]*+"
)


_ANCHORS: Words = {
    "entity": lambda token: token.markup,
    "softbreak": no_text,
    "image": no_text,
}
"""The text of a heading like markdown-it-anchor: text and code, without emoji.

Entities stay as typed: VitePress leaves them for Vue.
"""


def _keep_entities(md: MarkdownIt) -> None:
    def rule(state: StateCore) -> None:
        for token in state.tokens:
            before = ""
            for child, after in pairwise([*(token.children or ()), Token("", "", 0)]):
                kind = child.type  # an entity that is not beside text is decoded
                beside_text = "text" in (before[:4], after.type[:4])
                if kind == "text_special" and child.info == "entity" and beside_text:
                    child.type = "entity"
                before = kind

    md.core.ruler.before("text_join", "keep_entities", rule)


def _shown_code(code: str, info: str) -> str:
    """Remove `[!code …]` marks and the colours of terminals, which only control highlighting."""
    code = _without_hidden(code) if "twoslash" in info.split() else code
    code = _COLOUR.sub("", code) if "\x1b" in code else code
    return _MARK.sub("", code) if "[!code" in code else code


def _without_hidden(code: str) -> str:
    """Remove what Twoslash hides: https://twoslash.netlify.app/refs/notations."""
    lines, hides = list[str](), False
    for line in code.split("\n"):
        note = _TWOSLASH.fullmatch(line)
        if note is None:
            lines += [] if hides else [line]
        elif note["cut"] in ("", "-before"):
            lines = []
        elif note["cut"] == "-after":
            break
        elif note["cut"]:
            hides = note["cut"] == "-start"
    return "\n".join(lines)


def _tag_words(name: str, attributes: dict[str, str]) -> str:
    """Return the text that attributes show, also that of records such as `:rows="[{…}]"`."""
    words = [component_words(name, attributes)]
    for key, source in attributes.items() if name[:1].isupper() else ():
        if key[:1] == ":" and source.lstrip()[:1] in ("[", "{"):
            words += dict.fromkeys(described(evaluate(source, {})))
    return "\n".join(filter(None, words))


def _snippets(md: MarkdownIt) -> None:
    """Make a parser read `<<< @/file.js#region {1 ts} [label]` as an empty fence."""
    add_block(md, "snippet", ("<<<",), _SNIPPET.fullmatch, _snippet)
    md.core.ruler.push("snippet_titles", _snippet_titles)


def _snippet(state: StateBlock, match: re.Match[str], first: int, end: int) -> int:
    words = [word.partition(":")[0] for word in (match["options"] or "").split()]
    named = [word for word in words if word.isidentifier()]  # the language first, then attributes
    info = " ".join(named) or PurePosixPath(match["path"]).suffix[1:]
    token = state.push("fence", "code", 0)
    token.info = f"{info} [{match['label']}]" if match["label"] else info
    token.map = [first, first + 1]
    token.meta = {"snippet": match["path"], "region": (match["region"] or "")[1:]}
    return first + 1


def _snippet_titles(state: StateCore) -> None:
    """Use the file's name as the title of a snippet that has none and is in a code group."""
    snippets = [token for token in state.tokens if "snippet" in token.meta]
    in_group, groups = False, list[bool]()
    for line in state.src.split("\n") if snippets else ():
        colons = line.lstrip(" \t>")
        in_group = "code-group" in colons if colons.startswith(":::") else in_group
        groups.append(in_group)
    for token in snippets:
        if token.map and groups[token.map[0]] and not label(token.info):
            token.info += f" [{PurePosixPath(token.meta['snippet']).name}]"


def _without_contents(md: MarkdownIt) -> None:
    """Make a parser leave out `[[toc]]`."""
    add_block(
        md, "contents", ("[[",), _CONTENTS.fullmatch, lambda state, match, first, end: first + 1
    )


def _explicit_only() -> Slugger:
    """Give a heading the id that its author wrote, and no other."""
    return lambda text, explicit: explicit


def dialect(
    left: str = "{", right: str = "}", *, slugs: bool = True, math: bool = False
) -> Dialect:
    """Return the rules of a site: the delimiters of attributes, whether VitePress slugs, math."""
    attributes = CurlyAttributes(left, right)
    return Dialect(
        vitepress_slugger if slugs else _explicit_only,
        (
            *((dollar_math,) if math else ()),
            vue_tags,
            directives,
            alerts,
            partial(emoji, emoticons=True),
            _keep_entities,
            _snippets,
            _without_contents,
            attributes.plugin,
            fence_titles(label),
        ),
        partial(plain_text, own=_ANCHORS),
        attributes.heading_id,
        tag_words=_tag_words,
        shown_code=_shown_code,
    )
