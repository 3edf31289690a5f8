"""Admission control: rate limits and the daily budget of the chat model.

Requests are counted in PostgreSQL, so limits hold across all processes and hosts. While the
database is unavailable, limits still apply, per process.

Counters are keyed by hashes. The hash key is the database's connection string, which every process
of a service shares and the database itself does not contain. A copy of the tables is therefore not
enough to test guessed addresses.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from rag import request_log
from rag.answering.prompt import (
    Message,
    answer_messages,
    count_tokens,
    rewrite_messages,
)
from rag.conversations import rate_limits
from rag.conversations import store as conversations
from rag.conversations.rate_limits import Admission, Limits, MemoryLimits
from rag.errors import UpstreamError
from rag.interfaces import Database
from rag.models import AnswerRequest, Turn, Usage
from rag.providers import Clients
from rag.settings import Settings

log = logging.getLogger(__name__)

COUNT_SECONDS = 10.0
"""Time limit for counting in the database. After that, this process counts in memory."""
SETTLE_SECONDS = 4.0
"""How long a response waits for settling, which then continues in the background."""
LIGHT = Limits(per_minute=240, burst=480)
"""Limit per address of requests that cost almost nothing."""
_INSTRUCTION_TOKENS = 1000
_PASSAGE_TOKENS = 500
_SELECTION_TOKENS = 1500
_REWRITE_TOKENS = 1700

_memory = MemoryLimits()
_settling: set[asyncio.Task[None]] = set()
_process_secret = secrets.token_hex()
"""Hash key when there is no connection string, as with the embedded database."""


async def admit(
    clients: Clients, address: str, session_id: str = "", *, questions: int = 1, tokens: int = 0
) -> Admission:
    """Count a request and reserve `tokens` of the daily budget. Raises RateLimited.

    If the budget is used up, `within_budget` is False and the request should pay for nothing but
    an embedding. Plain function calls, which have no `address`, are not rate limited. Neither are
    requests from loopback addresses, except on a hosting platform.
    """
    settings = clients.settings
    keys = _keys(settings, address, session_id)
    paid = settings.openai_api_key or (settings.rerank_model and settings.cohere_api_key)
    if not keys and not (questions and paid):
        return Admission(datetime.now(UTC).date(), True, 0, in_memory=True)
    rules = _limits(settings)
    with request_log.stage("limits"):
        try:
            if settings.missing(("DATABASE_URL",)):
                return _memory.admit(keys, rules, questions=questions, tokens=tokens)
            async with asyncio.timeout(COUNT_SECONDS):
                database = await clients.database()
                admission = await rate_limits.admit(
                    database, keys, rules, questions=questions, tokens=tokens
                )
        except (UpstreamError, TimeoutError) as error:
            log.warning("limits are counted in memory: %s", error or "the database is too slow")
            request_log.note(limits="memory")
            return _memory.admit(keys, rules, questions=questions, tokens=tokens)
    if admission.upkeep_due:
        with request_log.stage("upkeep"):
            await _upkeep(database, settings.retention_days)
    return admission


async def _upkeep(database: Database, retention_days: int) -> None:
    """Delete expired conversations. There is no scheduler; a request does this once an hour."""
    try:
        await conversations.expire(database, retention_days)
    except UpstreamError as error:
        log.warning("old rows were not deleted: %s", error)


def admit_light(clients: Clients, address: str) -> None:
    """Count a request that costs almost nothing, in this process alone. Raises RateLimited."""
    if keys := _keys(clients.settings, address, ""):
        clients.light_limits.admit(keys, LIGHT)


async def settle(clients: Clients, admission: Admission, tokens: int) -> None:
    """Replace the reserved tokens by those used. If this fails, the reservation stays."""
    if admission.in_memory:
        _memory.settle(admission, tokens)
    elif tokens != admission.tokens:
        task = asyncio.create_task(_settle(clients, admission, tokens))
        _settling.add(task)
        task.add_done_callback(_settling.discard)
        await asyncio.wait([task], timeout=SETTLE_SECONDS)


async def _settle(clients: Clients, admission: Admission, tokens: int) -> None:
    try:
        await rate_limits.settle(await clients.database(), admission, tokens)
    except UpstreamError as error:
        log.warning("%s tokens were not settled: %s", admission.tokens - tokens, error)


def _limits(settings: Settings) -> Limits:
    return Limits(
        settings.rate_per_minute,
        settings.rate_burst,
        settings.daily_question_budget,
        settings.daily_token_budget,
    )


def estimate_tokens(
    settings: Settings, question: str, highlighted: str = "", *, follow_up: bool = False
) -> int:
    """Estimate the most tokens that an answer may use; 0 without a chat model."""
    if not settings.openai_api_key:
        return 0
    tokens = (
        _INSTRUCTION_TOKENS + settings.context_passages * _PASSAGE_TOKENS + count_tokens(question)
    )
    tokens += min(_SELECTION_TOKENS, count_tokens(highlighted)) + settings.max_answer_tokens
    return tokens + (settings.history_tokens + _REWRITE_TOKENS if follow_up else 0)


class UsageMeter:
    """Meters the token usage of one question, from admission to settling.

    Admission runs concurrently with the caller, which must await `admission` before anything that
    costs money.
    """

    def __init__(
        self,
        clients: Clients,
        address: str,
        session_id: str,
        question: str,
        highlighted: str,
        *,
        follow_up: bool,
    ) -> None:
        settings = clients.settings
        tokens = estimate_tokens(settings, question, highlighted, follow_up=follow_up)
        self._clients = clients
        self._admitting = asyncio.create_task(admit(clients, address, session_id, tokens=tokens))
        self._used = 0
        self._unreported: AnswerRequest | None = None
        self._written: list[str] = []
        self._settled = False

    async def admission(self) -> Admission:
        """Wait until the request is admitted. Raises RateLimited."""
        return await asyncio.shield(self._admitting)

    def add_rewrite(self, question: str, history: Sequence[Turn], standalone: str) -> None:
        """Add the estimated usage of rewriting a follow-up question."""
        self._used += _tokens(rewrite_messages(question, history)) + count_tokens(standalone)

    def start_answer(self, request: AnswerRequest) -> None:
        """Record that the model started to answer `request`."""
        self._unreported = request

    def add_text(self, text: str) -> None:
        """Record text that the model wrote."""
        self._written.append(text)

    def add_usage(self, usage: Usage) -> None:
        """Add the usage that an answerer reported."""
        self._used, self._unreported = self._used + usage.total, None

    async def settle(self) -> None:
        """Charge the actual usage, however the answer ended. Further calls do nothing.

        If the model stopped before reporting its usage, estimate it from the prompt and the text.
        """
        if not self._admitting.done():
            await asyncio.wait([self._admitting])
        if self._settled or self._admitting.cancelled() or self._admitting.exception():
            return
        self._settled = True
        if request := self._unreported:
            settings = self._clients.settings
            messages = answer_messages(
                request, history_tokens=settings.history_tokens, book=settings.book_title
            )
            self._used += _tokens(messages) + count_tokens("".join(self._written))
        await settle(self._clients, self._admitting.result(), self._used)


def _tokens(messages: Sequence[Message]) -> int:
    return sum(count_tokens(message["content"]) for message in messages)


def _keys(settings: Settings, address: str, session_id: str) -> list[str]:
    """Return the rate limit keys. The address comes first, so that it is checked first."""
    if not address or (not settings.platform and is_own_machine(address)):
        return []
    secret = settings.database_url or _process_secret
    keys = [rate_limits.client_key(secret, address)]
    if conversations.is_session_id(session_id):
        keys.append(rate_limits.session_key(secret, session_id))
    return keys


def is_own_machine(address: str) -> bool:
    """Whether an address is a loopback address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
