"""Compare how many words of each page were read with how many the site shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from rag.errors import NotFound, SourceError
from rag.indexing.link_check import site_address

MISSING_SHARE = 0.25
MISSING_WORDS = 40
"""A page is listed if at least so many of its published words, and that share, were not read."""


class WordCounts(Protocol):
    """A published site whose words can be counted."""

    async def words(self, path: str) -> int:
        """Count the words on the page at a percent-encoded path. Raises NotFound, SourceError."""


async def check_words(read: Mapping[str, tuple[str, int]], site: WordCounts) -> list[str]:
    """Return a sentence for each page on which far more is published than was read.

    `read` maps a slug to the source path and the number of words read. Pages that the site
    does not have are left to the link check.
    """
    sentences = []
    for slug, (path, words) in read.items():
        try:
            published = await site.words(site_address(slug)[0])
        except (NotFound, SourceError):
            continue
        missing = published - words
        if missing >= MISSING_WORDS and missing >= MISSING_SHARE * published:
            sentences.append(f"{path}: {words} words were read of {published} published at /{slug}")
    return sentences
