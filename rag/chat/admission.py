"""Whether a request may go on: the rate limits, as this service is set up.

They are counted in PostgreSQL, so they hold over all processes and hosts. While it is down
they are counted in this process's memory: never an open door.

Keys are hashes under the connection string, which every process of a service has and no
database holds: who has the tables alone cannot try addresses against them.
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
    standalone_messages,
)
from rag.conversations import rate_limits
from rag.conversations import store as conversations
from rag.conversations.rate_limits import Admission, Limits, MemoryLimits
from rag.errors import UpstreamError
from rag.interfaces import Database
from rag.models import Brief, Turn, Usage
from rag.providers import Clients
from rag.settings import Settings

log = logging.getLogger(__name__)

COUNT_SECONDS = 10.0
"""How long the database may take to count; then memory counts."""
SETTLE_SECONDS = 4.0
"""How long a reader waits for the settling; it goes on behind them."""
_RULES_TOKENS = 1000
_PASSAGE_TOKENS = 500
_HIGHLIGHTED_TOKENS = 1500
_REWRITING_TOKENS = 1700

_memory = MemoryLimits()
_settling: set[asyncio.Task[None]] = set()
_no_secret = secrets.token_hex()
"""Of this process: the embedded database has no other."""


async def admit(
    clients: Clients, address: str, session_id: str = "", *, questions: int = 1, tokens: int = 0
) -> Admission:
    """Count a request of a reader; set `tokens` of the model's budget aside.

    Beyond the budget (`within_budget` is False) nothing should be paid for but an embedding.

    `address` is empty where there is no network between: a function call is not limited, and
    neither are requests from the machine itself unless it is a known host. Raises RateLimited.
    """
    settings = clients.settings
    keys = _keys(settings, address, session_id)
    paid = settings.openai_api_key or (settings.rerank_model and settings.cohere_api_key)
    if not keys and not (questions and paid):
        return Admission(datetime.now(UTC).date(), True, 0, in_memory=True)
    rules = _rules(settings)
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
            log.warning("limits are counted in memory: %s", error or "the database is slow")
            request_log.note(limits="memory")
            return _memory.admit(keys, rules, questions=questions, tokens=tokens)
    if admission.upkeep_due:
        with request_log.stage("upkeep"):
            await _upkeep(database, settings.retention_days)
    return admission


async def _upkeep(database: Database, retention_days: int) -> None:
    """Delete what is old: there is no scheduler, so about once an hour a request does it."""
    try:
        await conversations.expire(database, retention_days)
    except UpstreamError as error:
        log.warning("old rows were not deleted: %s", error)


async def settle(clients: Clients, admission: Admission, tokens: int) -> None:
    """Replace what was set aside by what was used. What cannot be settled stays set aside."""
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


def _rules(settings: Settings) -> Limits:
    return Limits(
        settings.rate_per_minute,
        settings.rate_burst,
        settings.daily_question_budget,
        settings.daily_token_budget,
    )


def expected_tokens(
    settings: Settings, question: str, highlighted: str = "", *, follow_up: bool = False
) -> int:
    """What an answer may cost, before anything is known but the question; 0 without a model."""
    if not settings.openai_api_key:
        return 0
    tokens = _RULES_TOKENS + settings.context_passages * _PASSAGE_TOKENS + count_tokens(question)
    tokens += min(_HIGHLIGHTED_TOKENS, count_tokens(highlighted)) + settings.max_answer_tokens
    return tokens + (settings.history_tokens + _REWRITING_TOKENS if follow_up else 0)


class Bill:
    """One question at the gate, from its being counted to the settling of what it cost.

    Counting begins at once and goes on beside the caller, who awaits `admission` before the
    first thing that costs money.
    """

    def __init__(
        self, clients: Clients, address: str, session_id: str, question: str, highlighted: str
    ) -> None:
        settings, follow_up = clients.settings, conversations.is_session_id(session_id)
        tokens = expected_tokens(settings, question, highlighted, follow_up=follow_up)
        self._clients = clients
        self._counting = asyncio.create_task(admit(clients, address, session_id, tokens=tokens))
        self._spent = 0
        self._unreported: Brief | None = None
        self._written: list[str] = []
        self._settled = False

    async def admission(self) -> Admission:
        """Raises RateLimited."""
        return await asyncio.shield(self._counting)

    def rewritten(self, question: str, history: Sequence[Turn], standalone: str) -> None:
        """The model has made a follow-up stand alone, and does not tell what that cost."""
        self._spent += _tokens(standalone_messages(question, history)) + count_tokens(standalone)

    def asked(self, brief: Brief) -> None:
        """The model has begun to answer."""
        self._unreported = brief

    def wrote(self, text: str) -> None:
        self._written.append(text)

    def reported(self, usage: Usage) -> None:
        """What an answerer says it cost."""
        self._spent, self._unreported = self._spent + usage.total, None

    async def settle(self) -> None:
        """Book what was really used, whichever way it ended; only the first call counts.

        A model that was stopped before it told is charged its prompt and what it has written.
        """
        if not self._counting.done():
            await asyncio.wait([self._counting])
        if self._settled or self._counting.cancelled() or self._counting.exception():
            return
        self._settled = True
        if brief := self._unreported:
            settings = self._clients.settings
            messages = answer_messages(
                brief, history_tokens=settings.history_tokens, book=settings.book_title
            )
            self._spent += _tokens(messages) + count_tokens("".join(self._written))
        await settle(self._clients, self._counting.result(), self._spent)


def _tokens(messages: Sequence[Message]) -> int:
    return sum(count_tokens(message["content"]) for message in messages)


def _keys(settings: Settings, address: str, session_id: str) -> list[str]:
    """Under which a request counts, its address first: who is over that writes nothing else."""
    if not address or (not settings.platform and _is_own_machine(address)):
        return []
    secret = settings.database_url or _no_secret
    keys = [rate_limits.client_key(secret, address)]
    if conversations.is_session_id(session_id):
        keys.append(rate_limits.session_key(secret, session_id))
    return keys


def _is_own_machine(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
