"""Collect the text of an answer as it arrives, with its citations."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

from rag.answering.citation_filter import CitationFilter, renumber
from rag.answering.citation_habits import ModelCitations
from rag.answering.outer_fence import OuterFence
from rag.interfaces import AnswerPart
from rag.language.visible import visible
from rag.models import Highlights, Restart, Usage

_UNSEEN = re.compile(
    r"<!--.{0,2000}?(?:-->|\Z)|</?[A-Za-z][^<>]{0,200}>|^[ \t>]*(?:`{3,}|~{3,})[^\n]{0,50}$"
    r"|!?\[\]\([^()]{0,300}\)",
    re.DOTALL | re.MULTILINE,
)
"""Markup without words: comments, tags, the lines around code, links and images without a text."""


class AnswerText:
    """The text, usage and highlights of an answer received so far."""

    def __init__(self, count: int, *, is_quoted: bool) -> None:
        """`count` is the number of passages. A quoted answer is the book's own text."""
        self._count = count
        self._reader = CitationFilter if is_quoted else ModelCitations
        self.usage = Usage()
        self.highlights: Mapping[int, str] = {}
        self.begin()

    def begin(self) -> None:
        """Start over, and discard text that was not part of the answer."""
        self._citations, self._fence = self._reader(self._count), OuterFence()
        self.text = ""

    def add(self, part: AnswerPart) -> str:
        """Add a part and return the text that can be shown now."""
        if isinstance(part, Restart):
            self.begin()
        elif isinstance(part, Usage):
            self.usage = part
        elif isinstance(part, Highlights):
            self.highlights = part.sentences
        else:
            shown = self._citations.feed(self._fence.feed(part))
            self.text += shown
            return shown
        return ""

    def finish(self) -> str:
        """Return the text that was still held back."""
        rest = self._citations.flush(self._fence.flush())
        self.text += rest
        return rest

    @property
    def says_nothing(self) -> bool:
        """Whether there are no words, only white space, signs, markup or citations."""
        words = _UNSEEN.sub("", html.unescape(renumber(self.text, {})))
        return not any(map(str.isalnum, visible(words)))
