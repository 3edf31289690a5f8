"""Parse what PyMdown Extensions and Material for MkDocs add to Python-Markdown.

Generic blocks (`/// note | Title` … `///`), icons (`:material-bee:`) and the braces of a code
fence (`{ .python title="app.py" }`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline

from sites.block_rules import add_block, line_of, push_paragraph
from sites.fences import named_title

_OPTION = re.compile(r"[ \t]*+(?:[\w-]++:(?:[ \t].*)?|-[ \t].*)")
_UNTITLED = frozenset(
    {"html", "caption", "figure-caption", "table-caption", "define", "definition"}
)
"""Blocks whose header is not shown."""
_ADMONITIONS = ("note", "attention", "caution", "danger", "error", "tip", "hint", "warning",
                "important")  # fmt: skip
_BLOCKS = {
    "pymdownx.blocks.tab": ("tab",),
    "pymdownx.blocks.html": ("html",),
    "pymdownx.blocks.definition": ("define",),
    "pymdownx.blocks.caption": ("caption", "figure-caption", "table-caption"),
    "pymdownx.blocks.admonition": ("admonition",),
    "pymdownx.blocks.details": ("details",),
}
_ICON = re.compile(r":(?=[0-9_+-]{0,60}[a-z])[a-z0-9_+][a-z0-9_+-]{0,90}:")
_BRACES = re.compile(r"[ \t]*\{([^{}]*)\}[ \t]*")
_TAB = re.compile(r"\btab=(?:\"([^\"]{1,200})\"|'([^'\n]{1,200})')")
_LANGUAGE = re.compile(r"(?:^|[ \t])\.([\w+#-]{1,40})")


def block_titles(extensions: Mapping[str, dict[str, Any]]) -> dict[str, str]:
    """Return the blocks that the extensions accept, each with the title it has by default."""
    titles: dict[str, str] = {}
    for extension, names in _BLOCKS.items():
        options = extensions.get(extension)
        if options is None:
            continue
        titles.update(dict.fromkeys(names, ""))
        usual = _ADMONITIONS if extension.endswith("admonition") else ()
        types = options.get("types", usual)
        for each in types if isinstance(types, list | tuple) else ():
            settings = each if isinstance(each, dict) else {"name": each}
            name = str(settings.get("name"))
            shown = re.sub("[_-]+", " ", str(settings.get("class", name))).title()
            titles[name] = str(settings.get("title", shown))
    return titles


def generic_blocks(titles: Mapping[str, str]) -> Callable[[MarkdownIt], None]:
    """Make a parser accept `/// name | title`, options below it, and the closing `///`.

    `titles` has the names of the blocks and their titles by default.
    """
    names = "|".join(map(re.escape, titles))
    pattern = re.compile(
        rf"/{{3,}}+[ \t]*+(?P<name>{names})(?![\w-])[ \t]*+(?:\|[ \t]*+(?P<title>.*))?"
        r"|/{3,}[/ \t]*+"
    )
    return lambda md: add_block(
        md, "generic_block", ("///",), pattern.fullmatch, partial(_block, titles)
    )


def _block(
    titles: Mapping[str, str], state: StateBlock, match: re.Match[str], first: int, end: int
) -> int:
    line = first + 1
    if not match["name"]:
        return line
    shown, indent = titles[match["name"]], state.sCount[first] + 4
    while line < end and state.sCount[line] >= indent and _OPTION.fullmatch(line_of(state, line)):
        option, _, value = line_of(state, line).partition(":")
        if option.strip() == "type":
            shown = titles.get(value.strip()) or value.strip().title()
        line += 1
    title = shown if match["title"] is None else match["title"].strip()
    if title and match["name"] not in _UNTITLED:
        push_paragraph(state, title, first)
    return line


def icons(md: MarkdownIt) -> None:
    """Make a parser drop `:material-bee:`, of which the page shows a picture."""
    md.inline.ruler.before("backticks", "icon", _icon)


def _icon(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] != ":":
        return False
    match = _ICON.match(state.src, state.pos, state.posMax)
    if match is None or state.src[state.pos - 1 : state.pos].isalnum():
        return False
    if not silent:
        state.push("icon", "", 0)
    state.pos = match.end()
    return True


def fence_label(info: str) -> str:
    """Return the title of a code fence, or the label of the tab that it is: `py tab="New"`."""
    match = _TAB.search(info)
    return named_title(info) or (match[1] or match[2] if match else "")


def braced_fences(md: MarkdownIt) -> None:
    """Make a parser read `{ .python title="app.py" }` as `python title="app.py"`."""
    md.core.ruler.push("braced_fences", _unbrace)


def _unbrace(state: StateCore) -> None:
    for token in state.tokens:
        if token.type == "fence" and (match := _BRACES.fullmatch(token.info)):
            language = _LANGUAGE.search(match[1])
            token.info = f"{language[1] if language else ''} {match[1].strip()}"
