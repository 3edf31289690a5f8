"""What an adapter reports for a service's refusal or a failed connection."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
import trustme

from rag.adapters.chat_model.openai import OpenAIChatModel
from rag.adapters.embedding.cohere import CohereEmbedder
from rag.adapters.failures import connection_error, error_text, status_error
from rag.adapters.vector_store.qdrant import QdrantStore
from rag.answering.prompt import answer_messages
from rag.errors import (
    UpstreamError,
    UpstreamOverloaded,
    UpstreamRejected,
    UpstreamTimeout,
)
from rag.models import AnswerRequest
from tests.upstreams import Upstreams


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, UpstreamOverloaded),
        (503, UpstreamOverloaded),
        (408, UpstreamTimeout),
        (504, UpstreamTimeout),
        (400, UpstreamRejected),
        (404, UpstreamRejected),
        (500, UpstreamError),
        (502, UpstreamError),
    ],
)
def test_what_a_status_means(status: int, error: type[UpstreamError]) -> None:
    assert type(status_error("s", status, "text")) is error


@pytest.mark.parametrize(
    ("status", "message", "reason"),
    [
        (401, "", "key"),
        (403, "forbidden", "key"),
        (498, "invalid token", "key"),
        (402, "Insufficient Balance", "quota"),
        (429, "slow down", "busy"),
        (503, "", "busy"),
        (408, "", "timeout"),
        (504, "", "timeout"),
        (302, "", "malformed"),
        (404, "model 'embed-x' not found, make sure the correct model ID was used", "model"),
        (404, "The model `gpt-x` does not exist or you do not have access to it.", "model"),
        (403, "Project `p` does not have access to model `gpt-4o`: model not found", "model"),
        (400, "invalid model: x", "model"),
        (400, "Unknown model x", "model"),
        (400, "This model's maximum context length is 8192 tokens", ""),
        (400, "'temperature' is not supported", ""),
        (404, "page not found", ""),
        (500, "the model is not available", ""),
    ],
)
def test_why_a_status_was_sent(status: int, message: str, reason: str) -> None:
    assert status_error("s", status, message).reason == reason


def caused(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError("Connection refused"), "connection"),
        (caused(OSError("failed"), ssl.SSLError("bad")), "tls"),
        (caused(OSError("failed"), ssl.SSLCertVerificationError("expired")), "tls"),
        (caused(OSError("failed"), socket.gaierror(-2, "unknown")), "host"),
        (caused(OSError(), ExceptionGroup("all", [socket.gaierror(-2, "?")])), "host"),
        (caused(OSError("failed"), TimeoutError()), "timeout"),
    ],
)
def test_why_there_was_no_response(error: Exception, reason: str) -> None:
    assert connection_error("s", error).reason == reason


# ---------------------------------------------------------------- through the real clients


@pytest.fixture(scope="module")
def running() -> Iterator[Upstreams]:
    with Upstreams() as up:
        yield up


@pytest.fixture
def up(running: Upstreams) -> Upstreams:
    running.heal()
    return running


async def _embed(url: str, key: str) -> None:
    embedder = CohereEmbedder(key, base_url=url, seconds=1.5, attempt_seconds=0.5)
    embedder.prepare()
    try:
        await embedder.embed_questions(["question"])
    finally:
        await embedder.close()


async def _answer(url: str, key: str) -> None:
    answerer = OpenAIChatModel(key, base_url=f"{url}/v1", seconds=1.5, silence=0.5)
    answerer.prepare()
    try:
        await answerer.answer(answer_messages(AnswerRequest("Which port?", [])))
    finally:
        await answerer.close()


async def _search(url: str, key: str) -> None:
    store = QdrantStore(url, key, "book", seconds=1.5, attempt_seconds=0.5)
    store.prepare()
    try:
        await store.neighbours(0, 0)
    finally:
        await store.close()


USES = {"cohere": _embed, "openai": _answer, "qdrant": _search}


def reason(up: Upstreams, service: str, url: str = "", key: str = "") -> str:
    imitation = getattr(up, service)
    with pytest.raises(UpstreamError) as caught:
        asyncio.run(USES[service](url or imitation.url, key or imitation.key))
    assert caught.value.service == service
    return caught.value.reason


@pytest.mark.parametrize("service", USES)
def test_the_reason_is_known(up: Upstreams, service: str) -> None:
    assert reason(up, service, key="wrong") == "key"
    assert reason(up, service, url="http://127.0.0.1:9") == "connection"
    assert reason(up, service, url="http://service.invalid") == "host"


@pytest.mark.parametrize("service", USES)
def test_an_untrusted_certificate_is_a_tls_failure(service: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)

    async def main() -> None:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=context)
        async with server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(UpstreamError) as caught:
                await USES[service](f"https://localhost:{port}", "key")
            assert caught.value.reason == "tls"

    asyncio.run(main())


@pytest.mark.parametrize("service", USES)
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (402, "quota"),
        (429, "busy"),
        (504, "timeout"),
        ("hang", "timeout"),
        ("reset", "connection"),
        ("malformed", "malformed"),
        ("shape", "malformed"),
        (500, ""),
    ],
)
def test_each_fault_has_its_reason(up: Upstreams, service: str, fault: Any, expected: str) -> None:
    getattr(up, service).fail(fault, times=99)
    found = reason(up, service)
    streamed = service == "openai" and expected == "malformed"
    assert found == ("connection" if streamed else expected)  # a stream without events is cut off


def test_a_used_up_quota(up: Upstreams) -> None:
    up.cohere.fail(429, times=9, body={"message": "Trial key is limited to 1000 calls / month"})
    assert reason(up, "cohere") == "quota"
    up.openai.fail(429, times=9, body={"error": {"message": "pay", "code": "insufficient_quota"}})
    assert reason(up, "openai") == "quota"


def test_a_model_that_does_not_exist(up: Upstreams) -> None:
    up.cohere.fail(404, times=9, body={"message": "model 'x' not found"})
    assert reason(up, "cohere") == "model"
    up.openai.fail(404, times=9, body={"error": {"message": "no", "code": "model_not_found"}})
    assert reason(up, "openai") == "model"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"message": "a"}, "a"),
        ({"error": {"message": "b", "code": "c"}}, "b"),
        (b'{"status": {"error": "c"}, "time": 0}', "c"),
        (b"\xff no JSON", "\ufffd no JSON"),
        ("two\n lines", "two lines"),
        (None, ""),
        ({}, ""),
        ({"message": "the key secret-1 is bad"}, "the key *** is bad"),
        ({"message": "key sk-abc***xyz1 is bad"}, "key *** is bad"),
        ({"message": "x" * 999}, "x" * 300),
    ],
)
def test_what_a_service_said_is_short_and_without_secrets(body: object, text: str) -> None:
    assert error_text(body, "secret-1") == text
