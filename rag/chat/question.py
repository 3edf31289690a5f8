"""A question with everything that the client sent along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rag.conversations import store as conversations
from rag.models import Turn


@dataclass(frozen=True, slots=True)
class Question:
    """A question with everything that the client sent along."""

    message: str
    session_id: str = ""
    highlighted: str = ""
    """Text that the reader selected on the page, preceded by the page title and heading."""
    selected: str = ""
    """The selected text alone."""
    request_key: str = ""
    """The client's Idempotency-Key. Repeating a request returns the same turn."""
    address: str = ""
    """The client's IP address, as reported by the platform; empty for a plain function call."""
    streamed: bool = False
    """Whether to send the sources before the answer. Preparing them takes time."""
    language: str = ""
    """Language of the reader's browser, if known."""
    history: Sequence[Turn] = ()
    """Earlier turns, oldest first, if the client keeps the conversation itself."""
    stored: bool = True
    """Whether to save the turn."""

    @property
    def follow_up(self) -> bool:
        """Whether there may be earlier turns."""
        return bool(self.history) or conversations.is_session_id(self.session_id)
