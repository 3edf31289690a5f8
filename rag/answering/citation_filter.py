"""Citation markers in an answer, checked while it streams.

A model is told to write `[n]`. It also writes `[1, 2]`, `[1-3]`, `[^1]`, `[[1]]`, 【1】, ［1］,
`[1†source]` and `[1](https://made.up)`, splits any of them over tokens, and cites passages
that do not exist. What leaves here is text in which every marker is `[n]` with a known n.

The scanner reads one character at a time, so the result cannot depend on how the text was cut
into tokens, and it decides from what it has written, so reading its own output again finds
the same markers. It holds text back only while that can still become a marker: at most
`_LONGEST` characters, or one line of inline code from its first bracket, backtick or
backslash on.

Decided, because a bracket alone does not tell:

- Fenced code and closed inline code are never touched. Inline code does not cross lines, and
  a backtick that is never closed is only a backtick.
- A bracket directly after a lowercase letter that stands alone or after a name with an
  underscore is an index, `a[1]`, `max_size[0]`. After any other word it is a citation,
  because models write `Lambda[1]` far more often than bare code.
- Zero beside other numbers is an interval or a character class, `[0, 1]`, `[0-9]`. Alone it
  is a citation that points to nothing.
- `[1](target)` is the citation `[1]`: a model does not know where the site is. Only a target
  that looks like one is dropped; `[1](see below)` keeps its parenthesis.
- `[1]:` at the start of a line loses its colon, or Markdown would make it a link definition.
- `\\[1]` is escaped and `(1)` is no marker: both are left alone.
- As in Markdown, an escaped backtick begins no code, and an escaped backslash escapes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress

_LONGEST = 48
"""Characters that a marker may have; a longer one is text."""
_LONGEST_CODE = 1000
"""Characters of inline code that may be held back."""

_OPEN = "[【［"
_CLOSE = "]】］"
_TELLING_IN_CODE = _OPEN + "`\\"
_DASH = "[-–—‑]"
_COMMA = "[,;，、；&]"
_NOTE = rf"†[^{_CLOSE}{re.escape(_OPEN)}\n…]*"
_ITEM = rf"\^?\d+(?: ?{_DASH} ?\d+)?(?:{_NOTE})?"
_LIST = rf"{_ITEM}(?: ?{_COMMA} ?{_ITEM})*"
_PREFIX = (
    rf"[{re.escape(_OPEN)}]{{1,2}} ?(?:{_ITEM} ?{_COMMA} ?)*"
    rf"(?:\^?|\^?\d+ ?|\^?\d+ ?{_DASH} ?\d*|{_ITEM} ?)"
)
"""Everything that more text could still turn into a marker."""

_can_grow = re.compile(_PREFIX).fullmatch
_is_open = re.compile(rf"{_PREFIX}$").search
_is_list = re.compile(rf" ?({_LIST}) ?").fullmatch
_numbers = re.compile(rf"(\d+)(?: ?{_DASH} ?(\d+))?(?:{_NOTE})?").findall
is_indexed = re.compile(r"(?<!\w)(?:[a-z]|(?=\w*_)\w+)(?:\[[^\[\]\s]*\])*$").search
_is_line_start = re.compile(r"\n[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?$").search
_is_target = re.compile(r"\((?:https?:|www\.|/|#|\./|\.\./|<)").fullmatch
_TARGETS = ("(http:", "(https:", "(www.", "(/", "(#", "(./", "(../", "(<")

_piece = re.compile(r"[A-Za-z]+|.", re.DOTALL).match
"""What the machine takes at once: letters mean nothing to it, so that a word is one step."""
_TELLING = rf" \t(`~\\{re.escape(_OPEN)}"
_plain = re.compile(rf"[ \t]*[^{_TELLING}]+(?:[ \t]+[^{_TELLING}]+)*").match
"""What needs no machine outside of code, up to a space that may belong to a marker."""

_Step = Generator[None, str, str]
"""Takes characters or words, `""` for the end; gives the first one that it did not use."""


class _Scanner:
    """Rewrites markers: a passage number in `numbering` becomes its value, others vanish."""

    def __init__(self, numbering: Mapping[int, int]) -> None:
        self._numbering = numbering
        self._highest = max(numbering, default=0)
        self._cited: dict[int, None] = {}
        self._out: list[str] = []
        self._tail = "\n"
        """The last characters written, on which decisions rest."""
        self._again: list[str] = []
        """Characters to be read a second time."""
        self._outside = False
        """Of code and markers: nothing is held back."""
        self._machine = self._text()
        next(self._machine)

    @property
    def cited(self) -> tuple[int, ...]:
        """Passage numbers in the order of their first citation."""
        return tuple(self._cited)

    def feed(self, text: str) -> str:
        """Take the next piece of the answer and return what is certain by now."""
        return self._run(text)

    def flush(self) -> str:
        """End the answer and return what was held back."""
        with suppress(StopIteration):
            self._run("", end=True)
        return self._take()

    def _run(self, text: str, *, end: bool = False) -> str:
        at = 0
        while end or at < len(text):
            if self._outside and (found := _plain(text, at)):
                self._emit(found[0])
                at = found.end()
                continue
            if found := _piece(text, at):
                piece, at = found[0], found.end()
            else:
                piece, end = "", False
            self._machine.send(piece)
            if self._again:
                end = end or not self._again[-1]
                text, at = "".join(self._again) + text[at:], 0
                self._again = []
        return self._take()

    def _take(self) -> str:
        text = "".join(self._out)
        self._out.clear()
        return text

    def _emit(self, text: str) -> None:
        if text:
            self._out.append(text)
            self._tail = (self._tail + text)[-2 * _LONGEST :]

    # ------------------------------------------------------------ the grammar

    def _text(self) -> Generator[None, str, None]:
        c = yield
        while c:
            if c == "`" or (c == "~" and _is_line_start(self._tail)):
                c = yield from self._code(c)
            elif c in " \t(" or c in _OPEN:
                c = yield from self._marker(c)
            elif c == "\\":
                self._emit(c)
                c = yield
                if c and (c in _OPEN or c in "\\`"):
                    self._emit(c)
                    c = yield
            else:
                self._emit(c)
                self._outside = True
                c = yield
                self._outside = False

    def _marker(self, c: str) -> _Step:
        """Markers with the space or parenthesis before them, or whatever else is there."""
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
            if not c or c not in _OPEN:
                self._emit(space + paren)
                return c
            if not space and not paren and is_indexed(self._tail):
                self._emit(c)
                return (yield)
            held = ""
            while c and len(held + c) <= _LONGEST and _can_grow(held + c):
                held += c
                c = yield
            numbers = self._parse(held) if c and c in _CLOSE else None
            if numbers is None:
                self._emit(space + paren + held)
                return c
            c = yield
            if held[1] in _OPEN:
                if c and c in _CLOSE:
                    c = yield
                else:
                    self._emit(space + paren + held[0])
                    space = paren = ""
            rest = ""
            if c == "(":
                c, rest = yield from self._target(c)
            elif c == ":" and not paren and _is_line_start(self._tail + space):
                c = yield
            elif c and c in ",;、，；":
                c, rest = yield from self._joint(c)
            another = bool(c) and c in _OPEN and not rest.startswith("(")
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
            if not space and _is_open(self._tail):
                self._emit("…")

    def _joint(self, c: str) -> Generator[None, str, tuple[str, str]]:
        """What stands between `[1], [2]`: it goes when one of the two goes."""
        joint = c
        c = yield
        if c == " ":
            joint += c
            c = yield
        return c, joint

    def _close_hole(self, space: str, rest: str, c: str) -> _Step:
        """Nothing is left of a marker: leave neither two spaces nor two words as one."""
        after = rest or c
        if _is_line_start(self._tail) or self._tail.endswith("("):
            self._emit(space)
            if after == " ":
                c = after = yield
        elif after and (after[0].isalnum() or after[0] in "`(*_\"'“‘$<"):
            self._emit(space)
        if _is_open(self._tail):
            self._emit("…")  # what stands on both sides must not become a marker
        elif after and after[0] in "`~" and self._tail.endswith(after[0]):
            self._emit(" ")
        self._emit(rest)
        return c

    def _target(self, c: str) -> Generator[None, str, tuple[str, str]]:
        """Drop a link's target. Returns the next character and what was no target after all."""
        held = ""
        while c and any(target.startswith(held + c) for target in _TARGETS):
            held += c
            c = yield
            if _is_target(held):
                while c and c not in ") \t\n":
                    c = yield
                return ((yield) if c == ")" else c), ""
        return c, held

    def _code(self, c: str) -> _Step:
        """Fenced or inline code, written as it is."""
        mark, run, starts_line = c, "", bool(_is_line_start(self._tail))
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
        line = "-"  # what follows the opening run is no closing line
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
        """The rest of inline code: text after all where it does not end in its line.

        From the first sign on that means something in text it waits for the end.
        """
        held: list[str] = []
        ticks = ""
        while c and c != "\n" and len(held) < _LONGEST_CODE:
            if c == "`":
                ticks += c
            elif ticks == run:
                break
            else:
                ticks = ""
            if held or c in _TELLING_IN_CODE:
                held.append(c)
            else:
                self._emit(c)
            c = yield
        if ticks == run:
            self._emit("".join(held))
            return c
        if held:
            self._again = [*held, c]
            return (yield)
        return c

    def _write(self, number: int) -> str:
        return f"[{number}]"

    def _parse(self, held: str) -> list[int] | None:
        """Passage numbers of a marker without its closing bracket; None for what is none."""
        listed = _is_list(held.lstrip(_OPEN))
        ranges = [(int(a), int(b or a)) for a, b in _numbers(listed[1])] if listed else []
        if not ranges or (ranges != [(0, 0)] and any(0 in pair for pair in ranges)):
            return None
        numbers: list[int] = []
        for low, high in map(sorted, ranges):
            numbers += range(low, min(high, self._highest) + 1)
        return numbers


class CitationFilter(_Scanner):
    """Feed it an answer's tokens; it returns text whose markers are valid passages.

    `count` is the number of passages; `[n]` outside 1..count vanishes, with the space before
    it where that would leave a hole.
    """

    def __init__(self, count: int) -> None:
        super().__init__({n: n for n in range(1, count + 1)})


def renumber(message: str, order: Mapping[int, int]) -> str:
    """The whole message with `[old]` as `[order[old]]`; markers not in `order` vanish."""
    scanner = _Scanner(order)
    return scanner.feed(message) + scanner.flush()


class _Linker(_Scanner):
    """Turns markers into links."""

    def __init__(self, urls: Mapping[int, Sequence[str]]) -> None:
        super().__init__({n: n for n in urls})
        self._urls = {n: list(reversed(found)) for n, found in urls.items()}

    def _write(self, number: int) -> str:
        left = self._urls[number]
        url = left.pop() if len(left) > 1 else left[0]
        return f"[\\[{number}\\]](<{url}>)"


def linked(message: str, urls: Mapping[int, Sequence[str]]) -> str:
    """The message with its markers as Markdown links: the k-th `[n]` leads to `urls[n][k]`.

    The last address of a number serves all that follow. Each needs at least one.
    """
    linker = _Linker(urls)
    return linker.feed(message) + linker.flush()
