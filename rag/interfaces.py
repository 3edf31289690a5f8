"""Protocols that services and embedded engines implement, so that either can fill a role."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from rag.models import (
    Candidates,
    Chunk,
    Completion,
    Highlights,
    IndexInfo,
    Page,
    Point,
    Restart,
    SparseVector,
    Usage,
)


class Embedder(Protocol):
    """Turns text into unit vectors."""

    @property
    def model(self) -> str:
        """Name stored in the index. Queries embedded with another model are rejected."""

    @property
    def is_paid(self) -> bool:
        """Whether calls cost money. They then count in the day's budget."""

    @property
    def dimensions(self) -> int: ...

    @property
    def cosine_range(self) -> tuple[float, float]:
        """Typical cosines of unrelated and of closely related texts, for calibration."""

    @property
    def is_multilingual(self) -> bool:
        """Whether a question is near to its answer in another language."""

    async def embed_questions(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Return one vector per question, in order, with a single call."""

    async def embed_passages(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Return one vector per text, in order. Batching is up to the embedder."""

    async def close(self) -> None: ...


class VectorStore(Protocol):
    """The read side of the index."""

    async def info(self) -> IndexInfo | None:
        """Return the index's metadata, or None if nothing has been indexed yet."""

    async def candidates(
        self, dense: Sequence[float], sparse: SparseVector, limit: int
    ) -> Candidates:
        """Return the best `limit` hits for each vector, with both scores, in one round trip."""

    async def neighbours(self, order_index: int, reach: int) -> Sequence[Chunk]:
        """Return the chunks within `reach` positions of `order_index`, in book order."""

    async def close(self) -> None: ...


@runtime_checkable
class PreviewPages(Protocol):
    """A vector store that also keeps the book's pages, for a local preview."""

    async def page(self, slug: str) -> Page | None:
        """Return a page by its slug, or by its decoded path, or None."""

    async def pages(self) -> Sequence[tuple[str, str]]:
        """Return the slug and title of every page, in the book's order."""


class IndexWriter(Protocol):
    """The write side of the index. Changes become visible all at once, on `publish`.

    If a run is interrupted before `publish`, the old index stays in use. The next `open` with
    the same model finds the staged points again, so nothing is embedded twice.
    """

    async def open(self, info: IndexInfo) -> Mapping[str, str]:
        """Return the `place` of every stored chunk, published or staged, by id.

        It is empty if an older release stored the chunk.
        """

    async def stage(self, points: Sequence[Point]) -> None: ...

    async def publish(
        self,
        info: IndexInfo,
        chunks: Sequence[Chunk],
        document_frequencies: Mapping[int, int],
        sparse: Mapping[str, SparseVector] | None = None,
        pages: Sequence[Page] = (),
    ) -> None:
        """Make `chunks` the index. Each must be staged or already stored.

        Changed payloads are rewritten without touching the vectors. Chunks that are not listed
        are removed. `sparse` maps chunk ids to vectors that replace the stored ones, so a change
        of tokenization needs no new embeddings. `pages` are kept for the local preview, by stores
        that have one.
        """

    async def close(self) -> None: ...


AnswerPart: TypeAlias = str | Restart | Highlights | Usage
"""What an answer consists of: text as it arrives, highlights if it quotes, and finally its usage.
A Restart withdraws all text before it."""


class Retirement(NamedTuple):
    """A model that its service will shut down, or has."""

    model: str
    end: date | None
    """None if the service names no day."""


@runtime_checkable
class Retiring(Protocol):
    """A client whose service says which models it will shut down."""

    async def retirements(self) -> Sequence[Retirement]:
        """Return the configured models that have a shutdown date, however distant.

        Raises UpstreamError.
        """


class ChatModel(Retiring, Protocol):
    """A language model, which costs money. Prompts come from `rag/answering/prompt.py`."""

    @property
    def model(self) -> str: ...

    @property
    def thinking_tokens(self) -> int:
        """Tokens that each reply may take for thoughts, beyond its own maximum."""

    @property
    def unusable(self) -> Mapping[str, str]:
        """Why configured models cannot be used at the moment, by name."""

    async def answer(self, messages: Sequence[dict[str, str]]) -> AsyncIterator[AnswerPart]:
        """Start an answer and return its parts.

        Failures before the first text are raised here, not by the iterator. The iterator raises
        UpstreamError if the current deadline of `rag.deadlines` passes.
        """

    async def rewrite_question(
        self, question: str, messages: Sequence[dict[str, str]]
    ) -> Completion:
        """Rewrite a follow-up question so that it can be searched for without the history.

        `messages` ask for it. On failure, the question stays as it is.
        """

    async def complete(
        self, messages: Sequence[dict[str, str]], tokens: int, form: Mapping[str, Any]
    ) -> Completion:
        """Return a short reply of at most `tokens` tokens as a whole.

        `form` is its JSON schema in OpenAI's notation; a server may ignore it. Raises
        UpstreamError.
        """

    async def ping(self) -> None:
        """Check, without using tokens, that the service responds. Raises UpstreamError."""

    async def close(self) -> None: ...


class Reranker(Protocol):
    """Scores passages against a question, for money."""

    async def rerank(self, question: str, texts: Sequence[str]) -> Sequence[float]:
        """Return a relevance from 0 to 1 for each text, in order."""

    async def close(self) -> None: ...


@runtime_checkable
class TokenMatcher(Protocol):
    """An embedder that also compares a question with passages token by token."""

    async def max_sim(self, question: str, texts: Sequence[str]) -> Sequence[float]:
        """Return one similarity per text, in order, from -1 to 1."""


class Database(Protocol):
    """Asynchronous access to PostgreSQL. Each statement is its own transaction."""

    async def run(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Run a statement with `:name` parameters and return its rows."""

    async def close(self) -> None: ...
