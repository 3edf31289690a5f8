"""Sentences that tell a reader why an answer is less than usual, and until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from rag.conversations.rate_limits import Over
from rag.errors import RateLimited

FALLBACKS = {Over.SHARE: "over_share", Over.DAY: "over_budget"}
"""Fallback code if questions or tokens are over a limit."""
QUOTED = {
    Over.SHARE: "You have used your share of today's answers from the language model. Until "
    "midnight UTC, the book is quoted instead.",
    Over.DAY: "Today's answers from the language model are used up. Until midnight UTC, the book "
    "is quoted instead.",
}
WORDS_ONLY = {
    Over.SHARE: "You have used your share of today's searches by meaning. Until midnight UTC, only "
    "the words of a question are looked for.",
    Over.DAY: "Today's searches by meaning are used up. Until midnight UTC, only the words of a "
    "question are looked for.",
}
NOT_SAVED = {
    Over.SHARE: "This answer is not kept, because you have used your share of today's space for "
    "conversations. It begins anew at midnight UTC.",
    Over.DAY: "This answer is not kept, because today's space for conversations is used up. It "
    "begins anew at midnight UTC.",
}


NO_SPACE = {
    Over.SHARE: "Your text was not kept, because you have used your share of today's space for "
    "conversations. It begins anew at midnight UTC.",
    Over.DAY: "Your text was not kept, because today's space for conversations is used up. It "
    "begins anew at midnight UTC.",
}


def nothing_by_words(over: Over) -> RateLimited:
    """Return the error for a search by words alone that has found nothing."""
    return RateLimited(
        "nothing was found by words alone, and the calls for embeddings are used up",
        detail=f"{WORDS_ONLY[over]} None were found, so please try words that the book uses.",
        retry_after=_until_midnight(),
    )


def no_space(over: Over) -> RateLimited:
    """Return the error for a comment or a report for which there is no space."""
    return RateLimited(
        "there is no space left for texts", detail=NO_SPACE[over], retry_after=_until_midnight()
    )


def _until_midnight() -> float:
    """Return the seconds until the budgets begin anew."""
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return (midnight - now).total_seconds()
