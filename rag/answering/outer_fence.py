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
    r"[\s\ufeff\u200b]*+(?:(?:`++|~++)[ \t]*+[a-z]{0,10}[ \t\r]*+)?", re.I
).fullmatch
_fence_line = re.compile(r"[ \t]{0,3}(`{3,}+|~{3,}+)([^\n]*+)").fullmatch
_may_be_fence = re.compile(r"[ \t]{0,3}(?:`{1,2}|~{1,2}|`{3,}+[^\n]*+|~{3,}+[^\n]*+)?").fullmatch
_INLINE_CODE = re.compile(r"`[^`]*`")
_bracket = re.compile(f"[{re.escape(OPEN)}]")


class OuterFence:
    """Removes the fence around a streamed answer, if there is one."""

    def __init__(self) -> None:
        self._held = ""
        self._marks: str | None = None
        """The marks that opened the outer fence; empty if there is none, None until it is known."""
        self._is_named = False
        """Whether the outer fence says that it holds Markdown."""
        self._raw = ""
        """The text from the outer fence on, until it is known to hold an answer."""
        self._out: list[str] = []
        """The same without the fence, then what can be returned."""
        self._inner = ""
        """The marks of the fenced code that is open within the answer."""
        self._line_begun = False
        """Whether a part of the current line was read."""
        self._closing = ""
        """A line that closes the outer fence, unless the answer goes on."""

    def feed(self, text: str) -> str:
        """Process the next piece of the answer and return the text that is final."""
        return self._run(text, final=False)

    def flush(self) -> str:
        """End the answer and return the text that was held back."""
        return self._run("", final=True)

    def _run(self, text: str, *, final: bool) -> str:
        self._held += text
        if self._marks is None:
            self._open(final=final)
        while self._held and self._marks:
            line = self._held[: self._held.find("\n") + 1] or self._held
            if self._raw and max(len(self._raw), len(line)) > MAX_HELD:
                self._keep()
                break
            is_partial = not (final or line.endswith("\n"))
            begins = not self._line_begun
            if is_partial and (self._raw or (begins and _may_be_fence(line))):
                break
            self._held = self._held[len(line) :]
            self._line_begun = not line.endswith("\n")
            self._read(line, begins)
        if final and self._raw and not self._is_named:
            self._keep()
        if self._raw and not final:
            return ""
        if self._marks == "":
            self._out.append(self._held)
            self._held = ""
        written = "".join(self._out)
        self._out.clear()
        return written

    def _open(self, *, final: bool) -> None:
        """Read the line that opens the outer fence, if there is one."""
        opening = _opening(self._held)
        if opening and (opening["end"] or final):
            self._marks, self._is_named = opening["marks"], bool(opening["named"])
            self._raw, self._held = opening[0], self._held[opening.end() :]
        elif final or not _opening_begun(self._held):
            self._marks = ""

    def _read(self, line: str, begins: bool) -> None:
        """Read a line, or the part of it that is there. Only whole lines are judged."""
        self._raw += line if self._raw else ""
        if self._closing and not line.strip():
            self._closing += line
            return
        if self._closing and self._raw:
            self._keep()  # code, and a text after it
            return
        if self._closing:
            self._out.append(self._closing)
            self._closing, self._inner = "", self._marks or ""  # it opened code instead
        fence = _fence_line(line.rstrip("\r\n")) if begins else None
        marks, info = (fence[1], fence[2].strip()) if fence else ("", "")
        if fence and self._inner:
            if not info and marks.startswith(self._inner):
                self._inner = ""
        elif fence and not info and marks.startswith(self._marks or ""):
            self._closing = line
            return
        elif fence and (marks[0] == "~" or "`" not in info):
            self._inner = marks
        elif self._raw and not self._inner and _has_citation(line):
            self._raw = ""
        self._out.append(line)

    def _keep(self) -> None:
        """Leave the fence, as it holds code."""
        self._out = [self._raw + self._held]
        self._held = self._raw = self._marks = ""


def _has_citation(line: str) -> bool:
    """Whether a line contains a citation marker that is not an index or in inline code."""
    prose = _INLINE_CODE.sub(lambda code: "x" * len(code[0]), line)
    return any(
        marker(prose, found.start()) and not is_indexed(prose[: found.start()][-96:])
        for found in _bracket.finditer(prose)
    )
