"""The Markdown of Docusaurus, as @docusaurus/mdx-loader and the classic theme show it.

https://docusaurus.io/docs/markdown-features and the pages below it.
"""

from __future__ import annotations

import re
from functools import lru_cache, partial

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from sites.directives import directives
from sites.dollar_math import dollar_math
from sites.emoji import emoji
from sites.fences import fence_titles, named_title
from sites.html_tags import component_words
from sites.inline_text import Words, plain_text
from sites.markdown import Dialect
from sites.mdx import mdx

MAGIC_COMMENTS = ("highlight-next-line", "highlight-start", "highlight-end")
"""Comments in code that mark lines, if `themeConfig.prism.magicComments` names no others."""
_MAGIC_LINE = (
    r"^[ \t]*+(?://|#|--|%|;;?|'|REM\b|/\*|\{[ \t]*+/\*|<!--)[ \t]*+(?:MARKS)[ \t]*+"
    r"(?:\*/(?:[ \t]*+\})?|-->)?[ \t]*+(?:\n|\Z)"
)
_RANGE = re.compile(r"\{[\d,-]+\}")
_TEXT_DIRECTIVE = re.compile(r"(?<!:):[A-Za-z][\w-]*(?![\w:-])")
_ANCHORS: Words = {
    "text": lambda token: _TEXT_DIRECTIVE.sub("", token.content),
    "mdx_expression": lambda token: token.content,
    "emoji": lambda token: token.markup,
}
"""The text of a heading like mdast-util-to-string, where a `:name` directive is empty."""
_CLASSIC_ID = re.compile(r"(?<!\s)\s*+\{#((?:.(?!\{#|\}))*+.)\}$")
_COMMENT_ID = re.compile(r"\s*/\*\s*#([^\s*]++).*\*/\s*", re.DOTALL)


@lru_cache(maxsize=8)
def rules(
    *, is_mdx: bool, math: bool, emojis: bool, magic_comments: tuple[str, ...]
) -> tuple[Dialect, MarkdownIt]:
    """Return the dialect and a parser for MDX, or for CommonMark as `markdown.format` may say."""
    marks = "|".join(map(re.escape, magic_comments)) or "(?!)"
    mark = re.compile(_MAGIC_LINE.replace("MARKS", marks), re.MULTILINE)
    dialect = Dialect(
        plugins=(
            *((mdx,) if is_mdx else ()),
            *((dollar_math,) if math else ()),
            *((emoji,) if emojis else ()),
            directives,
            _mdx_code_blocks,
            fence_titles(named_title),
        ),
        anchor_text=partial(plain_text, own=_ANCHORS),
        heading_id=_heading_id,
        h1_has_anchor=False,
        tag_words=_tag_words,
        shown_code=partial(_shown_code, mark),
    )
    return dialect, dialect.parser()


def _mdx_code_blocks(md: MarkdownIt) -> None:
    """Make a parser read what a fence called `mdx-code-block` holds as part of the page."""

    def rule(state: StateCore) -> None:
        tokens: list[Token] = []
        for token in state.tokens:
            if token.type != "fence" or token.info.strip() != "mdx-code-block":
                tokens.append(token)
                continue
            inner: list[Token] = []
            state.md.block.parse(token.content, state.md, state.env, inner)
            first = (token.map or [0])[0] + 1
            for each in inner:
                each.level += token.level
                each.map = [line + first for line in each.map] if each.map else each.map
            tokens += inner
        state.tokens[:] = tokens

    md.core.ruler.after("block", "mdx_code_blocks", rule)


def _heading_id(tokens: list[Token]) -> str:
    """Remove an id written `{#id}` or `{/* #id */}` from the end of a heading and return it."""
    if tokens and tokens[-1].type == "mdx_expression":
        comment = _COMMENT_ID.fullmatch(tokens[-1].content)
        if comment:
            tokens.pop()
            if tokens and tokens[-1].type == "text":
                tokens[-1].content = tokens[-1].content.rstrip()
            return comment[1]
    if tokens and tokens[-1].type == "text":
        match = _CLASSIC_ID.search(tokens[-1].content)
        if match:
            tokens[-1].content = tokens[-1].content[: match.start()]
            return match[1].strip()
    return ""


def _tag_words(name: str, attributes: dict[str, str]) -> str:
    """Return the text that a tag's attributes put on the page."""
    if name == "TabItem":
        return attributes.get("label") or attributes.get("value", "")
    if name == "MethodEndpoint":
        return f"{attributes.get('method', '').upper()} {attributes.get('path', '')}".strip()
    return component_words(name, attributes)


def _shown_code(mark: re.Pattern[str], code: str, info: str) -> str:
    """Remove comments that only control highlighting; they are text beside a range of lines."""
    return code if _RANGE.search(info) else mark.sub("", code)
