"""`python ingest.py https://…`: the index's life with a live site as its source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import ingest
from rag.adapters.vector_store.edge import EdgeStore
from rag.indexing.published import carry_over, published_chunks
from rag.models import Chunk, IndexInfo
from sites import fetch
from tests.support.offline import Offline
from tests.support.points import HashEmbedder, run
from tests.support.served_site import Content, Served, html, served, sitemap

LONG = "It is explained here. " * 40


def page(name: str) -> str:
    body = f'<p>{name} first. {LONG}</p><h2 id="more">More</h2><p>{name} more. {LONG}</p>'
    return html(name.title(), body, "/one/", "/two/", "/three/")


PAGES: dict[str, Content] = {
    "/": page("start"),
    "/one/": page("one"),
    "/two/": page("two"),
    "/three/": page("three"),
    "/sitemap.xml": sitemap("/", "/one/", "/two/", "/three/"),
}


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    impatient = replace(fetch.Limits(), delay=0.0, backoff=0.01)
    monkeypatch.setattr(fetch, "Limits", lambda **given: replace(impatient, **given))
    with served(PAGES) as site:
        yield site


def call(data: Path, *arguments: object, embedder: HashEmbedder | None = None) -> int:
    return ingest.main([str(a) for a in arguments], lambda: Offline(data, embedder))


async def state(data: Path) -> tuple[IndexInfo | None, list[Chunk], list[str]]:
    store = EdgeStore(data)
    found = await store.info(), await published_chunks(store), [s for s, _ in await store.pages()]
    await store.close()
    return found


def test_a_site_is_indexed_and_updated(
    tmp_path: Path, site: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    where = (f"{site.url}/", "--allow-private")
    assert call(tmp_path, *where) == 0
    out, err = capsys.readouterr()
    assert out.startswith("My Book: 4 pages (site), 8 chunks\n")
    assert "read 4 of 4 pages" in err
    info, chunks, slugs = run(state(tmp_path))
    assert info is not None
    assert (info.site_url, info.book_title) == (site.url, "My Book")
    assert [chunk.slug for chunk in chunks][:3] == ["#start", "#more", "one/#one"]
    assert [chunk.order_index for chunk in chunks] == list(range(8))
    assert slugs == ["", "one/", "two/", "three/"]

    assert call(tmp_path, *where) == 0
    assert "Nothing has changed" in capsys.readouterr().out
    site.pages["/two/"] = page("two").replace("two more", "two much more")
    del site.pages["/three/"]
    assert call(tmp_path, *where, "--verify", site.url, "--strict") == 0
    out, err = capsys.readouterr()
    assert f"{site.url}/three/ answered 404." in err
    assert "Checked 6 links on 3 pages: none is dead." in out
    assert ": 1 embedded in 1 call, 5 reused (0 moved), 3 removed." in out


def test_without_the_flag_this_machine_is_not_read(
    tmp_path: Path, site: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(tmp_path, site.url) == 1
    assert "--allow-private" in capsys.readouterr().err
    assert site.requests == []


def test_a_page_that_fails_keeps_its_place_in_the_index(
    tmp_path: Path, site: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    where = (site.url, "--allow-private")
    assert call(tmp_path, *where) == 0
    before = run(state(tmp_path))
    capsys.readouterr()
    site.fail(500, path="/one/", times=9)
    embedder = HashEmbedder()
    assert call(tmp_path, *where, embedder=embedder) == 0
    _, err = capsys.readouterr()
    assert f"{site.url}/one/ answered 500." in err
    assert "What the index has of 1 page that could not be read this time stays." in err
    assert embedder.texts == []
    after = run(state(tmp_path))
    assert after[1] == before[1]
    assert set(after[2]) == set(before[2]), "the preview has it too"
    site.heal()
    assert call(tmp_path, *where) == 0
    assert run(state(tmp_path))[0] == before[0]


def test_a_site_that_disappears_changes_nothing(
    tmp_path: Path, site: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(tmp_path, site.url, "--allow-private") == 0
    before = run(state(tmp_path))
    capsys.readouterr()
    for path in ("/one/", "/two/", "/three/"):
        site.fail("reset", path=path, times=99)
    assert call(tmp_path, site.url, "--allow-private") == 1
    out, err = capsys.readouterr()
    assert (out, "The current index is unchanged." in err) == ("", True)
    assert run(state(tmp_path)) == before


def test_another_book_leaves_nothing_of_the_one_before(tmp_path: Path, site: Served) -> None:
    folder = tmp_path / "book"
    folder.mkdir()
    (folder / "a.md").write_text("# A\n\nOf the folder.\n")
    assert call(tmp_path / "d", folder) == 0
    site.fail(500, path="/one/", times=9)
    assert call(tmp_path / "d", site.url, "--allow-private") == 0
    assert "Of the folder" not in repr(run(state(tmp_path / "d"))[1])


def test_max_pages(tmp_path: Path, site: Served, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(tmp_path, site.url, "--allow-private", "--max-pages", 1) == 0
    out, err = capsys.readouterr()
    assert "was read up to the limit of 1 pages; 3 more pages were found and not read." in err
    assert out.startswith("Start: 1 page (site)")


def chunk(source: str, text: str, at: int = 0) -> Chunk:
    return Chunk(text, text, source, "", source, source, at)


def test_one_language(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pages: dict[str, Content] = {
        "/": page("start"),
        "/de/": html("Anfang", f"<p>Hier. {LONG}</p>", language="de-DE"),
        "/sitemap.xml": sitemap("/", "/de/"),
    }
    with served(pages) as site:
        where = (f"{site.url}/", "--allow-private", "--language")
        assert call(tmp_path, *where, "fr") == 1
        assert (
            "no pages in the language fr; there are pages in de-DE, en" in capsys.readouterr().err
        )
        assert call(tmp_path, *where, "de") == 0
    info, chunks, _ = run(state(tmp_path))
    assert info
    assert (info.language, {chunk.language for chunk in chunks}) == ("de-DE", {"de-DE"})


def test_carried_pages_stand_where_they_stood() -> None:
    old = [chunk(name, f"{name}{n}", 9) for name in "abcd" for n in range(2)]
    new = [chunk("d", "d0"), chunk("a", "a0"), chunk("a", "changed"), chunk("e", "e0")]
    merged = carry_over(new, old, {"b", "x"})
    assert [c.chunk_id for c in merged] == ["d0", "a0", "changed", "b0", "b1", "e0"]
    assert [c.order_index for c in merged] == list(range(6))
    assert [c.chunk_id for c in carry_over([chunk("e", "b0")], old, {"b"})] == ["b1", "b0"]
