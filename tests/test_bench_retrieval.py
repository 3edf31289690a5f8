"""The retrieval benchmark on a tiny set: embedded engines, and services where keys are set."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from bench import languages, metrics, relevance, retrieval
from bench.sets import CachedEmbedder, read_lines
from rag.adapters.embedding.minilm import LocalEmbedder
from rag.environment import load_settings
from rag.indexing.chunking import chunk_book
from rag.language.detect import is_in_other_language
from sites import read_path
from tests.upstreams import Upstreams

TEXTS = {
    "a-1": "Cats sleep most of the day. They like warm places.",
    "a-2": "Kittens are young cats. They play a lot.",
    "b-1": "To install the server, run the setup program. It takes a minute.",
    "b-2": "An upgrade keeps your settings. Run the setup program again.",
}
QUESTIONS = {"q1": ("Where do cats sleep?", "a-1"), "q2": ("How do I install the server?", "b-1")}


def write_set(folder: Path, *, answers: bool) -> None:
    def lines(name: str, rows: list[dict[str, object]]) -> None:
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))

    (folder / "qrels").mkdir(parents=True)
    lines("corpus.jsonl", [{"_id": k, "title": "", "text": t} for k, t in TEXTS.items()])
    lines("queries.jsonl", [{"_id": k, "text": q} for k, (q, _) in QUESTIONS.items()])
    rows = "".join(f"{k}\t{document}\t1\n" for k, (_, document) in QUESTIONS.items())
    (folder / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{rows}")
    if answers:
        found = {"q1": "most of the day", "q2": "setup program"}
        lines("answers.jsonl", [{"_id": k, "answers": [{"text": t}]} for k, t in found.items()])


@pytest.fixture
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(retrieval, "SIZES", (5,))
    write_set(tmp_path / "sets" / "one", answers=True)
    write_set(tmp_path / "sets" / "two", answers=False)
    return tmp_path / "sets"


def measure(folder: Path, environ: Mapping[str, str]) -> dict[str, dict[str, float]]:
    settings = load_settings({"DATA_DIR": str(folder / "data"), **environ})
    return asyncio.run(retrieval.measure(folder, settings, folder / "vectors.sqlite"))


def test_without_keys_everything_is_measured_on_the_embedded_engines(sets: Path) -> None:
    figures = measure(sets, {})
    assert figures["one"]["nDCG@10"] == figures["two"]["Recall@5"] == 1
    assert figures["one"]["answer quoted"] == 1
    assert set(figures["engine"]) == {"store ms, 5 chunks", "search ms, 5 chunks"}
    assert figures["speed"]["question ms"] > 0


def test_with_keys_cohere_embeds_and_qdrant_ranks(sets: Path) -> None:
    with Upstreams() as up:
        figures = measure(sets, up.environ())
        kinds = [r.json()["input_type"] for r in up.cohere.requests if r.path == "/v2/embed"]
        searches = [r for r in up.qdrant.requests if r.path.endswith("/points/query/batch")]
        paths = {r.path for r in up.qdrant.requests}
        up.qdrant.forget()
        calls = len(up.cohere.requests)
        again = measure(sets, up.environ())
        assert not [
            r for r in up.qdrant.requests if r.path.endswith("/points") and r.method == "PUT"
        ]
        assert len(up.cohere.requests) - calls < calls, "vectors are kept"
    assert {"search_query", "search_document"} == set(kinds)
    assert len(searches) == 2 * len(QUESTIONS), "both sets are ranked by the server"
    assert any("/collections/bench-one" in path for path in paths)
    assert figures["one"]["nDCG@10"] == again["one"]["nDCG@10"] == 1
    assert "engine" not in figures


def test_the_scale_of_the_figures() -> None:
    assert metrics.auroc([3, 4], [1, 2]) == 1
    assert metrics.auroc([1, 2], [1, 2]) == 0.5
    assert metrics.ndcg(["x", "a"], {"a": 1}) == pytest.approx(0.63093, abs=1e-5)


def test_what_each_part_of_the_relevance_is_worth(tmp_path: Path) -> None:
    (tmp_path / "books" / "cats").mkdir(parents=True)
    for key, text in TEXTS.items():
        (tmp_path / "books" / "cats" / f"{key}.md").write_text(f"# {key}\n\n{text}\n")
    rows = [
        {"id": key, "question": question, "answerable": True, "gold": [{"quote": TEXTS[document]}]}
        for key, (question, document) in QUESTIONS.items()
    ]
    more = {"answerable": False, "gold": []}
    rows += [{"id": "far", "question": "Who won the cup in 1974?", **more}]
    rows += [{**rows[0], "id": "next", "question": "And kittens?", "follow_up_of": "q1"}]
    (tmp_path / "questions").mkdir()
    (tmp_path / "questions" / "cats.jsonl").write_text("\n".join(map(json.dumps, rows)))
    embedder = CachedEmbedder(LocalEmbedder(), tmp_path / "vectors.sqlite")
    books = relevance.read_books(tmp_path / "books", tmp_path / "questions", embedder)
    assert [len(gold) for gold in books[0].gold] == [1, 1, 0, 1]
    table = asyncio.run(relevance.measure(books))
    embedder.close_cache()
    assert any("in use" in row and row.count("100.0%") == 4 for row in table)
    assert any("NOTHING" in row and "| 0.0% | 100.0% |" in row for row in table)
    assert not relevance.holds("Cats sleep a lot.", TEXTS["b-1"])


def test_the_questions_in_other_languages_fit_the_handbook() -> None:
    texts = [chunk.text for chunk in chunk_book(read_path(str(languages.BOOK)).pages)]
    rows = read_lines(languages.QUESTIONS)
    for row in rows:
        for quote in row["quotes"]:
            assert any(relevance.holds(text, quote) for text in texts), quote
        assert not is_in_other_language(row["en"], "en")
        for language in languages.LANGUAGES:
            assert is_in_other_language(row[language], "en"), row[language]
    assert sum(not row["quotes"] for row in rows) >= 8


def test_questions_in_other_languages_are_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "cats.md").write_text("# Cats\n\nCats sleep most of the day in warm places.\n")
    asked = dict.fromkeys(("en", *languages.LANGUAGES), "Where do cats sleep?")
    row = {"id": "a", "quotes": ["sleep most of the day"], **asked}
    (tmp_path / "asked.jsonl").write_text(json.dumps(row) + "\n")
    monkeypatch.setattr(languages, "BOOK", tmp_path / "cats.md")
    monkeypatch.setattr(languages, "QUESTIONS", tmp_path / "asked.jsonl")
    lines = asyncio.run(languages.measure(LocalEmbedder()))
    assert lines[2] == "| in English | 1 of 1 | 0 of 0 |"
    assert lines[4] == "| translated, by meaning (in use) | 4 of 4 | 0 of 0 |"
