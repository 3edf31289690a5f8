"""The three calls alone, as cheaply as the service may make them: its packages on aiohttp.

Cohere's and OpenAI's SDKs by their public interfaces, and Qdrant's REST API. What the service
takes beyond this is its own: checks, PostgreSQL, ranking, the prompt, citations.
"""

from __future__ import annotations

import base64
import json
import os
from array import array
from typing import Any

from cohere import AsyncClientV2
from fastapi import FastAPI
from openai import AsyncOpenAI, DefaultAioHttpClient

from bench.references.floor import Question, request, search, sources

app = FastAPI()
clients: list[tuple[AsyncClientV2, AsyncOpenAI]] = []


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


def connect() -> tuple[AsyncClientV2, AsyncOpenAI]:
    if not clients:
        # With httpx-aiohttp installed, Cohere's SDK uses aiohttp by itself.
        cohere = AsyncClientV2("key", base_url=os.environ["COHERE_BASE_URL"])
        http = DefaultAioHttpClient()
        openai = AsyncOpenAI(
            api_key="key", base_url=os.environ["OPENAI_BASE_URL"], http_client=http
        )
        clients.append((cohere, openai))
    return clients[0]


@app.post("/chat", response_model=None)
async def chat(question: Question) -> Any:
    cohere, openai = connect()
    embedded = await cohere.embed(
        model="embed-english-v3.0",
        texts=[question.message],
        input_type="search_query",
        embedding_types=["base64"],
    )
    [vector] = embedded.embeddings.base64 or []
    passages = await search(array("f", base64.b64decode(vector)).tolist())
    body = request(question.message, passages, False)
    async with openai.chat.completions.with_streaming_response.create(**body) as response:
        done = json.loads(await response.read())
    return {"message": done["choices"][0]["message"]["content"], "sources": sources(passages)}
