"""Normalize the citation markers of an answer while it streams.

The model is told to write `[n]`. It also writes `[1, 2]`, `[1-3]`, `[^1]`, `[[1]]`, 【1】, ［1］,
`[1†source]`, `[Source 1]` and `[1](https://made.up)`, splits markers across tokens, and cites
passages that do not exist. In the output, every marker is `[n]` with a valid n. Forms that are not
in brackets are read by `citation_habits`.

Text is held back only while more text could change how it is read: a group of markers and the
character after it, or code. So the result does not depend on how the text is split into tokens.
Decisions depend only on the output so far, so filtering the output again changes nothing.

Ambiguous cases are resolved as follows:

- Fenced code and closed inline code are never changed, see `code_reader`.
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
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import chain, repeat

from rag.answering.code_reader import CodeReader, is_line_start
from rag.answering.marker_grammar import (
    MAX_MARKERS,
    OPEN,
    can_grow,
    ends_with_prefix,
    is_indexed,
    joint,
    lead,
    marker,
    numbers_and_ranges,
    plain_text,
)

_OPENS_WORD = frozenset("`([*_\"'“‘$<")
"""Characters before which a removed marker leaves a space, as before letters and digits."""
_spaces_before_space = re.compile(r"[ \t]+(?=[ \t])").match


class MarkerRewriter(CodeReader):
    """Writes each marker of a known number with `write`, and removes the others."""

    _plain_text = staticmethod(plain_text)

    def __init__(self, known: Collection[int], write: Callable[[int], str] = "[{}]".format) -> None:
        super().__init__()
        self._known = known
        self._highest = max(known, default=0)
        self._write = write
        self._cited: dict[int, None] = {}

    @property
    def cited(self) -> tuple[int, ...]:
        """Cited passage numbers, in the order of their first citation."""
        return tuple(self._cited)

    def _step(self, text: str, at: int, final: bool) -> int:
        if found := self._plain_text(text, at) or _spaces_before_space(text, at):
            return self._copy(text, at, found.end())  # only the last space may belong to a marker
        c = text[at]
        if c == "\\":
            if at + 1 == len(text) and not final:
                return at
            escaped = text[at + 1 : at + 2]
            is_special = bool(escaped) and (escaped in OPEN or escaped in "\\`")
            return self._copy(text, at, at + 1 + is_special)
        return (self._code if c in "`~" else self._markers)(text, at, final)

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
        any_kept = any(n in self._known for _, numbers in group for n in numbers)
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
            kept = [n for n in numbers if n in self._known]
            dropped = not kept
            if kept:
                any_kept = True
                self._cited.update(dict.fromkeys(kept))
                self._emit(space + "".join(map(self._write, dict.fromkeys(kept))))
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

    def _parse(self, written: str) -> list[int] | None:
        """Return the numbers in a marker, or None for an interval or a character class."""
        ranges = [(int(a), int(b or a)) for a, b in numbers_and_ranges(written.partition("(")[0])]
        if ranges != [(0, 0)] and any(0 in pair for pair in ranges):
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
        super().__init__(range(1, count + 1))


class CitationOrder(MarkerRewriter):
    """Renumbers markers 1, 2, … in the order of their first citation.

    For clients that show text as it arrives and cannot replace it: the finished answer is numbered
    by relevance, which is not known before its end. `count` is the number of passages.
    """

    def __init__(self, count: int) -> None:
        super().__init__(range(1, count + 1), lambda n: f"[{self.cited.index(n) + 1}]")


def renumber(message: str, order: Mapping[int, int]) -> str:
    """Replace each `[old]` in a message by `[order[old]]` and remove markers not in `order`."""
    return MarkerRewriter(order, lambda n: f"[{order[n]}]").flush(message)


def replace_markers(message: str, numbers: Mapping[int, Sequence[int]]) -> str:
    """Replace the k-th `[n]` of a message by `[numbers[n][k]]`."""
    left = {n: iter(found) for n, found in numbers.items()}
    return MarkerRewriter(left, lambda n: f"[{next(left[n], n)}]").flush(message)


def link_markers(message: str, urls: Mapping[int, Sequence[str]]) -> str:
    """Turn the markers of a message into Markdown links: the k-th `[n]` links to `urls[n][k]`.

    If there are more markers than URLs, the last URL is repeated. Each number needs at least one.
    """
    left = {n: chain(found, repeat(found[-1])) for n, found in urls.items()}
    return MarkerRewriter(left, lambda n: f"[\\[{n}\\]](<{next(left[n])}>)").flush(message)
