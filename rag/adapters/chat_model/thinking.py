"""Remove the control text that models write as part of their answers.

Open-weight models, and servers with another chat template, write thoughts, tool calls, roles and
end marks as text. All families are read here, for answers and rewritten questions alike:

- Thoughts and tool calls are removed, also if they never end.
- If only the end of a thought arrives, or a final channel begins, the text before it was a thought.
- After an end mark, or when the model begins a turn of another role, the rest is removed.
- Other marks of chat templates are removed.

Tags in inline and fenced code are part of the answer, and so are tags that a sentence names. Text
is held back only while more text could change how it is read.
"""

from __future__ import annotations

import re

from rag.adapters.chat_model import control_tags
from rag.adapters.chat_model.control_tags import MAX_TAG, Tag, is_hidden, is_wrapper
from rag.answering.code_reader import CodeReader

_ENDED_BY = {
    "thought_end": ("thought", "prelude", "aside"),
    "details_end": ("thought",),
    "phrase": ("prelude",),
    "ours": ("other", "aside"),
    "called": ("call",),
}
"""The modes that a tag ends."""
_SPECIAL = re.compile(rf"[`~\n]|{control_tags.SPECIAL}")
_tag_begins = re.compile(control_tags.SPECIAL).search
_named_after = re.compile(r"""(?:[^\W_][,;]? |["'“‘(«「])$""").search
_named_before = re.compile(r""" (?![A-Z])\w|[,;:.)"'”’»」]""").match
"""Before and after a tag that a sentence names, such as "the <think> tag"."""
_fence_name = re.compile(r"[`~]+[ \t]*+(\w*+)").match
_heading = re.compile(
    r"#{2,3} (?:(instruction|human|user)|assistant|response):[ \t]*\n?", re.IGNORECASE
).match
_may_be_heading = re.compile(r"#{1,3}(?: [A-Za-z]{0,11}:?)?").fullmatch
_role = re.compile(
    r"\s*(?:(assistant|model|ai|bot|chatbot)|(user|human|system|tool|developer|ipython))"
    r"(?![a-z])[ \t:]*",
    re.IGNORECASE,
).match
_CHANNELS = ("analysis", "commentary")
_glued_channel = re.compile(rf"(?:{'|'.join(_CHANNELS)})(?=[A-Z])").match
_cut_off = re.compile(r"<[|｜]/?[A-Za-z][\w▁]*\Z").match
_channel = re.compile(r"\s*final(?![a-z])[ \t]*", re.IGNORECASE).match
_blank = re.compile("[\\s\u00ad\u200b-\u200f\u2060\ufeff\u3164\u2800]*").match


class ControlText(CodeReader):
    """Reads a model's text as it arrives and returns the part of it that is an answer."""

    _closing_line = staticmethod(
        re.compile(r"[ \t>]*+(`{3,}|~{3,})[ \t]*+(?=\n|\Z|<[|｜/]|<end_of)").match
    )
    _may_close = staticmethod(re.compile(r"[ \t>]*+[`~]*+[ \t]*+(?:<[^\n]{0,12})?").fullmatch)

    def __init__(self) -> None:
        super().__init__()
        self.restarted = False
        """Whether the answer starts over with the text returned last."""
        self._mode = ""
        """The part that is being read:

        ""       the answer
        role     the header of a turn, and
        channel  the header of a channel, up to a line break or a tag
        thought  up to its end mark
        prelude  thoughts up to certain words
        aside    a channel that is not the final one
        call     a tool call, up to its end mark
        other    another role's turn before the answer
        between  after `<|end|>`, which a final channel may follow
        over     after the answer
        """
        self._before = ""
        """The mode before a header."""
        self._fence_is_thought = False
        self._named: set[str] = set()
        """Tags that a sentence names: their ends are a part of the answer as well."""

    @property
    def _begun(self) -> bool:
        """Whether there is a part of the answer."""
        return self._tail != "\n"

    def _run(self, text: str, *, final: bool) -> str:
        self.restarted = False
        return super()._run(text, final=final)

    def _step(self, text: str, at: int, final: bool) -> int:
        if self._mode in ("role", "channel"):
            return self._read_header(text, at, final)
        if self._mode:
            return self._skip(text, at, final)
        self._fence_is_thought = False
        if not self._begun and (blank := _blank(text, at)) and blank.end() > at:
            return blank.end()
        if not self._line_begun and (found := self._read_line_start(text, at, final)) != -1:
            return found
        found_at = special.start() if (special := _SPECIAL.search(text, at)) else len(text)
        if found_at > at:
            return self._copy(text, at, found_at)
        if text[at] == "\n":
            return self._copy(text, at, at + 1)
        if text[at] not in "`~":
            return self._read_tag(text, at, final)
        begun, after = self._begun, self._code(text, at, final)
        if self._fence and not begun and (found := _fence_name(text, at)) and is_hidden(found[1]):
            self._fence_is_thought = True
            self._discard()
        return after

    def _emit(self, text: str) -> None:
        if not self._fence_is_thought:
            super()._emit(text)

    # ------------------------------------------------------------ the answer

    def _read_line_start(self, text: str, at: int, final: bool) -> int:
        """Read what matters only at the start of a line. Return -1 if there is nothing of it."""
        end = text.find("\n", at) + 1
        line = text[at : end or len(text)]
        if not (end or final) and _may_be_heading(line):
            return at
        if heading := _heading(line):
            self._apply(Tag("other" if heading[1] else "ours"))
            return at + heading.end()
        phrases = control_tags.LAST if self._begun else control_tags.FIRST | control_tags.LAST
        if self._tail.endswith("\n\n"):
            phrases = control_tags.NEXT | phrases
        start = text[at : at + MAX_TAG].lower().replace("’", "'")
        for phrase, kind in phrases.items():
            if start.startswith(phrase):
                self._apply(Tag(kind))
                return at + len(phrase)
        if not final and any(known.startswith(start) for known in (*phrases, *_CHANNELS)):
            return at
        if not self._begun and (glued := _glued_channel(text, at)):
            self._mode = "aside"
            return glued.end()
        return -1

    # ------------------------------------------------------------ tags

    def _read_tag(self, text: str, at: int, final: bool) -> int:
        found = control_tags.match(text, at)
        if not final and len(text) - at <= MAX_TAG:
            follows = text[found.end() :] if found else ""
            if control_tags.begun(text, at) or (found and follows in ("", " ")):
                return at
        if not found:
            is_cut = final and _cut_off(text, at)
            return len(text) if is_cut else self._copy(text, at, at + 1)
        tag = control_tags.read(found)
        if not tag.kind or self._is_named(tag, text, found.end()):
            return self._copy(text, at, at + 1)
        self._apply(tag, found[0])
        return found.end()

    def _is_named(self, tag: Tag, text: str, end: int) -> bool:
        """Whether a tag is a part of the answer, because a sentence names it."""
        if tag.closes and tag.name in self._named:
            self._named.remove(tag.name)
            return True
        if not self._begun or tag.kind == "details_end":
            return self._begun
        is_named = bool(_named_after(self._tail) and _named_before(text, end))
        if tag.kind == "thought_end":
            is_named = is_named and text[end] != " "
        is_named |= tag.name[:1] == "/" and not self._tail[-1].isspace()
        if not tag.closes:
            is_named |= tag.name == "s" or bool(is_wrapper(tag.name))
        if is_named:
            self._named.add(tag.name)
        return is_named

    def _skip(self, text: str, at: int, final: bool) -> int:
        """Skip hidden text up to the next tag."""
        is_prelude = self._mode == "prelude"
        found = (control_tags.find_prelude_end if is_prelude else control_tags.find)(text, at)
        if found and not (final or found.end() + 1 < len(text)):
            return found.start()
        if found:
            self._apply(control_tags.read(found), found[0])
            return found.end()
        held = max(at, len(text) - MAX_TAG)
        if not is_prelude:
            begun = _tag_begins(text, held)
            held = begun.start() if begun else len(text)
        return len(text) if final else held

    def _read_header(self, text: str, at: int, final: bool) -> int:
        """Read the name of a role or channel."""
        tag, end = control_tags.find(text, at), text.find("\n", at)
        cut = tag.start() if tag and (end == -1 or tag.start() < end) else end
        if cut == -1:
            if not final and len(text) - at <= MAX_TAG:
                return at
            cut = len(text)
        header, kind, rest = text[at:cut], "", text[at:cut]
        if self._mode == "channel":
            found = _channel(header)
            kind = "final" if found else "aside"
        elif found := _role(header):
            kind = "ours" if found[1] else "other"
        if found:
            rest = header[found.end() :]
        self._mode = self._before
        if kind:
            self._apply(Tag(kind))
        if not self._mode and rest.strip():
            self._copy(rest.lstrip(), 0, len(rest.lstrip()))
        after = cut + (cut == end)
        return after if after > at else self._step(text, at, final)

    def _apply(self, tag: Tag, written: str = "") -> None:
        """Change the mode at a tag."""
        mode, kind = self._mode, tag.kind
        if mode == "over" or not kind:
            return
        if kind == "final" or (kind == "thought_end" and not mode):
            self._mode = ""
            self._withdraw()
        elif kind in ("role", "channel"):
            self._before, self._mode = mode, kind
        elif kind == "aside":
            self._mode = "aside"
        elif mode in _ENDED_BY.get(kind, ()):
            self._mode = ""
        elif kind == "other" and mode in ("", "between"):
            self._mode = "over" if self._begun else "other"
        elif not mode and kind in ("thought", "prelude", "call"):
            self._mode = kind
        elif not mode and kind == "end" and self._begun:
            self._mode = "between" if written.lower() == "<|end|>" else "over"

    def _withdraw(self) -> None:
        self.restarted |= self._begun
        self._line_begun = False
        self._named.clear()
        self._discard()

    def _discard(self) -> None:
        """Forget the answer so far."""
        self._tail = "\n"
        self._out.clear()
