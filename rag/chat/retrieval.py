"""The retrieval step: embed the search texts and search the index for passages.

Also the reads of the index that need no embedding: its metadata and its pages.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import replace

from rag import request_log
from rag.answering import sources
from rag.chat import admission, notices
from rag.chat.admission import PaidCalls
from rag.errors import IndexMissing
from rag.indexing.indexer import check_model
from rag.indexing.outline import Outline, read_outline
from rag.interfaces import Reranker, TokenMatcher
from rag.language.detect import is_in_other_language
from rag.models import IndexInfo, SearchResult, Source
from rag.providers import Clients
from rag.retrieval.search import CANDIDATES, Query, search
from rag.retrieval.spelling import correct


async def retrieve(
    clients: Clients,
    texts: Sequence[str],
    limit: int,
    calls: PaidCalls,
    *,
    vectors: Sequence[Sequence[float] | None] | None = None,
    correct_typos: bool = True,
) -> SearchResult:
    """Search with each of `texts` and return the best passages.

    `vectors` are the embeddings of `texts`, if known. A search without an answer is repeated with
    typos corrected, which costs another embedding; its result counts only if it is an answer.
    Raises IndexMissing, and IndexMismatch if the index was built with another embedding model.
    """
    embedder, info = await clients.embedder(), await index_info(clients)
    check_model(info, embedder)
    if vectors is None:
        vectors = await embed(clients, texts, calls)
    found = await _search(clients, texts, vectors, info, calls)
    if correct_typos and found.grade != "answer":
        corrected = [correct(text, found.passages, info.language) or text for text in texts]
        if corrected != list(texts):
            vectors = await embed(clients, corrected, calls)
            again = await _search(clients, corrected, vectors, info, calls)
            found = again if again.grade == "answer" else found
    return replace(found, passages=found.passages[:limit])


async def embed(
    clients: Clients, texts: Sequence[str], calls: PaidCalls
) -> Sequence[Sequence[float] | None]:
    """Embed texts with one call. Return None for each if the call may not be made."""
    embedder = await clients.embedder()
    if not texts or (embedder.is_paid and not calls.embed):
        return [None] * len(texts)
    calls.made += embedder.is_paid
    with request_log.stage("embed"):
        return await embedder.embed_questions(texts)


async def search_passages(
    clients: Clients, query: str, limit: int, address: str
) -> list[tuple[Source, str]]:
    """Count a search, and return the passages closest to `query` as sources with their texts.

    Raises RateLimited, also if paid calls are used up and no passage has the query's words.
    """
    cost = await admission.search_cost(clients)
    admitted = await admission.admit(clients, address, cost=cost)
    calls = admission.paid_calls(admitted)
    try:
        found = await retrieve(clients, [query], limit, calls)
    finally:
        await admission.settle(clients, admitted, admitted.reserved._replace(calls=calls.made))
    if admitted.calls and not found.passages:
        raise notices.nothing_by_words(admitted.calls)
    site = await sources.citation_base(clients.settings, await clients.store(), address)
    return [
        (sources.make_source(passage, site, [query]), passage.chunk.text)
        for passage in found.passages
    ]


async def _search(
    clients: Clients,
    texts: Sequence[str],
    vectors: Sequence[Sequence[float] | None],
    info: IndexInfo,
    calls: PaidCalls,
) -> SearchResult:
    embedder = await clients.embedder()
    second_stage: Reranker | TokenMatcher | None = None
    if calls.rerank and (reranker := await clients.reranker()):
        second_stage = reranker
        calls.made += 1
    elif isinstance(embedder, TokenMatcher):
        second_stage = embedder
    queries = list(zip(texts, vectors, strict=True))
    return await _search_queries(clients, queries, info, CANDIDATES, second_stage)


async def _search_queries(
    clients: Clients,
    queries: Sequence[tuple[str, Sequence[float] | None]],
    info: IndexInfo,
    limit: int,
    second_stage: Reranker | TokenMatcher | None = None,
) -> SearchResult:
    store, embedder = await clients.store(), await clients.embedder()
    length = info.dimensions or embedder.dimensions or 1
    anywhere = [1 / math.sqrt(length)] * length
    with request_log.stage("search"):
        return await search(
            store,
            [
                Query(
                    text,
                    vector or anywhere,
                    words_only=vector is None,
                    in_other_language=embedder.is_multilingual
                    and is_in_other_language(text, info.language),
                )
                for text, vector in queries
            ],
            limit,
            cosine_range=embedder.cosine_range,
            language=info.language,
            second_stage=second_stage,
        )


async def search_wide(
    clients: Clients, text: str, vector: Sequence[float] | None, limit: int
) -> SearchResult:
    """Search with one text for `limit` passages of each kind, without a second stage."""
    return await _search_queries(clients, [(text, vector)], await index_info(clients), limit)


async def search_each(
    clients: Clients, texts: Sequence[str], calls: PaidCalls
) -> Sequence[SearchResult]:
    """Search with each text on its own, without a second stage. Costs one embedding call."""
    vectors, info = await embed(clients, texts, calls), await index_info(clients)
    queries = zip(texts, vectors, strict=True)
    return await asyncio.gather(
        *(_search_queries(clients, [query], info, CANDIDATES) for query in queries)
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
