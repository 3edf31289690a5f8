"""The floor: FastAPI making a chat's three calls over one aiohttp session, and nothing else.

No history, ranking, checks or error handling: the minimum cost of a chat in Python.
"""

from __future__ import annotations

import base64
import json
import os
from array import array
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from fastapi import FastAPI, Header
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

app = FastAPI()
sessions: list[aiohttp.ClientSession] = []
COHERE, OPENAI, QDRANT = (
    os.environ.get(name, "") for name in ("COHERE_BASE_URL", "OPENAI_BASE_URL", "QDRANT_URL")
)


class Question(BaseModel):
    message: str


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


async def post(url: str, body: object) -> Any:
    async with http().post(url, data=json.dumps(body)) as response:
        return json.loads(await response.read())


def http() -> aiohttp.ClientSession:
    if not sessions:
        sessions.append(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(60),
                headers={"Authorization": "Bearer key", "Content-Type": "application/json"},
            )
        )
    return sessions[0]


async def retrieve(message: str) -> list[dict[str, Any]]:
    embedded = await post(
        f"{COHERE}/v2/embed",
        {
            "model": "embed-english-v3.0",
            "texts": [message],
            "input_type": "search_query",
            "embedding_types": ["base64"],
        },
    )
    return await search(array("f", base64.b64decode(embedded["embeddings"]["base64"][0])).tolist())


async def search(vector: list[float]) -> list[dict[str, Any]]:
    sparse = {"indices": [1, 2, 3], "values": [1.0, 1.0, 1.0]}
    best = [
        {"query": vector, "using": "dense", "limit": 50},
        {"query": sparse, "using": "bm25", "limit": 50},
    ]
    searches = [
        {"prefetch": best, "query": vector, "using": "dense", "limit": 100, "with_payload": True},
        {"prefetch": best, "query": sparse, "using": "bm25", "limit": 100},
    ]
    found = await post(f"{QDRANT}/collections/book/points/query/batch", {"searches": searches})
    return [point["payload"] for point in found["result"][0]["points"][:6]]


def request(message: str, passages: list[dict[str, Any]], stream: bool) -> dict[str, Any]:
    text = "\n\n".join(passage["text"] for passage in passages)
    messages = [{"role": "user", "content": f"{text}\n\n{message}"}]
    return {"model": "gpt-6-luna", "messages": messages, "stream": stream}


def sources(passages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"chunk_id": p["chunk_id"], "title": p["title"], "slug": p["slug"]} for p in passages]


@app.post("/chat", response_model=None)
async def chat(question: Question, accept: str = Header("")) -> Any:
    passages = await retrieve(question.message)
    if "event-stream" in accept:
        events = stream(request(question.message, passages, True))
        return StreamingResponse(events, media_type="text/event-stream")
    done = await post(f"{OPENAI}/chat/completions", request(question.message, passages, False))
    message = done["choices"][0]["message"]["content"]
    return {"message": message, "sources": sources(passages)}


async def stream(body: dict[str, Any]) -> AsyncIterator[bytes]:
    async with http().post(f"{OPENAI}/chat/completions", data=json.dumps(body)) as response:
        async for line in response.content:
            if line.startswith(b"data: {"):
                for choice in json.loads(line[6:])["choices"]:
                    if text := choice["delta"].get("content"):
                        yield f"event: token\ndata: {json.dumps({'text': text})}\n\n".encode()
    yield b"event: done\ndata: {}\n\n"
