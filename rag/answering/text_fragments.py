"""Build links to the exact sentence on a page.

A text fragment, `#anchor:~:text=start,end`, makes a browser scroll to a text and highlight it
(https://wicg.github.io/scroll-to-text-fragment/). Browsers without support go to the anchor. For a
match:

- `start` and `end` must each be within one block of the page. They are taken from one sentence of a
  paragraph or list item, never from code, tables or headings.
- They must start and end at word boundaries and match the page's text exactly. Site generators turn
  `--` into a dash and `...` into an ellipsis, and render formulas. Words with such characters are
  used only between `start` and `end`, where nothing is compared.
- The first match on the page wins, so a term must be long enough to be rare.
- `-`, `,` and `&` are syntax. They are percent-encoded, as is everything that is not a letter or
  digit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from heapq import nsmallest
from urllib.parse import quote as percent_encode

from rag.answering.urls import address
from rag.language.sentences import sentences

_WHOLE_SENTENCE = 72
"""A sentence up to this width is matched as a whole."""
_MIN_END = 28
"""Minimum width of `start` and `end` of a longer sentence."""
_MIN_TERM = 12
"""Minimum width of any term. Shorter terms could match anywhere."""

LONGEST_BLOCK = 2000
"""Longer blocks keep their Markdown. A passage is shorter."""
_MOST_TRIED = 50
"""Sentences that are tried, nearest to the claim first."""
_LONGEST_SENTENCE = 2000
"""Characters of a sentence that are read for its terms."""

_FENCE = re.compile(r"^[ \t>]*(`{3,}|~{3,}).*?(?:^[ \t>]*\1[`~]*[ \t]*$|\Z)", re.M | re.S)
_NO_PROSE = re.compile(r"^[ \t>]*(?:\||#{1,6} |:{3,}|!!! |\?\?\? |import |export |<|={3,}$|-{3,}$)")
_BULLET = re.compile(r"^[ \t>]*(?:(?:[-*+•]|\d{1,9}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?)?")
_MARKUP = (
    (re.compile(r"!\[[^\]]*\]\([^)\s]*\)"), "\0"),
    (re.compile(r"\[([^\[\]]+)\]\([^)]*\)"), r"\1"),
    (re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<![\w*])([*_])(?=[^\s*_])([^*_]+?)(?<=[^\s*_])\1(?![\w*])"), r"\2"),
    (re.compile(r"(?<!`)(`++)(.+?)(?<!`)\1(?!`)"), r"\2"),
)
_CLAUSE = "、。，．；：！？「」『』（）"
_WORD = re.compile(rf"[^\s{_CLAUSE}]+")
_UNRELIABLE = re.compile(
    r"--|\.\.|[<>$\\{}|*~^\0…]|\[\d|\((?:c|r|tm)\)|^:\w+:$|[^\W\d_]_\b|`", re.I
)
_INNER = re.compile(r"[^\W_](?:.*[^\W_])?", re.S)
_WIDE = re.compile(r"[\u1100-\u11ff\u2e80-\ua4cf\uac00-\ud7ff\uf900-\ufaff\uff00-\uffef]")


def citation_url(site_url: str, slug: str, quote: str, claim: str = "", above: str = "") -> str:
    """Return the URL of `slug` (`path#anchor`) on the site, highlighting a sentence of `quote`.

    `quote` is a passage or part of one, as plain text or Markdown. The sentence that shares the
    most words with `claim` is highlighted. If no sentence can be matched, the URL ends with the
    anchor. `above` is the text known to precede the quote on the page, such as headings. Without a
    site there is no URL.
    """
    if not site_url:
        return ""
    return address(site_url, slug, text_directive(quote, claim, above))


def text_directive(quote: str, claim: str = "", above: str = "") -> str:
    """Return `text=start[,end]` for the sentence of `quote` nearest to `claim`, or "".

    `start` must not occur in `above` or earlier in the quote, where it would match first. A claim
    that is itself a sentence of the quote stands for no other sentence.
    """
    found = plain_sentences(quote)
    wanted = words(claim)
    shared = [len(wanted & held) / (8 + len(held)) for held in map(words, found)]
    nearest_first = nsmallest(_MOST_TRIED, range(len(found)), key=lambda i: -shared[i])
    for i in [found.index(claim)] if claim in found else nearest_first:
        if terms := _terms(found[i], " ".join((above, *found[:i])).casefold()):
            return "text=" + ",".join(map(_encode, terms))
    return ""


@lru_cache(maxsize=64)
def plain_sentences(text: str) -> tuple[str, ...]:
    """Split the paragraphs and list items of `text` into sentences, without Markdown."""
    return tuple(_sentences(text))


def _sentences(text: str) -> Iterator[str]:
    for block in _blocks(text):
        for pattern, replacement in _MARKUP if len(block) <= LONGEST_BLOCK else ():
            block = pattern.sub(replacement, block)
        for sentence in sentences(block):
            yield " ".join(sentence.split())


def _blocks(text: str) -> Iterator[str]:
    lines: list[str] = []
    for line in [*_FENCE.sub("\n", text).splitlines(), ""]:
        bullet = _BULLET.match(line)
        content = line[bullet.end() :] if bullet else line
        prose = bool(content.strip()) and not _NO_PROSE.match(line)
        if lines and (not prose or (bullet and bullet[0].strip(" \t>"))):
            yield " ".join(lines)
            lines = []
        if prose:
            lines.append(content)


def _terms(sentence: str, before: str) -> tuple[str, ...]:
    """Return the whole sentence, or its first and last words, or () if neither is reliable.

    `before` is the preceding text, case-folded, which must not contain the first term.
    """
    runs: list[list[re.Match[str]]] = [[]]
    for word in _WORD.finditer(sentence):
        if word.end() > _LONGEST_SENTENCE:
            break
        if _UNRELIABLE.search(word[0]):
            runs.append([])
        else:
            runs[-1].append(word)
    whole = _between(runs[0]) if len(runs) == 1 else ""
    if whole and _width(whole) <= _WHOLE_SENTENCE:
        return (whole,) if _width(whole) >= _MIN_TERM and whole.casefold() not in before else ()
    runs = [run for run in runs if _width(_between(run)) >= _MIN_TERM]
    if not runs:
        return ()
    first, last = runs[0], runs[-1]
    head = _shortest(first[:n] for n in range(1, len(first) + 1))
    while len(head) < len(first) and _between(head).casefold() in before:
        head = first[: len(head) + 1]
    tail = _shortest(last[-n:] for n in range(1, len(last) + 1))
    if _between(head).casefold() in before:
        return ()
    if head[-1].end() > tail[0].start():
        return (_between(first),)
    return _between(head), _between(tail)


def _shortest(runs: Iterable[list[re.Match[str]]]) -> list[re.Match[str]]:
    """Return the first run that is wide enough for a term, or the last run."""
    run: list[re.Match[str]] = []
    for run in runs:
        if _width(_between(run)) >= _MIN_END:
            break
    return run


def _between(words: list[re.Match[str]]) -> str:
    """Return the text from the first to the last word, without punctuation at the ends."""
    found = _INNER.search(words[0].string, words[0].start(), words[-1].end()) if words else None
    return found[0] if found else ""


@lru_cache(maxsize=1024)
def words(text: str) -> frozenset[str]:
    """Return words of three or more letters, and letter pairs in scripts without spaces."""
    text = text.casefold()
    pairs = frozenset(text[m.start() : m.start() + 2] for m in _WIDE.finditer(text))
    return pairs | frozenset(w for w in re.findall(r"\w{3,}", text) if not _WIDE.search(w))


def _width(term: str) -> int:
    """Count characters, with those of scripts without spaces counting twice."""
    return len(term) + len(_WIDE.findall(term))


def _encode(term: str) -> str:
    return percent_encode(term, safe="").replace("-", "%2D")
