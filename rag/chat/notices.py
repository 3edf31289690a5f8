"""Sentences that tell a reader why an answer is limited, and for how long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from rag.conversations.rate_limits import Exceeded
from rag.errors import RateLimited

FALLBACKS = {Exceeded.SHARE: "over_share", Exceeded.DAY: "over_budget"}
"""Fallback code if questions or tokens are over a limit."""
QUOTED = {
    Exceeded.SHARE: "You have used your share of today's answers from the language model. The book "
    "is quoted instead until midnight UTC.",
    Exceeded.DAY: "Today's answers from the language model are used up. The book is quoted instead "
    "until midnight UTC.",
}
WORDS_ONLY = {
    Exceeded.SHARE: "You have used your share of today's searches by meaning. Until midnight UTC, "
    "questions are matched by their words only.",
    Exceeded.DAY: "Today's searches by meaning are used up. Until midnight UTC, questions are "
    "matched by their words only.",
}
_STORAGE = {
    Exceeded.SHARE: "you have used your share of today's storage",
    Exceeded.DAY: "today's storage is used up",
}


def not_saved(what: str, over: Exceeded) -> str:
    """Return why something was not saved."""
    return f"{what} was not saved, because {_STORAGE[over]}. The limit resets at midnight UTC."


def nothing_by_words(over: Exceeded) -> RateLimited:
    """Return the error for a search by words alone that has found nothing."""
    return RateLimited(
        "nothing was found by words alone, and the calls for embeddings are used up",
        detail=f"{WORDS_ONLY[over]} None were found, so please try words that the book uses.",
        retry_after=_until_midnight(),
    )


def no_space(over: Exceeded) -> RateLimited:
    """Return the error for a comment or a report when the storage is used up."""
    return RateLimited(
        "the storage for comments and reports is used up",
        detail=not_saved("Your text", over),
        retry_after=_until_midnight(),
    )


def _until_midnight() -> float:
    """Return the seconds until the budgets begin anew."""
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return (midnight - now).total_seconds()
