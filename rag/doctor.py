"""Ask each service whether it really works, with the settings that are in force.

    python -m rag.doctor

prints a line per service and ends with status 1 if one of them is in trouble.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

from rag.clients import Clients, get_clients
from rag.types import BookError, ConfigurationError, IndexMismatch, IndexMissing

SECONDS = 15.0
"""How long one service may take to answer; a suspended database needs a few."""


async def examine(clients: Clients) -> dict[str, str]:
    """The services in trouble, each with a sentence that says what is wrong."""
    checks: dict[str, Callable[[Clients], Awaitable[None]]] = {
        "cohere": _embeddings,
        "qdrant": _vectors,
        "openai": _answers,
        "postgres": _history,
    }
    results = await asyncio.gather(*(_check(check, clients) for check in checks.values()))
    return {name: result for name, result in zip(checks, results, strict=True) if result}


async def _check(check: Callable[[Clients], Awaitable[None]], clients: Clients) -> str:
    try:
        async with asyncio.timeout(SECONDS):
            await check(clients)
    except TimeoutError:
        return f"No answer within {SECONDS:.0f} seconds."
    except BookError as error:
        return str(error)
    return ""


async def _embeddings(clients: Clients) -> None:
    vector = await (await clients.embedder()).embed_question("Is anybody there?")
    if not any(vector):
        raise ConfigurationError("The embedding of a sentence is empty.")


async def _vectors(clients: Clients) -> None:
    info = await (await clients.store()).info()
    if info is None:
        raise IndexMissing("Nothing is indexed yet: python ingest.py PATH")
    model = (await clients.embedder()).model
    if info.embedding_model and info.embedding_model != model:
        raise IndexMismatch(
            f"The index was made with {info.embedding_model}, questions are embedded with {model}: "
            "python ingest.py PATH"
        )


async def _answers(clients: Clients) -> None:
    await (await clients.answerers())[0].ping()


async def _history(clients: Clients) -> None:
    await (await clients.database()).run("SELECT 1")


async def _main() -> int:
    clients = get_clients()
    problems = await examine(clients)
    for service in ("cohere", "qdrant", "openai", "postgres"):
        state = problems.get(service) or "works"
        sys.stdout.write(f"{service:<10} {clients.states()[service]:<9} {state}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(asyncio.run(_main()))
