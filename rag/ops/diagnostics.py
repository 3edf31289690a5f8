"""Ask each service whether it really works, with the settings that are in force.

    python -m rag.ops.diagnostics

prints a line per service: what is wrong and what mends it, or what is left of its quota. It
ends with status 1 if one of them is in trouble. No secret is printed: what a service says is
cleaned of its key by its adapter, and of the rest nothing is shown.
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
from rag.ops.remedies import mend
from rag.providers import Clients, get_clients
from rag.settings import Settings

SECONDS = 15.0
"""How long one service may take to answer; a suspended database needs a few."""
SERVICES = ("cohere", "qdrant", "openai", "postgres", "budget")

Check = Callable[[Clients], Awaitable[None]]


async def examine(clients: Clients) -> dict[str, str]:
    """The services in trouble, each with what is wrong and what mends it."""
    checks: tuple[Check, ...] = (_embeddings, _vectors, _answers, _history, _budget)
    results = await asyncio.gather(
        *(_check(name, check, clients) for name, check in zip(SERVICES, checks, strict=True))
    )
    return {name: result for name, result in zip(SERVICES, results, strict=True) if result}


async def _check(service: str, check: Check, clients: Clients) -> str:
    try:
        async with asyncio.timeout(SECONDS):
            await check(clients)
    except TimeoutError:
        slow = UpstreamTimeout(f"no answer within {SECONDS:.0f} seconds", service=service)
        return await _told(service, slow, clients.settings)
    except BookError as error:
        return await _told(service, error, clients.settings)
    return ""


async def _told(service: str, error: BookError, settings: Settings) -> str:
    """What is wrong, and what mends it."""
    wrong = str(error).removeprefix(f"{service}: ").rstrip(".")
    return f"{wrong}. {await asyncio.to_thread(mend, service, error, settings)}".rstrip()


async def _embeddings(clients: Clients) -> None:
    [vector] = await (await clients.embedder()).embed_questions(["Is anybody there?"])
    if not any(vector):
        raise ConfigurationError("the embedding of a sentence is empty")


async def _vectors(clients: Clients) -> None:
    store = await clients.store()
    info = await store.info()
    if info is None:
        raise IndexMissing("nothing is indexed yet")
    await store.neighbours(0, 0)  # what the store says of itself may be half a minute old
    model = (await clients.embedder()).model
    if info.embedding_model and info.embedding_model != model:
        raise IndexMismatch(
            f"the index was made with {info.embedding_model}, questions are embedded with {model}"
        )


async def _answers(clients: Clients) -> None:
    await (await clients.answerers())[0].ping()


async def _history(clients: Clients) -> None:
    await (await clients.database()).run("SELECT 1")


async def _budget(clients: Clients) -> None:
    """Raises ConfigurationError where the model is not asked any more today."""
    settings = clients.settings
    if not (needed := admission.expected_tokens(settings, "")):
        return
    if needed > settings.daily_token_budget:
        raise ConfigurationError(
            f"one answer may need {needed:,} tokens, more than the day's budget of "
            f"{settings.daily_token_budget:,}, so the model is never asked"
        )
    try:
        questions, tokens = await rate_limits.used_today(await clients.database())
    except UpstreamError:
        return  # said of the database itself
    if tokens + needed > settings.daily_token_budget or questions >= settings.daily_question_budget:
        raise ConfigurationError(
            f"the day's budget is used up ({_used(settings, questions, tokens)}): until midnight "
            "UTC the book answers in its own words"
        )


# ---------------------------------------------------------------- for the command line


async def _notes(clients: Clients) -> dict[str, str]:
    """What else is worth knowing of a service that works."""
    settings, notes = clients.settings, {}
    info = await (await clients.store()).info()
    if info:
        notes["qdrant"] = f"{info.chunks:,} passages, {info.embedding_model or 'older layout'}"
    if admission.expected_tokens(settings, ""):
        questions, tokens = await rate_limits.used_today(await clients.database())
        notes["budget"] = f"{_used(settings, questions, tokens)} used today"
    return notes


def _used(settings: Settings, questions: int, tokens: int) -> str:
    return (
        f"{tokens:,} of {settings.daily_token_budget:,} tokens and {questions:,} of "
        f"{settings.daily_question_budget:,} questions"
    )


async def _quotas(clients: Clients) -> dict[str, tuple[bool, str]]:
    """For each service that tells its quota: whether some is left, and its own numbers."""
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
    """Print what was found; the exit status."""
    clients = get_clients()
    problems = await examine(clients)
    quotas = await _quotas(clients)
    for service, (left, said) in quotas.items():
        if not left and service not in problems:
            problems[service] = await _told(
                service, UpstreamRejected(said, service=service), clients.settings
            )
    notes = {service: said for service, (_, said) in quotas.items()}
    with contextlib.suppress(BookError):  # a problem that is already in the list
        notes |= await _notes(clients)
    states = clients.states()
    for service in SERVICES:
        told = problems.get(service) or ", ".join(filter(None, ("works", notes.get(service))))
        if service == "budget":
            told = problems.get(service) or notes.get(service) or "no model, nothing to spend"
        sys.stdout.write(f"{service:<10} {states.get(service, ''):<10} {told}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
