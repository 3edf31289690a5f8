"""The same three calls through the official SDKs, as in their quick starts.

Each SDK uses the HTTP client that it uses where only its own dependencies are installed.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from typing import Any

from cohere import AsyncClientV2, DefaultAsyncHttpxClient
from fastapi import FastAPI, Header
from fastapi.responses import StreamingResponse
from openai import AsyncOpenAI
from pydantic import BaseModel
from qdrant_client import AsyncQdrantClient
from qdrant_client import models as m

from bench.references.floor import request, sources

app = FastAPI()
clients: dict[str, Any] = {}


class Question(BaseModel):
    message: str


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


def connect() -> dict[str, Any]:
    if not clients:
        clients["cohere"] = AsyncClientV2(
            "key",
            base_url=os.environ["COHERE_BASE_URL"],
            httpx_client=DefaultAsyncHttpxClient(),  # with httpx-aiohttp, the default is another
        )
        clients["qdrant"] = AsyncQdrantClient(
            url=os.environ["QDRANT_URL"], check_compatibility=False, timeout=60
        )
        clients["openai"] = AsyncOpenAI(api_key="key", base_url=os.environ["OPENAI_BASE_URL"])
    return clients


async def retrieve(message: str) -> list[dict[str, Any]]:
    embedded = await connect()["cohere"].embed(
        model="embed-english-v3.0",
        texts=[message],
        input_type="search_query",
        embedding_types=["float"],
    )
    vector = embedded.embeddings.float_[0]
    sparse = m.SparseVector(indices=[1, 2, 3], values=[1.0, 1.0, 1.0])
    best = [
        m.Prefetch(query=vector, using="dense", limit=50),
        m.Prefetch(query=sparse, using="bm25", limit=50),
    ]
    searches = [
        m.QueryRequest(prefetch=best, query=vector, using="dense", limit=100, with_payload=True),
        m.QueryRequest(prefetch=best, query=sparse, using="bm25", limit=100),
    ]
    found = await connect()["qdrant"].query_batch_points("book", searches)
    return [point.payload for point in found[0].points[:6]]


@app.post("/chat", response_model=None)
async def chat(question: Question, accept: str = Header("")) -> Any:
    passages = await retrieve(question.message)
    openai = connect()["openai"]
    if "event-stream" in accept:
        body = request(question.message, passages, True)
        return StreamingResponse(stream(body), media_type="text/event-stream")
    done = await openai.chat.completions.create(**request(question.message, passages, False))
    return {"message": done.choices[0].message.content, "sources": sources(passages)}


async def stream(body: dict[str, Any]) -> AsyncIterator[bytes]:
    async for chunk in await connect()["openai"].chat.completions.create(**body):
        for choice in chunk.choices:
            if text := choice.delta.content:
                yield f"event: token\ndata: {json.dumps({'text': text})}\n\n".encode()
    yield b"event: done\ndata: {}\n\n"
