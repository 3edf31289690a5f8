"""Tell the code of Markdown from its text, in finished texts and while they stream."""

from __future__ import annotations

import re

MAX_CODE = 1000
"""Maximum length of inline code, and of the opening line of fenced code, in characters."""
TAIL = 96
"""Characters of the output that decisions depend on."""

is_line_start = re.compile(r"\n[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*$").search
_run_of_marks = re.compile(r"`+|~+").match
_opening_line = re.compile(
    rf"(?:`{{3,}}[^`\n]{{0,{MAX_CODE}}}|~{{3,}}[^\n]{{0,{MAX_CODE}}})(?=\n|\Z)"
).match
_opens = re.compile(
    r"([ \t>]*+(?:(?:[-*+]|\d{1,9}[.)])[ \t]++)*+)(`{3,}(?=[^`]*$)|~{3,}+).*"
).fullmatch
_closes = re.compile(r"[ \t>]*+(`{3,}+|~{3,}+)[ \t]*+").fullmatch
_BULLET = re.compile(r"[^ \t>]+")
_DETAILS = re.compile(r"<(/?)details\b", re.IGNORECASE)
_begins_details = re.compile(r"[ \t>]*+</?(?:details|summary)\b", re.IGNORECASE).match


class FencedLines:
    """Tells which lines of a finished text are fenced code."""

    def __init__(self) -> None:
        self.fence = ""
        """The marks that opened the current fenced code."""
        self.prefix = ""
        """What each of its lines begins with: quotation marks, and spaces for list bullets."""
        self.in_list = False
        """Whether it is in a list item."""

    def read(self, line: str) -> bool:
        """Whether the next line is fenced code, or opens or closes it."""
        if self.fence:
            closing = _closes(line)
            if closing and closing[1].startswith(self.fence):
                self.fence = ""
            return True
        if opening := _opens(line):
            self.fence, self.in_list = opening[2], bool(_BULLET.search(opening[1]))
            self.prefix = _BULLET.sub(lambda bullet: " " * len(bullet[0]), opening[1])
        return bool(opening)

    @property
    def end(self) -> str:
        """A line that closes the current fenced code."""
        return self.prefix + self.fence


def open_block_end(message: str) -> str:
    """Return what closes the fenced code, comment or `<details>` that a message leaves open."""
    code, comment, details = FencedLines(), False, 0
    for line in message.split("\n"):
        if comment:
            comment = "-->" not in line
        elif code.read(line):
            continue
        elif (start := line.rfind("<!--")) != -1 and line[:start].count("`") % 2 == 0:
            comment = "-->" not in line[start:]
        elif details or _begins_details(line):
            for tag in _DETAILS.finditer(line):
                details = max(0, details + (-1 if tag[1] else 1))
    end = f"\n{code.end}" if code.fence else " -->" if comment else ""
    return end + ("\n" + "\n</details>" * details if details else "")


class CodeReader:
    """Reads a text in pieces of any size. Subclasses say what becomes of it in `_step`.

    Text is held back only while more text could change how it is read, so the result does not
    depend on the pieces. Inline code does not cross lines, and a backtick that is never closed is
    an ordinary character.
    """

    _closing_line = staticmethod(re.compile(r"[ \t>]*+(`{3,}+|~{3,}+)[ \t]*+(?=\n|\Z)").match)
    _may_close = staticmethod(re.compile(r"[ \t>]*+[`~]*+[ \t]*+").fullmatch)

    def __init__(self) -> None:
        self._held = ""
        """Input that is not decided yet."""
        self._out: list[str] = []
        self._tail = "\n"
        """The last characters written, after a line feed that begins the text."""
        self._fence = ""
        """The marks that opened the current fenced code."""
        self._line_begun = False
        """Whether part of the current line was copied."""

    def feed(self, text: str) -> str:
        """Process the next piece and return the text that is final."""
        return self._run(self._held + text, final=False)

    def flush(self, text: str = "") -> str:
        """Process the last piece and return the rest of the text."""
        return self._run(self._held + text, final=True)

    def _run(self, text: str, *, final: bool) -> str:
        at = 0
        while at < len(text):
            after = (self._copy_fenced if self._fence else self._step)(text, at, final)
            if after == at:
                break
            at = after
        self._held = text[at:]
        written = "".join(self._out)
        self._out.clear()
        return written

    def _step(self, text: str, at: int, final: bool) -> int:
        """Process text from `at` and return where to go on, or `at` if more text is needed."""
        raise NotImplementedError

    def _copy(self, text: str, at: int, end: int) -> int:
        self._line_begun = not text.endswith("\n", at, end)
        self._emit(text[at:end])
        return end

    def _emit(self, text: str) -> None:
        if text:
            self._out.append(text)
            self._tail = (self._tail + text)[-TAIL:]

    def _code(self, text: str, at: int, final: bool) -> int:
        """Copy inline code, or the opening line of fenced code."""
        run = _run_of_marks(text, at)[0]  # type: ignore[index]  # the caller saw a mark
        begun = at + len(run)
        starts_line = bool(is_line_start(self._tail))
        if begun == len(text) and not final and (run[0] == "`" or starts_line):
            return at if len(run) < MAX_CODE else self._copy(text, at, begun)
        if starts_line and (found := _opening_line(text, at)):
            if found.end() == len(text) and not final:
                return at
            self._fence = run
            return self._copy(text, at, found.end() + 1)
        if run[0] == "~":
            return self._copy(text, at, begun)
        line = text[begun : begun + MAX_CODE].partition("\n")[0]
        closing = re.search(rf"(?<!`){run}(?!`)", line)
        is_line_whole = len(line) == MAX_CODE or begun + len(line) < len(text)
        if not final and not is_line_whole and (not closing or closing.end() == len(line)):
            return at
        return self._copy(text, at, begun + (closing.end() if closing else 0))

    def _copy_fenced(self, text: str, at: int, final: bool) -> int:
        """Copy one line of fenced code, or the part of it that is there."""
        end = text.find("\n", at) + 1
        if not self._line_begun:
            if not (end or final) and self._may_close(text, at) and len(text) - at <= MAX_CODE:
                return at
            found = self._closing_line(text, at)
            if found and found[1].startswith(self._fence):
                self._fence = ""
                return self._copy(text, at, found.end())
        return self._copy(text, at, end or len(text))
