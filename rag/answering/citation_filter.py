"""Normalize the citation markers of an answer while it streams.

The model is told to write `[n]`. It also writes `[1, 2]`, `[1-3]`, `[^1]`, `[[1]]`, 【1】, ［1］,
`[1†source]` and `[1](https://made.up)`, splits markers across tokens, and cites passages that do
not exist. In the output, every marker is `[n]` with a valid n.

The parser reads one character at a time, so the result does not depend on how the text is split
into tokens. Decisions depend only on the output so far, so filtering the output again changes
nothing. Text is held back only while it may become a marker: at most MAX_MARKER characters, or one
line of inline code from its first bracket, backtick or backslash.

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
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress

from rag.answering.marker_grammar import (
    CLOSE,
    OPEN,
    SPECIAL_IN_CODE,
    TARGETS,
    can_grow,
    ends_with_prefix,
    is_indexed,
    is_line_start,
    is_list,
    is_target,
    next_piece,
    numbers_and_ranges,
    plain_text,
)

MAX_MARKER = 48
"""Maximum length of a marker, in characters. Anything longer is text."""
MAX_CODE = 1000
"""Maximum length of inline code that is held back, in characters."""

_Step = Generator[None, str, str]
"""A parser step: receives pieces of input, "" at the end, and returns the first unused piece."""


class MarkerRewriter:
    """Renumbers markers by `numbering` and removes those that are not in it."""

    def __init__(self, numbering: Mapping[int, int]) -> None:
        self._numbering = numbering
        self._highest = max(numbering, default=0)
        self._cited: dict[int, None] = {}
        self._out: list[str] = []
        self._tail = "\n"
        """The last characters written, which decisions depend on."""
        self._pushed_back: list[str] = []
        """Input to be read again."""
        self._in_plain_text = False
        """Outside code and markers, with nothing held back."""
        self._machine = self._text()
        next(self._machine)

    @property
    def cited(self) -> tuple[int, ...]:
        """Cited passage numbers, in the order of their first citation."""
        return tuple(self._cited)

    def feed(self, text: str) -> str:
        """Process the next piece of the answer and return the text that is final."""
        return self._run(text)

    def flush(self) -> str:
        """End the answer and return the text that was held back."""
        with suppress(StopIteration):
            self._run("", end=True)
        return self._take()

    def _run(self, text: str, *, end: bool = False) -> str:
        at = 0
        while end or at < len(text):
            if self._in_plain_text and (found := plain_text(text, at)):
                self._emit(found[0])
                at = found.end()
                continue
            if found := next_piece(text, at):
                piece, at = found[0], found.end()
            else:
                piece, end = "", False
            self._machine.send(piece)
            if self._pushed_back:
                end = end or not self._pushed_back[-1]
                text, at = "".join(self._pushed_back) + text[at:], 0
                self._pushed_back = []
        return self._take()

    def _take(self) -> str:
        text = "".join(self._out)
        self._out.clear()
        return text

    def _emit(self, text: str) -> None:
        if text:
            self._out.append(text)
            self._tail = (self._tail + text)[-2 * MAX_MARKER :]

    # ------------------------------------------------------------ the grammar

    def _text(self) -> Generator[None, str, None]:
        c = yield
        while c:
            if c == "`" or (c == "~" and is_line_start(self._tail)):
                c = yield from self._code(c)
            elif c in " \t(" or c in OPEN:
                c = yield from self._marker(c)
            elif c == "\\":
                self._emit(c)
                c = yield
                if c and (c in OPEN or c in "\\`"):
                    self._emit(c)
                    c = yield
            else:
                self._emit(c)
                self._in_plain_text = True
                c = yield
                self._in_plain_text = False

    def _marker(self, c: str) -> _Step:
        """Parse markers together with the space or parenthesis before them."""
        space = ""
        while c and c in " \t":
            self._emit(space)
            space = c
            c = yield
        while True:
            paren = ""
            if c == "(":
                paren = c
                c = yield
            if not c or c not in OPEN:
                self._emit(space + paren)
                return c
            if not space and not paren and is_indexed(self._tail):
                self._emit(c)
                return (yield)
            held = ""
            while c and len(held + c) <= MAX_MARKER and can_grow(held + c):
                held += c
                c = yield
            numbers = self._parse(held) if c and c in CLOSE else None
            if numbers is None:
                self._emit(space + paren + held)
                return c
            c = yield
            if held[1] in OPEN:
                if c and c in CLOSE:
                    c = yield
                else:
                    self._emit(space + paren + held[0])
                    space = paren = ""
            rest = ""
            if c == "(":
                c, rest = yield from self._target(c)
            elif c == ":" and not paren and is_line_start(self._tail + space):
                c = yield
            elif c and c in ",;、，；":
                c, rest = yield from self._joint(c)
            another = bool(c) and c in OPEN and not rest.startswith("(")
            kept = [n for n in numbers if n in self._numbering]
            if kept:
                self._cited.update(dict.fromkeys(kept))
                shown = dict.fromkeys(self._numbering[n] for n in kept)
                self._emit(space + paren + "".join(map(self._write, shown)))
                if not another:
                    self._emit(rest)
                    return c
                space = rest
                continue
            if paren and c == ")" and not rest:
                c = yield
            elif paren:
                self._emit(space + paren)
                space = ""
            if not another:
                return (yield from self._close_hole(space, rest, c))
            if not space and ends_with_prefix(self._tail):
                self._emit("…")

    def _joint(self, c: str) -> Generator[None, str, tuple[str, str]]:
        """Parse the separator in `[1], [2]`, which is dropped if either marker is."""
        joint = c
        c = yield
        if c == " ":
            joint += c
            c = yield
        return c, joint

    def _close_hole(self, space: str, rest: str, c: str) -> _Step:
        """Fix the spacing after a removed marker: no double space and no joined words."""
        after = rest or c
        if is_line_start(self._tail) or self._tail.endswith("("):
            self._emit(space)
            if after == " ":
                c = after = yield
        elif after and (after[0].isalnum() or after[0] in "`(*_\"'“‘$<"):
            self._emit(space)
        if ends_with_prefix(self._tail):
            self._emit("…")  # keep the text on both sides from forming a marker
        elif after and after[0] in "`~" and self._tail.endswith(after[0]):
            self._emit(" ")
        self._emit(rest)
        return c

    def _target(self, c: str) -> Generator[None, str, tuple[str, str]]:
        """Drop a link target. Return the next piece, and the text read if it was no target."""
        held = ""
        while c and any(target.startswith(held + c) for target in TARGETS):
            held += c
            c = yield
            if is_target(held):
                while c and c not in ") \t\n":
                    c = yield
                return ((yield) if c == ")" else c), ""
        return c, held

    def _code(self, c: str) -> _Step:
        """Copy fenced or inline code unchanged."""
        mark, run, starts_line = c, "", bool(is_line_start(self._tail))
        while c == mark:
            run += c
            self._emit(c)
            c = yield
        if starts_line and len(run) >= 3:
            while c and c != "\n" and not (c == mark == "`"):
                self._emit(c)
                c = yield
            if c in ("", "\n"):
                return (yield from self._fence(mark, len(run), c))
        if mark == "~":
            return c
        return (yield from self._inline(run, c))

    def _fence(self, mark: str, size: int, c: str) -> _Step:
        closes = re.compile(rf"[ \t>]*{mark}{{{size},}}[ \t]*").fullmatch
        line = "-"  # the rest of the opening line cannot close the fence
        while c:
            self._emit(c)
            if c != "\n":
                line += c
            elif closes(line):
                return (yield)
            else:
                line = ""
            c = yield
        return c

    def _inline(self, run: str, c: str) -> _Step:
        """Copy inline code. If it is not closed on its line, parse it again as text.

        Output is held back from the first character that would be special in text.
        """
        held: list[str] = []
        ticks = ""
        while c and c != "\n" and len(held) < MAX_CODE:
            if c == "`":
                ticks += c
            elif ticks == run:
                break
            else:
                ticks = ""
            if held or c in SPECIAL_IN_CODE:
                held.append(c)
            else:
                self._emit(c)
            c = yield
        if ticks == run:
            self._emit("".join(held))
            return c
        if held:
            self._pushed_back = [*held, c]
            return (yield)
        return c

    def _write(self, number: int) -> str:
        return f"[{number}]"

    def _parse(self, held: str) -> list[int] | None:
        """Return the numbers in a marker without its closing bracket, or None if it is not one."""
        listed = is_list(held.lstrip(OPEN))
        ranges = [(int(a), int(b or a)) for a, b in numbers_and_ranges(listed[1])] if listed else []
        if not ranges or (ranges != [(0, 0)] and any(0 in pair for pair in ranges)):
            return None
        numbers: list[int] = []
        for low, high in map(sorted, ranges):
            numbers += range(low, min(high, self._highest) + 1)
        return numbers


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
