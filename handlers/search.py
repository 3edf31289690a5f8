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

    Rate limited. With a reranker, the request also counts against the daily question budget.
    """
    from rag.answering import sources
    from rag.chat import admission
    from rag.chat.retrieval import retrieve

    clients = get_clients()
    reranked = await clients.reranker() is not None
    admitted = await admission.admit(clients, address, questions=int(reranked))
    found = await retrieve(clients, [request.query], request.top_k, rerank=admitted.within_budget)
    site = await sources.citation_base(clients.settings, await clients.store())
    results = [
        {**dataclasses.asdict(sources.make_source(p, site, [request.query])), "text": p.chunk.text}
        for p in found.passages
    ]
    return SearchResponse(
        query=request.query,
        results=[ResultModel.model_validate(result) for result in results],
    )
