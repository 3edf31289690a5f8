"""`POST /mcp` byte by byte: both generations of the protocol, and what is refused."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
from fastapi import Response

from handlers.history import history
from handlers.mcp import mcp
from rag.conversations import analytics
from rag.errors import UpstreamError
from rag.providers import get_clients, reset
from tests.support.service import Service, serving
from tests.web.test_field_errors import RAW
from web import mcp_protocol
from web.mcp_protocol import CAPABILITIES_KEY, LEGACY, MODERN, SERVER_KEY, VERSION_KEY, McpHeaders

QUESTION = "How do I delete a conversation?"
META = {VERSION_KEY: MODERN[0], CAPABILITIES_KEY: {}}
PATH = "docs/privacy"


def message(method: str, params: dict[str, Any] | None = None, id: Any = 1) -> dict[str, Any]:
    """A request of an earlier revision."""
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params or {}}


def modern(method: str, **params: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """A request of revision 2026-07-28, and its headers."""
    headers = {"MCP-Protocol-Version": MODERN[0], "Mcp-Method": method}
    if named := params.get("uri") or params.get("name"):
        headers["Mcp-Name"] = named
    return message(method, {**params, "_meta": META}), headers


@pytest.fixture
def http(service: Service) -> Iterator[httpx.Client]:
    with service.client() as client:
        yield client


def call(http: httpx.Client, tool: str, **arguments: Any) -> Any:
    params = {"name": tool, "arguments": arguments}
    response = http.post("/mcp", json=message("tools/call", params))
    assert response.status_code == 200, response.text
    return response.json()["result"]


# ------------------------------------------------------------------ revision 2026-07-28


def test_discovery_names_versions_capabilities_and_the_book(http: httpx.Client) -> None:
    body, headers = modern("server/discover")
    response = http.post("/mcp", json=body, headers=headers)
    assert response.headers["content-type"] == "application/json"
    result = response.json()["result"]
    assert result["supportedVersions"] == [*MODERN, *LEGACY]
    assert result["capabilities"] == {"tools": {}, "resources": {}}
    assert result["resultType"] == "complete"
    assert result["ttlMs"] > 0
    assert result["cacheScope"] == "public"
    assert result["_meta"][SERVER_KEY]["title"] == "Ask the Book"
    assert "“Ask the Book”" in result["instructions"]


@pytest.mark.parametrize(
    "method", ["tools/list", "resources/list", "resources/templates/list", "server/discover"]
)
def test_results_that_may_be_cached_say_so(http: httpx.Client, method: str) -> None:
    body, headers = modern(method)
    result = http.post("/mcp", json=body, headers=headers).json()["result"]
    assert (result["ttlMs"], result["cacheScope"]) == (300_000, "public")
    assert "ttlMs" not in http.post("/mcp", json=message(method)).json()["result"]


def test_a_tool_call_is_not_cached(http: httpx.Client) -> None:
    body, headers = modern("tools/call", name="search", arguments={"query": QUESTION})
    result = http.post("/mcp", json=body, headers=headers).json()["result"]
    assert result["resultType"] == "complete"
    assert "ttlMs" not in result
    assert result["_meta"][SERVER_KEY]["name"] == "ask-the-book"


def test_a_name_outside_of_ascii_comes_in_base64(http: httpx.Client) -> None:
    body, headers = modern("resources/read", uri="book:///docs/größe")
    encoded = base64.b64encode("book:///docs/größe".encode()).decode()
    headers["Mcp-Name"] = f"=?base64?{encoded}?="
    assert http.post("/mcp", json=body, headers=headers).json()["error"]["code"] == -32602
    headers["Mcp-Name"] = "=?base64?!?="
    assert http.post("/mcp", json=body, headers=headers).json()["error"]["code"] == -32020


@pytest.mark.parametrize(
    "changed",
    [
        {"MCP-Protocol-Version": "2025-11-25"},
        {"MCP-Protocol-Version": None},
        {"Mcp-Method": "tools/list"},
        {"Mcp-Method": None},
        {"Mcp-Method": "TOOLS/CALL"},
        {"Mcp-Name": "fetch"},
        {"Mcp-Name": None},
    ],
    ids=str,
)
def test_headers_that_differ_from_the_body_are_refused(
    http: httpx.Client, changed: dict[str, str | None]
) -> None:
    body, headers = modern("tools/call", name="search", arguments={"query": QUESTION})
    sent = {name: value for name, value in (headers | changed).items() if value is not None}
    response = http.post("/mcp", json=body, headers=sent)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == -32020
    assert response.json()["id"] == 1


def test_a_header_that_is_sent_twice_is_refused(http: httpx.Client) -> None:
    body, headers = modern("tools/list")
    response = http.post("/mcp", json=body, headers=[*headers.items(), ("mcp-method", "ping")])
    assert response.json()["error"]["code"] == -32020


@pytest.mark.parametrize("key", [VERSION_KEY, CAPABILITIES_KEY])
def test_a_request_without_its_metadata_is_refused(http: httpx.Client, key: str) -> None:
    body, headers = modern("tools/list")
    body["params"]["_meta"] = {name: value for name, value in META.items() if name != key}
    response = http.post("/mcp", json=body, headers=headers)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == -32602


@pytest.mark.parametrize("version", ["1900-01-01", "2099-01-01", "", "x" * 500])
def test_an_unknown_version_is_told_the_known_ones(http: httpx.Client, version: str) -> None:
    body, headers = modern("tools/list")
    body["params"]["_meta"] = {**META, VERSION_KEY: version}
    response = http.post("/mcp", json=body, headers={**headers, "MCP-Protocol-Version": version})
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["code"] == -32022
    assert error["data"] == {"supported": [*MODERN, *LEGACY], "requested": version[:100]}


@pytest.mark.parametrize(
    "method", ["ping", "initialize", "prompts/list", "subscriptions/listen", "no/such", ""]
)
def test_a_method_that_is_not_there_is_a_404(http: httpx.Client, method: str) -> None:
    body, headers = modern(method)
    response = http.post("/mcp", json=body, headers=headers)
    assert response.status_code == 404
    assert response.json()["error"]["code"] == -32601


# ------------------------------------------------------------------ revisions with a handshake


@pytest.mark.parametrize("version", [*LEGACY, "2026-07-28", "1900-01-01"])
def test_the_handshake_agrees_on_a_version(http: httpx.Client, version: str) -> None:
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "x"}}
    response = http.post("/mcp", json=message("initialize", params))
    result = response.json()["result"]
    assert result["protocolVersion"] == (version if version in LEGACY else LEGACY[0])
    assert result["serverInfo"]["name"] == "ask-the-book"
    assert result["instructions"]
    assert "mcp-session-id" not in response.headers
    done = http.post("/mcp", json={"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert (done.status_code, done.content) == (202, b"")


def test_ping_and_unknown_methods(http: httpx.Client) -> None:
    assert http.post("/mcp", json=message("ping", id="a")).json() == {
        "jsonrpc": "2.0",
        "id": "a",
        "result": {},
    }
    unknown = http.post("/mcp", json=message("prompts/list"))
    assert unknown.status_code == 200
    assert unknown.json()["error"]["code"] == -32601


def test_a_header_with_an_unknown_version_is_refused(http: httpx.Client) -> None:
    response = http.post("/mcp", json=message("ping"), headers={"MCP-Protocol-Version": "yes"})
    assert response.status_code == 400
    assert response.json()["error"]["data"]["supported"]


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_there_is_no_stream_and_no_session_to_end(http: httpx.Client, method: str) -> None:
    response = http.request(method, "/mcp", headers={"Accept": "text/event-stream"})
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


# ------------------------------------------------------------------ what is no message


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"[" * 60_000, -32700),
        (b'{"jsonrpc": "2.0", "id": ' + b"9" * 5000 + b', "method": "ping"}', -32700),
        (b"\xff\xfe", -32700),
        (b"[]", -32600),
        (json.dumps([message("ping"), message("ping", id=2)]).encode(), -32600),
        (b'"ping"', -32600),
        (b"7", -32600),
        (b"{}", -32600),
        (b'{"jsonrpc": "1.0", "id": 1, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": null, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": true, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1.5, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": NaN, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": {}, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": 5}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "result": {}}', -32600),
        (b'{"jsonrpc": "2.0", "method": ["x"]}', -32600),
    ],
)
def test_what_is_no_message_gets_a_sentence(http: httpx.Client, body: bytes, code: int) -> None:
    response = http.post("/mcp", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/json"
    assert response.json()["error"]["code"] == code
    assert response.json()["error"]["message"][0].isupper()


def test_a_body_is_bounded(http: httpx.Client) -> None:
    response = http.post("/mcp", json=message("ping", {"x": "x" * 1_000_000}))
    assert response.status_code == 413
    assert "the limit is 64 KB" in response.json()["error"]["message"]


@pytest.mark.parametrize("id", [0, -1, 2**63, 10**4000, "", "x" * 10_000, "\ud800", "ü\x00"])
def test_any_id_comes_back(http: httpx.Client, id: Any) -> None:
    body = json.dumps(message("ping", id=id)).encode()
    response = http.post("/mcp", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 200
    assert json.loads(response.content) == {"jsonrpc": "2.0", "id": id, "result": {}}


@pytest.mark.parametrize("params", [[], "x", 1, None, True])
def test_params_must_be_an_object(http: httpx.Client, params: Any) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": params}
    assert http.post("/mcp", json=body).json()["error"]["code"] == -32602


# ------------------------------------------------------------------ the tools


def test_every_result_fits_its_schema_and_its_text(http: httpx.Client) -> None:
    tools = http.post("/mcp", json=message("tools/list")).json()["result"]["tools"]
    assert [tool["name"] for tool in tools] == ["search", "fetch", "ask", "report_gap"]
    passage = call(http, "search", query=QUESTION)["structuredContent"]["results"][0]["id"]
    given: dict[str, dict[str, Any]] = {
        "search": {"query": QUESTION},
        "fetch": {"id": passage},
        "ask": {"question": QUESTION},
        "report_gap": {"question": "Is there a moon?", "comment": "Nothing about it."},
    }
    for tool in tools:
        assert tool["annotations"]["readOnlyHint"] is True
        assert tool["description"]
        jsonschema_rs.validate(tool["inputSchema"], given[tool["name"]])
        result = call(http, tool["name"], **given[tool["name"]])
        jsonschema_rs.validate(tool["outputSchema"], result["structuredContent"])
        (item,) = result["content"]
        assert item["type"] == "text"
        assert json.loads(item["text"]) == result["structuredContent"]
        assert result["isError"] is False


def test_search_and_fetch_have_the_form_of_a_connector(http: httpx.Client) -> None:
    results = call(http, "search", query=QUESTION)["structuredContent"]["results"]
    assert len(results) == 8
    for result in results:
        assert result.keys() == {"id", "title", "url", "text"}
        assert all(isinstance(value, str) and value for value in result.values())
        page = call(http, "fetch", id=result["id"])["structuredContent"]
        assert page.keys() == {"id", "title", "text", "url", "metadata"}
        assert page["id"] == result["id"]
        assert page["url"].startswith("http")
        assert page["text"].startswith(f"# {page['title']}\n")
        assert result["text"].split("\n")[-1] in page["text"]


def test_a_page_is_also_fetched_by_its_address(http: httpx.Client) -> None:
    result = call(http, "search", query=QUESTION)["structuredContent"]["results"][0]
    for id in (result["url"], result["url"].partition("#")[0], PATH, f"/{PATH}/", f"{PATH}.md"):
        page = call(http, "fetch", id=id)["structuredContent"]
        assert page["title"] == "Privacy", id
    assert call(http, "fetch", id="no such page")["isError"] is True


def test_an_answer_links_its_citations_and_can_be_followed_up(http: httpx.Client) -> None:
    first = call(http, "ask", question=QUESTION)["structuredContent"]
    assert first["found"] == "answer"
    assert f"[\\[1\\]](<{first['sources'][0]['url']}" in first["answer"]
    second = call(
        http,
        "ask",
        question="And how long does that take?",
        conversation_id=first["conversation_id"],
    )["structuredContent"]
    assert second["conversation_id"] == first["conversation_id"]
    turns = http.get(f"/chat/sessions/{first['conversation_id']}").json()["turns"]
    assert [turn["question"] for turn in turns] == [QUESTION, "And how long does that take?"]
    silent = call(http, "ask", question="What is the boiling point of liquid nitrogen?")
    assert silent["structuredContent"]["found"] == "nothing"


@pytest.mark.parametrize("id", ["alice", "5f0c1b9e-6d0f-4c55-9a0e-0d8f3f1c2b7a", "x" * 3000])
def test_an_unknown_conversation_is_a_new_one(http: httpx.Client, id: str) -> None:
    result = call(http, "ask", question=QUESTION, conversation_id=id)["structuredContent"]
    assert result["conversation_id"] != id
    turns = http.get(f"/chat/sessions/{result['conversation_id']}").json()["turns"]
    assert len(turns) == 1


@pytest.mark.parametrize(
    ("tool", "arguments", "named"),
    [
        ("search", {}, "query"),
        ("search", {"query": ""}, "query"),
        ("search", {"query": " \x00 "}, "query"),
        ("search", {"query": "x" * 2001}, "query"),
        ("search", {"query": 5}, "query"),
        ("search", {"query": ["x"]}, "query"),
        ("search", {"query": None}, "query"),
        ("fetch", {"id": 7}, "id"),
        ("ask", {"question": {}}, "question"),
        ("ask", {"question": "Why?", "conversation_id": 5}, "conversation_id"),
        ("report_gap", {"question": "Why?", "comment": "x" * 1001}, "comment"),
    ],
)
def test_a_wrong_argument_is_named_for_the_model(
    http: httpx.Client, tool: str, arguments: dict[str, Any], named: str
) -> None:
    result = call(http, tool, **arguments)
    assert result["isError"] is True
    said = result["content"][0]["text"]
    assert f"The argument “{named}” is invalid: it " in said
    assert not RAW.search(said.removeprefix(f"The argument “{named}” is invalid: "))


@pytest.mark.parametrize(
    "params",
    [{}, {"name": "dance"}, {"name": 5}, {"name": ["search"]}, {"name": "x" * 9000}],
    ids=lambda params: str(params)[:20],
)
def test_an_unknown_tool_is_an_error(http: httpx.Client, params: dict[str, Any]) -> None:
    error = http.post("/mcp", json=message("tools/call", params)).json()["error"]
    assert error["code"] == -32602
    assert len(error["message"]) < 200


def test_arguments_must_be_an_object(http: httpx.Client) -> None:
    anything: list[Any] = [[], "x", 5, True]
    for given in anything:
        params = {"name": "search", "arguments": given}
        error = http.post("/mcp", json=message("tools/call", params)).json()["error"]
        assert error["code"] == -32602


# ------------------------------------------------------------------ the resources


def test_the_pages_are_resources(http: httpx.Client) -> None:
    found = http.post("/mcp", json=message("resources/list")).json()["result"]["resources"]
    assert len(found) > 10
    for resource in found:
        assert resource["mimeType"] == "text/markdown"
        params = {"uri": resource["uri"]}
        result = http.post("/mcp", json=message("resources/read", params)).json()["result"]
        (content,) = result["contents"]
        assert content["uri"] == resource["uri"]
        assert content["text"].startswith(f"# {resource['title']}\n")
    template = http.post("/mcp", json=message("resources/templates/list")).json()["result"]
    assert template["resourceTemplates"][0]["uriTemplate"] == "book:///{+slug}"


@pytest.mark.parametrize("uri", ["book:///no/such", "file:///etc/passwd", "../..", ""])
def test_a_missing_resource_has_the_code_of_its_generation(http: httpx.Client, uri: str) -> None:
    before = http.post("/mcp", json=message("resources/read", {"uri": uri}))
    assert before.json()["error"]["code"] == -32002
    body, headers = modern("resources/read", uri=uri)
    now = http.post("/mcp", json=body, headers={**headers, "Mcp-Name": uri})
    assert (now.status_code, now.json()["error"]["code"]) == (400, -32602)


@pytest.mark.parametrize("cursor", ["x", "-1", "0", "999999", "١", 5, [], "9" * 500])
def test_a_cursor_of_another_list_is_refused(http: httpx.Client, cursor: Any) -> None:
    response = http.post("/mcp", json=message("resources/list", {"cursor": cursor}))
    assert response.json()["error"]["code"] == -32602


def test_a_long_list_comes_in_pages(
    http: httpx.Client, in_process: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("handlers.mcp_resources.PAGE_SIZE", 7)
    whole = http.post("/mcp", json=message("resources/list")).json()["result"]["resources"]
    found: list[Any] = []
    cursor = None
    while cursor is not None or not found:
        params: dict[str, Any] = {"cursor": cursor} if cursor else {}
        result = run(message("resources/list", params))["result"]
        assert len(result["resources"]) <= 7
        found += result["resources"]
        cursor = result.get("nextCursor")
    assert [page["uri"] for page in found] == [page["uri"] for page in whole]


# ------------------------------------------------------------------ who may call


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:1", "https://localhost", "x"]
)
def test_a_foreign_web_page_is_refused(http: httpx.Client, origin: str) -> None:
    """It could reach a server on this machine by DNS rebinding, with its own name as Host."""
    headers = {"Origin": origin, "Host": origin.rpartition("/")[2]}
    response = http.post("/mcp", json=message("tools/list"), headers=headers)
    assert response.status_code == 403
    assert "origin" in response.json()["error"]["message"]


def test_our_own_pages_and_allowed_ones_may_call(service: Service, http: httpx.Client) -> None:
    port = service.url.rpartition(":")[2]
    for origin in (f"http://localhost:{port}", service.url, "http://localhost:3000", ""):
        response = http.post("/mcp", json=message("ping"), headers={"Origin": origin})
        assert response.status_code == 200, origin


def test_a_token_closes_the_door(handbook: Path, tmp_path: Path) -> None:
    tokens = ("first-token-of-the-author", "second-token-of-the-author")
    shutil.copytree(handbook, tmp_path / "data")
    data = {"DATA_DIR": str(tmp_path / "data"), "MCP_TOKEN": ", ".join(tokens)}
    with serving(tmp_path / "log", **data) as running, running.client() as http:
        for url in ("/mcp", "/mcp?token=wrong", "/mcp?token="):
            refused = http.post(url, json=message("tools/list"))
            assert refused.status_code == 401
            assert "token" in refused.json()["error"]["message"]
        for token in tokens:
            assert http.post(f"/mcp?token={token}", json=message("ping")).status_code == 200
            headers = {"Authorization": f"Bearer {token}"}
            assert http.post("/mcp", json=message("ping"), headers=headers).status_code == 200
        body, headers = modern("tools/list")
        result = http.post(f"/mcp?token={tokens[0]}", json=body, headers=headers).json()["result"]
        assert result["cacheScope"] == "private"
        assert http.get("/config").json()["mcp"] is False
        card = http.get("/.well-known/mcp/server-card.json").json()
        assert card["remotes"][0]["url"].endswith("/mcp?token={token}")
        assert tokens[0] not in running.log


# ------------------------------------------------------------------ plain function calls


@pytest.fixture
def plain(in_process: Path) -> Iterator[None]:
    """The handbook, in this process; settings that a test changes are forgotten afterwards."""
    yield
    reset()


def run(body: Any) -> Any:
    return decoded(asyncio.run(mcp(body)))


def decoded(response: Response) -> Any:
    return json.loads(bytes(response.body)) if response.body else None


def test_the_handler_is_a_plain_function(plain: None) -> None:
    assert run(message("tools/list"))["result"]["tools"]
    assert run({"jsonrpc": "2.0", "method": "notifications/initialized"}) is None
    body, _ = modern("tools/call", name="search", arguments={"query": QUESTION})
    for _ in range(2):  # each in a loop of its own
        assert run(body)["result"]["structuredContent"]["results"]
    assert run([])["error"]["code"] == -32600


def test_a_gap_reaches_the_author(plain: None) -> None:
    arguments = {"question": "Where is the moon?", "comment": "Not in the index."}
    params = {"name": "report_gap", "arguments": arguments}

    async def main() -> tuple[Any, list[Any], list[Any]]:
        result = decoded(await mcp(message("tools/call", params)))["result"]
        database, view = await get_clients().database(), analytics.TableView()
        return (
            result["structuredContent"],
            await analytics.TABLES["unanswered"](database, view),
            await analytics.TABLES["ratings"](database, view),
        )

    told, unanswered, ratings = asyncio.run(main())
    assert "Where is the moon?" in [row["question"] for row in unanswered]
    assert ("Where is the moon?", "Not in the index.") in [
        (row["question"], row["comment"]) for row in ratings
    ]
    kept = asyncio.run(history(told["conversation_id"]))
    assert [turn.question for turn in kept.turns] == ["Where is the moon?"]


def test_gaps_count_in_the_day_s_space(plain: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise one address could fill a small database with reports in two days."""
    monkeypatch.setenv("DAILY_STORAGE_BUDGET", "400000")
    monkeypatch.setenv("READER_SHARE", "10")
    reset()
    arguments = {"question": "語" * 2000, "comment": "語" * 1000}
    report = message("tools/call", {"name": "report_gap", "arguments": arguments})

    async def main() -> tuple[list[Any], Any, int]:
        answers = [await mcp(report, address="203.0.113.77") for _ in range(9)]
        other = await mcp(report, address="203.0.113.78")
        rows = await (await get_clients().database()).run("SELECT bytes::int FROM book.days")
        return answers, other, rows[0][0]

    answers, other, counted = asyncio.run(main())
    statuses = [answer.status_code for answer in answers]
    kept = statuses.count(200)
    assert statuses == [200] * kept + [429] * (9 - kept)
    assert 2 <= kept <= 40_000 // 9000
    assert 9000 * (kept + 1) < counted < 10_000 * (kept + 1)
    assert "midnight UTC" in decoded(answers[-1])["error"]["message"]
    assert int(answers[-1].headers["retry-after"]) > 0
    assert other.status_code == 200


def test_calls_are_counted(plain: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATE_BURST", "3")
    monkeypatch.setenv("RATE_PER_MINUTE", "1")
    reset()
    search = message("tools/call", {"name": "search", "arguments": {"query": QUESTION}})

    async def main() -> list[tuple[int, Any, Any]]:
        answers = [await mcp(search, address="203.0.113.7") for _ in range(4)]
        answers += [await mcp(message("ping"), address="203.0.113.7") for _ in range(600)]
        return [(a.status_code, a.headers.get("retry-after"), decoded(a)) for a in answers]

    answers = asyncio.run(main())
    assert [status for status, _, _ in answers[:4]] == [200, 200, 200, 429]
    _, wait, body = answers[3]
    assert int(wait) > 0
    assert body["id"] == 1
    assert "Please wait" in body["error"]["message"]
    assert answers[4][0] == 200, "cheap requests have a limit of their own"
    assert answers[-1][0] == 429


def test_each_token_has_a_limit_of_its_own(plain: None, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = ("first-token-of-the-author", "second-token-of-the-author")
    monkeypatch.setenv("RATE_BURST", "3")
    monkeypatch.setenv("RATE_PER_MINUTE", "1")
    monkeypatch.setenv("MCP_TOKEN", ",".join(tokens))
    reset()
    search = message("tools/call", {"name": "search", "arguments": {"query": QUESTION}})

    async def main() -> list[int]:
        statuses = []
        for n, token in enumerate([tokens[0]] * 4 + [tokens[1]]):
            answer = await mcp(search, McpHeaders(), token, f"203.0.113.{n}")
            statuses.append(answer.status_code)
        return statuses

    assert asyncio.run(main()) == [200, 200, 200, 429, 200]


def test_a_service_that_is_down_is_an_error_with_a_sentence(
    plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: Any) -> None:
        raise UpstreamError("hunter2", service="qdrant", retry_after=7)

    monkeypatch.setattr("handlers.mcp_tools.search_passages", fails)
    search = message("tools/call", {"name": "search", "arguments": {"query": QUESTION}})
    response = asyncio.run(mcp(search))
    assert (response.status_code, response.headers["retry-after"]) == (503, "7")
    error = decoded(response)["error"]
    assert error["code"] == -32603
    assert "not responding" in error["message"]
    assert mcp_protocol.SERVER["name"] not in error["message"]
