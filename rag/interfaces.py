"""The Protocols behind which services and embedded engines are interchangeable."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

from rag.models import (
    Brief,
    Candidates,
    Chunk,
    Highlights,
    IndexInfo,
    Page,
    Point,
    SparseVector,
    Turn,
    Usage,
)


class Embedder(Protocol):
    """Text to unit vectors."""

    @property
    def model(self) -> str:
        """Name recorded with the index; a query with another model is refused."""

    @property
    def dimensions(self) -> int: ...

    @property
    def cosine_range(self) -> tuple[float, float]:
        """Cosines that unrelated and surely related texts have: the two ends of calibration."""

    async def embed_questions(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """One vector a question, in order, by one call."""

    async def embed_passages(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """One vector a text, in order. Batches and limits are the embedder's own business."""

    async def close(self) -> None: ...


class VectorStore(Protocol):
    """The read side of the index."""

    async def info(self) -> IndexInfo | None:
        """None where nothing has been indexed yet."""

    async def candidates(
        self, dense: Sequence[float], sparse: SparseVector, limit: int
    ) -> Candidates:
        """The best `limit` by each vector in one round trip, each with both scores."""

    async def neighbours(self, order_index: int, reach: int) -> Sequence[Chunk]:
        """Chunks whose position differs by at most `reach`, in the book's order."""

    async def close(self) -> None: ...


@runtime_checkable
class PreviewPages(Protocol):
    """A vector store that also keeps the book's pages, for a local preview."""

    async def page(self, slug: str) -> Page | None:
        """Return a page by its slug, or None."""

    async def pages(self) -> Sequence[tuple[str, str]]:
        """Return the slug and title of every page, in the book's order."""


class IndexWriter(Protocol):
    """The write side. Readers see nothing of it before `publish`, then all of it.

    An interruption before `publish` leaves the old index serving; what was staged is found
    again by the next `open` with the same model, so nothing is embedded twice.
    """

    async def open(self, info: IndexInfo) -> Mapping[str, Chunk]:
        """Everything already there, published or staged, by chunk id; texts may be left out."""

    async def stage(self, points: Sequence[Point]) -> None: ...

    async def publish(
        self,
        info: IndexInfo,
        chunks: Sequence[Chunk],
        document_frequencies: Mapping[int, int],
        sparse: Mapping[str, SparseVector] | None = None,
    ) -> None:
        """Make exactly `chunks` (all of them staged or already there) the index.

        Payloads that changed are rewritten without touching vectors; what is not in
        `chunks` vanishes. `sparse` are vectors, by chunk id, that replace those stored:
        a new rule for words needs no new embeddings.
        """

    async def close(self) -> None: ...


AnswerPart: TypeAlias = str | Highlights | Usage
"""An answerer yields text as it arrives, highlights if it quotes, and last what it cost."""


class Answerer(Protocol):
    """Passages and a question to a cited answer."""

    @property
    def model(self) -> str: ...

    async def standalone(self, question: str, history: Sequence[Turn]) -> str:
        """A follow-up rewritten so that it can be searched for without the history."""

    async def answer(self, brief: Brief) -> AsyncIterator[AnswerPart]:
        """Open the answer; failures before the first text are raised here, not later.

        Its parts come before the deadline of `rag.deadlines` that holds here, or UpstreamError.
        """

    async def ping(self) -> None:
        """Ask the service whether it would answer, at no cost; raises UpstreamError."""

    async def close(self) -> None: ...


class Reranker(Protocol):
    @property
    def model(self) -> str: ...

    async def rerank(self, question: str, texts: Sequence[str]) -> Sequence[float]:
        """A relevance between 0 and 1 for each text, in the order given."""

    async def close(self) -> None: ...


class Database(Protocol):
    """PostgreSQL, asynchronous, one statement at a time, each its own transaction."""

    async def run(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of one statement with `:name` parameters; [] where it returns none."""

    async def close(self) -> None: ...
