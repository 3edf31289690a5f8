"""Normalize the citation markers of an answer while it streams.

The model is told to write `[n]`. It also writes `[1, 2]`, `[1-3]`, `[^1]`, `[[1]]`, 【1】, ［1］,
`[1†source]`, `[Source 1]` and `[1](https://made.up)`, splits markers across tokens, and cites
passages that do not exist. In the output, every marker is `[n]` with a valid n. Forms that are not
in brackets are read by `citation_habits`.

Text is held back only while more text could change how it is read: a group of markers and the
character after it, inline code until it is closed, the opening line of fenced code. So the result
does not depend on how the text is split into tokens. Decisions depend only on the output so far, so
filtering the output again changes nothing.

Ambiguous cases are resolved as follows:

- Fenced code and closed inline code are never changed. Inline code does not cross lines. A
  backtick that is never closed is an ordinary character.
- A bracket directly after a single lowercase letter or after a name with an underscore is an
  index, as in `a[1]` or `max_size[0]`. After any other word it is a citation, because models write
  `Lambda[1]` far more often than code outside of backticks.
- Zero among other numbers is an interval or a character class, as in `[0, 1]` or `[0-9]`. Alone it
  is an invalid citation.
- `[1](target)` is the citation `[1]`, because the model does not know the site's URLs. Only a
  target that looks like a link is dropped: `[1](see below)` keeps its parenthesis.
- `[1]:` at the start of a line loses its colon, which Markdown would read as a link definition.
- `\\[1]` is escaped and `(1)` is not a marker, so both stay unchanged.
- As in Markdown, an escaped backtick does not open code, and an escaped backslash escapes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from rag.answering.marker_grammar import (
    MAX_MARKERS,
    OPEN,
    can_grow,
    ends_with_prefix,
    is_indexed,
    is_line_start,
    joint,
    lead,
    marker,
    numbers_and_ranges,
    plain_text,
)

MAX_CODE = 1000
"""Maximum length of inline code, and of the opening line of fenced code, in characters."""
TAIL = 96
"""Characters of the output that decisions depend on."""
_OPENS_WORD = frozenset("`([*_\"'“‘$<")
"""Characters before which a removed marker leaves a space, as before letters and digits."""
_spaces_before_space = re.compile(r"[ \t]+(?=[ \t])").match
_run_of_marks = re.compile(r"`+|~+").match
_opening_line = re.compile(rf"(?:`{{3,}}[^`\n]{{0,{MAX_CODE}}}|~{{3,}}[^\n]{{0,{MAX_CODE}}})").match
_closing_line = re.compile(r"[ \t>]*+(`*+|~*+)[ \t]*+").fullmatch


class MarkerRewriter:
    """Renumbers markers by `numbering` and removes those that are not in it."""

    _plain_text = staticmethod(plain_text)

    def __init__(self, numbering: Mapping[int, int]) -> None:
        self._numbering = numbering
        self._highest = max(numbering, default=0)
        self._cited: dict[int, None] = {}
        self._held = ""
        """Input that is not decided yet."""
        self._out: list[str] = []
        self._tail = "\n"
        """The last characters written."""
        self._fence = ""
        """The marks that opened the current fenced code."""
        self._line_begun = False
        """Whether part of the current line of fenced code was written."""

    @property
    def cited(self) -> tuple[int, ...]:
        """Cited passage numbers, in the order of their first citation."""
        return tuple(self._cited)

    def feed(self, text: str) -> str:
        """Process the next piece of the answer and return the text that is final."""
        return self._run(self._held + text, final=False)

    def flush(self) -> str:
        """End the answer and return the text that was held back."""
        return self._run(self._held, final=True)

    def _run(self, text: str, *, final: bool) -> str:
        at = 0
        while at < len(text):
            after = self._step(text, at, final)
            if after == at:
                break
            at = after
        self._held = text[at:]
        written = "".join(self._out)
        self._out.clear()
        return written

    def _step(self, text: str, at: int, final: bool) -> int:
        """Process text from `at` and return where to go on, or `at` if more text is needed."""
        if self._fence:
            return self._copy_fenced(text, at, final)
        if found := self._plain_text(text, at):
            return self._copy(text, at, found.end())
        if found := _spaces_before_space(text, at):
            return self._copy(text, at, found.end())  # only the last one may belong to a marker
        c = text[at]
        if c == "\\":
            if at + 1 == len(text) and not final:
                return at
            escaped = text[at + 1 : at + 2]
            is_special = bool(escaped) and (escaped in OPEN or escaped in "\\`")
            return self._copy(text, at, at + 1 + is_special)
        if c in "`~":
            return self._code(text, at, final)
        return self._markers(text, at, final)

    def _copy(self, text: str, at: int, end: int) -> int:
        self._emit(text[at:end])
        return end

    def _emit(self, text: str) -> None:
        if text:
            self._out.append(text)
            self._tail = (self._tail + text)[-TAIL:]

    # ------------------------------------------------------------ markers

    def _markers(self, text: str, at: int, final: bool) -> int:
        """Process a group of markers with the space or parenthesis before it."""
        before = lead(text, at)[0]  # type: ignore[index]  # it matches nothing, too
        if not before and is_indexed(self._tail):
            return self._copy(text, at, at + 1)
        if not final and can_grow(text, at):
            return at
        group, end = self._read_group(text, at + len(before))
        if not group:
            return self._copy(text, at, at + 1)
        space, paren = before.rstrip("("), before.endswith("(")
        any_kept = any(n in self._numbering for _, numbers in group for n in numbers)
        if text[end : end + 1] == ":" and not paren and is_line_start(self._tail + space):
            end += 1  # Markdown would read `[1]:` as a link definition
        elif text[end : end + 1] == ")" and paren and not any_kept:
            end, paren = end + 1, False
        if end == len(text) and not final:
            return at
        if paren and not any_kept:
            self._emit(before)
            space = ""
        elif paren:
            space = before
        return self._write_group(group, space, text, end)

    def _read_group(self, text: str, at: int) -> tuple[list[tuple[str, list[int]]], int]:
        """Return the markers from `at`, each with the text before it, and where they end."""
        group: list[tuple[str, list[int]]] = []
        end, between = at, ""
        while len(group) < MAX_MARKERS and (found := marker(text, at)):
            numbers = self._parse(found[0])
            if numbers is None:
                break
            group.append((between, numbers))
            end = found.end()
            between = joint(text, end)[0]  # type: ignore[index]  # it matches nothing, too
            at = end + len(between)
        return group, end

    def _write_group(
        self, group: Sequence[tuple[str, list[int]]], space: str, text: str, end: int
    ) -> int:
        """Write the markers that are kept, and fix the spacing where the others were."""
        after = text[end : end + 1]
        word_follows = after.isalnum() or after in _OPENS_WORD
        any_kept = dropped = False
        for between, numbers in group:
            after_removed = between == " " and not (space or is_line_start(self._tail))
            if after_removed if not any_kept else not dropped:
                space = between
            kept = [n for n in numbers if n in self._numbering]
            dropped = not kept
            if kept:
                any_kept = True
                self._cited.update(dict.fromkeys(kept))
                shown = dict.fromkeys(self._numbering[n] for n in kept)
                self._emit(space + "".join(map(self._write, shown)))
        if any_kept:
            if dropped and after and word_follows and space[-1:].isspace():
                self._emit(" ")
            return end
        if is_line_start(self._tail) or self._tail.endswith("("):
            self._emit(space)
            end += after == " "
        elif after and word_follows:
            self._emit(space)
        if ends_with_prefix(self._tail):
            self._emit("…")  # keep the text on both sides from forming a marker
        elif after and after in "`~" and self._tail.endswith(after):
            self._emit(" ")
        return end

    def _write(self, number: int) -> str:
        return f"[{number}]"

    def _parse(self, written: str) -> list[int] | None:
        """Return the numbers in a marker, or None for an interval or a character class."""
        ranges = [(int(a), int(b or a)) for a, b in numbers_and_ranges(written.partition("(")[0])]
        if ranges != [(0, 0)] and any(0 in pair for pair in ranges):
            return None
        numbers: list[int] = []
        for low, high in map(sorted, ranges):
            numbers += range(low, min(high, self._highest) + 1)
        return numbers

    # ------------------------------------------------------------ code

    def _code(self, text: str, at: int, final: bool) -> int:
        """Copy inline code, or the opening line of fenced code."""
        run = _run_of_marks(text, at)[0]  # type: ignore[index]  # the caller saw a mark
        starts_line = bool(is_line_start(self._tail))
        if at + len(run) == len(text) and not final and (run[0] == "`" or starts_line):
            return at if len(run) < MAX_CODE else self._copy(text, at, len(text))
        if starts_line and (found := _opening_line(text, at)):
            end = found.end()
            if end == len(text) and not final:
                return at
            if text[end : end + 1] in ("\n", ""):
                self._fence, self._line_begun = run, False
                return self._copy(text, at, end + 1)
        if run[0] == "~":
            return self._copy(text, at, at + len(run))
        line = text[at + len(run) : at + len(run) + MAX_CODE].partition("\n")[0]
        closing = re.search(rf"(?<!`){run}(?!`)", line)
        is_line_whole = len(line) == MAX_CODE or at + len(run) + len(line) < len(text)
        if not final and not is_line_whole and (not closing or closing.end() == len(line)):
            return at
        return self._copy(text, at, at + len(run) + (closing.end() if closing else 0))

    def _copy_fenced(self, text: str, at: int, final: bool) -> int:
        """Copy one line of fenced code, or the part of it that is there."""
        end = text.find("\n", at) + 1
        may_close = not self._line_begun and _closing_line(text, at, end - 1 if end else len(text))
        if not end:
            if may_close and not final and len(text) - at <= MAX_CODE:
                return at
            self._line_begun = True
            return self._copy(text, at, len(text))
        if may_close and may_close[1].startswith(self._fence):
            self._fence = ""
        self._line_begun = False
        return self._copy(text, at, end)


class CitationFilter(MarkerRewriter):
    """Normalizes the citation markers of a streamed answer.

    `count` is the number of passages. Markers outside 1..count are removed.
    """

    def __init__(self, count: int) -> None:
        super().__init__({n: n for n in range(1, count + 1)})


def renumber(message: str, order: Mapping[int, int]) -> str:
    """Replace each `[old]` in a message by `[order[old]]` and remove markers not in `order`."""
    scanner = MarkerRewriter(order)
    return scanner.feed(message) + scanner.flush()


class _MarkerReplacer(MarkerRewriter):
    """Gives each marker a number of its own."""

    def __init__(self, numbers: Mapping[int, Sequence[int]]) -> None:
        super().__init__({n: n for n in numbers})
        self._left = {n: list(reversed(found)) for n, found in numbers.items()}

    def _write(self, number: int) -> str:
        return f"[{self._left[number].pop() if self._left[number] else number}]"


def replace_markers(message: str, numbers: Mapping[int, Sequence[int]]) -> str:
    """Replace the k-th `[n]` of a message by `[numbers[n][k]]`."""
    replacer = _MarkerReplacer(numbers)
    return replacer.feed(message) + replacer.flush()


class _MarkerLinker(MarkerRewriter):
    """Turns markers into links."""

    def __init__(self, urls: Mapping[int, Sequence[str]]) -> None:
        super().__init__({n: n for n in urls})
        self._urls = {n: list(reversed(found)) for n, found in urls.items()}

    def _write(self, number: int) -> str:
        left = self._urls[number]
        url = left.pop() if len(left) > 1 else left[0]
        return f"[\\[{number}\\]](<{url}>)"


def link_markers(message: str, urls: Mapping[int, Sequence[str]]) -> str:
    """Turn the markers of a message into Markdown links: the k-th `[n]` links to `urls[n][k]`.

    If there are more markers than URLs, the last URL is repeated. Each number needs at least one.
    """
    linker = _MarkerLinker(urls)
    return linker.feed(message) + linker.flush()
