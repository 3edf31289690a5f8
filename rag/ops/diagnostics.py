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
from collections.abc import Awaitable, Callable

from rag.chat import admission
from rag.conversations import rate_limits
from rag.errors import (
    BookError,
    ConfigurationError,
    IndexMismatch,
    IndexMissing,
    UpstreamError,
    UpstreamRejected,
    UpstreamTimeout,
)
from rag.ops.remedies import remedy_for
from rag.providers import Clients, get_clients
from rag.settings import Settings

CHECK_SECONDS = 15.0
"""Time limit per service. A suspended database needs a few seconds."""
SERVICES = ("cohere", "qdrant", "openai", "postgres", "budget")

Check = Callable[[Clients], Awaitable[None]]


async def check_services(clients: Clients) -> dict[str, str]:
    """Check all services. Return the problem and its remedy for each one that fails."""
    checks: tuple[Check, ...] = (_embeddings, _vectors, _answers, _history, _budget)
    results = await asyncio.gather(
        *(_check(name, check, clients) for name, check in zip(SERVICES, checks, strict=True))
    )
    return {name: result for name, result in zip(SERVICES, results, strict=True) if result}


async def _check(service: str, check: Check, clients: Clients) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check(clients)
    except TimeoutError:
        slow = UpstreamTimeout(f"no answer within {CHECK_SECONDS:.0f} seconds", service=service)
        return await _describe(service, slow, clients.settings)
    except BookError as error:
        return await _describe(service, error, clients.settings)
    return ""


async def _describe(service: str, error: BookError, settings: Settings) -> str:
    """Describe a problem and its remedy."""
    wrong = str(error).removeprefix(f"{service}: ").rstrip(".")
    return f"{wrong}. {await asyncio.to_thread(remedy_for, service, error, settings)}".rstrip()


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
    model = (await clients.embedder()).model
    if info.embedding_model and info.embedding_model != model:
        raise IndexMismatch(
            f"the index was built with {info.embedding_model}, but questions are embedded with "
            f"{model}"
        )


async def _answers(clients: Clients) -> None:
    await (await clients.answerers())[0].ping()


async def _history(clients: Clients) -> None:
    await (await clients.database()).run("SELECT 1")


async def _budget(clients: Clients) -> None:
    """Check the daily budget. Raises ConfigurationError if it is used up or too small."""
    settings = clients.settings
    if not (needed := admission.estimate_tokens(settings, "")):
        return
    if needed > settings.daily_token_budget:
        raise ConfigurationError(
            f"one answer may need {needed:,} tokens, more than the daily budget of "
            f"{settings.daily_token_budget:,}, so the chat model is never used"
        )
    try:
        questions, tokens = await rate_limits.used_today(await clients.database())
    except UpstreamError:
        return  # reported by the database check
    if tokens + needed > settings.daily_token_budget or questions >= settings.daily_question_budget:
        raise ConfigurationError(
            f"the daily budget is used up ({_used(settings, questions, tokens)}): until midnight "
            "UTC answers are extractive"
        )


# ---------------------------------------------------------------- for the command line


async def _notes(clients: Clients) -> dict[str, str]:
    """Return details about services that work."""
    settings, notes = clients.settings, {}
    info = await (await clients.store()).info()
    if info:
        notes["qdrant"] = f"{info.chunks:,} passages, {info.embedding_model or 'older layout'}"
    if admission.estimate_tokens(settings, ""):
        questions, tokens = await rate_limits.used_today(await clients.database())
        notes["budget"] = f"{_used(settings, questions, tokens)} used today"
    return notes


def _used(settings: Settings, questions: int, tokens: int) -> str:
    return (
        f"{tokens:,} of {settings.daily_token_budget:,} tokens and {questions:,} of "
        f"{settings.daily_question_budget:,} questions"
    )


async def _quotas(clients: Clients) -> dict[str, tuple[bool, str]]:
    """Return, for each service that reports a quota, whether any is left and its numbers."""
    from rag.ops import quota

    s = clients.settings
    asked: dict[str, Awaitable[tuple[bool, str]]] = {}
    if s.cohere_api_key:
        asked["cohere"] = asyncio.to_thread(
            quota.cohere, s.cohere_api_key, s.cohere_embed_model, s.cohere_base_url
        )
    if s.openai_api_key:
        asked["openai"] = asyncio.to_thread(
            quota.openai, s.openai_api_key, s.chat_model, s.openai_base_url
        )
    return dict(zip(asked, await asyncio.gather(*asked.values()), strict=True))


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
    with contextlib.suppress(BookError):  # already among the problems
        notes |= await _notes(clients)
    states = clients.states()
    for service in SERVICES:
        line = problems.get(service) or ", ".join(filter(None, ("works", notes.get(service))))
        if service == "budget":
            line = problems.get(service) or notes.get(service) or "no chat model, no budget needed"
        sys.stdout.write(f"{service:<10} {states.get(service, ''):<10} {line}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
