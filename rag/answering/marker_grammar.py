"""Regular expressions for citation markers, as language models write them.

The streaming parser in `citation_filter` is built from these.
"""

from __future__ import annotations

import re

OPEN = "[【［"
CLOSE = "]】］"
SPECIAL_IN_CODE = OPEN + "`\\"

_DASH = "[-–—‑]"
_COMMA = "[,;，、；&]"
_NOTE = rf"†[^{CLOSE}{re.escape(OPEN)}\n…]*+"
_ITEM = rf"\^?\d+(?: ?{_DASH} ?\d+)?(?:{_NOTE})?"
_LIST = rf"{_ITEM}(?: ?{_COMMA} ?{_ITEM})*"
_PREFIX = (
    rf"[{re.escape(OPEN)}]{{1,2}} ?(?:{_ITEM} ?{_COMMA} ?)*"
    rf"(?:\^?|\^?\d+ ?|\^?\d+ ?{_DASH} ?\d*|{_ITEM} ?)"
)
"""Any proper prefix of a marker."""

can_grow = re.compile(_PREFIX).fullmatch
"""Whether a text may still become a marker."""
ends_with_prefix = re.compile(rf"{_PREFIX}$").search
is_list = re.compile(rf" ?({_LIST}) ?").fullmatch
numbers_and_ranges = re.compile(rf"(\d+)(?: ?{_DASH} ?(\d+))?(?:{_NOTE})?").findall
is_indexed = re.compile(r"(?<!\w)(?:[a-z]|(?=\w*_)\w+)(?:\[[^\[\]\s]*\])*$").search
"""Whether a text ends with a name like `a` or `max_size`, so that a bracket is an index."""
is_line_start = re.compile(r"\n[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?$").search
is_target = re.compile(r"\((?:https?:|www\.|/|#|\./|\.\./|<)").fullmatch
TARGETS = ("(http:", "(https:", "(www.", "(/", "(#", "(./", "(../", "(<")

next_piece = re.compile(r"[A-Za-z]+|.", re.DOTALL).match
"""The parser's unit of input: a character, or a run of letters, which are never special."""
_SPECIAL = rf" \t(`~\\{re.escape(OPEN)}"
plain_text = re.compile(rf"[ \t]*[^{_SPECIAL}]+(?:[ \t]+[^{_SPECIAL}]+)*").match
"""Text outside code that the parser can copy, up to a space that may belong to a marker."""
