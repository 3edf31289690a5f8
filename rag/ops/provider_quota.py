"""Read the quota of an API key from the response headers of a minimal call.

The SDKs hide these headers, and free calls do not return them, so each function makes one minimal
paid call. For trial keys, Cohere reports the calls left per minute and the monthly limit, but not
how many of the month are left. OpenAI reports requests and tokens of the current window
(https://platform.openai.com/docs/guides/rate-limits). It rejects keys without credit, although it
still lists models for them. If a server reports nothing, the text is empty.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from contextlib import suppress
from email.message import Message

from rag.adapters.failures import error_text

_SECONDS = 10.0


def cohere(key: str, model: str, base_url: str = "") -> tuple[bool, str]:
    """Return whether any quota is left, and the reported numbers as text."""
    body = {
        "model": model,
        "texts": ["a"],
        "input_type": "search_query",
        "embedding_types": ["float"],
    }
    status, headers, text = _post(f"{base_url or 'https://api.cohere.com'}/v2/embed", key, body)
    if status == 429 and "month" in text.lower():
        return False, "the quota is used up"
    left = _of(headers, "x-trial-endpoint-call-remaining", "x-trial-endpoint-call-limit", "calls")
    if left:
        left += " left this minute"
    if month := headers.get("x-endpoint-monthly-call-limit"):
        left += f", {month} per month"
    return True, left


def openai(key: str, model: str, base_url: str = "") -> tuple[bool, str]:
    """Return whether any quota is left, and the reported numbers as text."""
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "Hi"}],
        "max_completion_tokens": 16,
    }
    url = f"{base_url or 'https://api.openai.com/v1'}/chat/completions"
    status, headers, text = _post(url, key, body)
    if status in (402, 429) and any(word in text for word in ("insufficient_quota", "credit")):
        return False, "the quota is used up"
    parts = [
        _of(headers, f"x-ratelimit-remaining-{what}", f"x-ratelimit-limit-{what}", what)
        for what in ("requests", "tokens")
    ]
    left = " and ".join(filter(None, parts))
    return True, f"{left} left in this window" if left else ""


def _of(headers: Message, remaining: str, limit: str, what: str) -> str:
    left, all_of = headers.get(remaining), headers.get(limit)
    if left is None:
        return ""
    return f"{left} of {all_of} {what}" if all_of else f"{left} {what}"


def _post(url: str, key: str, body: object) -> tuple[int, Message, str]:
    """Return status, headers and error text; status 0 if there was no response."""
    request = urllib.request.Request(  # noqa: S310
        url,
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    with suppress(OSError, ValueError):
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as response:  # noqa: S310
                return response.status, response.headers, ""
        except urllib.error.HTTPError as error:
            with error:
                body_text = error.read(10_000)
            code = b"insufficient_quota " if b"insufficient_quota" in body_text else b""
            return error.code, error.headers, code.decode() + error_text(body_text, key)
    return 0, Message(), ""
