"""Read the chunks of the published index, and keep those of pages that could not be read again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import replace

from rag.interfaces import VectorStore
from rag.models import Chunk

REACH = 200
"""Chunks are read 2 * REACH + 1 at a time."""


async def published_chunks(store: VectorStore) -> list[Chunk]:
    """Return all chunks of the published index, in book order."""
    info = await store.info()
    return [chunk async for chunk in read_chunks(store, 0, info.chunks - 1)] if info else []


async def read_chunks(store: VectorStore, first: int, last: int) -> AsyncIterator[Chunk]:
    """Yield the chunks at the positions from `first` to `last`."""
    for start in range(first, last + 1, 2 * REACH + 1):
        reach = min(REACH, (last - start + 1) // 2)
        for chunk in await store.neighbours(start + reach, reach):
            if chunk.order_index <= last:
                yield chunk


def carry_over(new: Sequence[Chunk], old: Sequence[Chunk], unread: Collection[str]) -> list[Chunk]:
    """Merge `new` with the old chunks of pages that could not be read, in their old positions.

    `unread` are the source paths of those pages. Chunks that are also in `new` are not repeated.
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
