"""A second look: where the first search was weak, the chat model says where to look further.

It happens at most once for a question, only if a model may be asked, and within LOOK_SECONDS. If
anything fails, the first result stands.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rag import request_log
from rag.answering.prompt import second_look_messages
from rag.answering.search_plan import REPLY_TOKENS, RESPONSE_FORMAT, contents, read_plan
from rag.chat.admission import UsageMeter
from rag.chat.retrieval import search_each, search_wide
from rag.errors import BookError
from rag.models import AnswerRequest, Grade
from rag.providers import Clients
from rag.retrieval.search import fuse

log = logging.getLogger(__name__)

LOOK_SECONDS = 10.0
"""Time limit for the model's reply and the searches together."""
SURVEYED = 200
"""Passages by meaning and passages by words, whose headings the model may be shown."""


@dataclass(frozen=True, slots=True)
class SearchedText:
    """The most complete text that was searched for, and its embedding."""

    text: str = ""
    vector: Sequence[float] | None = None


async def is_due(clients: Clients, meter: UsageMeter, grade: Grade) -> bool:
    """Whether the first result is weak and a model may be asked."""
    if grade == "answer" or not clients.settings.second_look:
        return False
    return bool(await clients.chat_model()) and (await meter.admission()).within_budget


async def look_further(
    clients: Clients, meter: UsageMeter, request: AnswerRequest, searched: SearchedText
) -> AnswerRequest:
    """Return the request with the passages of both looks. The first result stands on failure."""
    try:
        with request_log.stage("second_look"):
            async with asyncio.timeout(LOOK_SECONDS):
                request = await _look(clients, meter, request, searched)
    except (BookError, TimeoutError) as error:
        meter.stop(error)
        log.warning("no second look: %s", error or f"not done within {LOOK_SECONDS:g} s")
    return request


async def _look(
    clients: Clients, meter: UsageMeter, request: AnswerRequest, searched: SearchedText
) -> AnswerRequest:
    settings, model = clients.settings, await clients.chat_model()
    survey = await search_wide(clients, searched.text, searched.vector, SURVEYED)
    listed = contents(survey.passages)
    messages = second_look_messages(request, listed.text, settings.book_title)
    if not (model and listed.passages and await meter.start_look(messages, REPLY_TOKENS)):
        return request
    reply = await model.complete(messages, REPLY_TOKENS, RESPONSE_FORMAT)
    meter.add_usage(reply.usage)
    plan = read_plan(reply.text, listed)
    request_log.note(searches=len(plan.searches), sections=len(plan.sections))
    if not (plan.searches or plan.sections):
        return request
    results = await search_each(clients, plan.searches, await meter.calls())
    good = [result.passages for result in results if result.grade != "nothing"]
    if plan.sections:
        good.insert(0, plan.sections)
    if not good:
        return request
    limit = settings.context_passages
    # These passages are promising, but they were found with other words than the reader's.
    return replace(request, passages=fuse(request.passages, good, limit), grade="nearest")
