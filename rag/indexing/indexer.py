"""Build and update the index, embedding only what has changed."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from itertools import chain, zip_longest

from rag.errors import BookError, ConfigurationError, IndexMismatch
from rag.interfaces import Embedder, IndexWriter
from rag.models import Chunk, IndexInfo, Page, Point, SparseVector

BATCH = 96
"""Texts per embedding call, unless the embedder sets `batch`. This is Cohere's maximum."""
CONCURRENT = 2
"""Concurrent embedding calls, so that one batch is staged while the next is embedded."""

STARTER_CHARACTERS = 80
"""Maximum length of a suggested question. Longer ones would fill the chat panel."""

Sparse = Callable[[Chunk], SparseVector]
"""Makes the sparse vector of a chunk."""

PROBE = Chunk(
    "",
    "Don't run useState() 3.11 times: naïve cafés, 本を読む, `?` or === here",
    "Stemming",
    "Part",
    "",
    "",
    0,
)
"""A sample whose sparse vector changes if the tokenization changes."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of embedding, in chunks."""

    done: int
    total: int
    calls: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do. Numbers count chunks."""

    missing: tuple[Chunk, ...]
    """Chunks to embed, in book order."""
    reused: int
    moved: int
    """Reused chunks whose page or anchor has changed."""
    removed: int
    """Stored chunks, published or staged, that are no longer in the book."""
    calls: int
    """Number of embedding calls."""
    batch: int
    """Texts per call."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did."""

    pages: int
    chunks: int
    embedded: int = 0
    reused: int = 0
    moved: int = 0
    removed: int = 0
    calls: int = 0
    seconds: float = 0.0
    published: bool = False
    """False if there was nothing to do."""


@dataclass(frozen=True, slots=True)
class BookContent:
    """A book as read and chunked, ready to be indexed."""

    title: str
    language: str
    pages: Sequence[Page]
    chunks: Sequence[Chunk]
    site_url: str = ""


def describe(content: BookContent, embedder: Embedder, sparse: Sparse) -> IndexInfo:
    """Return the metadata of an index of this book, made with this embedder.

    The fingerprint is `<rules>-<content>`. If the rules are unchanged, stored sparse vectors can be
    reused. If the content is unchanged too, there is nothing to do. Whether embeddings can be
    reused depends on the model's name and the chunk id, which is derived from the embedded text.
    """
    suggested = starters(content.pages)
    digest = hashlib.sha256()
    for item in (*content.pages, *content.chunks, suggested):
        digest.update(repr(item).encode("utf-8", "surrogatepass"))
    return IndexInfo(
        embedding_model=embedder.model,
        dimensions=embedder.dimensions,
        chunks=len(content.chunks),
        book_title=content.title,
        language=content.language,
        fingerprint=f"{_rules(sparse)}-{digest.hexdigest()[:32]}",
        site_url=content.site_url,
        starters=suggested,
    )


def starters(pages: Sequence[Page], count: int = 4) -> tuple[str, ...]:
    """Return suggested first questions: headings that are questions, spread over the pages.

    If there are fewer than two, return the titles of the first pages after the start page.
    """
    asking = [
        [s.heading for s in page.sections if s.is_question and len(s.heading) <= STARTER_CHARACTERS]
        for page in pages
    ]
    by_page = chain.from_iterable(zip_longest(*asking))
    questions = tuple(dict.fromkeys(heading for heading in by_page if heading))
    if len(questions) > 1:
        return questions[:count]
    return tuple(dict.fromkeys(page.title for page in pages[1:]))[:count]


@dataclass(frozen=True, slots=True)
class Indexer:
    """Makes `content` the index. `info` comes from `describe`. The caller closes the writer."""

    content: BookContent
    embedder: Embedder
    writer: IndexWriter
    info: IndexInfo
    sparse: Sparse

    async def plan(self) -> Plan:
        """Open the writer and compare the chunks with those already published or staged."""
        chunks, batch = self.content.chunks, _batch(self.embedder)
        known = await self.writer.open(self.info)
        wanted = {chunk.chunk_id for chunk in chunks}
        missing = tuple(chunk for chunk in chunks if chunk.chunk_id not in known)
        return Plan(
            missing=missing,
            reused=len(wanted & known.keys()),
            moved=sum(known.get(chunk.chunk_id, "") not in ("", chunk.place) for chunk in chunks),
            removed=len(known.keys() - wanted),
            calls=-(-len(missing) // batch),
            batch=batch,
        )

    async def build(
        self,
        *,
        published: IndexInfo | None = None,
        approve: Callable[[Plan], None] = lambda _: None,
        progress: Callable[[Progress], None] = lambda _: None,
    ) -> Summary:
        """Publish the content, and embed only the chunks that are new.

        `published` is the metadata of the index in use. If it equals `info`, nothing is done.
        `approve` may raise a BookError before anything is embedded.
        Embedded chunks are staged immediately, so after an interruption or a service error, which
        is raised, the next run continues where this one stopped.
        """
        started = time.monotonic()
        pages, chunks = self.content.pages, self.content.chunks
        if published == self.info:
            return Summary(len(pages), len(chunks), reused=len(chunks))
        todo = await self.plan()
        approve(todo)
        frequencies = Counter[int]()
        calls = await self._embed(todo.missing, frequencies, progress)
        embedded = {chunk.chunk_id for chunk in todo.missing}
        vectors: dict[str, SparseVector] = {}
        for chunk in (chunk for chunk in chunks if chunk.chunk_id not in embedded):
            vector = self.sparse(chunk)
            frequencies.update(vector.indices)
            if not _same_rules(self.info, published):
                vectors[chunk.chunk_id] = vector
        await self.writer.publish(self.info, chunks, frequencies, vectors, pages)
        return Summary(
            pages=len(pages),
            chunks=len(chunks),
            embedded=len(todo.missing),
            reused=todo.reused,
            moved=todo.moved,
            removed=todo.removed,
            calls=calls,
            seconds=time.monotonic() - started,
            published=True,
        )

    async def _embed(
        self, chunks: Sequence[Chunk], terms: Counter[int], progress: Callable[[Progress], None]
    ) -> int:
        """Embed and stage chunks in concurrent batches, and count their terms. Return the calls."""
        done = calls = 0
        errors: list[BookError] = []

        async def work(batches: Iterator[Sequence[Chunk]]) -> None:
            nonlocal done, calls
            for batch in batches:
                if errors:  # the other worker still stages its batch, which has been paid for
                    return
                try:
                    calls += 1
                    texts = [chunk.embedded_text for chunk in batch]
                    vectors = await self.embedder.embed_passages(texts)
                    points = self._points(batch, vectors)
                    await self.writer.stage(points)
                    terms.update(index for point in points for index in point.sparse.indices)
                except BookError as error:
                    errors.append(error)
                    return
                done += len(batch)
                progress(Progress(done, len(chunks), calls))

        size = _batch(self.embedder)
        batches = (chunks[start : start + size] for start in range(0, len(chunks), size))
        async with asyncio.TaskGroup() as group:
            for _ in range(CONCURRENT):
                group.create_task(work(batches))
        if errors:
            raise errors[0]
        return calls

    def _points(self, chunks: Sequence[Chunk], vectors: Sequence[Sequence[float]]) -> list[Point]:
        model, dimensions = self.info.embedding_model, self.info.dimensions
        if [len(vector) for vector in vectors] != [dimensions] * len(chunks):
            raise ConfigurationError(
                f"{model} did not return {len(chunks)} vectors of {dimensions} dimensions."
            )
        return [
            Point(chunk, vector, self.sparse(chunk))
            for chunk, vector in zip(chunks, vectors, strict=True)
        ]


def _batch(embedder: Embedder) -> int:
    """Return the batch size. A slow embedder sets a smaller `batch`, to lose less when stopped."""
    return int(getattr(embedder, "batch", BATCH))


def sparse_chunk(chunk: Chunk) -> SparseVector:
    """Return the sparse vector of a chunk."""
    from rag.language.tokens import sparse_passage  # loads the stemmer

    return sparse_passage(chunk.embedded_text, chunk.language)


def check_model(info: IndexInfo, embedder: Embedder) -> None:
    """Raise IndexMismatch if the index was not embedded with this model and its dimensions."""
    made_with, model = info.embedding_model, embedder.model
    if made_with in ("", model):  # old indexes name none
        if embedder.dimensions and info.dimensions not in (0, embedder.dimensions):
            raise IndexMismatch(
                f"The vectors of the index have {info.dimensions} dimensions, but those of "
                f"questions have {embedder.dimensions}. Run `python ingest.py PATH`; it embeds the "
                "book again."
            )
        return
    if made_with.split()[0] == model.split()[0]:
        raise IndexMismatch(
            "The index was made by another version of Ask the Book, which embeds texts "
            "differently, so no question can be answered. Run `python ingest.py PATH`; it embeds "
            "the book again."
        )
    raise IndexMismatch(
        f"The index was built with {made_with}, but questions are embedded with {model}. Run "
        "`python ingest.py PATH`; it embeds the book again."
    )


def check_rules(info: IndexInfo) -> None:
    """Raise IndexMismatch if another version made the index, which counted words differently."""
    if info.fingerprint and info.fingerprint.split("-")[0] != _rules(sparse_chunk):
        raise IndexMismatch(
            "The index was made by another version of Ask the Book, which counts the words of a "
            "passage differently, so less is found. Run `python ingest.py PATH`; nothing is "
            "embedded again."
        )


def _rules(sparse: Sparse) -> str:
    """Return a hash that changes with the rules of tokenization."""
    return hashlib.sha256(repr(astuple(sparse(PROBE))).encode()).hexdigest()[:8]


def _same_rules(info: IndexInfo, published: IndexInfo | None) -> bool:
    """Whether the published sparse vectors were made with the current tokenization."""
    rules = info.fingerprint.split("-")[0]
    return published is not None and published.fingerprint.split("-")[0] == rules
