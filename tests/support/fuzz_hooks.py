"""schemathesis hooks: checks for promises that are not in the schema."""

from __future__ import annotations

from typing import Any

import schemathesis
from schemathesis import Case, CheckContext, HookContext, Response

from handlers.schemas import clean
from tests.support.leaks import leak

SESSION = {"session_id": "$response.body#/session_id"}


@schemathesis.hook
def before_load_schema(context: HookContext, schema: dict[str, Any]) -> None:
    """Add constraints that are not in the document, because clients do not need them.

    A session id is never refused, whatever it is. A conversation that was made can be read,
    continued, rated and deleted, and not read afterwards. The endpoints of other protocols have
    tests of their own, since their documents say too little.
    """
    for path in ("/mcp", "/v1/chat/completions"):
        del schema["paths"][path]
    schema["components"]["schemas"]["ChatRequest"]["properties"]["session_id"] = {}
    schema["paths"]["/chat"]["post"]["responses"]["200"]["links"] = {
        "History": {"operationId": "history", "parameters": SESSION},
        "Delete": {"operationId": "delete", "parameters": SESSION},
        "Feedback": {
            "operationId": "feedback",
            "parameters": {**SESSION, "n": "$response.body#/metadata/turn"},
        },
        "Continue": {"operationId": "chat", "requestBody": {**SESSION, "message": "And then?"}},
    }


@schemathesis.hook
def filter_case(context: HookContext, case: Case[Any]) -> bool:
    """Skip cases where trimming changes the length, which JSON Schema cannot express."""
    if not isinstance(case.body, dict):
        return True
    texts = {name: case.body.get(name) for name in ("message", "query", "comment")}
    return all(
        _fits(name, text) == _fits(name, str(clean(text)).strip())
        for name, text in texts.items()
        if isinstance(text, str)
    )


def _fits(name: str, text: str) -> bool:
    return len(text) <= 1000 if name == "comment" else 1 <= len(text) <= 2000


@schemathesis.check
def leaks_nothing(context: CheckContext, response: Response, case: Case[Any]) -> None:
    """Check that no body reveals internals.

    Text sent by the client and text from the book are ignored.
    """
    if response.status_code < 400:
        return
    assert not leak(response.text), f"the body leaks {leak(response.text)!r}"
