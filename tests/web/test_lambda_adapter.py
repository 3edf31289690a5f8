"""The same handlers behind Mangum, with events as AWS sends them.

Event shapes: https://docs.aws.amazon.com/lambda/latest/dg/services-apigateway.html,
services-alb.html and urls-invocation.html of the same guide.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mangum import Mangum

import router
from tests.support.service import environment, run

QUESTION = "How do I delete a conversation?"
Event = dict[str, Any]


@pytest.fixture(scope="module")
def function(in_process: Path, lambda_loop: None) -> Mangum:
    """The whole app as one function, kept warm over the module's invocations."""
    return Mangum(router.create_app(), lifespan="off")


def rest_api(method: str, path: str, body: str | None, headers: dict[str, str]) -> Event:
    """API Gateway, payload version 1."""
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "requestContext": {
            "httpMethod": method,
            "path": path,
            "stage": "prod",
            "identity": {"sourceIp": "203.0.113.7"},
        },
        "body": body,
        "isBase64Encoded": False,
    }


def http_api(method: str, path: str, body: str | None, headers: dict[str, str]) -> Event:
    """API Gateway, payload version 2; Function URLs send the same."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "domainName": "id.execute-api.us-east-1.amazonaws.com",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
                "userAgent": "tests",
            },
            "stage": "$default",
        },
        "body": body,
        "isBase64Encoded": False,
    }


def function_url(method: str, path: str, body: str | None, headers: dict[str, str]) -> Event:
    """A Function URL with a body as it sends binary ones."""
    event = http_api(method, path, body, headers)
    event["requestContext"]["domainName"] = "id.lambda-url.us-east-1.on.aws"
    if body is not None:
        event |= {"body": base64.b64encode(body.encode()).decode(), "isBase64Encoded": True}
    return event


def load_balancer(method: str, path: str, body: str | None, headers: dict[str, str]) -> Event:
    return {
        "requestContext": {
            "elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/a/b"}
        },
        "httpMethod": method,
        "path": path,
        "queryStringParameters": {},
        "headers": {**headers, "x-forwarded-for": "203.0.113.7"},
        "body": body or "",
        "isBase64Encoded": False,
    }


EVENTS: list[Callable[[str, str, str | None, dict[str, str]], Event]] = [
    rest_api,
    http_api,
    function_url,
    load_balancer,
]


def invoke(function: Mangum, event: Event) -> tuple[int, Any, dict[str, str]]:
    answer = function(event, SimpleNamespace(aws_request_id="1"))
    body = answer["body"]
    if answer.get("isBase64Encoded"):
        body = base64.b64decode(body).decode()
    headers = {name: v[0] for name, v in (answer.get("multiValueHeaders") or {}).items()}
    headers |= answer.get("headers") or {}
    return answer["statusCode"], json.loads(body) if body[:1] in ("{", "[") else body, headers


@pytest.mark.parametrize("make", EVENTS, ids=lambda make: make.__name__)
def test_every_kind_of_event_is_answered(
    function: Mangum, make: Callable[[str, str, str | None, dict[str, str]], Event]
) -> None:
    headers = {"content-type": "application/json", "origin": "http://localhost:3000"}
    body = json.dumps({"message": QUESTION})
    status, first, answered = invoke(function, make("POST", "/chat", body, headers))
    assert status == 200
    assert first["sources"]
    assert answered["access-control-allow-origin"] == "http://localhost:3000"

    # The second, warm invocation finds the clients of the first.
    session = first["session_id"]
    body = json.dumps({"message": QUESTION, "session_id": session})
    status, second, _ = invoke(function, make("POST", "/chat", body, headers))
    assert (status, second["metadata"]["turn"]) == (200, 2)

    status, kept, _ = invoke(function, make("GET", f"/chat/sessions/{session}", None, headers))
    assert (status, kept["total"]) == (200, 2)
    status, file, _ = invoke(
        function, make("GET", f"/chat/sessions/{session}/export", None, headers)
    )
    assert (status, file.count(QUESTION)) == (200, 2)
    status, gone, _ = invoke(function, make("DELETE", f"/chat/sessions/{session}", None, headers))
    assert (status, gone["deleted"]) == (200, 2)
    status, problem, answered = invoke(
        function, make("DELETE", f"/chat/sessions/{session}", None, headers)
    )
    assert (status, problem["status"]) == (404, 404)
    assert answered["content-type"] == "application/problem+json"


@pytest.mark.parametrize("make", EVENTS, ids=lambda make: make.__name__)
def test_a_large_body_is_refused(
    function: Mangum, make: Callable[[str, str, str | None, dict[str, str]], Event]
) -> None:
    headers = {"content-type": "application/json", "origin": "http://localhost:3000"}
    body = json.dumps({"message": QUESTION, "context": "x" * 65_536})
    status, problem, answered = invoke(function, make("POST", "/chat", body, headers))
    assert (status, problem["status"]) == (413, 413)
    assert "64 KB" in problem["detail"]
    assert answered["access-control-allow-origin"] == "http://localhost:3000"


@pytest.mark.parametrize("make", EVENTS, ids=lambda make: make.__name__)
def test_assistants_are_answered_by_a_warm_function(
    function: Mangum, make: Callable[[str, str, str | None, dict[str, str]], Event]
) -> None:
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    params = {"name": "search", "arguments": {"query": QUESTION}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    for _ in range(2):
        status, answer, _ = invoke(function, make("POST", "/mcp", json.dumps(body), headers))
        assert status == 200
        assert answer["result"]["structuredContent"]["results"]
    note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    status, text, _ = invoke(function, make("POST", "/mcp", json.dumps(note), headers))
    assert (status, text) == (202, "")
    status, text, _ = invoke(function, make("GET", "/llms.txt", None, {}))
    assert status == 200
    assert text.startswith("# Ask the Book")


def test_a_stream_arrives_in_one_piece(function: Mangum) -> None:
    headers = {"content-type": "application/json", "accept": "text/event-stream"}
    event = http_api("POST", "/chat", json.dumps({"message": QUESTION}), headers)
    status, body, _ = invoke(function, event)
    assert status == 200
    assert body.startswith("event: session\n")
    assert "\nevent: done\n" in body


def test_one_function_with_one_route(function: Mangum) -> None:
    deleting = [route for route in router.ROUTES if route[0] == "DELETE"]
    single = Mangum(router.create_app(deleting), lifespan="off")
    path = "/chat/sessions/5f0c1b9e-6d0f-4c55-9a0e-0d8f3f1c2b7a"
    assert invoke(single, http_api("DELETE", path, None, {}))[0] == 404
    headers = {"content-type": "application/json"}
    status, problem, _ = invoke(single, http_api("POST", "/chat", "{}", headers))
    assert (status, problem["code"]) == (404, "refused")


def test_a_function_for_delete_loads_nothing_else() -> None:
    script = """
import json, sys, router
event = json.loads(sys.argv[1])
answer = router.lambda_handler(event, None)
clients = {"openai", "cohere", "qdrant_client", "qdrant_edge"}
handlers = {name for name in dir(sys.modules["handlers"]) if name[0] != "_"}
print(answer["statusCode"], sorted(clients & set(sys.modules) | handlers))
"""
    path = "/chat/sessions/5f0c1b9e-6d0f-4c55-9a0e-0d8f3f1c2b7a"
    unreachable = "postgresql://reader:hunter2@127.0.0.1:1/book?sslmode=disable"
    finished = run(
        "-c",
        script,
        json.dumps(http_api("DELETE", path, None, {})),
        env=environment(
            AWS_LAMBDA_FUNCTION_NAME="delete", ROUTES="delete", DATABASE_URL=unreachable
        ),
    )
    assert finished.stdout.splitlines()[-1] == "503 ['delete']", finished.stderr
    assert "hunter2" not in finished.stdout + finished.stderr
