"""Check that each service works with the current settings.

    python -m rag.ops.diagnostics

prints one line per service: what is wrong and how to fix it, or the remaining quota. The exit
status is 1 if a service has a problem. No secrets are printed: adapters remove the API key from a
service's error messages, and nothing else from its responses is shown.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

from rag import output
from rag.chat import admission
from rag.conversations import rate_limits, self_check
from rag.errors import (
    BookError,
    ConfigurationError,
    IndexMissing,
    UpstreamError,
    UpstreamRejected,
    UpstreamTimeout,
)
from rag.indexing.indexer import check_model, check_rules
from rag.ops.model_watch import model_warnings
from rag.ops.remedies import remedy_for
from rag.providers import Clients, get_clients
from rag.settings import Settings, model_names

CHECK_SECONDS = 15.0
"""Time limit per service. A suspended database needs a few seconds."""
SERVICES = ("cohere", "qdrant", "openai", "postgres", "budget")

CHECKED_SECONDS = 60.0
"""How long the result of `shared_check` is used again."""

Check = Callable[[Clients], Awaitable[None]]


class Problem(NamedTuple):
    """What is wrong with a service."""

    remedy: str
    """The problem and how to fix it. May name settings, paths and what the service has said."""
    public: str
    """A sentence that anybody may read."""


Problems: TypeAlias = Mapping[str, Problem]
"""By service; those that work are left out."""


_last: WeakKeyDictionary[Clients, tuple[asyncio.Task[dict[str, Problem]], float]] = (
    WeakKeyDictionary()
)
"""The last check, and when it began."""


def recent_check(clients: Clients) -> Problems | None:
    """Return the result of the last minute's `shared_check`, or None."""
    task, began = _last.get(clients, (None, 0.0))
    if task is None or not task.done() or time.monotonic() >= began + CHECKED_SECONDS:
        return None
    return None if task.cancelled() or task.exception() else task.result()


async def shared_check(clients: Clients) -> Problems:
    """Check all services, at most once a minute and once at a time, whoever asks.

    The check goes on if its caller is cancelled.
    """
    if (recent := recent_check(clients)) is not None:
        return recent
    task, _ = _last.get(clients, (None, 0.0))
    if task is None or task.done():
        task = asyncio.create_task(check_services(clients))
        _last[clients] = task, time.monotonic()
    return await asyncio.shield(task)


async def check_services(clients: Clients) -> dict[str, Problem]:
    """Check all services. Return the problem of each one that fails."""
    checks = (_embeddings, _vectors, _answers, _history, _budget)
    results = await asyncio.gather(*map(_check, SERVICES, checks, [clients] * len(checks)))
    return {name: result for name, result in zip(SERVICES, results, strict=True) if result}


async def _check(service: str, check: Check, clients: Clients) -> Problem | None:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check(clients)
    except TimeoutError:
        slow = UpstreamTimeout(f"no answer within {CHECK_SECONDS:.0f} seconds", service=service)
        return await _describe(service, slow, clients.settings)
    except BookError as error:
        return await _describe(service, error, clients.settings)
    except Exception as error:  # noqa: BLE001 (the other checks go on)
        return await _describe(service, _unexpected(error), clients.settings)
    return None


def _unexpected(error: Exception) -> BookError:
    """Describe an error of a kind that no adapter expects. Its text may hold secrets."""
    said = isinstance(error, OSError) and error.strerror
    name = type(error).__name__
    return BookError(f"the check failed: {f'{said} ({name})' if said else name}")


async def _describe(service: str, error: BookError, settings: Settings) -> Problem:
    """Describe a problem and its remedy."""
    wrong = str(error).removeprefix(f"{service}: ").rstrip(".")
    remedy = ""
    with contextlib.suppress(Exception):  # such as an address that cannot be understood
        remedy = await asyncio.to_thread(remedy_for, service, error, settings)
    return Problem(f"{wrong}. {remedy}".rstrip(), error.detail)


async def _embeddings(clients: Clients) -> None:
    [vector] = await (await clients.embedder()).embed_questions(["Is anybody there?"])
    if not any(vector):
        raise ConfigurationError("the embedding of a sentence is empty")


async def _vectors(clients: Clients) -> None:
    store = await clients.store()
    info = await store.info()
    if info is None:
        raise IndexMissing("nothing is indexed yet")
    await store.neighbours(0, 0)  # `info` may be cached for half a minute
    check_model(info, await clients.embedder())
    check_rules(info)


async def _answers(clients: Clients) -> None:
    if model := await clients.chat_model():
        await model.ping()


async def _history(clients: Clients) -> None:
    await self_check.check(await clients.database())


async def _budget(clients: Clients) -> None:
    """Check the daily budgets. Raises ConfigurationError if one is used up or too small."""
    settings, needed = clients.settings, await _needed_tokens(clients)
    if needed > settings.daily_token_budget:
        raise ConfigurationError(
            f"one answer may need {needed:,} tokens, more than the daily budget of "
            f"{settings.daily_token_budget:,}, so the chat model is never used"
        )
    try:
        used = await rate_limits.used_today(await clients.database())
    except UpstreamError:
        return  # reported by the database check
    if needed and (
        used.tokens + needed > settings.daily_token_budget
        or used.questions >= settings.daily_question_budget
    ):
        raise ConfigurationError(
            f"the daily budget is used up ({_used(settings, used)}): until midnight UTC answers "
            "are extractive"
        )
    if used.calls >= settings.daily_embedding_budget:
        raise ConfigurationError(
            f"the {used.calls:,} calls per day for embeddings and reranking are used up: until "
            "midnight UTC questions are matched by their words only"
        )
    if used.bytes >= settings.daily_storage_budget:
        raise ConfigurationError(
            f"the {used.bytes:,} bytes per day for conversations are used up: until midnight UTC "
            "answers are not saved"
        )


async def _needed_tokens(clients: Clients) -> int:
    """Return the tokens that a first question may need; 0 if there is no chat model."""
    model = await clients.chat_model()
    if model is None:
        return 0
    return admission.estimate_tokens(clients.settings, "", thinking=model.thinking_tokens)


# ---------------------------------------------------------------- for the command line


async def _notes(clients: Clients) -> dict[str, str]:
    """Return details about services that work."""
    settings, notes = clients.settings, {}
    info = await (await clients.store()).info()
    if info:
        notes["qdrant"] = f"{info.chunks:,} passages, {info.embedding_model or 'older layout'}"
    if await _needed_tokens(clients):
        used = await rate_limits.used_today(await clients.database())
        notes["budget"] = f"{_used(settings, used)} used today"
    return notes


def _used(settings: Settings, used: rate_limits.Cost) -> str:
    return (
        f"{used.tokens:,} of {settings.daily_token_budget:,} tokens and {used.questions:,} of "
        f"{settings.daily_question_budget:,} questions"
    )


async def _quotas(clients: Clients) -> dict[str, tuple[bool, str]]:
    """Return, for each service that reports a quota, whether any is left and its numbers."""
    from rag.ops import provider_quota as quotas

    s = clients.settings
    asked: dict[str, Awaitable[tuple[bool, str]]] = {}
    if s.cohere_api_key:
        asked["cohere"] = asyncio.to_thread(
            quotas.cohere, s.cohere_api_key, s.cohere_embed_model, s.cohere_base_url
        )
    if s.openai_api_key:
        asked["openai"] = asyncio.to_thread(
            quotas.openai, s.openai_api_key, model_names(s.chat_model)[0], s.openai_base_url
        )
    found = await asyncio.gather(*asked.values(), return_exceptions=True)
    return {
        service: quota
        for service, quota in zip(asked, found, strict=True)
        if not isinstance(quota, BaseException)
    }


async def main() -> int:
    """Print the results and return the exit status."""
    clients = get_clients()
    problems = await check_services(clients)
    quotas = await _quotas(clients)
    for service, (left, text) in quotas.items():
        if not left and service not in problems:
            used_up = UpstreamRejected(text, service=service, reason="quota")
            problems[service] = await _describe(service, used_up, clients.settings)
    notes = {service: text for service, (_, text) in quotas.items()}
    with contextlib.suppress(Exception):  # already among the problems
        notes |= await _notes(clients)
    states = clients.states()
    for service in SERVICES:
        line = ", ".join(filter(None, ("works", notes.get(service))))
        if service == "budget":
            nothing = "not known: the database does not work"
            if "postgres" not in problems:
                nothing = "no chat model, no budget needed"
            line = notes.get(service) or nothing
        if service in problems:
            line = problems[service].remedy
        sys.stdout.write(f"{service:<10} {states.get(service, ''):<10} {line}\n")
    for warning in await model_warnings(clients, wait=CHECK_SECONDS):
        sys.stdout.write(f"{'warning':<10} {'':<10} {warning}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    output.make_safe()
    try:
        status: int | str = asyncio.run(main())
    except ConfigurationError as error:
        status = str(error)
    raise SystemExit(status)
