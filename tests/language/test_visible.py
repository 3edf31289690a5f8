"""Texts without what nobody can see, and their normal forms in linear time."""

from __future__ import annotations

import ast
import sys
import time
import unicodedata

import pytest

from rag.language.visible import MAX_MARKS, normalize, tidy, visible
from tests.support.patterns import modules

MARKS = [
    chr(code)
    for code in range(sys.maxunicode + 1)
    if not 0xD800 <= code <= 0xDFFF
    and all(map(unicodedata.combining, unicodedata.normalize("NFKD", chr(code))))
]
"""All characters that normalizing sorts. Some, such as U+0F73, are decomposed into others first."""


def test_every_mark_is_limited() -> None:
    long = [mark for mark in MARKS if len(normalize("NFC", f"a{mark * 100}")) > 3 * MAX_MARKS]
    assert [hex(ord(mark)) for mark in long] == []


@pytest.mark.parametrize(
    "mark", ["\u0301", "\u0301\u0316", "\u0f73", "\u0344", "\uff9e", "\u0f81a"]
)
def test_long_runs_of_marks_are_normalized_quickly(mark: str) -> None:
    begin = time.thread_time()
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        normalize(form, f"a{mark * 20_000}")
    tidy(mark * 20_000)
    assert time.thread_time() - begin < 2


@pytest.mark.parametrize(
    "text", ["naïve", "ก้ำ", "हिन्दी", "שָׁלוֹם", "ｶﾞｷﾞ", "한국어", "བོད་ཡིག", "e" + "\u0301" * MAX_MARKS]
)
def test_language_is_not_changed(text: str) -> None:
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert normalize(form, text) == unicodedata.normalize(form, text)


def test_nobody_else_normalizes() -> None:
    """`unicodedata.normalize` alone takes quadratic time."""
    callers = {
        name
        for name, path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "unicodedata.normalize"
    }
    assert callers == {"rag.language.visible"}


def test_no_character_that_cannot_be_seen_counts_as_plain() -> None:
    codes = [*range(0x300), *range(0x2000, 0x2060)]
    unseen = [chr(c) for c in codes if unicodedata.category(chr(c)) in ("Cc", "Cf", "Zl", "Zp")]
    assert len(unseen) > 70
    for character in set(unseen) - set("\t\n"):
        assert character not in visible(f"a{character}b")
