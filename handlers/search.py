"""POST /search: find passages without writing an answer."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field

from handlers.schemas import (
    QuestionText,
    ReaderAddress,
    SourceModel,
    reject_boolean,
)
from rag.providers import get_clients

NEEDS = ("COHERE_API_KEY", "QDRANT_URL", "QDRANT_API_KEY", "DATABASE_URL")


class SearchRequest(BaseModel):
    query: QuestionText
    top_k: Annotated[int, Field(ge=1, le=20), BeforeValidator(reject_boolean)] = 5


class ResultModel(SourceModel):
    text: str
    """The whole passage, as Markdown."""


class SearchResponse(BaseModel):
    query: str
    results: list[ResultModel]


async def search(request: SearchRequest, address: ReaderAddress = "") -> SearchResponse:
    """Return the passages closest to a query, in descending relevance, however low it is.

    Rate limited. Paid calls for embeddings and reranking count against the day's budget; beyond it,
    only the words of the query are looked for.
    """
    from rag.answering import sources
    from rag.chat import admission, notices
    from rag.chat.retrieval import retrieve

    clients = get_clients()
    cost = await admission.search_cost(clients)
    admitted = await admission.admit(clients, address, cost=cost)
    calls = admission.paid_calls(admitted)
    try:
        found = await retrieve(clients, [request.query], request.top_k, calls)
    finally:
        await admission.settle(clients, admitted, admitted.reserved._replace(calls=calls.made))
    if admitted.calls and not found.passages:
        raise notices.nothing_by_words(admitted.calls)
    site = await sources.citation_base(clients.settings, await clients.store(), address)
    results = [
        {**dataclasses.asdict(sources.make_source(p, site, [request.query])), "text": p.chunk.text}
        for p in found.passages
    ]
    return SearchResponse(
        query=request.query,
        results=[ResultModel.model_validate(result) for result in results],
    )
