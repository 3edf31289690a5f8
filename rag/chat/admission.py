"""Admission control: rate limits, daily budgets, and each reader's share of them.

Requests are counted in PostgreSQL, so limits hold across all processes and hosts. While the
database is unavailable, limits still apply, per process.

Counters are keyed by hashes. The hash key is the database's connection string, which every process
of a service shares and the database itself does not contain. A copy of the tables is therefore not
enough to test guessed addresses.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rag import request_log
from rag.answering.prompt import Message, count_tokens, prompt_tokens
from rag.chat.question import Question
from rag.conversations import rate_limit_keys, rate_limits
from rag.conversations import store as conversations
from rag.conversations.rate_limits import NOTHING, Admission, Cost, Limits, MemoryLimits
from rag.errors import UpstreamError, UpstreamTimeout
from rag.interfaces import Database
from rag.models import AnswerRequest, Usage
from rag.providers import Clients
from rag.settings import Settings, is_loopback

log = logging.getLogger(__name__)

COUNT_SECONDS = 10.0
"""Time limit for counting in the database. After that, this process counts in memory."""
SETTLE_SECONDS = 4.0
"""How long a response waits for settling, which then continues in the background."""
TURN_BYTES = 16_000
"""Reserved to save a turn, until its size is known. Most turns are smaller."""
_SEARCHES = 3
"""The first search, one with typos corrected, and those of a second look."""
CHEAP_LIMITS = Limits(per_minute=240, burst=480)
"""Limit per address of requests that cost almost nothing."""
_INSTRUCTION_TOKENS = 1250
_PASSAGE_TOKENS = 500
_SELECTION_BYTES = 6500
"""Longer selections are never sent to the model."""
_REWRITE_TOKENS = 1700

_memory = MemoryLimits()
_settling: set[asyncio.Task[None]] = set()
_process_secret = secrets.token_hex()
"""Hash key when there is no connection string, as with the embedded database."""


async def admit(
    clients: Clients, address: str, session_id: str = "", cost: Cost = NOTHING
) -> Admission:
    """Count a request and reserve its `cost`. Raises RateLimited.

    The result says which parts of the cost are over a limit; the request must do without them.
    Plain function calls, which have no `address`, are not rate limited and have no share. Neither
    have requests from loopback addresses, except on a hosting platform.
    """
    settings = clients.settings
    keys = _keys(settings, address, session_id)
    if not keys:
        cost = cost._replace(bytes=0)
        if not any(cost):
            return Admission(datetime.now(UTC).date(), in_memory=True)
    rules = _limits(settings)
    with request_log.stage("limits"):
        try:
            if settings.missing(("DATABASE_URL",)):
                return _memory.admit(keys, rules, cost)
            async with asyncio.timeout(COUNT_SECONDS):
                database = await clients.database()
                admission = await rate_limits.admit(database, keys, rules, cost)
        except (UpstreamError, TimeoutError) as error:
            log.warning("limits are counted in memory: %s", error or "the database is too slow")
            request_log.note(limits="memory")
            return _memory.admit(keys, rules, cost)
    if admission.upkeep_due:
        with request_log.stage("upkeep"):
            await _upkeep(database, settings.retention_days)
    return admission


async def _reserve(clients: Clients, admission: Admission, tokens: int) -> Admission:
    """Raise a reservation to `tokens`. Without the database, the admission stays as it is."""
    rules = _limits(clients.settings)
    if admission.in_memory:
        return _memory.reserve(admission, rules, tokens)
    try:
        async with asyncio.timeout(COUNT_SECONDS):
            database = await clients.database()
            return await rate_limits.reserve(database, admission, rules, tokens)
    except (UpstreamError, TimeoutError) as error:
        log.warning("tokens were not reserved: %s", error or "the database is too slow")
        return admission


async def _upkeep(database: Database, retention_days: int) -> None:
    """Delete expired conversations. There is no scheduler; a request does this once an hour."""
    try:
        await conversations.expire(database, retention_days)
    except UpstreamError as error:
        log.warning("old rows were not deleted: %s", error)


def admit_cheap(clients: Clients, address: str) -> None:
    """Count a request that costs almost nothing, in this process alone. Raises RateLimited."""
    if keys := _keys(clients.settings, address, ""):
        clients.cheap_limits.admit(keys, CHEAP_LIMITS)


async def settle(clients: Clients, admission: Admission, used: Cost) -> None:
    """Replace what was reserved by what was used. If this fails, the reservation stays."""
    if admission.in_memory:
        _memory.settle(admission, used)
    elif used != admission.reserved:
        task = asyncio.create_task(_settle(clients, admission, used))
        _settling.add(task)
        task.add_done_callback(_settling.discard)
        await asyncio.wait([task], timeout=SETTLE_SECONDS)


async def _settle(clients: Clients, admission: Admission, used: Cost) -> None:
    try:
        await rate_limits.settle(await clients.database(), admission, used)
    except UpstreamError as error:
        log.warning("%s was not replaced by %s: %s", admission.reserved, used, error)


def _limits(settings: Settings) -> Limits:
    return Limits(
        settings.rate_per_minute,
        settings.rate_burst,
        settings.daily_question_budget,
        settings.daily_token_budget,
        settings.daily_embedding_budget,
        settings.daily_storage_budget,
        settings.reader_share / 100,
    )


async def search_cost(clients: Clients) -> Cost:
    """Return what a search may cost."""
    embedder, reranker = await asyncio.gather(clients.embedder(), clients.reranker())
    reranked = reranker is not None
    return Cost(questions=int(reranked), calls=_SEARCHES * (embedder.is_paid + reranked))


async def question_cost(clients: Clients, question: Question) -> Cost:
    """Return the most that a question may cost, as far as that is known before the search."""
    model, cost = await asyncio.gather(clients.chat_model(), search_cost(clients))
    if model:
        tokens = estimate_tokens(
            clients.settings,
            question.message,
            question.highlighted,
            follow_up=question.follow_up,
            thinking=model.thinking_tokens,
        )
        cost = cost._replace(questions=1, tokens=tokens)
    return cost._replace(bytes=TURN_BYTES)


def estimate_tokens(
    settings: Settings,
    question: str,
    highlighted: str = "",
    *,
    follow_up: bool = False,
    thinking: int = 0,
) -> int:
    """Estimate the most tokens that an answer of the chat model may use.

    A reader can choose text that has more tokens than usual, but not more than bytes. `thinking`
    is the model's `thinking_tokens`.
    """
    asked = _bytes(question)
    tokens = _INSTRUCTION_TOKENS + settings.context_passages * _PASSAGE_TOKENS + asked
    tokens += min(_SELECTION_BYTES, _bytes(highlighted)) + settings.max_answer_tokens
    tokens += thinking
    rewrite = settings.history_tokens + _REWRITE_TOKENS + 2 * asked + thinking
    return tokens + (rewrite if follow_up else 0)


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


@dataclass(slots=True)
class PaidCalls:
    """The paid calls that a request may make, and the number that it has made."""

    embed: bool = True
    """Otherwise, with a paid embedder, only words are compared."""
    rerank: bool = True
    made: int = 0


class UsageMeter:
    """Meters what one question costs, from admission to settling.

    Admission runs concurrently with the caller, which must await `admission` before anything that
    costs money.
    """

    def __init__(self, clients: Clients, question: Question) -> None:
        self._clients = clients
        self._admitting = asyncio.create_task(self._admit(question))
        self._used = 0
        self._prompt_tokens = 0
        self._prompt = 0
        """Tokens of the prompt, while the model has not reported its usage."""
        self._written: list[str] = []
        self._size = 0
        self._settled = False

    async def _admit(self, question: Question) -> None:
        cost = await question_cost(self._clients, question)
        self._admission = await admit(self._clients, question.address, question.session_id, cost)
        self._calls = paid_calls(self._admission)

    async def admission(self) -> Admission:
        """Wait until the request is admitted. Raises RateLimited."""
        await asyncio.shield(self._admitting)
        return self._admission

    async def calls(self) -> PaidCalls:
        """Wait until the request is admitted. Return the paid calls that it may make."""
        await self.admission()
        return self._calls

    async def reserve(self, request: AnswerRequest, messages: Sequence[Message]) -> Admission:
        """Reserve what the model needs to answer `request`, which `messages` ask for.

        The estimate at admission is nearly always enough. So the database is asked again only for
        a longer prompt, or if the estimate was over a limit.
        """
        typed = (request.question, request.standalone, request.highlighted[:_SELECTION_BYTES])
        unusual = sum(max(0, _bytes(text) - count_tokens(text)) for text in typed)
        self._prompt_tokens = prompt_tokens(messages)
        return await self._reserve(
            self._prompt_tokens + unusual + self._clients.settings.max_answer_tokens
        )

    async def _reserve(self, tokens: int) -> Admission:
        """Reserve so many tokens, and those of thoughts, beyond what has been used."""
        admission, model = await self.admission(), await self._clients.chat_model()
        needed = self._used + tokens + (model.thinking_tokens if model else 0)
        if not admission.within_budget or needed > admission.reserved.tokens:
            self._admission = await _reserve(self._clients, admission, needed)
        return await self.admission()

    def start_rewrite(self, messages: Sequence[Message]) -> None:
        """Record that the model was asked to rewrite a follow-up question."""
        self._prompt = prompt_tokens(messages)

    async def start_look(self, messages: Sequence[Message], reply_tokens: int) -> bool:
        """Reserve a second look. Return whether the model may be asked for it."""
        prompt = prompt_tokens(messages)
        within = (await self._reserve(prompt + reply_tokens)).within_budget
        self._prompt = prompt if within else 0
        return within

    def start_answer(self) -> None:
        """Record that the model was asked to answer the request that was reserved for."""
        self._prompt = self._prompt_tokens

    def stop(self, error: Exception) -> None:
        """Record that the model did not reply. The prompt may be paid for if it was too slow."""
        self._used += self._prompt if isinstance(error, UpstreamTimeout | TimeoutError) else 0
        self._prompt = 0

    def add_text(self, text: str) -> None:
        """Record text that the model wrote."""
        self._written.append(text)

    def add_usage(self, usage: Usage) -> None:
        """Add the usage of a reply."""
        self._used, self._prompt = self._used + usage.total, 0

    def add_turn(self, size: int) -> None:
        """Record the size of the turn that is saved."""
        self._size = size

    async def settle(self) -> None:
        """Charge the actual usage, however the answer ended. Further calls do nothing.

        If the model stopped before reporting its usage, estimate it from the prompt and the text.
        """
        if not self._admitting.done():
            await asyncio.wait([self._admitting])
        if self._settled or self._admitting.cancelled() or self._admitting.exception():
            return
        self._settled = True
        if self._prompt:
            self._used += self._prompt + count_tokens("".join(self._written))
        admission = await self.admission()
        questions = admission.reserved.questions
        used = Cost(questions, self._used, self._calls.made, self._size)
        await settle(self._clients, admission, used)


def paid_calls(admission: Admission) -> PaidCalls:
    """Return the paid calls that an admitted request may make."""
    within = not admission.calls
    return PaidCalls(embed=within, rerank=within and admission.within_budget)


def _keys(settings: Settings, address: str, session_id: str) -> list[rate_limit_keys.Key]:
    """Return the rate limit keys. The address comes first, so that it is checked first."""
    if not address or (not settings.platform and is_loopback(address)):
        return []
    secret = settings.database_url or _process_secret
    keys = rate_limit_keys.client_keys(secret, address)
    if conversations.is_session_id(session_id):
        keys.append(rate_limit_keys.Key(rate_limit_keys.session_key(secret, session_id)))
    return keys
