"""MDX for markdown-it: JSX tags, `{expressions}` and import/export, as MDX 3 parses them.

Tags and expressions become tokens of their own, so the content between them is parsed as
Markdown. MDX has no indented code, raw HTML or `<autolink>`: https://mdxjs.com/docs/what-is-mdx/.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

from sites.block_rules import INTERRUPTS
from sites.mdx_indents import indents

_NAME = re.compile(r"<(?!\s)(/?)\s*+([A-Za-z_$][\w$.:-]*+)?+")
_ATTRIBUTE = re.compile(
    r"""\s*+(?:(?P<closed>/)?+\s*+(?P<end>>)|(?P<spread>\{)
    |(?P<name>[A-Za-z_$][\w$.:-]*+)
     (?:\s*+=\s*+(?:"(?P<double>[^"]*+)"|'(?P<single>[^']*+)'|(?P<value>\{)))?+)""",
    re.VERBOSE,
)
_ESM = re.compile(
    r"import\s+['\"{*]|import\s+[\w$]+\s*(,|from\b)"
    r"|export\s+(default|const|let|var|function|class|async)\b|export\s*[{*]"
)
_CODE = re.compile(
    r"""(?<!\w)'(?:[^'\\\n]++|\\.)*+' | (?<!\w)"(?:[^"\\\n]++|\\.)*+"
    | /\*.*?(?:\*/|\Z) | [{}`]""",
    re.VERBOSE | re.DOTALL,
)
"""Braces and backticks, and what may hold some that do not count. In text, as in don't, a quote
begins no string."""
_TEMPLATE = re.compile(r"\\.|`|\$\{", re.DOTALL)
BRACE_READINGS = 20
"""How often a page may be read over to pair its braces."""
_NEVER_CLOSED = "mdx_esm_never_closed"
MAX_TAG = 1_000_000
"""Characters; a longer tag is text."""


class Part(NamedTuple):
    """A tag, comment or expression, and where it ends."""

    end: int
    name: str
    """A closing tag's starts with `/`, a comment's is `!--`, an expression's `{`, a fragment's
    is empty."""
    attributes: dict[str, str]
    """Values of attributes. Of one in braces, whose name gets a `=`, it is the expression;
    `source` is that of an expression, and `/` is one of a tag that closes itself."""


def mdx(md: MarkdownIt) -> None:
    """Make a parser accept MDX."""
    md.disable(["code", "html_block", "html_inline", "autolink"])
    indents(md)
    md.block.ruler.before("fence", "mdx_esm", _esm_block)
    md.block.ruler.before("fence", "mdx_flow", _flow_block, INTERRUPTS)
    md.inline.ruler.before("html_inline", "mdx_text", _inline)


class _Ends:
    """Finds where the comments and expressions of a source end, in linear time."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._last_comment = source.rfind("-->")
        self._braces: dict[int, int | None] = {}
        self._left = BRACE_READINGS * (len(source) + 100)

    def of_comment(self, start: int, limit: int) -> int | None:
        """Return the position after the `-->` of a comment, or None."""
        within = self._last_comment >= start
        end = self._source.find("-->", start + 4, limit) if within else -1
        return end + 3 if end >= 0 else None

    def of_brace(self, start: int, limit: int) -> int | None:
        """Return the position after the `}` for a `{`, as JavaScript reads it, or None."""
        if start not in self._braces:
            self._pair(start)
        end = self._braces[start]
        return end if end is not None and end <= limit else None

    def _pair(self, start: int) -> None:
        """Read from a `{` to its `}`, which also pairs the braces between them."""
        opened, at = [start], start + 1
        while opened and self._left > 0:
            # The start of a template is negative; it cannot be 0, since a brace is before it.
            match = (_CODE if opened[-1] >= 0 else _TEMPLATE).search(self._source, at)
            end = match.end() if match else len(self._source)
            self._left -= end - at
            if match is None:
                break
            at, sign = end, match[0]
            if sign == "}":
                self._braces[opened.pop()] = at
            elif sign in ("{", "${"):
                opened.append(at - 1)
            elif sign == "`" and opened[-1] < 0:
                opened.pop()
            elif sign == "`":
                opened.append(-at)
        self._braces.update(dict.fromkeys(opened))


@lru_cache(maxsize=4)
def _ends(source: str) -> _Ends:
    return _Ends(source)


def _part(source: str, start: int, limit: int) -> Part | None:
    """Read what begins at a `<` or `{`; None if it is text."""
    if source[start] == "{":
        end = None if source.startswith("{#", start) else _ends(source).of_brace(start, limit)
        return Part(end, "{", {"source": source[start + 1 : end - 1]}) if end else None
    if source.startswith("<!--", start):
        end = _ends(source).of_comment(start, limit)
        return Part(end, "!--", {}) if end else None
    return _tag(source, start, min(limit, start + MAX_TAG))


def _tag(source: str, start: int, limit: int) -> Part | None:
    head = _NAME.match(source, start, limit)
    if head is None:
        return None
    name, at, attributes = head[1] + (head[2] or ""), head.end(), {}
    while match := _ATTRIBUTE.match(source, at, limit):
        at = match.end()
        if match["closed"]:
            attributes["/"] = ""
        if match["end"]:
            return Part(at, name, attributes)
        if not (match["spread"] or match["value"]):
            attributes[match["name"]] = match["double"] or match["single"] or ""
            continue
        begin, end = at, _ends(source).of_brace(at - 1, limit)
        if end is None:
            return None
        at = end
        if match["name"]:
            attributes[f"{match['name']}="] = source[begin : end - 1]
    return None


def _flow_block(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    """Parse lines that contain only tags and expressions, each of which may span lines."""
    at = state.bMarks[start_line] + state.tShift[start_line]
    limit = state.eMarks[end_line - 1]
    parts, line = list[Part](), start_line
    while not parts or at < state.eMarks[line]:
        if at >= limit or state.src[at] not in "<{":
            return False
        part = _part(state.src, at, limit)
        if part is None:
            return False
        parts.append(part)
        while line < end_line - 1 and state.eMarks[line] < part.end:
            line += 1
        at = part.end
        while at < limit and state.src[at] in " \t":
            at += 1
    if silent:
        return True
    for part in parts:
        token = state.push("mdx_tag", "", 0)
        token.meta = {"tag": (part.name, part.attributes)}
        token.map = [start_line, line + 1]
    state.line = line + 1
    return True


def _esm_block(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    """Parse import/export at the left margin, up to a blank line outside its braces."""
    if state.level or state.sCount[start_line]:
        return False
    if not _ESM.match(state.src, state.bMarks[start_line], state.eMarks[start_line]):
        return False
    depth, line = 0, start_line
    while line < end_line and (depth > 0 or not state.isEmpty(line)):
        if state.isEmpty(line) and _NEVER_CLOSED in state.env:
            break
        text = state.src[state.bMarks[line] : state.eMarks[line]]
        depth += sum(text.count(ch) for ch in "{([") - sum(text.count(ch) for ch in "})]")
        line += 1
    if depth > 0:  # never closed: take the paragraph only, and look no further in the next ones
        state.env[_NEVER_CLOSED] = True
        lines = range(start_line, end_line)
        line = next((number for number in lines if state.isEmpty(number)), end_line)
    token = state.push("mdx_esm", "", 0)
    token.content = state.getLines(start_line, line, 0, False)
    state.line = line
    return True


def _inline(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] not in "<{":
        return False
    part = _part(state.src, state.pos, state.posMax)
    if part is None:
        return False
    if not silent and part.name == "{":
        token = state.push("mdx_expression", "", 0)
        token.content = part.attributes["source"]
        token.meta = {"words": ""}
    elif not silent:
        token = state.push("mdx_tag", "", 0)
        token.content = state.src[state.pos : part.end]
        token.meta = {"tag": (part.name, part.attributes)}
    state.pos = part.end
    return True
