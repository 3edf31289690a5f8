"""Requests that no browser sends, byte by byte: what gets past the parser must do no harm."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack, suppress

import psutil
import pytest

from tests.support.leaks import leak
from tests.support.service import Service
from web.middleware import MAX_BODY_BYTES

QUESTION = json.dumps({"message": "How do I delete a conversation?"}).encode()
LENGTHS = (b"Content-Length: %d" % len(QUESTION), b"Transfer-Encoding: chunked")


def send(service: Service, data: bytes) -> bytes:
    """What the service says until it hangs up."""
    address = service.url.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1])), timeout=60) as peer:
        peer.sendall(data)
        said = b""
        try:
            while more := peer.recv(65536):
                said += more
        except ConnectionResetError:  # it did not read everything
            pass
        return said


def head(line: bytes, *headers: bytes) -> bytes:
    kind = b"Content-Type: application/json"
    return b"\r\n".join([line + b" HTTP/1.1", b"Host: evil.example", kind, *headers, b"", b""])


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (*pieces, b""))


@pytest.mark.parametrize("line", [b"POST /chat", b"GET /health"])
def test_a_request_of_two_lengths_is_refused_and_its_connection_closed(
    service: Service, line: bytes
) -> None:
    """A proxy that goes by the other length would take the rest for another reader's request."""
    smuggled = head(b"GET /config")
    said = send(service, head(line, *LENGTHS) + chunked(QUESTION) + smuggled)
    assert said.startswith(b"HTTP/1.1 422 ")
    assert said.count(b"HTTP/1.1 ") == 1
    assert b"application/problem+json" in said


@pytest.mark.parametrize("headers", [LENGTHS[1:], LENGTHS], ids=["chunked", "of two lengths"])
def test_no_body_is_longer_than_it_may_be_however_it_is_sent(
    service: Service, headers: tuple[bytes, ...]
) -> None:
    blank = b" " * 4096
    count = MAX_BODY_BYTES // len(blank) + 2
    body = chunked(*[blank] * count, QUESTION)
    said = send(service, head(b"POST /chat", b"Connection: close", *headers) + body)
    assert said.startswith((b"HTTP/1.1 413 ", b"HTTP/1.1 422 "))


@pytest.mark.parametrize("path", [b"/chat", b"/search", b"/chat/sessions/x/turns/1/feedback"])
@pytest.mark.parametrize("kind", ["announced", "chunked", "one byte too many", "a gigabyte"])
def test_a_large_body_is_refused_while_it_comes(service: Service, path: bytes, kind: str) -> None:
    """The answer is there before the body is: of the announced ones nothing is sent at all."""
    origin = b"Origin: http://localhost:3000"
    if kind == "chunked":
        lengths, body = LENGTHS[1], b"1000\r\n" + b" " * 4096 + b"\r\n"
    else:
        length = {"announced": 100_000, "a gigabyte": 10**9}.get(kind, MAX_BODY_BYTES + 1)
        lengths, body = b"Content-Length: %d" % length, b""
    address = service.url.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1])), timeout=10) as peer:
        peer.sendall(head(b"POST " + path, origin, lengths))
        for _ in range(MAX_BODY_BYTES // 4096 + 1):
            peer.sendall(body)
        said = b""
        while b"}" not in said:
            said += peer.recv(65536)
    assert said.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in said
    assert b"access-control-allow-origin: http://localhost:3000" in said.lower()
    assert b"the limit is 64 KB" in said


def test_large_bodies_take_no_memory(service: Service) -> None:
    """Fifty clients at once, each with 2 MB in pieces that are sent whatever is answered."""
    process = psutil.Process(service.process.pid)
    send(service, head(b"POST /chat", b"Connection: close", LENGTHS[0]) + QUESTION)
    before = process.memory_info().rss
    address = service.url.removeprefix("http://").split(":")
    piece = b"8000\r\n" + b" " * 32768 + b"\r\n"
    with ExitStack() as stack:
        peers = [
            stack.enter_context(socket.create_connection((address[0], int(address[1])), 10))
            for _ in range(50)
        ]
        for peer in peers:
            peer.sendall(head(b"POST /chat", LENGTHS[1]))
        for _ in range(64):
            for peer in peers:
                with suppress(OSError):
                    peer.sendall(piece)
        assert process.memory_info().rss - before < 20_000_000


@pytest.mark.parametrize("escaped", [False, True])
@pytest.mark.parametrize("character", "a語ש")
def test_a_page_of_ten_thousand_characters_is_taken(
    service: Service, character: str, escaped: bool
) -> None:
    """In any script, and also if each character is written as an escape."""
    page = {**json.loads(QUESTION), "context": character * 10_000}
    body = json.dumps(page, ensure_ascii=escaped).encode()
    assert len(body) <= MAX_BODY_BYTES
    length = b"Content-Length: %d" % len(body)
    said = send(service, head(b"POST /chat", length, b"Connection: close") + body)
    assert said.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "headers",
    [
        (b"Content-Length: 5", b"Content-Length: 6"),
        (b"Content-Length: +5",),
        (b"Content-Length: -5",),
        (b"Transfer-Encoding: identity, chunked",),
        (b"Transfer-Encoding : chunked",),
        (b"Host: other.example",),
        (b"X-Folded: a\r\n b\x00",),
    ],
    ids=lambda headers: headers[0].decode("latin-1"),
)
def test_what_could_be_read_in_two_ways_is_not_read(
    service: Service, headers: tuple[bytes, ...]
) -> None:
    said = send(service, head(b"POST /chat", *headers) + QUESTION)
    assert said.startswith(b"HTTP/1.1 400 ")
    assert said.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "path",
    [
        *(b"/health/", b"/book", b"/widget.js/", b"/chat/", b"//evil.example/health"),
        *(b"/docs", b"/redoc", b"/docs/oauth2-redirect"),
        *(b"http://evil.example/nowhere", b"/book/../../../etc/passwd", b"/book/..%2f..%2fetc"),
        *(b"/book/%00", b"/book/%ff%fe", b"/%", b"/chat/sessions/%00", b"/" + b"a" * 9000),
    ],
    ids=lambda path: path[:30].decode(),
)
def test_no_path_leads_astray(service: Service, path: bytes) -> None:
    """Not to another host, to no file, and to no page with somebody else's script in it."""
    said = send(service, head(b"GET " + path, b"Connection: close"))
    assert said.startswith(b"HTTP/1.1 404 ")
    assert b"location:" not in said.lower()
    assert b"evil.example" not in said
    assert leak(said.decode()) == ""


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 60_000,
        b'{"message":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_001,
        b'{"message":' + b"1" * 60_000 + b"}",
        b'{"message": "x", "page": {"title": NaN}}',
        b'\xff\xfe{"message": "x"}',
    ],
    ids=["deep list", "deep object", "large number", "not a number", "no text"],
)
def test_no_body_breaks_the_parser(service: Service, body: bytes) -> None:
    length = b"Content-Length: %d" % len(body)
    said = send(service, head(b"POST /chat", length, b"Connection: close") + body)
    assert said.startswith(b"HTTP/1.1 422 ")
    assert leak(said.decode()) == ""


@pytest.mark.parametrize(
    "context", ["a " * 32_000, "\n" * 32_000 + "x", "[INST]<|" * 8000, "ﷺ" * 21_000]
)
def test_a_page_of_64_kilobytes_is_cut_to_what_is_used(service: Service, context: str) -> None:
    body = json.dumps({**json.loads(QUESTION), "context": context}, ensure_ascii=False).encode()
    length = b"Content-Length: %d" % len(body)
    said = send(service, head(b"POST /chat", length, b"Connection: close") + body)
    assert said.startswith(b"HTTP/1.1 200 ")
