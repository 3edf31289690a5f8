"""The life of the index: what the book says now, with as little embedding as possible."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from itertools import chain, zip_longest
from typing import Protocol, runtime_checkable

from rag.errors import BookError, ConfigurationError
from rag.interfaces import Embedder, IndexWriter, VectorStore
from rag.models import (
    Chunk,
    IndexInfo,
    Page,
    Point,
    SparseVector,
)

BATCH = 96
"""Texts an embedding call, where the embedder does not say: as many as Cohere takes at once."""
CONCURRENT = 2
"""Embedding calls at a time: one is being staged while the next is under way."""
REACH = 200
"""Chunks to either side that are read at a time where all are read."""

STARTER_CHARACTERS = 80
"""A longer heading is no question to begin with: it would fill the panel."""

Sparse = Callable[[Chunk], SparseVector]
"""The BM25 side of a chunk."""

PROBE = Chunk(
    "",
    "Don't run useState() 3.11 times: naïve cafés, 本を読む, `?` or === here",
    "Stemming",
    "Part",
    "",
    "",
    0,
)
"""Shows whether the rules by which sparse vectors are made have changed."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far embedding has come."""

    done: int
    total: int
    calls: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do."""

    missing: tuple[Chunk, ...]
    """Chunks that have to be embedded, in the book's order."""
    reused: int
    moved: int
    """Among those reused: chunks on another page, or under another anchor, than before."""
    removed: int
    """Chunks that were there, published or staged, and are no longer in the book."""
    calls: int
    """Embedding calls that this takes."""
    batch: int
    """Texts a call."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run has done."""

    pages: int
    chunks: int
    embedded: int = 0
    reused: int = 0
    moved: int = 0
    removed: int = 0
    calls: int = 0
    seconds: float = 0.0
    published: bool = False
    """False where there was nothing to do."""


@runtime_checkable
class PageKeeper(Protocol):
    """A writer that also stores the pages, for a local preview of the book."""

    def keep(self, pages: Sequence[Page]) -> None: ...


def describe(
    title: str,
    language: str,
    pages: Sequence[Page],
    chunks: Sequence[Chunk],
    embedder: Embedder,
    sparse: Sparse,
    site_url: str = "",
) -> IndexInfo:
    """What the index of this book, made with this embedder, says about itself.

    The fingerprint is `<rules>-<content>`: equal rules mean that stored sparse vectors can be
    reused, equal content as well that there is nothing to do. What decides whether embeddings
    can be reused is the model's name and a chunk's id, which is made from what is embedded.
    """
    begin_with = starters(pages)
    content = hashlib.sha256()
    for item in (*pages, *chunks, begin_with):
        content.update(repr(item).encode("utf-8", "surrogatepass"))
    rules = hashlib.sha256(repr(astuple(sparse(PROBE))).encode())
    return IndexInfo(
        embedding_model=embedder.model,
        dimensions=embedder.dimensions,
        chunks=len(chunks),
        book_title=title,
        language=language,
        fingerprint=f"{rules.hexdigest()[:8]}-{content.hexdigest()[:32]}",
        site_url=site_url,
        starters=begin_with,
    )


def starters(pages: Sequence[Page], count: int = 4) -> tuple[str, ...]:
    """Questions to begin with: headings that ask something, of as many pages as there are.

    A book that asks nothing names what it speaks about: its first pages behind the start page.
    """
    asking = [
        [s.heading for s in page.sections if s.asks and len(s.heading) <= STARTER_CHARACTERS]
        for page in pages
    ]
    by_page = chain.from_iterable(zip_longest(*asking))
    questions = tuple(dict.fromkeys(heading for heading in by_page if heading))
    if len(questions) > 1:
        return questions[:count]
    return tuple(dict.fromkeys(page.title for page in pages[1:]))[:count]


async def published_chunks(store: VectorStore) -> list[Chunk]:
    """Every chunk of the index in use, in the book's order."""
    info = await store.info()
    found: list[Chunk] = []
    for start in range(0, info.chunks if info else 0, 2 * REACH + 1):
        found += await store.neighbours(start + REACH, REACH)
    return found


def carry_over(new: Sequence[Chunk], old: Sequence[Chunk], unread: Collection[str]) -> list[Chunk]:
    """`new` and, where they stood before, the chunks of those pages that could not be read.

    `unread` are the pages' source paths. A text that is in the book anyway is not doubled.
    """
    pages: dict[str, list[Chunk]] = {}
    for chunk in new:
        pages.setdefault(chunk.source_path, []).append(chunk)
    there = {chunk.chunk_id for chunk in new}
    before: dict[str, list[Chunk]] = {}
    for chunk in old:
        before.setdefault(chunk.source_path, []).append(chunk)
    order, last = list(pages), -1
    for path, chunks in before.items():
        if path in pages:
            last = order.index(path)
        elif path in unread:
            last += 1
            order.insert(last, path)
            pages[path] = [chunk for chunk in chunks if chunk.chunk_id not in there]
    merged = (chunk for path in order for chunk in pages[path])
    return [replace(chunk, order_index=n) for n, chunk in enumerate(merged)]


async def plan(
    chunks: Sequence[Chunk], embedder: Embedder, writer: IndexWriter, info: IndexInfo
) -> Plan:
    """Open the writer and compare with what is there, published or staged."""
    known = await writer.open(info)
    wanted = {chunk.chunk_id for chunk in chunks}
    missing = tuple(chunk for chunk in chunks if chunk.chunk_id not in known)
    return Plan(
        missing=missing,
        reused=len(wanted & known.keys()),
        moved=sum(
            (chunk.slug, chunk.source_path)
            != (known[chunk.chunk_id].slug, known[chunk.chunk_id].source_path)
            for chunk in chunks
            if chunk.chunk_id in known
        ),
        removed=len(known.keys() - wanted),
        calls=-(-len(missing) // _batch(embedder)),
        batch=_batch(embedder),
    )


async def build(
    pages: Sequence[Page],
    chunks: Sequence[Chunk],
    embedder: Embedder,
    writer: IndexWriter,
    info: IndexInfo,
    sparse: Sparse,
    *,
    published: IndexInfo | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Summary:
    """Make exactly `chunks` the index, and embed only those that are not there yet.

    `info` comes from `describe`, `published` from the store; where they are equal nothing is
    opened or loaded. What has been embedded is staged at once: after an interruption, or an
    error of a service, which is raised, the next run goes on where this one stopped. The
    caller closes the writer.
    """
    started = time.monotonic()
    if published == info:
        return Summary(len(pages), len(chunks), reused=len(chunks))
    todo = await plan(chunks, embedder, writer, info)
    calls = await _embed(todo.missing, embedder, writer, info, sparse, progress)
    vectors = {chunk.chunk_id: sparse(chunk) for chunk in chunks}
    frequencies = Counter(term for vector in vectors.values() for term in vector.indices)
    if _same_rules(info, published):
        vectors = {}
    for chunk in todo.missing:
        vectors.pop(chunk.chunk_id, None)
    if isinstance(writer, PageKeeper):
        writer.keep(pages)
    await writer.publish(info, chunks, frequencies, vectors)
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
    chunks: Sequence[Chunk],
    embedder: Embedder,
    writer: IndexWriter,
    info: IndexInfo,
    sparse: Sparse,
    progress: Callable[[Progress], None],
) -> int:
    """Embed and stage, a few batches at a time; return the number of calls."""
    done = calls = 0
    errors: list[BookError] = []

    async def work(batches: Iterator[Sequence[Chunk]]) -> None:
        nonlocal done, calls
        for batch in batches:
            if errors:  # what is under way elsewhere is still staged: it has been paid for
                return
            try:
                calls += 1
                vectors = await embedder.embed_passages([chunk.embedded_text for chunk in batch])
                await writer.stage(_points(batch, vectors, info, sparse))
            except BookError as error:
                errors.append(error)
                return
            done += len(batch)
            progress(Progress(done, len(chunks), calls))

    size = _batch(embedder)
    batches = (chunks[start : start + size] for start in range(0, len(chunks), size))
    async with asyncio.TaskGroup() as group:
        for _ in range(CONCURRENT):
            group.create_task(work(batches))
    if errors:
        raise errors[0]
    return calls


def _batch(embedder: Embedder) -> int:
    """A slow embedder names a smaller `batch`, so that little is lost by an interruption."""
    return int(getattr(embedder, "batch", BATCH))


def _points(
    chunks: Sequence[Chunk],
    vectors: Sequence[Sequence[float]],
    info: IndexInfo,
    sparse: Sparse,
) -> list[Point]:
    if [len(vector) for vector in vectors] != [info.dimensions] * len(chunks):
        raise ConfigurationError(
            f"{info.embedding_model} did not give {len(chunks)} vectors of "
            f"{info.dimensions} dimensions."
        )
    return [
        Point(chunk, vector, sparse(chunk)) for chunk, vector in zip(chunks, vectors, strict=True)
    ]


def _same_rules(info: IndexInfo, published: IndexInfo | None) -> bool:
    """Whether stored sparse vectors are as they would be made now; not known of what is staged."""
    if published is None:
        return False
    return info.fingerprint.split("-")[0] == published.fingerprint.split("-")[0]
