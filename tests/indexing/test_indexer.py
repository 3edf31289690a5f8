"""The life of the index: only differences are embedded, and nothing paid for is lost."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from rag.adapters.vector_store.edge import EdgeStore, EdgeWriter
from rag.errors import ConfigurationError, UpstreamTimeout
from rag.indexing.chunking import chunk_book
from rag.indexing.indexer import (
    BATCH,
    BookContent,
    Indexer,
    Plan,
    Progress,
    Sparse,
    Summary,
    describe,
    starters,
)
from rag.models import (
    Block,
    Candidates,
    Chunk,
    IndexInfo,
    Page,
    Section,
    SparseVector,
)
from tests.support.points import HashEmbedder, run
from tests.support.points import words as sparse


def page(name: str, *paragraphs: str) -> Page:
    """A page with a section a paragraph; the text is long enough that they are not joined."""
    sections = tuple(
        Section(
            f"Part {n}",
            2,
            f"part-{n}",
            (f"Part {n}",),
            (Block("paragraph", (text * (1100 // len(text))).strip()),),
        )
        for n, text in enumerate(paragraphs)
    )
    return Page(f"{name}.md", name.title(), name, sections)


async def index(
    folder: Path,
    pages: Sequence[Page],
    embedder: HashEmbedder | None = None,
    rule: Sparse = sparse,
) -> tuple[Summary, HashEmbedder, list[Progress]]:
    """Index pages as the command does."""
    embedder = embedder or HashEmbedder()
    content = BookContent("Book", "en", pages, chunk_book(pages))
    info = describe(content, embedder, rule)
    store = EdgeStore(folder)
    published = await store.info()
    await store.close()
    writer = EdgeWriter(folder)
    shown: list[Progress] = []
    try:
        indexer = Indexer(content, embedder, writer, info, rule)
        summary = await indexer.build(published=published, progress=shown.append)
    finally:
        await writer.close()
    return summary, embedder, shown


async def answers(folder: Path, embedder: HashEmbedder) -> list[object]:
    """Everything a reader can see of an index; scores to six digits."""
    store = EdgeStore(folder)
    seen: list[object] = [await store.info(), await store.pages()]
    for slug, _ in await store.pages():
        seen.append(await store.page(slug))
    for question in ("alpha", "beta gamma", "part 1 delta", "nothing of this"):
        chunk = Chunk("", question, "", "", "", "", 0)
        dense = (await embedder.embed_questions([question]))[0]
        found = await store.candidates(dense, sparse(chunk), 200)
        seen.append(canonical(found))
    await store.close()
    return seen


def canonical(found: Candidates) -> object:
    hits = [(hit.chunk, round(hit.dense, 5), round(hit.sparse, 4)) for hit in found.hits]
    return sorted(hits, key=repr), found.total, sorted(found.document_frequencies.items())


BOOK = [page("one", "alpha ", "beta ", "gamma "), page("two", "delta ", "epsilon ")]


def test_a_first_run_embeds_everything(tmp_path: Path) -> None:
    summary, embedder, shown = run(index(tmp_path, BOOK))
    assert replace(summary, seconds=0) == Summary(2, 5, embedded=5, calls=1, published=True)
    assert len(embedder.texts) == 5
    assert embedder.texts[0].startswith("One › Part 0\n\nalpha")
    assert shown == [Progress(5, 5, 1)]


def test_a_second_run_does_nothing(tmp_path: Path) -> None:
    run(index(tmp_path, BOOK))
    before = sorted(tmp_path.rglob("*"))
    summary, embedder, _ = run(index(tmp_path, BOOK))
    assert summary == Summary(2, 5, reused=5)
    assert embedder.texts == []
    assert sorted(tmp_path.rglob("*")) == before


def test_an_edited_paragraph_embeds_one_chunk(tmp_path: Path) -> None:
    run(index(tmp_path, BOOK))
    edited = [page("one", "alpha ", "zeta ", "gamma "), BOOK[1]]
    summary, embedder, _ = run(index(tmp_path, edited))
    assert replace(summary, seconds=0) == Summary(
        2, 5, embedded=1, reused=4, removed=1, calls=1, published=True
    )
    assert [text.split()[-1] for text in embedder.texts] == ["zeta"]


def test_a_renamed_page_moves_without_embedding(tmp_path: Path) -> None:
    run(index(tmp_path, BOOK))
    moved = replace(BOOK[1], slug="elsewhere/two", source_path="elsewhere/two.md")
    summary, embedder, _ = run(index(tmp_path, [BOOK[0], moved]))
    assert replace(summary, seconds=0) == Summary(2, 5, reused=5, moved=2, published=True)
    assert embedder.texts == []

    async def slugs() -> list[str]:
        store = EdgeStore(tmp_path)
        found = [chunk.slug for chunk in await store.neighbours(4, 1)]
        await store.close()
        return found

    assert run(slugs()) == ["elsewhere/two#part-0", "elsewhere/two#part-1"]


def test_a_removed_page_vanishes(tmp_path: Path) -> None:
    run(index(tmp_path, BOOK))
    summary, embedder, _ = run(index(tmp_path, BOOK[:1]))
    assert (summary.chunks, summary.removed, embedder.texts) == (3, 2, [])
    everything = run(answers(tmp_path, embedder))
    assert "delta delta" not in repr(everything)


def test_a_change_of_order_or_of_a_page_without_chunks_is_published(tmp_path: Path) -> None:
    run(index(tmp_path, BOOK))
    summary, _, _ = run(index(tmp_path, BOOK[::-1]))
    assert (summary.embedded, summary.published) == (0, True)
    summary, _, _ = run(index(tmp_path, [*BOOK[::-1], Page("e.md", "Empty", "empty", ())]))
    assert (summary.embedded, summary.published) == (0, True)


def test_the_plan_is_what_the_run_then_does(tmp_path: Path) -> None:
    run(index(tmp_path, BOOK))
    pages = [*BOOK[1:], page("three", *(f"word{n} " for n in range(100)))]
    content = BookContent("Book", "en", pages, chunk_book(pages))

    async def planned() -> Plan:
        writer = EdgeWriter(tmp_path)
        info = describe(content, HashEmbedder(), sparse)
        todo = await Indexer(content, HashEmbedder(), writer, info, sparse).plan()
        await writer.close()
        return todo

    todo = run(planned())
    assert (len(todo.missing), todo.reused, todo.removed, todo.calls) == (100, 2, 3, 2)
    summary, embedder, _ = run(index(tmp_path, pages))
    assert (summary.embedded, summary.reused, summary.removed, summary.calls) == (100, 2, 3, 2)
    assert max(embedder.sizes) == BATCH


def test_a_failing_service_keeps_what_was_paid_for(tmp_path: Path) -> None:
    old = [page("old", "alpha ")]
    run(index(tmp_path, old))
    big = [page("big", *(f"word{n} " for n in range(3 * BATCH + 10)))]
    failing = HashEmbedder(fail_after=2)
    with pytest.raises(UpstreamTimeout):
        run(index(tmp_path, big, failing))
    assert len(failing.texts) == 2 * BATCH
    assert "'old'" in repr(run(answers(tmp_path, failing))), "the old index goes on serving"

    summary, embedder, shown = run(index(tmp_path, big))
    assert summary.embedded == len(embedder.texts) == BATCH + 10
    assert not {*embedder.texts} & {*failing.texts}
    assert [item.done for item in shown][-1] == BATCH + 10


def test_another_model_embeds_everything_again(tmp_path: Path) -> None:
    run(index(tmp_path, BOOK))
    summary, embedder, _ = run(index(tmp_path, BOOK, HashEmbedder("other", 24)))
    assert (summary.embedded, summary.reused) == (5, 0)
    assert run(answers(tmp_path, embedder)) == run(fresh(tmp_path / "fresh", BOOK, embedder))


def doubled(chunk: Chunk) -> SparseVector:
    """Another rule for words."""
    vector = sparse(chunk)
    return SparseVector(vector.indices, tuple(2 * value for value in vector.values))


def test_another_rule_for_words_embeds_nothing_and_mixes_nothing(tmp_path: Path) -> None:
    run(index(tmp_path / "index", BOOK))
    before = run(answers(tmp_path / "index", HashEmbedder()))
    summary, embedder, _ = run(index(tmp_path / "index", BOOK, rule=doubled))
    assert (summary.embedded, summary.reused, embedder.texts) == (0, 5, [])
    run(index(tmp_path / "fresh", BOOK, rule=doubled))
    after = run(answers(tmp_path / "index", embedder))
    assert after == run(answers(tmp_path / "fresh", embedder)) != before


def test_what_was_staged_under_another_rule_for_words_is_not_embedded_again(
    tmp_path: Path,
) -> None:
    big = [page("big", *(f"word{n} " for n in range(BATCH + 10)))]
    with pytest.raises(UpstreamTimeout):
        run(index(tmp_path / "index", big, HashEmbedder(fail_after=1)))
    summary, embedder, _ = run(index(tmp_path / "index", big, rule=doubled))
    assert (summary.embedded, summary.reused) == (10, BATCH)
    run(index(tmp_path / "fresh", big, rule=doubled))
    assert run(answers(tmp_path / "index", embedder)) == run(answers(tmp_path / "fresh", embedder))


def test_vectors_of_a_wrong_size_are_refused(tmp_path: Path) -> None:
    class Wrong(HashEmbedder):
        async def embed_passages(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
            return [[1.0] * 3 for _ in texts]

    with pytest.raises(ConfigurationError, match="did not return 5 vectors of 16 dimensions"):
        run(index(tmp_path, BOOK, Wrong()))


async def fresh(folder: Path, pages: Sequence[Page], embedder: HashEmbedder) -> list[object]:
    await index(folder, pages, HashEmbedder(embedder.model, embedder.dimensions))
    return await answers(folder, embedder)


@pytest.mark.parametrize("seed", range(4))
def test_after_any_edits_the_index_equals_a_fresh_one(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    words = ["alpha ", "beta ", "gamma ", "delta ", "epsilon ", "zeta "]
    pages = [page(f"p{n}", *rng.choices(words, k=3)) for n in range(4)]
    embedder = HashEmbedder()
    for step in range(8):
        at = rng.randrange(len(pages)) if pages else 0
        match rng.choice(["edit", "add", "remove", "rename", "shuffle", "fail"]):
            case "edit" if pages:
                pages[at] = page(pages[at].slug, *rng.choices(words, k=rng.randrange(1, 5)))
            case "add":
                pages.insert(at, page(f"new{step}", *rng.choices(words, k=2)))
            case "remove" if len(pages) > 1:
                del pages[at]
            case "rename" if pages:
                pages[at] = replace(pages[at], slug=f"moved{step}", source_path=f"m{step}.md")
            case "shuffle":
                rng.shuffle(pages)
            case "fail":
                wide = page(f"wide{step}", *(f"w{step}{n} " for n in range(BATCH + 5)))
                with pytest.raises(UpstreamTimeout):
                    run(index(tmp_path / "index", [*pages, wide], HashEmbedder(fail_after=1)))
        run(index(tmp_path / "index", pages, embedder))
    assert run(answers(tmp_path / "index", embedder)) == run(
        fresh(tmp_path / "fresh", pages, embedder)
    )


def test_the_fingerprint_sees_every_change() -> None:
    def fingerprint(pages: Sequence[Page], title: str = "Book") -> IndexInfo:
        content = BookContent(title, "en", pages, chunk_book(pages))
        return describe(content, HashEmbedder(), sparse)

    assert fingerprint(BOOK) == fingerprint([*BOOK])
    changed = [
        BOOK[::-1],
        BOOK[:1],
        [replace(BOOK[0], title="Other"), BOOK[1]],
        [replace(BOOK[0], slug="other"), BOOK[1]],
        [replace(BOOK[0], language="de"), BOOK[1]],
    ]
    seen = {fingerprint(pages).fingerprint for pages in [BOOK, *changed]}
    assert len(seen) == len(changed) + 1
    assert fingerprint(BOOK, "Title") != fingerprint(BOOK)


def asking(name: str, *headings: str) -> Page:
    return Page(f"{name}.md", name, name, tuple(Section(h, 2, "", (h,), ()) for h in headings))


def test_a_book_begins_with_the_questions_it_asks() -> None:
    book = [
        asking("Start", "Begin"),
        asking("A", "Ways", "What is a way?", "Why another?"),
        asking("B", f"Is a heading {'very ' * 20}long?"),
        asking("C", "這是什麼？"),
    ]
    assert starters(book) == ("What is a way?", "這是什麼？", "Why another?")
    assert starters(book, 2) == ("What is a way?", "這是什麼？"), "other pages come first"
    assert starters([book[0], asking("B", "Why?")]) == ("B",), "one question alone is no choice"
    assert starters([]) == ()


def test_questions_to_begin_with_are_kept_with_the_index(tmp_path: Path) -> None:
    book = [asking("A", "What is it?"), asking("B", "Why?")]

    async def kept() -> IndexInfo | None:
        await index(tmp_path, [page("a", "alpha"), *book])
        store = EdgeStore(tmp_path)
        try:
            return await store.info()
        finally:
            await store.close()

    info = run(kept())
    assert info
    assert info.starters == ("What is it?", "Why?")
