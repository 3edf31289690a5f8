"""Give every page of a book a language, and choose the pages in one."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from itertools import chain, islice

from rag.errors import SourceError
from rag.language.detect import (
    guess_language,
    languages_by_stop_word,
    primary_subtag,
    stop_word_form,
    stop_words,
)
from rag.models import Page
from sites.source import Book

JUDGED_WORDS = 400
"""Words at the start of a page that show its language."""
MIN_WORDS = 12
MIN_SHARE = 0.18
"""Share of function words from which a text is in their language. Ordinary text has 0.2 to 0.6."""
LEAD = 1.3
"""How many times more function words a text must have than in any other language."""
_TAG = re.compile(r"([a-z]{2,3})((?:-[a-z0-9]{2,8})*)", re.IGNORECASE)
_PROSE = ("paragraph", "list")
_WORD = re.compile(r"`[^`\n]*`|(\w+)")
_LATIN = re.compile(r"[a-zA-Z\u00aa-\u024f\u1e00-\u1eff]")
_WIDE = re.compile(r"[\u1100-\u11ff\u2e80-\ud7ff\uf900-\ufaff]")
"""Letters that say as much as two of other scripts."""
_SCRIPTS = {"CN": "Hans", "SG": "Hans", "TW": "Hant", "HK": "Hant", "MO": "Hant"}
"""Scripts of Chinese by region."""


def language_tag(value: object) -> str:
    """Return a BCP 47 tag in its usual spelling, `pt-BR` for `pt_br`; "" for anything else."""
    if value is False:  # YAML reads `no`, which is Norwegian, as a boolean
        return "no"
    found = _TAG.fullmatch(value.strip().replace("_", "-")) if isinstance(value, str) else None
    if not found:
        return ""
    parts = found[2].split("-")[1:]
    sizes = {2: str.upper, 4: str.title}
    return "-".join([found[1].lower(), *(sizes.get(len(p), str.lower)(p) for p in parts)])


def written_in(page: Page) -> str:
    """Return the language that a page is clearly written in, or ""."""
    blocks = (block for section in page.sections for block in section.blocks)
    texts = (block.text for block in blocks if block.kind in _PROSE)
    found = (match[1] for match in _WORD.finditer("\n".join(texts)) if match[1])
    words = list(islice(found, JUDGED_WORDS))
    text = " ".join(words)
    others = "".join(filter(str.isalpha, _LATIN.sub("", text)))
    if len(others) + len(_WIDE.findall(others)) > len(_LATIN.findall(text)):
        return guess_language(others, "")
    forms = [stop_word_form(word) for word in words]
    users = languages_by_stop_word()
    counts = Counter(chain.from_iterable(users.get(form, ()) for form in forms))
    (best, most), (_, next_most) = (*counts.most_common(2), ("", 0), ("", 0))[:2]
    clear = len(words) >= MIN_WORDS and most >= max(MIN_SHARE * len(words), LEAD * next_most)
    # Single letters are words of some languages, but also names and labels.
    letters = sum(len(form) == 1 and best in users.get(form, ()) for form in forms)
    return best if clear and 2 * letters <= most else ""


def settle_languages(book: Book) -> Book:
    """Return the book with a valid language tag for each page.

    Pages without a language, and those in the book's own, are judged by their text: many sites
    declare English whatever they are written in. Short ones get the language of most others. A
    page in another language than the book's keeps it, since it may not be translated yet.
    """
    if not book.pages:
        return book
    given = [language_tag(page.language) for page in book.pages]
    common, count = Counter(given).most_common(1)[0]
    own = language_tag(book.language) or (common if 2 * count > len(given) else "")
    said = [tag or own for tag in given]
    judged = not own or primary_subtag(own) in stop_words()
    texts = {
        page.source_path: written_in(page)
        for page, tag in zip(book.pages, said, strict=True)
        if judged and primary_subtag(tag) == primary_subtag(own)
    }
    clear = [text for text in texts.values() if text]
    [(most, count)] = Counter(clear).most_common(1) or [("", 0)]
    wins = most and 2 * count >= len(texts if own else clear)
    main = _corrected(own, most) if wins else own or "en"
    tags = (
        _corrected(tag, texts[page.source_path] or main) if page.source_path in texts else tag
        for page, tag in zip(book.pages, said, strict=True)
    )
    pages = (replace(page, language=tag) for page, tag in zip(book.pages, tags, strict=True))
    return replace(book, pages=tuple(pages), language=main)


def _corrected(declared: str, written: str) -> str:
    """Return the declared language, which may name a region, or the one of the text."""
    return declared if primary_subtag(declared) == primary_subtag(written) else written


def in_language(book: Book, tag: str) -> Book:
    """Return the book with the pages in one language, and what is missing of those.

    If there are pages in exactly `pt-BR`, those in `pt` or `pt-PT` are not among them. Raises
    SourceError if there are none.
    """
    wanted = language_tag(tag) or tag
    nearest = max(_closeness(page.language, wanted) for page in book.pages)
    if not nearest:
        there = ", ".join(sorted({page.language for page in book.pages}))
        raise SourceError(f"There are no pages in the language {tag}; there are pages in {there}.")
    pages = tuple(page for page in book.pages if _closeness(page.language, wanted) == nearest)
    others = {page.source_path for page in book.pages} - {page.source_path for page in pages}
    return replace(
        book,
        pages=pages,
        language=pages[0].language,
        reported=tuple(each for each in book.reported if each.source_path not in others),
        losses=tuple(
            loss for loss in book.losses if not loss.pages or not others.issuperset(loss.pages)
        ),
    )


def _closeness(language: str, wanted: str) -> int:
    """Return 3 for the same tag, 2 for a part of it or its script, 1 for its language, else 0."""
    if language == wanted:
        return 3
    if primary_subtag(language) != primary_subtag(wanted):
        return 0
    same_script = _script(wanted) and _script(language) == _script(wanted)
    return 2 if same_script or language.startswith(f"{wanted}-") else 1


def _script(tag: str) -> str:
    """Return `Hant` for `zh-Hant` and `zh-TW`; "" if a tag does not tell."""
    primary, *parts = tag.split("-")
    named = (part for part in parts if len(part) == 4)
    regions = (_SCRIPTS[part] for part in parts if primary == "zh" and part in _SCRIPTS)
    return next(named, next(regions, ""))
