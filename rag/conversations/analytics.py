"""Tables for the author about what readers ask. No table identifies a conversation.

Each table is one bounded query over the turns of recent days. Deleted and expired conversations are
not included, except in the daily counters, which contain only numbers. Days are in UTC.
"""

# ruff: noqa: S608  -- the SQL is composed only of constants from this module
from __future__ import annotations

import asyncio
import csv
import io
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import log1p
from typing import Any, NamedTuple, TypeAlias

from rag.answering.text_fragments import citation_url
from rag.interfaces import Database
from rag.language.detect import guess_language
from rag.language.small_talk import classify_small_talk
from rag.language.tokens import content_words, question_terms

Row: TypeAlias = dict[str, Any]

MAX_CLUSTERED = 2000
"""Maximum number of unanswered questions that are grouped, newest first."""
MIN_SIMILARITY = 0.5
"""Minimum similarity of two questions in a group: common terms, weighted by rarity."""
EXAMPLES = 3
"""Number of example questions shown per section or group."""


@dataclass(frozen=True, slots=True)
class TableView:
    """Which rows of a table to show."""

    days: int = 30
    """Number of days, including today."""
    offset: int = 0
    limit: int = 50
    retention_days: int = 90
    book_url: str = ""
    """Base URL of links to sections."""
    token_price: float = 0.0
    """Price per million tokens; 0 if unknown."""


# A turn younger than the retention time belongs to a conversation that has not expired.
_SINCE = """t.created_at >= greatest(
  (date_trunc('day', now() AT TIME ZONE 'UTC') - make_interval(days => :days - 1))
    AT TIME ZONE 'UTC',
  now() - make_interval(days => :retention_days)
)"""
# The book had no answer. Older versions recorded this in another field.
_UNANSWERED = """'false' IN (
  coalesce(t.metadata->>'answered', ''), coalesce(t.metadata->>'citations_reported', '')
)"""
_TOKENS = "coalesce((t.metadata->>'tokens_used')::numeric, 0)::bigint"
# Statements of the answer of which no passage contains a word. Older turns were not checked.
_UNSUPPORTED = "coalesce((t.metadata->>'unsupported')::integer, 0)"
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
    sum({_TOKENS}) AS tokens, sum({_UNSUPPORTED}) AS unsupported
  FROM book.turns t WHERE {_SINCE} GROUP BY 1
), shown AS (
  SELECT (now() AT TIME ZONE 'UTC')::date - ago AS day FROM generate_series(0, :days - 1) AS ago
)
SELECT day,
  greatest(k.questions, d.questions, 0), coalesce(k.conversations, 0),
  coalesce(k.unanswered, 0), coalesce(k.fallbacks, 0), coalesce(k.up, 0), coalesce(k.down, 0),
  greatest(k.tokens, d.tokens, 0)::bigint, coalesce(k.unsupported, 0)::bigint
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
ORDER BY t.created_at DESC LIMIT {MAX_CLUSTERED}
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
  t.metadata->>'answered_by', t.metadata->>'fallback', {_TOKENS}, {_UNSUPPORTED}, t.thumbs
FROM book.turns t LEFT JOIN {_TOP} ON true
WHERE {_SINCE} ORDER BY t.created_at DESC LIMIT :limit OFFSET :offset
"""

# One row. A conversation that is older than the retention time expires with the next run.
_RETENTION = """
SELECT :retention_days::integer, (SELECT max(done_at) FROM book.upkeep), count(*)::integer,
  min(used_at), (SELECT min(created_at) FROM book.turns)
FROM book.sessions LIMIT :limit OFFSET :offset
"""


def _table(sql: str, names: str, *, cost: bool = False) -> ReadTable:
    """Return a function that runs a query and names its columns. A slug becomes a URL."""

    async def read(db: Database, view: TableView) -> list[Row]:
        found = await db.run(
            sql,
            days=view.days,
            retention_days=view.retention_days,
            limit=view.limit,
            offset=view.offset,
        )
        rows = [dict(zip(names.split(), values, strict=True)) for values in found]
        for row in rows:
            if "slug" in row:
                slug = row.pop("slug")
                row["url"] = citation_url(view.book_url, slug, "") if slug else None
            if cost:
                row["cost"] = _cost(row["tokens"], view)
        return rows

    return read


async def _unanswered(db: Database, view: TableView) -> list[Row]:
    """Groups of unanswered questions, those of most readers first."""
    rows = await db.run(_UNANSWERED_QUESTIONS, days=view.days, retention_days=view.retention_days)
    found = await asyncio.to_thread(group_questions, [AskedQuestion(*row) for row in rows])
    return found[view.offset : view.offset + view.limit]


def _cost(tokens: int, view: TableView) -> float | None:
    return round(tokens * view.token_price / 1e6, 4) if view.token_price else None


ReadTable: TypeAlias = Callable[[Database, TableView], Awaitable[list[Row]]]

TABLES: Mapping[str, ReadTable] = {
    "days": _table(
        _DAYS,
        "day questions conversations unanswered fallbacks up down tokens unsupported",
        cost=True,
    ),
    # Sections by number of questions answered. Each question counts for its best source.
    "sections": _table(_SECTIONS, "title section slug questions readers up down examples"),
    "unanswered": _unanswered,
    "ratings": _table(_RATINGS, "asked_at rating comment question answer title section slug"),
    # With the reasons for falling back from the model.
    "answerers": _table(
        _ANSWERERS, "answered_by fallback questions tokens median_ms last_asked_at", cost=True
    ),
    "questions": _table(
        _QUESTIONS,
        "asked_at question answered title section slug answered_by fallback tokens unsupported "
        "rating",
    ),
    # How long conversations are kept, when expired ones were last deleted, and the oldest.
    "retention": _table(
        _RETENTION,
        "retention_days last_run_at conversations longest_unused_at oldest_question_at",
    ),
}
"""Tables by name. Each function returns up to `limit` rows, starting at `offset`."""


# ---------------------------------------------------------------- grouping of questions


class AskedQuestion(NamedTuple):
    """A question, the reader and the time."""

    question: str
    reader: str
    """Distinguishes readers. Never shown."""
    at: datetime


def group_questions(asked: Sequence[AskedQuestion]) -> list[Row]:
    """Group similar questions; groups of most readers come first, then the newest.

    `asked` must be sorted newest first. A question joins the first group whose first question has a
    similarity of at least MIN_SIMILARITY. The measure is the Jaccard similarity of their terms,
    weighted by IDF, so that "delete my data" and "export my data" stay separate.
    """
    bags = [_question_terms(item.question) for item in asked]
    frequency = Counter(term for bag in bags for term in bag)
    weight = {term: log1p(len(asked) / count) for term, count in frequency.items()}

    groups: list[list[AskedQuestion]] = []
    leaders: list[frozenset[str]] = []
    by_term: dict[str, list[int]] = {}
    for item, bag in zip(asked, bags, strict=True):
        telling = _rarest_terms(bag, weight)
        for group in sorted({group for term in telling for group in by_term.get(term, ())}):
            if _similarity(bag, leaders[group], weight) >= MIN_SIMILARITY:
                groups[group].append(item)
                break
        else:
            for term in telling:
                by_term.setdefault(term, []).append(len(groups))
            groups.append([item])
            leaders.append(bag)
    rows = [_group_row(group) for group in groups]
    return sorted(rows, key=lambda row: (row["readers"], row["asked"]), reverse=True)


def _question_terms(question: str) -> frozenset[str]:
    """Return the terms of a question, without greetings and thanks."""
    language = guess_language(question)
    words = [word for word in content_words(question, language) if not classify_small_talk(word)]
    return frozenset(question_terms(" ".join(words), language)) or frozenset({question})


def _rarest_terms(bag: frozenset[str], weight: Mapping[str, float]) -> list[str]:
    """Return the rarest terms of a question. Similar questions share at least one of them.

    The remaining terms weigh less than MIN_SIMILARITY of the total, too little for a match on their
    own (prefix filtering, Chaudhuri et al. 2006). So common words produce no candidates.
    """
    rarest = sorted(bag, key=lambda term: (-weight[term], term))
    left = total = sum(weight[term] for term in rarest)
    for n, term in enumerate(rarest, 1):
        left -= weight[term]
        if left < MIN_SIMILARITY * total - 1e-9:
            return rarest[:n]
    return rarest


def _similarity(one: frozenset[str], other: frozenset[str], weight: Mapping[str, float]) -> float:
    return sum(weight[t] for t in one & other) / sum(weight[t] for t in one | other)


def _group_row(group: Sequence[AskedQuestion]) -> Row:
    wordings = list(dict.fromkeys(item.question for item in group))
    return {
        "question": wordings[0],
        "readers": len({item.reader for item in group}),
        "asked": len(group),
        "last_asked_at": group[0].at,
        "examples": wordings[1 : EXAMPLES + 1],
    }


# ---------------------------------------------------------------- CSV


# Text that a spreadsheet would evaluate is prefixed with an apostrophe:
# https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠\t\r\n]")


def as_csv(rows: Sequence[Row]) -> str:
    """Return a header line and one line per row, or "" if there are no rows.

    The format is RFC 4180 with all cells quoted and a byte order mark, so that Excel detects UTF-8.
    Lists are joined into one cell.
    """
    if not rows:
        return ""
    file = io.StringIO()
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    writer.writerow(rows[0])
    writer.writerows([_cell(value) for value in row.values()] for row in rows)
    return "\ufeff" + file.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, list | tuple):
        value = " | ".join(map(str, value))
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, str):
        return f"'{value}" if _FORMULA.match(value) else value
    return "" if value is None else str(value)
