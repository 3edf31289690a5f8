"""Generated messages for `/mcp` and `/v1`: never a 500, and never another reader's conversation."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

import router
from handlers.chat import ChatRequest, ChatResponse, chat
from handlers.mcp_tools import TOOLS
from web.mcp_protocol import CAPABILITIES_KEY, LEGACY, MODERN, VERSION_KEY

SECRET = "zebrafish"
"""A word of a conversation that no client of these tests knows."""

PROFILE = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
METHODS = st.sampled_from(
    [
        "initialize",
        "ping",
        "server/discover",
        "tools/list",
        "tools/call",
        "resources/list",
        "resources/templates/list",
        "resources/read",
        "notifications/initialized",
        "notifications/cancelled",
    ]
)
ANY_TEXT = st.text(st.characters(), max_size=60)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)
VERSIONS = st.sampled_from([*MODERN, *LEGACY, "1900-01-01", ""]) | ANYTHING
META = st.fixed_dictionaries({}, optional={VERSION_KEY: VERSIONS, CAPABILITIES_KEY: ANYTHING})
SESSIONS = ANY_TEXT | st.uuids(version=4).map(str) | ANYTHING
ARGUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "query": ANY_TEXT | ANYTHING,
        "id": ANY_TEXT | ANYTHING,
        "question": ANY_TEXT | ANYTHING,
        "conversation_id": SESSIONS,
        "comment": ANYTHING,
    },
)
PARAMS = st.fixed_dictionaries(
    {},
    optional={
        "_meta": META | ANYTHING,
        "name": st.sampled_from([*TOOLS, "dance"]) | ANYTHING,
        "arguments": ARGUMENTS | ANYTHING,
        "uri": st.sampled_from(["book:///docs/privacy", "book:///"]) | ANYTHING,
        "cursor": ANYTHING,
        "protocolVersion": VERSIONS,
    },
)
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.sampled_from(["2.0", "2.0", "2.0", "1.0"]),
        "id": st.integers() | ANY_TEXT | ANYTHING,
        "method": METHODS | METHODS | ANYTHING,
        "params": PARAMS | PARAMS | ANYTHING,
        "result": ANYTHING,
    },
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "MCP-Protocol-Version": st.sampled_from([*MODERN, *LEGACY, "2099-01-01"]),
        "Mcp-Method": METHODS,
        "Mcp-Name": st.sampled_from([*TOOLS, "=?base64?!?=", "=?base64?Zm9v?="]),
    },
)
ROLES = st.sampled_from(["user", "user", "assistant", "system", "developer", "tool"])
CONTENT = ANY_TEXT | st.lists(st.fixed_dictionaries({"type": ANY_TEXT, "text": ANY_TEXT}))
CHATS = st.fixed_dictionaries(
    {"messages": st.lists(st.fixed_dictionaries({"role": ROLES, "content": CONTENT})) | ANYTHING},
    optional={"model": ANYTHING, "stream": ANYTHING, "user": SESSIONS, "stream_options": ANYTHING},
)


@pytest.fixture(scope="module")
def http(in_process: Path) -> Iterator[TestClient]:
    """The service, in which somebody has asked something. The client is on the same machine."""
    client = TestClient(
        router.create_app(), raise_server_exceptions=False, client=("127.0.0.1", 50000)
    )
    with client:
        answer = asyncio.run(chat(ChatRequest(message=f"How do I delete a {SECRET}?")))
        assert isinstance(answer, ChatResponse)
        yield client


def text(body: Any) -> bytes:
    """JSON as Python writes it: NaN and lone surrogates included."""
    return json.dumps(body).encode()


@PROFILE
@given(body=MESSAGES | ANYTHING | st.lists(MESSAGES, max_size=3), headers=HEADERS)
def test_any_message_is_answered(http: TestClient, body: Any, headers: dict[str, str]) -> None:
    kind = {"Content-Type": "application/json"}
    response = http.post("/mcp", content=text(body), headers=headers | kind)
    assert response.status_code in (200, 202, 400, 404)
    assert SECRET not in response.text
    if response.status_code == 202:
        assert response.content == b""
        return
    answer = response.json()
    assert answer["jsonrpc"] == "2.0"
    assert ("result" in answer) != ("error" in answer)
    if "error" in answer:
        assert isinstance(answer["error"]["code"], int)
        assert answer["error"]["message"]
    else:
        assert answer["id"] == body["id"]


@PROFILE
@given(body=st.binary(max_size=200) | st.text().map(lambda t: t.encode("utf-8", "replace")))
def test_any_bytes_are_answered(http: TestClient, body: bytes) -> None:
    for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded"):
        for path in ("/mcp", "/v1/chat/completions"):
            response = http.post(path, content=body, headers={"Content-Type": kind})
            assert response.status_code == 400
            assert response.json()["error"]["message"]


@PROFILE
@given(body=CHATS)
def test_any_completion_is_answered(http: TestClient, body: Any) -> None:
    kind = {"Content-Type": "application/json"}
    response = http.post("/v1/chat/completions", content=text(body), headers=kind)
    assert response.status_code in (200, 400)
    assert SECRET not in response.text
    if response.status_code == 400:
        assert response.json()["error"]["type"] == "invalid_request_error"


def test_a_flood_is_answered_or_refused(http: TestClient) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    first = http.post("/mcp", json=body).content
    assert all(http.post("/mcp", json=body).content == first for _ in range(300))
