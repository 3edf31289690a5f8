"""Read raw HTML and tables where Python-Markdown differs from CommonMark."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from markdown_it import MarkdownIt
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock, fence, table

from sites.block_rules import line_of

_BLOCKS = (
    "address|article|aside|blockquote|body|center|colgroup|dd|details|dialog|dir|div|dl|dt"
    "|fieldset|figcaption|figure|footer|form|frameset|h[1-6]|header|hgroup|iframe|legend|li|main"
    "|menu|nav|noscript|object|ol|p|pre|script|section|style|summary|table|tbody|td|template"
    "|textarea|tfoot|th|thead|tr|ul|video|audio"
)
_OPENING = re.compile(rf"<({_BLOCKS})(?=[\s>/])([^<>]*)>", re.IGNORECASE)
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)(?=[\s>/])[^<>]*>")
_MARKDOWN = re.compile(r"(?:^|\s)markdown(?:\s*=|\s|/|$)", re.IGNORECASE)
_DELIMITERS = frozenset("|:- \t")
_PIPE = "\ue07c"
"""Stands for a pipe in code while a table is divided into cells."""


def raw_html(md: MarkdownIt, *, in_html: bool) -> None:
    """Keep an HTML block whole up to its closing tag.

    With `in_html`, read the Markdown inside if the tag asks for it: `<div markdown>`.
    """
    interrupts: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote"]}
    md.block.ruler.before("html_block", "raw_html", partial(_raw_html, in_html), interrupts)


def code_in_tables(md: MarkdownIt) -> None:
    """Do not divide cells at a pipe in code."""
    md.block.ruler.at("table", _table, {"alt": ["paragraph", "reference"]})


def _raw_html(
    in_html: bool, state: StateBlock, start_line: int, end_line: int, silent: bool
) -> bool:
    text = line_of(state, start_line)
    if not text.startswith("<") or state.is_code_block(start_line):
        return False
    match = _OPENING.match(text)
    if match is None:
        return False
    end = _end(state, match[1].lower(), start_line, end_line)
    if not end:
        return False
    if silent:
        return True
    if in_html and _MARKDOWN.search(match[2]) and match[1].lower() != "pre":
        _markdown_inside(state, match, start_line, end)
        return True
    for begin, until, is_code in _pieces(state, start_line, end):
        if is_code:
            fence(state, begin, end, False)
            continue
        token = state.push("html_block", "", 0)
        token.map = [begin, until]
        token.content = state.getLines(begin, until, state.blkIndent, True)
    state.line = end
    return True


def _markdown_inside(state: StateBlock, opening: re.Match[str], start: int, end: int) -> None:
    """Parse what is between an opening tag and its closing tag on the last line."""
    last = end - 1
    first = (state.bMarks[start], state.tShift[start], state.sCount[start])
    source, line_end, tail = state.src, state.eMarks[last], ""
    state.push("html_block", "", 0).content = opening[0]
    begin = state.bMarks[start] + state.tShift[start] + opening.end()
    closing = state.src.rfind(f"</{opening[1]}", begin, state.eMarks[last])
    if closing >= 0:  # the parser expects a line to end in a line feed
        tail = source[closing : state.eMarks[last]]
        state.src = f"{source[:closing]}\n{source[closing + 1 :]}"
        state.eMarks[last] = closing
    state.bMarks[start], state.tShift[start], state.sCount[start] = begin, 0, state.blkIndent
    level, line_max, parent = state.level, state.lineMax, state.parentType
    state.level, state.lineMax, state.parentType = level + 1, end, "blockquote"
    state.md.block.tokenize(state, start, end)
    state.level, state.lineMax, state.parentType = level, line_max, parent
    state.bMarks[start], state.tShift[start], state.sCount[start] = first
    state.src, state.eMarks[last] = source, line_end
    state.push("html_block", "", 0).content = tail
    state.line = end


def _end(state: StateBlock, name: str, start_line: int, end_line: int) -> int:
    """Return the line after the closing tag; 0 if a list or quote ends before it."""
    depth = 0
    code_ends = start_line
    for line in range(start_line, end_line):
        if line < code_ends:
            continue
        if state.sCount[line] < state.blkIndent and not state.isEmpty(line):
            return 0
        if code_end := _fence_end(state, line, end_line):
            code_ends = code_end
            continue
        for tag in _TAG.finditer(line_of(state, line)):
            if tag[2].lower() == name and not tag[0].endswith("/>"):
                depth += -1 if tag[1] else 1
        if depth <= 0:
            return line + 1
    return 0 if state.level else end_line


def _fence_end(state: StateBlock, line: int, end_line: int) -> int:
    """Return the line after the code that a fence opens here, or 0."""
    if line_of(state, line)[:3] not in ("```", "~~~"):
        return 0
    before = (state.line, len(state.tokens))
    found = fence(state, line, end_line, False)
    end = state.line
    state.line = before[0]
    del state.tokens[before[1] :]
    return end if found else 0


def _pieces(state: StateBlock, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
    """Yield (first line, line after the last, whether it is fenced code)."""
    begin = line = start
    while line < end:
        code_end = _fence_end(state, line, end)
        if not code_end:
            line += 1
            continue
        if begin < line:
            yield begin, line, False
        yield line, code_end, True
        begin = line = code_end
    if begin < end:
        yield begin, end, False


def _table(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    if start_line + 2 > end_line:
        return False
    rule = state.src[state.bMarks[start_line + 1] : state.eMarks[start_line + 1]]
    if "-" not in rule or not set(rule.lstrip("> \t")) <= _DELIMITERS:
        return table(state, start_line, end_line, silent)
    end = start_line
    while end < end_line and not state.isEmpty(end):
        end += 1
    begin, until = state.bMarks[start_line], state.eMarks[end - 1]
    source, count = state.src, len(state.tokens)
    state.src = source[:begin] + _mask(source[begin:until]) + source[until:]
    found = table(state, start_line, end_line, silent)
    state.src = source
    for token in state.tokens[count:]:
        token.content = token.content.replace(_PIPE, "|")
    return found


def _mask(text: str) -> str:
    return "\n".join(
        _mask_line(line) if "`" in line and "|" in line else line for line in text.split("\n")
    )


def _mask_line(line: str) -> str:
    """Replace the pipes in code by a character of the same length."""
    runs = [match.span() for match in re.finditer(r"`+", line)]
    later: dict[int, list[int]] = {}
    for begin, end in reversed(runs):
        later.setdefault(end - begin, []).append(begin)
    done, at = "", 0
    for begin, end in runs:
        places = later[end - begin]
        places.pop()
        if begin < at or not places:
            continue
        close = places[-1]
        done += line[at:end] + line[end:close].replace("|", _PIPE)
        at = close
        # The closing run cannot open code: it is skipped because it begins before `at`.
        at_end = close + end - begin
        done += line[at:at_end]
        at = at_end
    return done + line[at:]
