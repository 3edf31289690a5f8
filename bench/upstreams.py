"""Imitate Cohere, OpenAI and Qdrant as fast as possible: `python -m bench.upstreams`.

Responses are encoded once and sent after fixed latencies, so that only the client is measured.
`tests/upstreams` imitates the services faithfully; this module only speaks the same protocols.
One port serves all three:

    COHERE_BASE_URL=http://127.0.0.2:PORT  OPENAI_BASE_URL=…/v1  QDRANT_URL=…

It listens on 127.0.0.2 because qdrant-client does not keep connections to 127.0.0.1 alive. The
first line of output is the port. `GET /counts` returns the requests and interrupted streams.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import random
import re
import struct
import uuid
from collections import Counter
from dataclasses import dataclass
from typing import Any

ADDRESS = "127.0.0.2"
QUESTION = "How do I delete a conversation?"
SENTENCE = "To delete a conversation press the bin above it, and the conversation is gone at once."
DIMENSIONS = 1024
_AT_ONCE = 100
"""Most tokens per write when a stream catches up."""
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Latencies:
    """Seconds to an embedding, a search, the model's first token, and between tokens."""

    embed: float = 0.0
    search: float = 0.0
    model: float = 0.0
    gap: float = 0.0
    tokens: int = 40
    words: int = 1
    """Per token; more than one makes answers larger than any buffer."""


class Answers:
    """All response bodies, encoded in advance."""

    def __init__(self, tokens: int, words: int) -> None:
        numbers = random.Random(7)
        vector = [numbers.gauss(0, 1) for _ in range(DIMENSIONS)]
        length = sum(x * x for x in vector) ** 0.5
        self._vector = [x / length for x in vector]
        self._packed = base64.b64encode(struct.pack(f"<{DIMENSIONS}f", *self._vector)).decode()
        self._known: dict[tuple[int, bool], bytes] = {}
        self._qdrant(numbers)
        self._openai(tokens, words)

    def embed(self, texts: int, packed: bool) -> bytes:
        key = texts, packed
        if key not in self._known:
            vectors = {"base64": [self._packed] * texts} if packed else {}
            vectors = vectors or {"float": [self._vector] * texts}  # type: ignore[dict-item]
            self._known[key] = _json(
                {
                    "id": str(uuid.UUID(int=1)),
                    "embeddings": vectors,
                    "texts": [QUESTION] * texts,
                    "meta": {
                        "api_version": {"version": "2"},
                        "billed_units": {"input_tokens": 9 * texts},
                    },
                    "response_type": "embeddings_by_type",
                }
            )
        return self._known[key]

    def _qdrant(self, numbers: random.Random) -> None:
        """Make eighty hits of usual length: fifty by each vector, with some in common."""
        # Imported late: only needed here, for the service's names and hashes.
        from rag.adapters.vector_store.qdrant import RECORD, bucket
        from rag.language.tokens import sparse_question

        terms = sparse_question(QUESTION).indices
        words = ("the", "answer", "of", "a", "page", "to", "its", "reader", "is", "what", "every")

        def text(n: int) -> str:
            lines = (" ".join(numbers.choices(words, k=15)) for _ in range(12))
            said = " ".join(f"{line.capitalize()}." for line in lines)
            return f"{SENTENCE if n < 5 else ''} {said} Section {n} ends here.".strip()

        chunks = [
            {
                "chunk_id": str(uuid.UUID(int=n + 1)),
                "text": text(n),
                "title": "Conversations",
                "section": f"Part {n} › Delete a conversation",
                "slug": f"docs/part-{n}#delete",
                "source_path": f"docs/part-{n}.md",
                "order_index": n,
                "language": "en",
                "anchors": [],
                "live": True,
            }
            for n in range(80)
        ]
        record = {
            "embedding_model": "embed-english-v3.0",
            "dimensions": DIMENSIONS,
            "chunks": 5000,
            "book_title": "Handbook",
            "language": "en",
            "fingerprint": "x",
        }

        def points(scored: bool, payload: bool) -> list[dict[str, Any]]:
            return [
                {"id": chunk["chunk_id"], "version": 3}
                | ({"score": 0.61 - n / 400} if scored else {})
                | ({"payload": chunk} if payload else {})
                for n, chunk in enumerate(chunks)
            ]

        def done(result: object) -> bytes:
            return _json({"result": result, "status": "ok", "time": 0.0021})

        frequencies = [
            {
                "id": str(uuid.UUID(int=1000 + n)),
                "version": 3,
                "score": 0.0,
                "payload": {"df": {str(numbers.getrandbits(32)): 9 for _ in range(20)}},
            }
            for n in range(4)
        ]
        for term in terms:  # make the question's words occur in the book
            point: Any = {"id": bucket(term), "version": 3, "score": 0.0}
            frequencies.append(point | {"payload": {"df": {str(term): 9}}})
        records = {"id": RECORD, "version": 3, "score": 0.0, "payload": {"record": record}}
        both = [{"points": points(True, True)}, {"points": points(True, False)}]
        self.batch = done([*both, {"points": [records, *frequencies]}])
        self.retrieve = done([{k: v for k, v in records.items() if k != "score"}])
        self.neighbours = done([{"points": points(False, True)[:9]}, {"points": [records]}])

    def _openai(self, tokens: int, words: int) -> None:
        """Make an answer of `tokens` tokens that cites two passages, as JSON and as a stream."""
        said = (SENTENCE + " Nothing else has to be done.").split()
        texts = [f"{said[n % len(said)]} " * words for n in range(max(1, tokens - 2))] + [
            "[1]",
            "[2].",
        ]

        def chunk(delta: dict[str, str] | None, reason: str | None = None) -> bytes:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
            usage = {"prompt_tokens": 1500, "completion_tokens": tokens, "total_tokens": 1500}
            data = {
                "id": "chatcmpl-CDz1AQNrVXm6BqfUkHXKp4Oyr0vLm",
                "object": "chat.completion.chunk",
                "created": 1757000000,
                "model": "gpt-6-luna",
                "service_tier": "default",
                "system_fingerprint": "fp_560af6e559",
                "choices": [] if delta is None else [choice],
                "usage": usage if delta is None else None,
                "obfuscation": "Xk3J2p",
            }
            return _chunked(b"data: " + _json(data) + b"\n\n")

        self.first = chunk({"role": "assistant", "content": ""})
        self.tokens = [chunk({"content": text}) for text in texts]
        end = _chunked(b"data: [DONE]\n\n") + b"0\r\n\r\n"
        self.last = chunk({}, "stop") + chunk(None) + end
        message = {"role": "assistant", "content": "".join(texts), "refusal": None}
        self.completion = _json(
            {
                "id": "chatcmpl-CDz1AQNrVXm6BqfUkHXKp4Oyr0vLm",
                "object": "chat.completion",
                "created": 1757000000,
                "model": "gpt-6-luna",
                "choices": [
                    {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
                ],
                "usage": {"prompt_tokens": 1500, "completion_tokens": tokens, "total_tokens": 1500},
            }
        )


class Connection(asyncio.Protocol):
    """A keep-alive connection. No pipelining, no chunked requests."""

    def __init__(self, answers: Answers, latencies: Latencies, counts: Counter[str]) -> None:
        self._answers, self._latencies, self._counts = answers, latencies, counts
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False
        self._open = False
        """Whether a stream is being sent."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._counts["connections"] += 1

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._counts["cut"] += self._open
        self._counts["connections"] -= 1

    def pause_writing(self) -> None:
        """Stop sending tokens while the client does not read."""
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        if self._open and self._timer is None:
            self._next()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        found = _LENGTH.search(self._buffer, 0, head_end + 2)
        end = head_end + 4 + (int(found[1]) if found else 0)
        if len(self._buffer) < end:
            return
        head, body = self._buffer[:head_end], self._buffer[head_end + 4 : end]
        self._buffer = self._buffer[end:]
        self._answer(head.split(b" ", 2)[1].decode(), body)

    def _answer(self, path: str, body: bytes) -> None:
        answers, latencies = self._answers, self._latencies
        self._counts[path] += 1
        if path == "/v2/embed":
            texts = len(json.loads(body)["texts"])
            self._later(latencies.embed, answers.embed(texts, b'"base64"' in body))
        elif path.endswith("/points/query/batch"):
            searched = b'"prefetch"' in body
            self._later(latencies.search, answers.batch if searched else answers.neighbours)
        elif path.endswith("/points"):
            self._later(latencies.search, answers.retrieve)
        elif path.endswith("/chat/completions"):
            if re.search(rb'"stream":\s*true', body):
                self._timer = self._loop.call_later(latencies.model, self._begin)
            else:
                whole = latencies.model + latencies.gap * latencies.tokens
                self._later(whole, answers.completion)
        elif path == "/counts":
            self._send(_json(self._counts))
        else:
            self._transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}")

    def _later(self, seconds: float, body: bytes) -> None:
        if seconds:
            self._timer = self._loop.call_later(seconds, self._send, body)
        else:
            self._send(body)

    def _send(self, body: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self._transport.write(head % len(body) + body)

    def _begin(self) -> None:
        self._open = True
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        self._transport.write(head + b"Transfer-Encoding: chunked\r\n\r\n" + self._answers.first)
        self._due = self._loop.time()
        self._tokens = iter(self._answers.tokens)
        self._next()

    def _next(self) -> None:
        """Send the tokens that are due, on schedule even if the loop was late."""
        gap, self._timer = self._latencies.gap, None
        if self._paused:
            return
        due = []
        for token in self._tokens:
            due.append(token)
            self._due += gap
            if len(due) == _AT_ONCE or (gap and self._due > self._loop.time()):
                self._transport.write(b"".join(due))
                if not self._paused:
                    self._timer = self._loop.call_at(self._due, self._next)
                return
        self._open = False
        self._transport.write(b"".join([*due, self._answers.last]))


def _json(data: object) -> bytes:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


def _chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def serve(latencies: Latencies) -> None:
    answers, counts = Answers(latencies.tokens, latencies.words), Counter[str]()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(answers, latencies, counts), ADDRESS, 0, backlog=4096
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("embed", "search", "model", "gap"):
        parser.add_argument(f"--{name}", type=float, default=0.0)
    for name, value in (("tokens", 40), ("words", 1)):
        parser.add_argument(f"--{name}", type=int, default=value)
    asyncio.run(serve(Latencies(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
