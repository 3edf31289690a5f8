"""Where citations link to, as the service runs and the book says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rag.embedded.qdrant import EdgeStore
from rag.settings import Settings
from rag.sources import site_of
from rag.types import IndexInfo
from tests.points import INFO, point, run, write

BOOK = "https://book.dev/docs"
PREVIEW = "http://localhost:7860/book"


async def site(folder: Path, settings: Settings, info: IndexInfo | None) -> str:
    if info:
        await write(folder, [point(0)], info)
    store = EdgeStore(folder)
    found = await site_of(settings, store)
    await store.close()
    return found


@pytest.mark.parametrize(
    ("settings", "named", "expected"),
    [
        ({}, BOOK, PREVIEW),
        ({"host": "0.0.0.0"}, BOOK, BOOK),
        ({"platform": "VERCEL"}, BOOK, BOOK),
        ({"qdrant_url": "https://q.dev"}, BOOK, BOOK),
        ({"platform": "SPACE_ID", "space_host": "a.hf.space"}, BOOK, BOOK),
        ({"platform": "SPACE_ID", "space_host": "a.hf.space"}, "", "https://a.hf.space/book"),
        ({"platform": "VERCEL"}, None, PREVIEW),
        ({"platform": "VERCEL", "site_url": "https://set.dev"}, BOOK, "https://set.dev"),
        ({"site_url": "https://set.dev"}, BOOK, "https://set.dev"),
    ],
)
def test_where_citations_link_to(
    tmp_path: Path, settings: dict[str, Any], named: str | None, expected: str
) -> None:
    info = None if named is None else replace(INFO, site_url=named)
    assert run(site(tmp_path, Settings(**settings), info)) == expected
