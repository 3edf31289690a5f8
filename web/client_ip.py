"""Where a reader is, as the host's own hop tells it and nobody further away.

Anyone can write X-Forwarded-For; only the entry that the host's own proxy has appended, or a
header that it overwrites, says something.

- uvicorn (a Space, a container, a laptop): `web.server.trusted_hop` names the proxy, and
  uvicorn has put the address that it appended into the scope.
- API Gateway and Function URLs: part of the event; Mangum has put it into the scope.
- A load balancer in front of Lambda appends it to X-Forwarded-For; Mangum passes the whole
  header on: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/x-forwarded-headers.html
- The AWS Lambda Web Adapter calls from loopback and writes the event's context into a header:
  https://github.com/awslabs/aws-lambda-web-adapter
- Vercel overwrites headers of its own: https://vercel.com/docs/headers/request-headers
"""

from __future__ import annotations

import json
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Scope


def client_address(scope: Scope, platform: str) -> str:
    """The address as text, or empty where the host does not tell it."""
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
    """A load balancer's event has no address of its own."""
    return _forwarded(scope) if "elb" in scope["aws.event"]["requestContext"] else _connected(scope)


def _connected(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0] or "") if client else ""


def _forwarded(scope: Scope) -> str:
    return _last(", ".join(Headers(scope=scope).getlist("x-forwarded-for")))


def _last(addresses: str) -> str:
    return addresses.rpartition(",")[2].strip()


def _context(headers: Headers) -> dict[str, Any]:
    try:
        context = json.loads(headers.get("x-amzn-request-context", ""))
    except ValueError:
        return {}
    return context if isinstance(context, dict) else {}


def _source(context: dict[str, Any]) -> str:
    """Payload version 2 has it below `http`, version 1 below `identity`; an ALB has none."""
    for part in ("http", "identity"):
        if isinstance(found := context.get(part), dict) and found.get("sourceIp"):
            return str(found["sourceIp"])
    return ""
