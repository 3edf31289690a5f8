"""Load the conversation that a question continues."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from rag import request_log
from rag.chat.question import Question
from rag.conversations import store as conversations
from rag.errors import ConversationFull, UpstreamError
from rag.models import Turn
from rag.providers import Clients

log = logging.getLogger(__name__)

HISTORY_TURNS = 20
"""Turns loaded for a follow-up. The prompt holds as many as fit its token limit."""


@dataclass(frozen=True, slots=True)
class Session:
    session_id: str
    exists: bool = False
    """Whether it is already stored. A new session is stored with its first turn."""
    turns: Sequence[Turn] = ()


async def load_session(clients: Clients, question: Question) -> Session:
    """Load the session's recent turns, or start a new session if it does not exist.

    Turns that the client sent replace them. If the turn will not be stored, nothing is loaded.
    """
    session_id, sent = question.session_id, question.history
    if not question.stored:
        return Session("", turns=sent)
    if not conversations.is_session_id(session_id):
        return Session(conversations.new_session_id(), turns=sent)
    with request_log.stage("history"):
        try:
            recent = await conversations.recent(
                await clients.database(),
                session_id,
                HISTORY_TURNS,
                retention_days=clients.settings.retention_days,
            )
        except UpstreamError as error:
            log.warning("cannot load the history: %s", error)
            return Session(session_id, True, sent)
    if recent is None:
        return Session(conversations.new_session_id(), turns=sent)
    if recent and recent[-1].n >= clients.settings.max_turns:
        raise ConversationFull
    return Session(session_id, True, sent or recent)
