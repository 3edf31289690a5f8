"""Warn of models that are shut down, or will be soon, and of those that cannot be used."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import NoReturn
from weakref import WeakKeyDictionary

from rag.errors import BookError
from rag.interfaces import Retirement, Retiring
from rag.providers import Clients
from rag.settings import DEFAULT_CHAT_MODEL, Settings, model_names

log = logging.getLogger(__name__)

NEAR_DAYS = 90
"""So many days before a model is shut down, warnings begin."""
DAY_SECONDS = 86_400.0
START_SECONDS = 30.0
"""The first check waits for so long after the start, when readers may be waiting."""
WAIT_SECONDS = 3.0
"""How long a page waits for a check that is still running."""

RETRY_SECONDS = 60.0
"""A check that a service did not answer is made again after so long, if it is needed."""


@dataclass(frozen=True, slots=True)
class _Check:
    found: Sequence[Retirement] = ()
    is_whole: bool = True
    """Whether each service answered."""


_last: WeakKeyDictionary[Clients, tuple[asyncio.Task[_Check], float]] = WeakKeyDictionary()
"""The last check, and when it began."""


async def watch(clients: Clients) -> NoReturn:
    """Write warnings to the log, after the start and once a day."""
    await asyncio.sleep(START_SECONDS)
    while True:
        try:
            for warning in await model_warnings(clients, wait=DAY_SECONDS):
                log.warning("%s", warning)
        except Exception:
            log.exception("the models were not checked; they will be again in a day")
        await asyncio.sleep(DAY_SECONDS)


async def model_warnings(clients: Clients, *, wait: float = WAIT_SECONDS) -> list[str]:
    """Return a sentence for each model that the author should replace.

    The services are asked once a day, and what they do not answer in time is left out.
    """
    task, began = _last.get(clients, (None, 0.0))
    if task is None or (task.done() and time.monotonic() >= began + _good_for(task)):
        task = asyncio.create_task(_check(clients))
        _last[clients] = task, time.monotonic()
    await asyncio.wait([task], timeout=wait)
    check = task.result() if task.done() and not task.cancelled() else _Check()
    today = datetime.now(UTC).date()
    said = (describe(each, clients.settings, today) for each in check.found)
    return [*filter(None, said), *await _unusable(clients)]


def _good_for(task: asyncio.Task[_Check]) -> float:
    """Return for how many seconds the result of a check counts."""
    if task.cancelled() or task.exception():
        return 0.0
    return DAY_SECONDS if task.result().is_whole else RETRY_SECONDS


async def _check(clients: Clients) -> _Check:
    """Ask each service once. One that fails has no warnings: its own check reports the failure."""
    found: list[Retirement] = []
    adapters: list[object] = []
    is_whole = True
    try:
        adapters = [
            await clients.chat_model(),
            await clients.embedder(),
            await clients.reranker(),
        ]
    except BookError as error:
        log.info("models are not checked: %s", error)
        is_whole = False
    for adapter in adapters:
        if isinstance(adapter, Retiring):
            try:
                found += await adapter.retirements()
            except BookError as error:
                log.info("models are not checked: %s", error)
                is_whole = False
    return _Check(found, is_whole)


def describe(retirement: Retirement, settings: Settings, today: date) -> str:
    """Return a warning with what to set, or "" if no shutdown is near."""
    model, end, advice = retirement.model, retirement.end, _advice(retirement.model, settings)
    if end is None:
        return f"{model} is deprecated or gone. {advice}"
    days = (end - today).days
    if days > NEAR_DAYS:
        return ""
    if days < 0:
        return f"{model} was shut down on {end}. {advice}"
    left = "today" if days == 0 else "tomorrow" if days == 1 else f"in {days} days"
    return f"{model} will be shut down on {end}, {left}. {advice}"


def _advice(model: str, settings: Settings) -> str:
    if model == settings.cohere_embed_model:
        return "Set COHERE_EMBED_MODEL to a current model and index the book again."
    if model == settings.rerank:
        return "Set RERANK to a current model."
    chat = model in model_names(settings.chat_model)
    name = "CHAT_MODEL" if chat else "REWRITE_MODEL"
    other = model != DEFAULT_CHAT_MODEL and not settings.openai_base_url
    return f"Set {name} to a current model{f', such as {DEFAULT_CHAT_MODEL}' if other else ''}."


async def _unusable(clients: Clients) -> list[str]:
    """Say which chat models have been left out since they failed."""
    try:
        model = await clients.chat_model()
    except BookError:
        return []
    unusable = model.unusable.items() if model else ()
    return [f"{name} is not used at the moment ({why})." for name, why in unusable]
