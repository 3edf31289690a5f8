"""`--verify`: every link of the index against the site, folder or live."""

from __future__ import annotations

from pathlib import Path

import pytest

import ingest
from rag.adapters.vector_store.edge import EdgeStore
from rag.indexing.link_check import citable_links
from rag.indexing.published import published_chunks
from rag.models import Chunk, IndexInfo
from tests.support.offline import Offline
from tests.support.points import HashEmbedder, run
from tests.support.served_site import folder as pages_of
from tests.support.served_site import html, served

LONG = "It is explained here. " * 40


@pytest.fixture
def book(tmp_path: Path) -> Path:
    source = tmp_path / "book"
    (source / "guide").mkdir(parents=True)
    (source / "README.md").write_text(f"# My Book\n\n{LONG}\n\n## Über uns\n\n{LONG}\n")
    (source / "guide" / "use it.md").write_text(
        f"# Use it\n\n{LONG}\n\n## First step\n\nShort.\n\n## Second step\n\nShort too.\n"
    )
    (source / "guide" / "README.md").write_text(f"# Guide\n\n{LONG}\n")
    return source


@pytest.fixture
def built(tmp_path: Path) -> Path:
    site = tmp_path / "site"
    (site / "guide" / "use it").mkdir(parents=True)
    (site / "index.html").write_text(html("My Book", '<h2 id="über-uns">Über uns</h2>'))
    (site / "guide" / "use it" / "index.html").write_text(
        html("Use it", '<h2><a name="first-step"></a>First</h2><h2 id="second-step">S</h2>')
    )
    (site / "guide.html").write_text(html("Guide", "<p>x</p>"))
    return site


def call(data: Path, *arguments: object, embedder: HashEmbedder | None = None) -> int:
    return ingest.main([str(a) for a in arguments], lambda: Offline(data, embedder))


async def info(data: Path) -> IndexInfo | None:
    store = EdgeStore(data)
    found = await store.info()
    await store.close()
    return found


async def slugs(data: Path) -> set[str]:
    store = EdgeStore(data)
    found = {chunk.slug.partition("#")[0] for chunk in await published_chunks(store)}
    await store.close()
    return found


def test_every_link_is_there(
    tmp_path: Path, book: Path, built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(tmp_path / "d", book) == 0
    capsys.readouterr()
    assert call(tmp_path / "d", "--verify", built) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("Checked 6 links on 3 pages: none is dead.\n", "")
    assert call(tmp_path / "d", "--verify", f"{built}/", "--quiet") == 0
    assert capsys.readouterr().out == ""
    with served(pages_of(built)) as site:
        assert call(tmp_path / "d", "--verify", site.url, "--allow-private") == 0
        assert "none is dead" in capsys.readouterr().out


def test_dead_links_are_listed_with_their_place(
    tmp_path: Path, book: Path, built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(tmp_path / "d", book) == 0
    use = built / "guide" / "use it" / "index.html"
    use.write_text(use.read_text().replace("second-step", "second-steps"))
    (built / "guide.html").rename(built / "Guide.html")
    capsys.readouterr()
    assert call(tmp_path / "d", "--verify", built) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "guide/README.md: /guide#guide - is spelled Guide.html there",
        "guide/use it.md › Second step: /guide/use it#second-step - "
        "the page has no such heading, but #second-steps",
        "Checked 6 links on 3 pages: 2 are dead.",
    ]
    with served(pages_of(built)) as site:
        site.fail(500, path="/guide", times=9)
        assert call(tmp_path / "d", "--verify", site.url, "--allow-private") == 1
    err = capsys.readouterr().err
    assert "guide/README.md: /guide#guide - /guide answered 500." in err
    assert "could not be checked." in err


def test_a_site_below_a_path_from_its_sources_or_read_live(
    tmp_path: Path, book: Path, built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f'<p>{LONG}</p><h2 id="über-uns">Über uns</h2><p>{LONG}</p>'
    (built / "index.html").write_text(html("My Book", text, "use%20it/"))
    (tmp_path / "host").mkdir()
    built.rename(tmp_path / "host" / "guide")  # a page of the book is called so too
    with served(pages_of(tmp_path / "host")) as host:
        verify = ("--verify", f"{host.url}/guide/", "--allow-private")
        assert call(tmp_path / "d", book, *verify) == 0
        assert "none is dead" in capsys.readouterr().out
        assert call(tmp_path / "l", f"{host.url}/guide/", "--allow-private") == 0
        assert {slug.partition("/")[0] for slug in run(slugs(tmp_path / "l"))} == {"guide"}
        assert call(tmp_path / "l", *verify) == 0
        assert "none is dead" in capsys.readouterr().out


def test_a_site_without_slashes_at_the_end(tmp_path: Path, built: Path) -> None:
    chunks = [
        Chunk("1", "t", "T", "", "guide/", "g.md", 0),
        Chunk("2", "t", "T", "", "", "i.md", 1),
    ]
    from rag.indexing.link_check import check_links
    from sites.published_site import BuiltFolder

    verdict = run(check_links(chunks, BuiltFolder(built)))
    assert [str(dead) for dead in verdict.problems] == [
        "g.md: /guide/ - is served at guide.html, without a trailing slash"
    ]


def test_another_site_is_hinted_at(
    tmp_path: Path, book: Path, built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(tmp_path / "d", book, "--base-path", "docs") == 0
    assert call(tmp_path / "d", "--verify", built) == 1
    err = capsys.readouterr().err
    assert "guide/use it.md: /docs/guide/use it - there is no such page (3 links)\n" in err
    assert "6 are dead. Since all links are dead" in err


def test_strict_changes_nothing_where_a_link_is_dead(
    tmp_path: Path, book: Path, built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(tmp_path / "d", book, "--verify", built, "--strict") == 0
    before = run(info(tmp_path / "d"))
    (book / "new.md").write_text("# New\n\nText.\n")
    embedder = HashEmbedder()
    assert call(tmp_path / "d", book, "--verify", built, "--strict", embedder=embedder) == 1
    _, err = capsys.readouterr()
    assert "new.md: /new#new - there is no such page" in err
    assert "Nothing was changed" in err
    assert embedder.texts == []
    assert run(info(tmp_path / "d")) == before
    assert call(tmp_path / "d", book, "--verify", built) == 0, "without --strict it is a warning"
    assert "1 is dead" in capsys.readouterr().err
    assert run(info(tmp_path / "d")) != before


@pytest.mark.parametrize("arguments", [[], ["--strict"], ["--max-pages", "0", "b"]])
def test_usage(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        ingest.main(arguments)
    assert stopped.value.code == 2


def test_what_there_is_nothing_to_verify_with(
    tmp_path: Path, book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(tmp_path / "d", "--verify", tmp_path) == 1
    assert "There is no index yet" in capsys.readouterr().err
    assert call(tmp_path / "d", book) == 0
    for site, said in (
        (tmp_path / "none", "There is no folder"),
        (book, "There is no HTML"),
        ("http://127.0.0.1:9/", "--allow-private"),
    ):
        assert call(tmp_path / "d", "--verify", site) == 1
        assert said in capsys.readouterr().err


def test_every_heading_of_a_chunk_is_a_link() -> None:
    text = "a\n\n### Two\n\nb\n\n### Three\n\nc"
    chunk = Chunk("1", text, "T", "One", "p#one", "p.md", 0, "en", ("two", "three"))
    assert [(link.slug, link.section) for link in citable_links([chunk, chunk])] == [
        ("p#one", "One"),
        ("p#two", "One › Two"),
        ("p#three", "One › Three"),
    ]
