"""Collect the text of an answer as it arrives, with its citations."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

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


@dataclass(slots=True)
class AnswerText:
    """The text, usage and highlights received from an answerer so far."""

    count: int
    """The number of passages."""
    is_quoted: bool
    """Whether the answer is the book's own text."""
    citations: CitationFilter = field(init=False)
    fence: OuterFence = field(init=False)
    text: str = ""
    usage: Usage = field(default_factory=Usage)
    highlights: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Start over, and discard text that was not part of the answer."""
        reader = CitationFilter if self.is_quoted else ModelCitations
        self.citations, self.fence, self.text = reader(self.count), OuterFence(), ""

    def add(self, part: AnswerPart) -> str:
        """Add a part and return the text that can be shown now."""
        if isinstance(part, Restart):
            self.begin()
        elif isinstance(part, Usage):
            self.usage = part
        elif isinstance(part, Highlights):
            self.highlights = part.sentences
        else:
            shown = self.citations.feed(self.fence.feed(part))
            self.text += shown
            return shown
        return ""

    def finish(self) -> str:
        """Return the text that was still held back."""
        rest = self.citations.flush(self.fence.flush())
        self.text += rest
        return rest

    @property
    def says_nothing(self) -> bool:
        """Whether there are no words, only white space, signs, markup or citations."""
        words = _UNSEEN.sub("", html.unescape(renumber(self.text, {})))
        return not any(map(str.isalnum, visible(words)))
