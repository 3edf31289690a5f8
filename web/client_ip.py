"""Determine the client's IP address, trusting only the platform's own proxy.

Clients can send any X-Forwarded-For. Only the entry that the platform's proxy appends, or a header
that it overwrites, is reliable.

- uvicorn (a Space, a container, a laptop): `web.server.trusted_hop` names the proxy, and uvicorn
  puts the address that it appended into the scope.
- API Gateway and Function URLs: the address is in the event. Mangum puts it into the scope.
- Load balancer in front of Lambda: it appends the address to X-Forwarded-For. Mangum passes on the
  whole header.
  https://docs.aws.amazon.com/elasticloadbalancing/latest/application/x-forwarded-headers.html
- AWS Lambda Web Adapter: it connects from loopback and puts the event's context into a header.
  https://github.com/awslabs/aws-lambda-web-adapter
- Anywhere, if PROXY_HOPS says how many proxies append to X-Forwarded-For: the entry that the first
  of them has appended, counted from the end. A Unix socket has no other address.
- Google Cloud Run: the same, with one proxy of its own.
  https://cloud.google.com/run/docs/container-contract
- Vercel: it overwrites its own headers. https://vercel.com/docs/headers/request-headers
"""

from __future__ import annotations

import json
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Scope


def client_address(scope: Scope, platform: str, proxy_hops: int = 0) -> str:
    """Return the client's address, or "" if the platform does not report it."""
    hops = proxy_hops or (1 if platform == "K_SERVICE" else 0)
    if hops and "aws.event" not in scope:
        return _at_hop(scope, hops)
    if "aws.event" in scope:
        return _from_lambda(scope)
    headers = Headers(scope=scope)
    if platform == "VERCEL":
        told = headers.get("x-vercel-forwarded-for") or headers.get("x-real-ip") or ""
        return _last(told)
    if platform == "AWS_LAMBDA_FUNCTION_NAME" and (context := _context(headers)):
        return _source(context) or _forwarded(scope)
    return _connected(scope)


def _from_lambda(scope: Scope) -> str:
    """Return the address from a Lambda event. Load balancer events have it only in a header."""
    return _forwarded(scope) if "elb" in scope["aws.event"]["requestContext"] else _connected(scope)


def _connected(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0] or "") if client else ""


def _forwarded(scope: Scope) -> str:
    return _last(", ".join(Headers(scope=scope).getlist("x-forwarded-for")))


def _at_hop(scope: Scope, hops: int) -> str:
    """Return the entry that many places from the end, if the list is long enough."""
    found = ",".join(Headers(scope=scope).getlist("x-forwarded-for")).split(",")
    if len(found) < hops or not (entry := found[-hops].strip()):
        return _connected(scope)
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry  # without a port


def _last(addresses: str) -> str:
    return addresses.rpartition(",")[2].strip()


def _context(headers: Headers) -> dict[str, Any]:
    try:
        context = json.loads(headers.get("x-amzn-request-context", ""))
    except ValueError:
        return {}
    return context if isinstance(context, dict) else {}


def _source(context: dict[str, Any]) -> str:
    """Return the source IP: in `http` (payload version 2) or `identity` (version 1), or ""."""
    for part in ("http", "identity"):
        if isinstance(found := context.get(part), dict) and found.get("sourceIp"):
            return str(found["sourceIp"])
    return ""
