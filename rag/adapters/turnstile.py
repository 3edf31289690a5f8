"""Cloudflare Turnstile: is a token from its script on a page genuine and unused?

https://developers.cloudflare.com/turnstile/get-started/server-side-validation/
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import ClientError
from pydantic_core import from_json

from rag.adapters.failures import connection_error, malformed_error
from rag.adapters.http import session
from rag.errors import ConfigurationError, UpstreamError, UpstreamTimeout

SERVICE = "turnstile"
URL = "https://challenges.cloudflare.com/turnstile/v0/siteverify"
SECONDS = 5.0
LONGEST_TOKEN = 2048
LONGEST_ANSWER = 10_000
DETAIL = (
    "We could not verify that you are human, because the verification service does not respond. "
    "Please try again in a moment."
)


async def verify(secret: str, token: str, url: str = "", *, seconds: float = SECONDS) -> bool:
    """Whether the token is genuine, less than five minutes old and used for the first time.

    The reader's address is not passed on. Raises UpstreamError if Turnstile does not say, and
    ConfigurationError for a wrong secret.
    """
    if not 0 < len(token) <= LONGEST_TOKEN:
        return False
    answer = await _ask(url or URL, {"secret": secret, "response": token}, seconds)
    success = answer.get("success") if isinstance(answer, dict) else None
    if success is True:
        return True
    codes = answer.get("error-codes") if success is False else None
    if not isinstance(codes, list) or not codes or "internal-error" in codes:
        raise UpstreamError("no verdict", service=SERVICE, detail=DETAIL)
    if "missing-input-secret" in codes or "invalid-input-secret" in codes:
        raise ConfigurationError("Turnstile does not know this TURNSTILE_SECRET")
    return False


async def _ask(url: str, form: dict[str, str], seconds: float) -> Any:
    try:
        async with (
            asyncio.timeout(seconds),
            session(url, seconds) as client,
            client.post(url, data=form, allow_redirects=False) as response,
        ):
            body = bytearray()
            async for piece in response.content.iter_any():
                body += piece
                if len(body) > LONGEST_ANSWER:
                    raise ValueError("an answer that is too long")
            return from_json(bytes(body))
    except TimeoutError:
        raise UpstreamTimeout("no answer in time", service=SERVICE, detail=DETAIL) from None
    except (ClientError, OSError) as error:
        failed = connection_error(SERVICE, error)
    except ValueError as error:
        failed = malformed_error(SERVICE, error)
    failed.detail = DETAIL
    raise failed
