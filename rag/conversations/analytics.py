"""What readers ask, for the author: tables over all conversations, none of which names one.

Every table is one bounded statement over the turns of the last days. Deleted and expired
conversations are in none of them, as they are nowhere; only the counters of the days, which
hold numbers alone, still count what was asked in them. Days are those of UTC.
"""

# ruff: noqa: S608  -- statements are put together from constants of this module alone
from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import log1p
from typing import Any, NamedTuple, TypeAlias

from rag.answering.text_fragments import citation_url
from rag.interfaces import Database
from rag.language.small_talk import small_talk
from rag.language.tokens import content_words, guess_language, question_terms

Row: TypeAlias = dict[str, Any]

CLUSTERED = 2000
"""Unanswered questions, the newest, that are put together by their words."""
ALIKE = 0.5
"""Share of common words, weighted by rarity, from which two questions ask the same."""
EXAMPLES = 3
"""Questions shown with a section or a gap."""


@dataclass(frozen=True, slots=True)
class View:
    """Which part of a table is looked at."""

    days: int = 30
    """From the beginning of the first of these days; today is the last."""
    offset: int = 0
    limit: int = 50
    retention_days: int = 90
    book_url: str = ""
    """Where links to sections lead."""
    token_price: float = 0.0
    """Price of a million tokens; 0 where it is not known."""


# A turn younger than the retention time belongs to a conversation that has not expired.
_SINCE = """t.created_at >= greatest(
  (date_trunc('day', now() AT TIME ZONE 'UTC') - make_interval(days => :days - 1))
    AT TIME ZONE 'UTC',
  now() - make_interval(days => :retention_days)
)"""
# Nothing was near, or the model said that the book is silent; older turns told it in two fields.
_UNANSWERED = """'false' IN (
  coalesce(t.metadata->>'answered', ''), coalesce(t.metadata->>'citations_reported', '')
)"""
_TOKENS = "coalesce((t.metadata->>'tokens_used')::numeric, 0)::bigint"
_TOP = "jsonb_to_record(t.sources->0) AS top(title text, section text, slug text)"

_DAYS = f"""
WITH kept AS (
  SELECT (t.created_at AT TIME ZONE 'UTC')::date AS day,
    count(*) AS questions,
    count(DISTINCT t.session_id) AS conversations,
    count(*) FILTER (WHERE {_UNANSWERED}) AS unanswered,
    count(*) FILTER (WHERE t.metadata->>'fallback' IS NOT NULL) AS fallbacks,
    count(*) FILTER (WHERE t.thumbs > 0) AS up,
    count(*) FILTER (WHERE t.thumbs < 0) AS down,
    sum({_TOKENS}) AS tokens
  FROM book.turns t WHERE {_SINCE} GROUP BY 1
), shown AS (
  SELECT (now() AT TIME ZONE 'UTC')::date - ago AS day FROM generate_series(0, :days - 1) AS ago
)
SELECT day,
  greatest(k.questions, d.questions, 0), coalesce(k.conversations, 0),
  coalesce(k.unanswered, 0), coalesce(k.fallbacks, 0), coalesce(k.up, 0), coalesce(k.down, 0),
  greatest(k.tokens, d.tokens, 0)::bigint
FROM shown LEFT JOIN kept k USING (day) LEFT JOIN book.days d USING (day)
ORDER BY day LIMIT :limit OFFSET :offset
"""

_SECTIONS = f"""
SELECT top.title, top.section, min(top.slug), count(*), count(DISTINCT t.session_id),
  count(*) FILTER (WHERE t.thumbs > 0), count(*) FILTER (WHERE t.thumbs < 0),
  to_json(trim_array(
    array_agg(t.question ORDER BY t.created_at DESC), greatest(0, count(*)::integer - {EXAMPLES})
  ))
FROM book.turns t, {_TOP}
WHERE {_SINCE} AND NOT {_UNANSWERED} AND top.title IS NOT NULL
GROUP BY top.title, top.section
ORDER BY count(*) DESC, top.title, top.section LIMIT :limit OFFSET :offset
"""

_UNANSWERED_QUESTIONS = f"""
SELECT t.question, t.session_id::text, t.created_at
FROM book.turns t WHERE {_SINCE} AND {_UNANSWERED}
ORDER BY t.created_at DESC LIMIT {CLUSTERED}
"""

_RATINGS = f"""
SELECT t.created_at, t.thumbs, t.comment, t.question, t.answer, top.title, top.section, top.slug
FROM book.turns t LEFT JOIN {_TOP} ON true
WHERE {_SINCE} AND t.thumbs IS NOT NULL
ORDER BY t.created_at DESC LIMIT :limit OFFSET :offset
"""

_ANSWERERS = f"""
SELECT t.metadata->>'answered_by', t.metadata->>'fallback', count(*), sum({_TOKENS})::bigint,
  percentile_disc(0.5) WITHIN GROUP (ORDER BY (t.metadata->>'response_time_ms')::numeric)::bigint,
  max(t.created_at)
FROM book.turns t WHERE {_SINCE}
GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT :limit OFFSET :offset
"""

_QUESTIONS = f"""
SELECT t.created_at, t.question, NOT {_UNANSWERED}, top.title, top.section, top.slug,
  t.metadata->>'answered_by', t.metadata->>'fallback', {_TOKENS}, t.thumbs
FROM book.turns t LEFT JOIN {_TOP} ON true
WHERE {_SINCE} ORDER BY t.created_at DESC LIMIT :limit OFFSET :offset
"""


async def _days(db: Database, view: View) -> list[Row]:
    """By day: questions, conversations, what went unanswered, ratings, tokens and their cost."""
    names = "day questions conversations unanswered fallbacks up down tokens"
    rows = await _run(db, _DAYS, view, names)
    return [{**row, "cost": _cost(row["tokens"], view)} for row in rows]


async def _sections(db: Database, view: View) -> list[Row]:
    """The sections that answered, the most asked first. A question counts for its best source."""
    names = "title section slug questions readers up down examples"
    return [_linked(row, view) for row in await _run(db, _SECTIONS, view, names)]


async def _unanswered(db: Database, view: View) -> list[Row]:
    """What to write next: what the book could not answer, most readers first."""
    rows = await db.run(_UNANSWERED_QUESTIONS, days=view.days, retention_days=view.retention_days)
    found = await asyncio.to_thread(gaps, [Asked(*row) for row in rows])
    return found[view.offset : view.offset + view.limit]


async def _ratings(db: Database, view: View) -> list[Row]:
    """Answers that readers have judged, the newest first, with their comments."""
    names = "asked_at rating comment question answer title section slug"
    return [_linked(row, view) for row in await _run(db, _RATINGS, view, names)]


async def _answerers(db: Database, view: View) -> list[Row]:
    """Who answered, and why it was not the model where it was not."""
    names = "answered_by fallback questions tokens median_ms last_asked_at"
    rows = await _run(db, _ANSWERERS, view, names)
    return [{**row, "cost": _cost(row["tokens"], view)} for row in rows]


async def _questions(db: Database, view: View) -> list[Row]:
    """Every question, the newest first."""
    names = "asked_at question answered title section slug answered_by fallback tokens rating"
    return [_linked(row, view) for row in await _run(db, _QUESTIONS, view, names)]


TABLES: Mapping[str, Callable[[Database, View], Awaitable[list[Row]]]] = {
    "days": _days,
    "sections": _sections,
    "unanswered": _unanswered,
    "ratings": _ratings,
    "answerers": _answerers,
    "questions": _questions,
}
"""By name. Each gives up to `limit` rows that follow `offset`."""


async def _run(db: Database, sql: str, view: View, names: str) -> list[Row]:
    rows = await db.run(
        sql,
        days=view.days,
        retention_days=view.retention_days,
        limit=view.limit,
        offset=view.offset,
    )
    return [dict(zip(names.split(), row, strict=True)) for row in rows]


def _cost(tokens: int, view: View) -> float | None:
    return round(tokens * view.token_price / 1e6, 4) if view.token_price else None


def _linked(row: Row, view: View) -> Row:
    """The row with its section's address in place of the slug."""
    slug = row.pop("slug")
    return {**row, "url": citation_url(view.book_url, slug, "") if slug else None}


# ---------------------------------------------------------------- questions that ask the same


class Asked(NamedTuple):
    question: str
    reader: str
    """Tells readers apart; it is never shown."""
    at: datetime


def gaps(asked: Sequence[Asked]) -> list[Row]:
    """Questions that ask the same put together; those of most readers first, then the newest.

    `asked` is newest first. A question joins the first group with whose first question it
    shares at least ALIKE of its terms: weighted Jaccard similarity with IDF as the weight,
    so that "delete my data" and "export my data" stay apart.
    """
    bags = [_bag(item.question) for item in asked]
    frequency = Counter(term for bag in bags for term in bag)
    weight = {term: log1p(len(asked) / count) for term, count in frequency.items()}

    groups: list[list[Asked]] = []
    leaders: list[frozenset[str]] = []
    by_term: dict[str, list[int]] = {}
    for item, bag in zip(asked, bags, strict=True):
        telling = _telling(bag, weight)
        for group in sorted({group for term in telling for group in by_term.get(term, ())}):
            if _alike(bag, leaders[group], weight) >= ALIKE:
                groups[group].append(item)
                break
        else:
            for term in telling:
                by_term.setdefault(term, []).append(len(groups))
            groups.append([item])
            leaders.append(bag)
    rows = [_gap(group) for group in groups]
    return sorted(rows, key=lambda row: (row["readers"], row["asked"]), reverse=True)


def _bag(question: str) -> frozenset[str]:
    """What a question is about, whatever greetings and thanks are around it."""
    language = guess_language(question)
    words = [word for word in content_words(question, language) if not small_talk(word)]
    return frozenset(question_terms(" ".join(words), language)) or frozenset({question})


def _telling(bag: frozenset[str], weight: Mapping[str, float]) -> list[str]:
    """The rarest terms of a bag: two bags that are ALIKE share one of them.

    What is left weighs less than ALIKE of the bag, too little to be alike by itself (prefix
    filtering, Chaudhuri et al. 2006). So common words bring no candidates.
    """
    rarest = sorted(bag, key=lambda term: (-weight[term], term))
    left = total = sum(weight[term] for term in rarest)
    for n, term in enumerate(rarest, 1):
        left -= weight[term]
        if left < ALIKE * total - 1e-9:
            return rarest[:n]
    return rarest


def _alike(one: frozenset[str], other: frozenset[str], weight: Mapping[str, float]) -> float:
    return sum(weight[t] for t in one & other) / sum(weight[t] for t in one | other)


def _gap(group: Sequence[Asked]) -> Row:
    wordings = list(dict.fromkeys(item.question for item in group))
    return {
        "question": wordings[0],
        "readers": len({item.reader for item in group}),
        "asked": len(group),
        "last_asked_at": group[0].at,
        "examples": wordings[1 : EXAMPLES + 1],
    }
