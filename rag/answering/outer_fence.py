"""Unwrap an answer that a model put into one Markdown fence, while it streams.

Some models write the whole answer as a fenced block, which would be shown as raw text. A fence
around everything is removed if it says that it holds Markdown, or text with a citation. Text is
held back until that is known. Fences within the answer stay.
"""

from __future__ import annotations

import re

from rag.answering.marker_grammar import OPEN, is_indexed, marker

MAX_HELD = 2000
"""Characters that are read to find a citation. A longer block without any is code."""
_NAMES = "markdown|md|mdx|mdown|gfm|commonmark"
_opening = re.compile(
    rf"[\s\ufeff\u200b]*+(?P<marks>`{{3,}}+|~{{3,}}+)[ \t]*+"
    rf"(?:(?P<named>{_NAMES})|plaintext|plain|text|txt)?+[ \t\r]*+(?P<end>\n|\Z)",
    re.IGNORECASE,
).match
_opening_begun = re.compile(
    r"[\s\ufeff\u200b]*+(?:`++|~++)[ \t]*+[a-z]{0,10}[ \t\r]*+", re.I
).fullmatch
_fence_line = re.compile(r"[ \t]{0,3}(`{3,}+|~{3,}+)([^\n]*+)").fullmatch
_may_be_fence = re.compile(r"[ \t]{0,3}(?:`{1,2}|~{1,2}|`{3,}+[^\n]*+|~{3,}+[^\n]*+)?").fullmatch
_INLINE_CODE = re.compile(r"`[^`]*`")
_bracket = re.compile(f"[{re.escape(OPEN)}]")


class OuterFence:
    """Removes the fence around a streamed answer, if there is one."""

    def __init__(self) -> None:
        self._held = ""
        self._marks = ""
        """The marks that opened the outer fence, once it is removed."""
        self._inner = ""
        """The marks of the fenced code that is open within the answer."""
        self._line_begun = False
        """Whether a part of the current line was released."""
        self._closing = ""
        """A line that closes the outer fence, unless the answer goes on."""
        self._decided = False

    def feed(self, text: str) -> str:
        """Process the next piece of the answer and return the text that is final."""
        self._held += text
        if not self._decided and not self._decide(final=False):
            return ""
        return self._release(final=False)

    def flush(self) -> str:
        """End the answer and return the text that was held back."""
        if not self._decided:
            self._decide(final=True)
        return self._release(final=True)

    def _decide(self, *, final: bool) -> bool:
        """Find out whether the answer is in a fence. Return False if more text is needed."""
        held = self._held
        opening = _opening(held)
        if not opening or not (opening["end"] or final):
            self._decided = final or not self._may_open(held)
            return self._decided
        inside = held[opening.end() :]
        wrapped = _is_prose(inside, opening["marks"], bool(opening["named"]), final=final)
        if wrapped:
            self._marks, self._held = opening["marks"], inside
        self._decided = wrapped is not None
        return self._decided

    @staticmethod
    def _may_open(held: str) -> bool:
        return not held.strip("\ufeff\u200b \t\r\n") or bool(_opening_begun(held))

    def _release(self, *, final: bool) -> str:
        if not self._marks:
            text, self._held = self._held, ""
            return text
        written: list[str] = []
        while self._held:
            end = self._held.find("\n") + 1
            line = self._held[:end] if end else self._held
            begins = not self._line_begun
            if not end and not final and begins and _may_be_fence(line):
                break
            self._held = self._held[len(line) :]
            self._line_begun = not end
            written.append(self._line(line, begins))
        if final:
            self._closing = ""
        return "".join(written)

    def _line(self, line: str, begins: bool) -> str:
        """Return the text to write for a line, or the part of it that is there."""
        before = ""
        if self._closing and line.strip():
            before, self._closing = self._closing, ""
            self._inner = self._marks  # it opened code instead
        elif self._closing:
            self._closing += line
            return ""
        fence = _fence_line(line.rstrip("\r\n")) if begins else None
        if not fence:
            return before + line
        marks, info = fence[1], fence[2].strip()
        if self._inner:
            if not info and marks.startswith(self._inner):
                self._inner = ""
        elif not info and marks.startswith(self._marks):
            self._closing = line
            return before
        elif marks[0] == "~" or "`" not in info:
            self._inner = marks
        return before + line


def _is_prose(inside: str, marks: str, named: bool, *, final: bool) -> bool | None:
    """Whether a fence holds an answer and not code; None if more text is needed.

    Only complete lines are judged, so that the result does not depend on the pieces.
    """
    at, inner = 0, ""
    while at < len(inside):
        end = inside.find("\n", at) + 1
        if at > MAX_HELD:
            return False
        if not (end or final):
            return False if len(inside) - at > MAX_HELD else None
        line = inside[at : end or len(inside)].rstrip("\r\n")
        at = end or len(inside)
        if fence := _fence_line(line):
            bare = not fence[2].strip()
            if inner:
                inner = "" if bare and fence[1].startswith(inner) else inner
            elif bare and fence[1].startswith(marks):
                if final or inside[at:].strip():
                    return named and not inside[at:].strip()
                return None
            else:
                inner = fence[1]
        elif not inner and _has_citation(line):
            return True
    return named if final else None


def _has_citation(line: str) -> bool:
    """Whether a line contains a citation marker that is not an index or in inline code."""
    prose = _INLINE_CODE.sub(lambda code: "x" * len(code[0]), line)
    return any(
        marker(prose, found.start()) and not is_indexed(prose[: found.start()][-96:])
        for found in _bracket.finditer(prose)
    )
