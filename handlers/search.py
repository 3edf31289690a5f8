"""POST /search: the passages for a query, without an answer."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field

from handlers.fields import ReaderAddress, SourceModel, Text, no_truth
from rag.clients import get_clients

NEEDS = ("COHERE_API_KEY", "QDRANT_URL", "QDRANT_API_KEY", "DATABASE_URL")


class SearchRequest(BaseModel):
    query: Annotated[Text, Field(min_length=1, max_length=2000)]
    top_k: Annotated[int, Field(ge=1, le=20), BeforeValidator(no_truth)] = 5


class SearchResponse(BaseModel):
    query: str
    results: list[SourceModel]


async def search(request: SearchRequest, address: ReaderAddress = "") -> SearchResponse:
    """The best passages for a query, by falling relevance.

    Counts against the rate, and as a question of the day's budget where a reranker is paid.
    """
    from rag import chat, gate, sources

    clients = get_clients()
    reranked = await clients.reranker() is not None
    admission = await gate.admit(clients, address, questions=int(reranked))
    found = await chat.find(clients, request.query, request.top_k, rerank=admission.within_budget)
    site = await sources.site_of(clients.settings, await clients.store())
    results = [sources.source(p, site, request.query) for p in found]
    return SearchResponse(
        query=request.query,
        results=[SourceModel.model_validate(dataclasses.asdict(result)) for result in results],
    )
