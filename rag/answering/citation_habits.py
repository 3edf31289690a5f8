"""Read the markers that chat models write instead of `[n]`: each family of them is a pattern.

Only the text of a model is read so. Quotations of the book are not, where `10²` and `(source 2)`
mean something else.
"""

from __future__ import annotations

import re

from rag.answering import marker_grammar as grammar
from rag.answering.citation_filter import CitationFilter
from rag.answering.marker_grammar import COMMA, DASH, LABEL, LABEL_BEGUN, NOTE, beginnings

AHEAD = 400
"""Characters behind a marker that decide how it is written."""
_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_DIGITS = str.maketrans(_RAISED + "⁻–", "0123456789--")
_TAGS = ("sup", "cite", "ref", "source", "citation")

_ANOTHER = rf"(?:{LABEL})?\d"
_WORDS = rf"""(?=[^\W\d_]|["'“‘«§])(?:(?![,;] ?{_ANOTHER})[^][【】［］()\n…]){{1,60}}+"""
_TITLE = rf"(?: ?[:：|–—-] ?|, )(?!{_ANOTHER}|and \d){_WORDS}"
"""The title of a passage, or a place in it, behind a number with a label."""
_PLACE = rf"(?:: | ?\| |, ?(?=(?:p|pp|pages?|sections?|chapters?|lines?|§)\.? ?\d)){_WORDS}"
"""The same behind a bare number, where a comma is more often that of a list."""
_FILE = rf":\d{{1,3}}{NOTE}"
_RANGE = rf"\d{{1,4}}(?: ?{DASH} ?\d{{1,4}})?"


_LABELS = rf"(?:{LABEL}){{0,2}}(?:(?i:n[or])\.? ?|[#№] ?)?"
_LABEL_BEGUN = rf"(?:{LABEL}){{0,2}}(?:{LABEL_BEGUN}|(?i:n[or]?)\.? ?|[#№] ?)"
_LABELLED = rf"(?={LABEL}){_LABELS}{_RANGE}(?:{NOTE}|{_TITLE})?"
_ITEM = rf"(?:{_LABELLED}|{_RANGE}(?:{NOTE}|{_FILE}|{_PLACE})?)"
_NEXT = rf"(?:(?:, and |{COMMA}){_ITEM}){{0,7}}"
_NUMBERS = r"\d{1,3}(?: ?[,;] ?\d{1,3}){0,7}"
_SEE_WORDS = ("see ", "cf. ", "siehe ", "vgl. ", "voir ", "véase ", "ver ", "vedi ", "zie ")
_SEE = rf"(?i:{'|'.join(map(re.escape, _SEE_WORDS))})?"
FAMILIES = {
    "titles": rf"[\[【［]{{1,2}} ?{_SEE}{_ITEM}{_NEXT} ?[]】］]{{1,2}}",
    "brackets in brackets": rf"\[(?:{LABEL})\[{_NUMBERS}\]\]",
    "brackets with carets": rf"\^\[{_NUMBERS}\]\^?|\[\^{_NUMBERS}\^\]",
    "parentheses": rf"[(（]{_SEE}{_LABELLED}{_NEXT}[)）]",
    "tags": rf"<(?P<tag>{'|'.join(_TAGS)})>\[?{_NUMBERS}\]?</(?P=tag)>",
    "raised digits": rf"⁽?[{_RAISED}]{{1,3}}(?:[⁻–][{_RAISED}]{{1,2}})?⁾?|\^{_NUMBERS}\^",
}
_habit = re.compile("|".join(FAMILIES.values())).match
_begun = re.compile(
    rf"(?:[\[【［]{{1,2}} ?|[(（]){_SEE}(?:{_LABEL_BEGUN}"
    rf"|{_LABELS}\d[^][【】［］()（）\n]{{0,99}}(?:†[^][】【［］\n]{{0,300}})?)"
    rf"|[\[【［(（](?i:{'|'.join(map(beginnings, _SEE_WORDS))})"
    rf"|\[(?:{LABEL})\[[\d,; ]{{0,40}}\]?|\[\^[\d,; ]{{0,40}}\^?"
    rf"|\^(?:\[[\d,; ]{{0,40}}\]?|[\d,; ]{{0,40}})"
    rf"|<(?:{'|'.join(map(beginnings, _TAGS))})"
    rf"|<(?:{'|'.join(_TAGS)})>[][\d,; ]{{0,40}}(?:</?[a-z]{{0,8}})?"
    rf"|⁽?[{_RAISED}]{{0,3}}[⁻–]?[{_RAISED}]{{0,2}}"
).fullmatch
"""Whether a text may be the beginning of a marker."""
_numbers = re.compile(rf"(\d+)(?: ?{DASH} ?(\d+))?(?:{NOTE}|{_FILE}|{_TITLE})?").findall
_is_exponent = re.compile(
    rf"[\d)}}⁺⁻{_RAISED}]$|=\s?\w{{1,6}}$|(?<![^\W_])(?:[A-Za-zͰ-Ͽ]|[cdkmnµμ]?m|ft|in|yd|mi|px|m?sec"
    r"|sin|cos|tan|log|ln)$|\\$"
).search
"""Whether raised digits are an exponent: behind a number, a letter, a unit or a function. Behind a
backslash, no sign begins a marker."""
_SPECIAL = rf" \t(（`~\\\[【［<^⁽{_RAISED}"


class ModelCitations(CitationFilter):
    """Normalizes the citation markers of a streamed answer of a chat model."""

    _plain_text = staticmethod(re.compile(rf"[ \t]*[^{_SPECIAL}]+(?:[ \t]+[^{_SPECIAL}]+)*").match)

    def _markers(self, text: str, at: int, final: bool) -> int:
        before = grammar.lead(text, at)[0]  # type: ignore[index]  # it matches nothing, too
        for start in dict.fromkeys((at + len(before.rstrip("(")), at + len(before))):
            is_raised = text[start : start + 1] in (*"<^⁽", *_RAISED)
            if start == at and (_is_exponent if is_raised else grammar.is_indexed)(self._tail):
                return self._copy(text, at, at + 1)
            if not final and _begun(text, start):
                return at
            if found := _habit(text, start):
                return self._respelled(text, at, start, found, final)
        return super()._markers(text, at, final)

    def _respelled(self, text: str, at: int, start: int, found: re.Match[str], final: bool) -> int:
        """Process a marker as if it were written `[n]`."""
        written = f"{text[at:start]}[{', '.join(self._items(found[0]))}]"
        rest = text[found.end() : found.end() + AHEAD]
        is_end = final and found.end() + len(rest) == len(text)
        end = super()._markers(written + rest, 0, is_end)
        return found.end() + end - len(written) if end >= len(written) else at + end

    def _items(self, written: str) -> list[str]:
        raised = written.strip("⁽⁾").translate(_DIGITS)
        if written[0] in _RAISED + "⁽" and raised.isdigit() and int(raised) > self._highest:
            return list(raised)  # ¹² are two
        return [f"{a}-{b}" if b else a for a, b in _numbers(raised)]
