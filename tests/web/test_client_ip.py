"""Where a reader is: each host's own word for it, and nothing that a reader can write."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from mangum.handlers import ALB, APIGateway, HTTPGateway
from starlette.types import Scope
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from rag.environment import load_settings
from tests.web.test_lambda_adapter import EVENTS, load_balancer
from web.client_ip import client_address
from web.server import trusted_hop

Make = Callable[[str, str, str | None, dict[str, str]], dict[str, Any]]
READER = "203.0.113.7"
FORGED = {
    "x-forwarded-for": "192.0.2.1",
    "x-real-ip": "192.0.2.2",
    "x-vercel-forwarded-for": "192.0.2.3",
    "forwarded": "for=192.0.2.4",
    "x-amzn-request-context": json.dumps({"http": {"sourceIp": "192.0.2.5"}}),
    "true-client-ip": "192.0.2.6",
}


def scope(client: tuple[str, int] | None, headers: dict[str, str]) -> Scope:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "client": client, "headers": raw}


def mangum_scope(event: dict[str, Any]) -> Any:
    """The scope that Mangum makes of an event."""
    config: Any = {
        "api_gateway_base_path": "/",
        "text_mime_types": [],
        "exclude_headers": [],
    }
    context: Any = SimpleNamespace()
    kinds: list[Any] = [ALB, HTTPGateway, APIGateway]
    made = next(kind for kind in kinds if kind.infer(event, context, config))
    return made(event, context, config).scope


@pytest.mark.parametrize("make", EVENTS, ids=lambda make: make.__name__)
def test_a_lambda_event_tells_it(make: Make) -> None:
    headers = dict(FORGED)
    if make is load_balancer:  # which appends to what is there, after the event is made here
        del headers["x-forwarded-for"]
    event = make("GET", "/health", None, headers)
    if make is load_balancer:
        event["headers"]["x-forwarded-for"] = f"192.0.2.1, {READER}"
    assert client_address(mangum_scope(event), "AWS_LAMBDA_FUNCTION_NAME") == READER


def test_a_load_balancer_with_headers_of_several_values() -> None:
    event = load_balancer("GET", "/health", None, {})
    del event["headers"]
    event["multiValueHeaders"] = {"x-forwarded-for": ["192.0.2.1", f"192.0.2.9, {READER}"]}
    assert client_address(mangum_scope(event), "AWS_LAMBDA_FUNCTION_NAME") == READER


@pytest.mark.parametrize(
    "context",
    [{"http": {"sourceIp": READER}}, {"identity": {"sourceIp": READER}}],
    ids=["version 2", "version 1"],
)
def test_the_web_adapter_writes_the_context_into_a_header(context: dict[str, Any]) -> None:
    headers = {**FORGED, "x-amzn-request-context": json.dumps(context)}
    seen = scope(("127.0.0.1", 5000), headers)
    assert client_address(seen, "AWS_LAMBDA_FUNCTION_NAME") == READER


def test_the_web_adapter_behind_a_load_balancer() -> None:
    headers = {
        "x-amzn-request-context": json.dumps({"elb": {"targetGroupArn": "arn"}}),
        "x-forwarded-for": f"192.0.2.1, {READER}",
    }
    seen = scope(("127.0.0.1", 5000), headers)
    assert client_address(seen, "AWS_LAMBDA_FUNCTION_NAME") == READER


@pytest.mark.parametrize("told", ["", "null", "[]", "{", '{"http": 1}', '{"http": {}}'])
def test_a_context_that_tells_nothing(told: str) -> None:
    seen = scope(("127.0.0.1", 5000), {"x-amzn-request-context": told})
    assert client_address(seen, "AWS_LAMBDA_FUNCTION_NAME") in ("127.0.0.1", "")


def test_vercel_overwrites_its_headers() -> None:
    headers = {**FORGED, "x-vercel-forwarded-for": READER}
    assert client_address(scope(("127.0.0.1", 0), headers), "VERCEL") == READER
    assert client_address(scope(None, {"x-real-ip": READER}), "VERCEL") == READER
    assert client_address(scope(("127.0.0.1", 0), {}), "VERCEL") == ""


@pytest.mark.parametrize("platform", ["", "SPACE_ID"])
def test_elsewhere_no_header_is_read(platform: str) -> None:
    assert client_address(scope((READER, 5000), FORGED), platform) == READER
    assert client_address(scope(None, FORGED), platform) == ""


@pytest.mark.parametrize(
    ("hops", "forwarded", "address"),
    [
        (1, READER, READER),
        (1, f"192.0.2.1, {READER}", READER),
        (2, f"192.0.2.1, {READER}, 10.0.0.1", READER),
        (2, READER, ""),
        (1, "", ""),
        (1, f"{READER}:4711", READER),
        (1, "[2001:db8::7]:4711", "2001:db8::7"),
        (1, "2001:db8::7", "2001:db8::7"),
        (1, f"{READER}, ", ""),
    ],
)
def test_behind_a_unix_socket_the_hops_are_counted(hops: int, forwarded: str, address: str) -> None:
    headers = {**FORGED, "x-forwarded-for": forwarded}
    assert client_address(scope(None, headers), "", hops) == address
    direct = client_address(scope(("10.0.0.9", 1), headers), "", hops)
    assert direct == (address or "10.0.0.9")


@pytest.mark.parametrize("peer", ["169.254.169.126", "10.1.2.3", ""])
@pytest.mark.parametrize(
    ("hops", "forwarded", "address"),
    [
        (0, READER, READER),
        (0, f"192.0.2.1, {READER}", READER),  # the reader wrote the first
        (0, f"169.254.1.1, 127.0.0.1, {READER}", READER),
        (2, f"192.0.2.1, {READER}, 34.120.0.1", READER),  # behind a load balancer
    ],
)
def test_cloud_runs_proxy_is_one_hop(hops: int, forwarded: str, address: str, peer: str) -> None:
    client = (peer, 1) if peer else None
    seen = scope(client, {**FORGED, "x-forwarded-for": forwarded})
    assert client_address(seen, "K_SERVICE", hops) == address


@pytest.mark.parametrize(
    ("environ", "peer", "forwarded", "address"),
    [
        ({"SPACE_ID": "a/b"}, "10.16.3.4", f"192.0.2.1, {READER}", READER),
        ({"SPACE_ID": "a/b"}, "10.16.3.4", f"192.0.2.1, {READER}, 10.20.1.1", READER),
        ({"SPACE_ID": "a/b"}, "10.16.3.4", f"10.0.0.1, {READER}", READER),
        ({"SPACE_ID": "a/b"}, READER, "192.0.2.1", READER),
        ({"K_SERVICE": "book"}, "169.254.8.129", f"192.0.2.1, {READER}", READER),
        ({}, "127.0.0.1", f"192.0.2.1, {READER}", READER),
        ({}, READER, "192.0.2.1", READER),
        ({}, "172.18.0.2", READER, "172.18.0.2"),
        ({"FORWARDED_ALLOW_IPS": "172.18.0.2"}, "172.18.0.2", f"192.0.2.1, {READER}", READER),
        ({}, "127.0.0.1", "192.0.2.1, 2001:db8::7", "2001:db8::7"),
        ({}, "127.0.0.1", f"192.0.2.1, {READER}:4711", READER),
    ],
)
def test_uvicorn_believes_the_named_hop_alone(
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    peer: str,
    forwarded: str,
    address: str,
) -> None:
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    settings, found = load_settings(environ), []

    async def app(seen: Any, receive: Any, send: Any) -> None:
        found.append(client_address(seen, settings.platform))

    middleware = ProxyHeadersMiddleware(app, trusted_hop(settings))
    request: Any = middleware(scope((peer, 1), {"x-forwarded-for": forwarded}), None, None)  # type: ignore[arg-type]
    with pytest.raises(StopIteration):
        request.send(None)
    assert found == [address]


@pytest.mark.parametrize(
    ("environ", "peer", "scheme"),
    [
        ({"K_SERVICE": "book"}, "169.254.8.129", "https"),
        ({"K_SERVICE": "book"}, READER, "http"),
        ({"SPACE_ID": "a/b"}, "10.16.3.4", "https"),
        ({}, "127.0.0.1", "https"),
        ({}, "169.254.8.129", "http"),
    ],
)
def test_only_the_platforms_proxy_says_that_the_reader_used_tls(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], peer: str, scheme: str
) -> None:
    """Assistants are told the service's address, which begins with it."""
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    found = []

    async def app(seen: Any, receive: Any, send: Any) -> None:
        found.append(seen["scheme"])

    middleware = ProxyHeadersMiddleware(app, trusted_hop(load_settings(environ)))
    seen = {**scope((peer, 1), {"x-forwarded-proto": "https"}), "scheme": "http"}
    request: Any = middleware(seen, None, None)  # type: ignore[arg-type]
    with pytest.raises(StopIteration):
        request.send(None)
    assert found == [scheme]
