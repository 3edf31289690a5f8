"""The retrieval step: embed the search texts and search the index for passages.

Also the reads of the index that need no embedding: its metadata and its pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rag import request_log
from rag.answering import sources
from rag.chat import admission
from rag.errors import IndexMismatch, IndexMissing
from rag.indexing.outline import Outline, read_outline
from rag.models import IndexInfo, SearchResult, Source
from rag.providers import Clients
from rag.retrieval.search import CANDIDATES, Query, search
from rag.retrieval.spelling import correct


async def retrieve(
    clients: Clients,
    texts: Sequence[str],
    limit: int,
    *,
    vectors: Sequence[Sequence[float]] | None = None,
    rerank: bool = True,
    correct_typos: bool = True,
) -> SearchResult:
    """Search with each of `texts` and return the best passages.

    `vectors` are the embeddings of `texts`, if known. With `rerank=False` a configured reranker
    is not called, since each call costs money. A search without an answer is repeated with typos
    corrected, which costs another embedding; its result counts only if it is an answer. Raises
    IndexMissing, and IndexMismatch if the index was built with another embedding model.
    """
    embedder, info = await clients.embedder(), await index_info(clients)
    if info.embedding_model and info.embedding_model != embedder.model:  # old indexes name none
        raise IndexMismatch(
            f"the index was built with {info.embedding_model}, but questions are embedded with "
            f"{embedder.model}: run python ingest.py PATH"
        )
    found = await _search(clients, texts, vectors, info.language, rerank=rerank)
    if correct_typos and found.grade != "answer":
        corrected = [correct(text, found.passages, info.language) or text for text in texts]
        if corrected != list(texts):
            again = await _search(clients, corrected, None, info.language, rerank=rerank)
            found = again if again.grade == "answer" else found
    return replace(found, passages=found.passages[:limit])


async def search_passages(
    clients: Clients, query: str, limit: int, address: str
) -> list[tuple[Source, str]]:
    """Count a search, and return the passages closest to `query` as sources with their texts.

    With a reranker, the search also counts against the daily question budget.
    """
    reranked = await clients.reranker() is not None
    admitted = await admission.admit(clients, address, questions=int(reranked))
    found = await retrieve(clients, [query], limit, rerank=admitted.within_budget)
    site = await sources.citation_base(clients.settings, await clients.store())
    return [
        (sources.make_source(passage, site, [query]), passage.chunk.text)
        for passage in found.passages
    ]


async def _search(
    clients: Clients,
    texts: Sequence[str],
    vectors: Sequence[Sequence[float]] | None,
    language: str,
    *,
    rerank: bool,
) -> SearchResult:
    store, embedder = await clients.store(), await clients.embedder()
    if vectors is None:
        with request_log.stage("embed"):
            vectors = await embedder.embed_questions(texts)
    with request_log.stage("search"):
        return await search(
            store,
            [Query(text, vector) for text, vector in zip(texts, vectors, strict=True)],
            CANDIDATES,
            cosine_range=embedder.cosine_range,
            language=language,
            reranker=await clients.reranker() if rerank else None,
        )


async def index_info(clients: Clients) -> IndexInfo:
    """Return the index's metadata. Raises IndexMissing."""
    info = await (await clients.store()).info()
    if info is None:
        raise IndexMissing("nothing is indexed yet: run python ingest.py PATH")
    return info


async def outline(clients: Clients) -> Outline:
    """Return the pages of the book. Raises IndexMissing."""
    info = await index_info(clients)
    async with clients.outline_lock:
        return await read_outline(await clients.store(), info)
