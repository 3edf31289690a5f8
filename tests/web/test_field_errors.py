"""Every field and every limit of every request is refused in words that a reader knows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import router

RAW = re.compile(
    r"validation|\bvalue\b|\binput\b|string|integer|boolean|dictionary|instance|items?\b|unable"
    r"|valid\b|None|null\b|pydantic|parse|pattern|\bint\b|\bstr\b|Model\b|constraint",
    re.IGNORECASE,
)
"""Words of validators."""
SENTENCE = re.compile(r"[A-Z][^.!?]*[^.!?\s][.!?]")


@pytest.fixture(scope="module")
def http(in_process: Path) -> TestClient:
    return TestClient(router.create_app(), raise_server_exceptions=False)


def wrong(schema: dict[str, Any]) -> Iterator[Any]:
    """Values that a schema does not allow: of other types, and beyond each of its limits."""
    if "anyOf" in schema:  # null or the other
        schema = next(each for each in schema["anyOf"] if each.get("type") != "null")
    if "enum" in schema:
        yield from ("nope", 7, "", [], 2.5)
    elif schema.get("type") == "integer":
        yield from ("x", "", 2.5, "1e3", 10**30, True, None, [], {})
        yield schema.get("minimum", 0) - 1
        yield schema["maximum"] + 1
    elif schema.get("type") == "boolean":
        yield from ("maybe", "", 7)
    elif schema.get("type") == "string":
        yield from (5, [], {}, True)
        if "maxLength" in schema:
            yield "x" * (schema["maxLength"] + 1)
        if schema.get("minLength"):
            yield from ("", "   ", "\u200b\ufeff", "\n")
    else:
        yield from (5, "x", [], True)


def resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    if "anyOf" in schema:
        return {"anyOf": [resolved(each, document) for each in schema["anyOf"]]}
    if "$ref" in schema:
        found: dict[str, Any] = document["components"]["schemas"][schema["$ref"].split("/")[-1]]
        return found
    return schema


GOOD = {"message": "a", "query": "a", "rating": 1}
OTHER_PROTOCOLS = ("/mcp", "/v1/chat/completions")
"""Their errors have the form of their protocol, and tests of their own."""
JSON = {"content-type": "application/json"}
FREE = {"session_id", "idempotency-key", "authorization"}
"""Fields that take anything, or anything that a header can hold."""


def requests() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and the rest of each request with one wrong field."""
    document = router.create_app().openapi()
    for path, methods in document["paths"].items():
        filled = path.replace("{session_id}", "x").replace("{table}", "days").replace("{n}", "1")
        for method, operation in methods.items():
            for parameter in operation.get("parameters", ()):
                name, schema = parameter["name"], resolved(parameter["schema"], document)
                for value in wrong(schema) if name not in FREE else ():
                    if isinstance(value, str | int | float) and not isinstance(value, bool):
                        if schema.get("type") == "string" and "enum" not in schema:
                            continue  # everything in an address is text
                        if parameter["in"] == "path" and value != "":
                            yield method, path.replace(f"{{{name}}}", str(value)), {}
                        elif parameter["in"] == "query":
                            yield method, filled, {"params": {name: value}}
                if name.lower() == "idempotency-key":
                    yield method, filled, {"headers": {name: "x" * 201}, "json": GOOD}
            content = operation.get("requestBody", {}).get("content", {})
            if (body := content.get("application/json")) and path not in OTHER_PROTOCOLS:
                schema = resolved(body["schema"], document)
                good = {name: GOOD[name] for name in schema["required"]}
                yield from bodies(method, filled, schema, good, document)


def bodies(
    method: str, path: str, schema: dict[str, Any], good: dict[str, Any], document: dict[str, Any]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name in schema["required"]:
        yield method, path, {"json": {key: good[key] for key in good if key != name}}
    for name, kind in schema["properties"].items():
        field = resolved(kind, document)
        for value in wrong(field) if name not in FREE else ():
            yield method, path, {"json": {**good, name: value}}
        for inner in field.get("anyOf", [field]):
            for deeper, deep in inner.get("properties", {}).items():
                for value in wrong(deep):
                    yield method, path, {"json": {**good, name: {deeper: value}}}
    odd = (b'{"message": "\xff"}', b"9" * 5000, b"NaN", b"\x00", b"message=a")
    for content in (b"", b"{", b"[]", b"null", b"7", b'"x"', b"\xff\xfe", b'{"message": "', *odd):
        yield method, path, {"content": content, "headers": {"content-type": "application/json"}}


def test_every_field_and_limit(http: TestClient) -> None:
    count, seen = 0, set()
    for method, path, rest in requests():
        response = http.request(method, path, **rest)
        where = f"{method} {path} {json.dumps(rest, default=repr)[:200]}"
        assert response.status_code == 422, f"{where}: {response.text[:200]}"
        check(response.json()["detail"], where)
        seen.add(response.json()["detail"])
        count += 1
    assert count > 130
    assert len(seen) > 20


def check(detail: str, where: str) -> None:
    assert not (found := RAW.search(detail)), f"{where}: {found and found[0]!r} in {detail!r}"
    rest = re.sub(r"“[^”]*”", "x", detail)
    assert all(SENTENCE.fullmatch(each) for each in re.split(r"(?<=[.]) ", rest)), detail


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"message": "  \n "}, "The question has no visible text."),
        ({}, "The question is missing."),
        ({"message": "x" * 2001}, "The question may have at most 2,000 characters."),
        ({"message": 5}, "The question must be text."),
        (
            {"message": "", "context": 7},
            "The question has no visible text. The highlighted text must be text.",
        ),
        ({"message": "a", "page": "x"}, "The field “page” must be a JSON object."),
        ({"message": "a", "page": {"url": 5}}, "The field “url” must be text."),
    ],
)
def test_sentences(http: TestClient, body: dict[str, Any], detail: str) -> None:
    assert http.post("/chat", json=body).json()["detail"] == detail


@pytest.mark.parametrize(
    "message",
    ["\u3164", "\u00a0\u2003", "\u200d", "\u2800", "\u202e\u202c", "\U000e0041", "\x00\x7f"],
)
def test_blanks_of_every_kind(http: TestClient, message: str) -> None:
    response = http.post("/chat", json={"message": message})
    assert response.json()["detail"] == "The question has no visible text."


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b'{"message": "a"}', "text/plain"),
        (b"message=a", "application/x-www-form-urlencoded"),
        (b'{"message": "\xff"}', "application/json"),
        (b'[{"message": "a"}]', "application/json"),
        (b'{"message": ' + b"9" * 5000 + b"}", "application/json"),
        (b'{"message": "a"', "application/json"),
    ],
)
def test_a_body_that_is_no_json_object(http: TestClient, content: bytes, media_type: str) -> None:
    response = http.post("/chat", content=content, headers={"content-type": media_type})
    assert response.status_code == 422
    assert response.json()["detail"] == (
        "The body must be a JSON object, sent as application/json."
    )


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"query": ""}, "The question has no visible text."),
        ({"query": ["x"]}, "The question must be text."),
        ({"top_k": 3}, "The question is missing."),
    ],
)
def test_a_field_named_like_a_part_of_a_request(
    http: TestClient, body: dict[str, Any], detail: str
) -> None:
    assert http.post("/search", json=body).json()["detail"] == detail


def test_a_number_and_a_choice(http: TestClient) -> None:
    said = http.post("/search", json={"query": "a", "top_k": 21}).json()["detail"]
    assert said == "The field “top_k” must be 20 or less."
    for odd in (b"NaN", b"Infinity", b"2.5", b'"five"', b"1e400"):
        body = b'{"query": "a", "top_k": %b}' % odd
        said = http.post("/search", content=body, headers=JSON).json()["detail"]
        assert said == "The field “top_k” must be a whole number."
    said = http.post("/search", json={"query": "a", "top_k": True}).json()["detail"]
    assert said == "The field “top_k” must be a whole number."
    said = http.get("/chat/sessions/x/export", params={"format": "exe"}).json()["detail"]
    assert said == "The field “format” must be one of 'markdown', 'json'."


@pytest.mark.parametrize(
    ("messages", "detail"),
    [
        ([], "The field “messages” must have at least 1 part."),
        ("x", "The field “messages” must be a list."),
        ([{}] * 2000, "The field “messages” may have at most"),
        ([7], "The body must be a JSON object"),
        ([{"role": 7, "content": "a"}], "The field “role” must be"),
    ],
)
def test_the_other_protocol(http: TestClient, messages: Any, detail: str) -> None:
    response = http.post("/v1/chat/completions", json={"messages": messages})
    said = response.json()["error"]["message"]
    assert response.status_code == 400
    assert said.startswith(detail)
    assert not RAW.search(said)
