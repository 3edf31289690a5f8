"""Number the citations of an answer while it streams."""

from __future__ import annotations

from rag.answering.citation_filter import MarkerRewriter


class CitationOrder(MarkerRewriter):
    """Renumbers markers 1, 2, … in the order of their first citation.

    For clients that show text as it arrives and cannot replace it: the finished answer is numbered
    by relevance, which is not known before its end. `count` is the number of passages.
    """

    def __init__(self, count: int) -> None:
        super().__init__({n: n for n in range(1, count + 1)})

    def _write(self, number: int) -> str:
        return f"[{self.cited.index(number) + 1}]"
