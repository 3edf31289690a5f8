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
    from rag.chat.retrieval import search_passages

    found = await search_passages(get_clients(), request.query, request.top_k, address)
    return SearchResponse(
        query=request.query,
        results=[
            ResultModel.model_validate({**dataclasses.asdict(source), "text": text})
            for source, text in found
        ],
    )
