"""Pages on which far more is published than was read."""

from __future__ import annotations

import asyncio
from pathlib import Path

from rag.indexing.link_check import check_words
from sites.published_site import open_site
from tests.support.served_site import served

FULL = (
    "<html><main><h1>A</h1><p>" + "word " * 100 + "</p></main><nav>" + "x " * 500 + "</nav></html>"
)
READ = {
    "a/": ("a.md", 20),
    "b/": ("b.md", 95),
    "c/": ("c.md", 1),
}


def check(where: str) -> list[str]:
    async def run() -> list[str]:
        async with open_site(where, allow_private=True, slugs=READ) as site:
            return await check_words(READ, site)

    return asyncio.run(run())


def test_a_built_folder_and_a_live_site(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text(FULL)
    expected = ["a.md: 20 words were read of 101 published at /a/"]
    assert check(str(tmp_path)) == expected
    with served({"/a/": FULL, "/b/": FULL}) as site:
        assert check(site.url) == expected


def test_a_short_page_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/index.html").write_text("<main>" + "word " * 59 + "</main>")
    assert check(str(tmp_path)) == []
