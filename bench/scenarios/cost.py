"""Tokens and cost of an answer of the chat model, for the first ten questions of each set.

QUESTIONS is a folder of question sets and BOOKS the folder of their books, as in
`bench/relevance.py`. The prompt is the one that is sent for the passages found with the embedded
model. Its tokens are estimated, rather too high than too low. The reply is the reference answer
of the set, with a citation for each sentence. Costs are in cents, at the price of the default
model: $0.10 per million tokens of input, $0.01 if they are cached, $0.50 of output.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

import numpy as np

from bench.relevance import CACHE, Book, read_books
from bench.report import Row
from bench.sets import CachedEmbedder
from rag.adapters.embedding.minilm import LocalEmbedder
from rag.answering.prompt import answer_messages, count_tokens, second_look_messages
from rag.answering.search_plan import REPLY_TOKENS, contents
from rag.language.sentences import sentences
from rag.models import AnswerRequest, Passage
from rag.retrieval.relevance import ANSWER, DENSE_WEIGHT, SPARSE_WEIGHT

if TYPE_CHECKING:
    from bench.__main__ import Bench

INPUT, CACHED, OUTPUT = 0.10, 0.01, 0.50
"""Dollars per million tokens."""
QUESTIONS, PASSAGES, SURVEYED = 10, 10, 200
GOAL = 0.05
"""Cents for an answer."""


def run(bench: Bench) -> list[Row]:
    folders = [Path(os.environ.get(name, "")) for name in ("BOOKS", "QUESTIONS")]
    embedder = CachedEmbedder(LocalEmbedder(), CACHE)
    try:
        books = read_books(*folders, embedder)
        if not books:
            raise SystemExit("Set QUESTIONS to a folder of question sets, and BOOKS to the books.")
        measured = [asyncio.run(_measure(book)) for book in books]
    finally:
        embedder.close_cache()
    rules, prompts, replies, looks, weak = (
        [figure for figures in column for figure in figures]
        for column in zip(*measured, strict=True)
    )
    constant, prompt, reply, look = map(mean, (rules, prompts, replies, looks))
    fresh = _cents(prompt, reply)
    cached = fresh - constant * (INPUT - CACHED) / 1e4
    second = _cents(look, REPLY_TOKENS)
    return [
        Row("questions", len(prompts), ""),
        Row("prompt", prompt, "tokens"),
        Row("of it constant, cached by the provider", constant, "tokens"),
        Row("reply", reply, "tokens"),
        Row("answer", fresh, "cents", goal=GOAL),
        Row("answer, with the constant part cached", cached, "cents", goal=GOAL),
        Row("second look, in addition", second, "cents"),
        Row("questions with a second look", 100 * mean(weak), "%"),
    ]


def _cents(prompt: float, reply: float) -> float:
    return (prompt * INPUT + reply * OUTPUT) / 1e4


async def _measure(book: Book) -> tuple[list[float], ...]:
    rows = book.rows[:QUESTIONS]
    scores = await book.scores([row["question"] for row in rows], DENSE_WEIGHT, SPARSE_WEIGHT)
    found: tuple[list[float], ...] = ([], [], [], [], [])
    for n, row in enumerate(rows):
        best = [int(at) for at in np.argsort(-scores[n], kind="stable")[:SURVEYED]]
        passages = [Passage(book.chunks[at], float(scores[n][at])) for at in best]
        request = AnswerRequest(row["question"], passages[:PASSAGES])
        messages = answer_messages(request)
        answer = row.get("answer") or "The book does not say that."
        look = second_look_messages(request, contents(passages).text)
        found[0].append(count_tokens(messages[0]["content"]))
        found[1].append(sum(count_tokens(message["content"]) for message in messages))
        found[2].append(count_tokens(answer) + 4 * len(sentences(answer)))
        found[3].append(sum(count_tokens(message["content"]) for message in look))
        found[4].append(float(passages[0].score < ANSWER))
    return found
