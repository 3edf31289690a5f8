"""MDX for markdown-it: JSX tags, `{expressions}` and import/export, as MDX 3 parses them.

Tags and expressions become tokens of their own, so the content between them is parsed as
Markdown. MDX has no indented code, raw HTML or `<autolink>`.
"""

from __future__ import annotations

import re
from functools import lru_cache

from markdown_it import MarkdownIt
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

_NAME = re.compile(r"</?\s*([A-Za-z_$][\w$.:-]*)?\s*")
_ATTRIBUTE = re.compile(r"([A-Za-z_$][\w$.:-]*)\s*(=\s*)?")
_SPACE = re.compile(r"\s*")
_LITERAL = re.compile(r"\{\s*(['\"`])((?:[^'\"`\n\\$]|\$(?!\{))*+)\1\s*\}")
_ESM = re.compile(
    r"import\s+['\"{*]|import\s+[\w$]+\s*(,|from\b)"
    r"|export\s+(default|const|let|var|function|class|async)\b|export\s*[{*]"
)
_BRACE = re.compile(r"[{}'\"`]|/\*")
_STRINGS = {
    "'": re.compile(r"'(?:[^'\\\n]|\\.)*+('?)", re.DOTALL),
    '"': re.compile(r'"(?:[^"\\\n]|\\.)*+("?)', re.DOTALL),
    "/*": re.compile(r"/\*(?:[^*]|\*(?!/))*+((?:\*/)?)"),
}
"""What may hold braces that do not count, and what closes it."""
_TEMPLATE = re.compile(r"(?:[^`\\$]|\\.|\$(?!\{))*+(`|\$\{|)", re.DOTALL)
BRACE_READINGS = 20
"""How often a page may be read over to pair its braces."""
MAX_TAG = 20_000
"""Characters; a longer tag is text."""


def mdx(md: MarkdownIt) -> None:
    """Make a parser accept MDX."""
    md.disable(["code", "html_block", "html_inline", "autolink"])
    interrupts: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    md.block.ruler.before("fence", "mdx_esm", _esm_block)
    md.block.ruler.before("fence", "mdx_flow", _flow_block, interrupts)
    md.inline.ruler.before("html_inline", "mdx_text", _inline)


class _Braces:
    """Finds the `}` for each `{` in a source, as JavaScript reads it."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._ends: dict[int, int | None] = {}
        self._left = BRACE_READINGS * (len(source) + 100)
        self._in_templates: set[int] = set()
        """The braces that open an expression in a template."""

    def get(self, start: int) -> int | None:
        """Return the position after the `}`, or None."""
        if start not in self._ends:
            self._read(start)
        return self._ends[start]

    def _read(self, start: int) -> None:
        """Read from a `{` to its `}`, which also pairs the braces between them."""
        stack, at = [start], start + 1
        while stack and self._left > 0 and (match := _BRACE.search(self._source, at)):
            self._left -= match.end() - at
            at, sign = match.end(), match[0]
            if sign == "{":
                stack.append(match.start())
            elif sign == "}":
                self._ends[stack[-1]] = at
                at = self._template(stack, at) if stack.pop() in self._in_templates else at
            elif sign == "`":
                at = self._template(stack, at)
            elif not (sign in "'\"" and self._source[match.start() - 1].isalnum()):  # as in don't
                string = _STRINGS[sign].match(self._source, match.start())
                self._left -= string.end() - at if string else 0
                at = string.end() if string and string[1] else at
        self._left -= len(self._source) - at if stack else 0
        self._ends.update(dict.fromkeys(stack))

    def _template(self, stack: list[int], at: int) -> int:
        """Read a template's text up to an expression or its end; return where to read on."""
        match = _TEMPLATE.match(self._source, at)
        self._left -= match.end() - at if match else 0
        if match is None or not match[1]:
            return at
        if match[1] == "${":
            stack.append(match.end() - 1)
            self._in_templates.add(match.end() - 1)
        return match.end()


@lru_cache(maxsize=4)
def _braces(source: str) -> _Braces:
    return _Braces(source)


@lru_cache(maxsize=4)
def _last_comment(source: str) -> int:
    """Return where the last comment ends, or -1."""
    return source.rfind("-->")


def scan_tag(source: str, start: int, limit: int) -> tuple[int, str, dict[str, str]] | None:
    """Read the JSX tag or HTML comment at `start` as (end, name, attributes), or None.

    A closing tag's name starts with `/`; a comment's is `!--`; a fragment's is empty. Only
    attributes that are strings (or literals in braces) keep their value.
    """
    if source.startswith("<!--", start):
        if _last_comment(source) < start:
            return None
        end = source.find("-->", start + 4, limit)
        return (end + 3, "!--", {}) if end >= 0 else None
    limit = min(limit, start + MAX_TAG)
    head = _NAME.match(source, start, limit)
    if head is None:
        return None
    name = ("/" if source.startswith("</", start) else "") + (head[1] or "")
    position = head.end()
    attributes: dict[str, str] = {}
    while position < limit:
        ch = source[position]
        if ch == ">":
            return position + 1, name, attributes
        if ch == "/":
            position = _skip(source, position + 1, limit)
            continue
        if ch == "{":
            closed = _braces(source).get(position)
            if closed is None or closed > limit:
                return None
            position = _skip(source, closed, limit)
            continue
        attribute = _ATTRIBUTE.match(source, position, limit)
        if attribute is None or name in ("", "/"):
            return None
        position, value = attribute.end(), ""
        if attribute[2]:
            quote = source[position : position + 1]
            if quote and quote in "\"'":
                end = source.find(quote, position + 1, limit)
                if end < 0:
                    return None
                value, position = source[position + 1 : end], end + 1
            elif quote == "{":
                closed = _braces(source).get(position)
                if closed is None or closed > limit:
                    return None
                literal = _LITERAL.fullmatch(source, position, closed)
                value, position = literal[2] if literal else "", closed
            else:
                return None
        attributes[attribute[1]] = value
        position = _skip(source, position, limit)
    return None


def _skip(source: str, position: int, limit: int) -> int:
    match = _SPACE.match(source, position, limit)
    return match.end() if match else position


def _with_slash(source: str, tag: tuple[int, str, dict[str, str]]) -> dict[str, str]:
    """Return a tag's attributes; `/` is one of them if the tag closes itself."""
    closed = source[tag[0] - 2] == "/" and tag[1] != "!--"
    return {**tag[2], "/": ""} if closed else tag[2]


def _flow_block(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    """Parse lines that contain only tags and expressions, each of which may span lines.

    In the token an expression is a tag called `{`.
    """
    position = state.bMarks[start_line] + state.tShift[start_line]
    if position >= state.eMarks[start_line] or state.src[position] not in "<{":
        return False
    limit = state.eMarks[end_line - 1]
    parts: list[tuple[str, dict[str, str]]] = []
    line = start_line
    while True:
        if state.src[position] == "{":
            end = _braces(state.src).get(position)
            if end is None or end > limit or state.src.startswith("{#", position):
                return False
            parts.append(("{", {"source": state.src[position + 1 : end - 1]}))
            position = end
        else:
            tag = scan_tag(state.src, position, limit)
            if tag is None:
                return False
            position = tag[0]
            parts.append((tag[1], _with_slash(state.src, tag)))
        while line < end_line - 1 and state.eMarks[line] < position:
            line += 1
        while position < state.eMarks[line] and state.src[position] in " \t":
            position += 1
        if position >= state.eMarks[line]:
            break
        if state.src[position] not in "<{":
            return False
    if silent:
        return True
    token = state.push("mdx_tags", "", 0)
    token.meta = {"tags": parts}
    token.map = [start_line, line + 1]
    state.line = line + 1
    return True


def _esm_block(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    """Parse import/export at the left margin, up to a blank line outside its braces."""
    if state.level or state.sCount[start_line]:
        return False
    begin = state.bMarks[start_line]
    if not _ESM.match(state.src, begin, state.eMarks[start_line]):
        return False
    depth = 0
    line = start_line
    while line < end_line:
        text = state.src[state.bMarks[line] : state.eMarks[line]]
        if not text.strip() and depth <= 0:
            break
        depth += sum(text.count(ch) for ch in "{([") - sum(text.count(ch) for ch in "})]")
        line += 1
    else:
        if depth > 0:  # never closed: take the paragraph only
            line = start_line
            while line < end_line and not state.isEmpty(line):
                line += 1
    if silent:
        return True
    token = state.push("mdx_esm", "", 0)
    token.content = state.getLines(start_line, line, 0, False)
    state.line = line
    return True


def _inline(state: StateInline, silent: bool) -> bool:
    ch = state.src[state.pos]
    if ch == "{" and not state.src.startswith("{#", state.pos):
        end = _braces(state.src).get(state.pos)
        if end is None or end > state.posMax:
            return False
        if not silent:
            token = state.push("mdx_expression", "", 0)
            token.content = state.src[state.pos + 1 : end - 1]
            literal = _LITERAL.fullmatch(state.src, state.pos, end)
            token.meta = {"words": literal[2] if literal else ""}
        state.pos = end
        return True
    if ch == "<":
        tag = scan_tag(state.src, state.pos, state.posMax)
        if tag is None:
            return False
        if not silent:
            token = state.push("mdx_tag", "", 0)
            token.content = state.src[state.pos : tag[0]]
            token.meta = {"tags": [(tag[1], _with_slash(state.src, tag))]}
        state.pos = tag[0]
        return True
    return False
