"""A proxy between this machine and the services, as the environment names it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from rag.adapters.chat_model.openai import OpenAIChatModel
from rag.adapters.embedding.cohere import CohereEmbedder
from rag.adapters.http import proxy_for
from rag.adapters.vector_store.qdrant_rest import Rest
from rag.answering.prompt import answer_messages
from rag.environment import load_settings
from rag.errors import UpstreamError
from rag.models import AnswerRequest, Chunk, Passage
from rag.ops.remedies import remedy_for
from tests.support.served_site import Served, served

NOWHERE = "http://service.invalid:80"
"""A name that only the proxy is told."""
DELTA = {"choices": [{"delta": {"content": "Yes. [1]"}, "finish_reason": "stop"}]}
PAGES = {
    "/v2/embed": json.dumps({"embeddings": {"float": [[0.6, 0.8]]}}),
    "/chat/completions": f"data: {json.dumps(DELTA)}\n\ndata: [DONE]\n\n",
    "/collections/book/points/scroll": json.dumps({"result": {"points": []}}),
}


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with served(PAGES) as running:
        monkeypatch.setenv("HTTP_PROXY", running.url)
        yield running


async def _embedding(url: str = NOWHERE) -> object:
    embedder = CohereEmbedder("key", "any-model", base_url=url, seconds=5)
    try:
        return list((await embedder.embed_questions(["why?"]))[0])
    finally:
        await embedder.close()


async def _passages(url: str = NOWHERE) -> object:
    rest = Rest(url, "key", "book", seconds=5, attempt_seconds=5)
    try:
        return (await rest.post("/points/scroll", {}))["points"]
    finally:
        await rest.close()


async def _answer(url: str = NOWHERE) -> object:
    answerer = OpenAIChatModel("key", base_url=url, seconds=5)
    brief = AnswerRequest("so?", [Passage(Chunk("1", "So it is.", "T", "", "t", "t.md", 0), 0.9)])
    try:
        parts = await answerer.answer(answer_messages(brief))
        return "".join([part async for part in parts if isinstance(part, str)])
    finally:
        await answerer.close()


def test_the_services_are_asked_through_it(proxy: Served) -> None:
    assert asyncio.run(_embedding()) == pytest.approx([0.6, 0.8])
    assert asyncio.run(_passages()) == []
    assert asyncio.run(_answer()) == "Yes. [1]"
    assert sorted(proxy.asked) == sorted(PAGES)


@pytest.mark.parametrize(
    ("no_proxy", "url", "used"),
    [
        ("", "http://service.invalid", True),
        ("", "https://service.invalid", False),  # that proxy is for http
        ("other.invalid", "http://service.invalid", True),
        ("service.invalid", "http://service.invalid:6333/collections", False),
        (".invalid", "http://service.invalid", False),
        ("*", "http://service.invalid", False),
        ("", "http://localhost:11434/v1", False),
        ("", "http://127.0.0.2:6333", False),
        ("", "http://[::1]:6333", False),
    ],
)
def test_what_no_proxy_names_is_asked_directly(
    proxy: Served, monkeypatch: pytest.MonkeyPatch, no_proxy: str, url: str, used: bool
) -> None:
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert proxy_for(url) == (proxy.url if used else None)


@contextmanager
def refusing(answer: bytes) -> Iterator[int]:
    """The port of a proxy that answers every request like that, or hangs up on it."""

    def serve() -> None:
        with suppress(OSError):
            while True:
                peer, _ = listener.accept()
                with peer, suppress(OSError):
                    peer.recv(65536)
                    peer.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def failure(ask: Callable[[str], Awaitable[object]], url: str) -> UpstreamError:
    async def asking() -> object:
        return await ask(url)

    with pytest.raises(UpstreamError) as caught:
        asyncio.run(asking())
    return caught.value


HEAD = b"Content-Length: 0\r\nConnection: close\r\n\r\n"
ASKING = [_embedding, _passages, _answer]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of httpx-aiohttp's use of aiohttp
@pytest.mark.parametrize("url", [NOWHERE, "https://service.invalid"])
@pytest.mark.parametrize("ask", ASKING, ids=lambda ask: ask.__name__)
def test_a_wrong_password_is_named(
    monkeypatch: pytest.MonkeyPatch, ask: Callable[[str], Awaitable[object]], url: str
) -> None:
    basic = b'Proxy-Authenticate: Basic realm="office"\r\n'
    with refusing(b"HTTP/1.1 407 Proxy Authentication Required\r\n" + basic + HEAD) as port:
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://reader:hunter2@127.0.0.1:{port}")
        error = failure(ask, url)
    assert error.reason == "proxy"
    assert "user name or password is wrong" in str(error)
    assert "hunter2" not in str(error)
    advice = remedy_for(error.service, error, load_settings({}))
    assert "HTTPS_PROXY" in advice
    assert "NO_PROXY" in advice


@pytest.mark.parametrize("ask", ASKING, ids=lambda ask: ask.__name__)
@pytest.mark.parametrize(
    ("status", "text"), [(403, "it forbids this host"), (502, "status 502 from the proxy")]
)
def test_a_proxy_that_refuses_a_tunnel(
    monkeypatch: pytest.MonkeyPatch,
    ask: Callable[[str], Awaitable[object]],
    status: int,
    text: str,
) -> None:
    with refusing(b"HTTP/1.1 %d No\r\n" % status + HEAD) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        error = failure(ask, "https://service.invalid")
    assert (error.reason, text in str(error)) == ("proxy", True)


@pytest.mark.parametrize("url", [NOWHERE, "https://service.invalid"])
@pytest.mark.parametrize("ask", ASKING, ids=lambda ask: ask.__name__)
@pytest.mark.parametrize("proxy_url", ["http://127.0.0.1:9", "http://proxy.invalid:3128"])
def test_a_proxy_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch,
    ask: Callable[[str], Awaitable[object]],
    url: str,
    proxy_url: str,
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, proxy_url)
    assert failure(ask, url).reason == "proxy"
