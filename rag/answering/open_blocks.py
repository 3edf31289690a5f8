"""Find what a cut-off answer left open, so that it does not swallow the text after it."""

from __future__ import annotations

import re

_fence = re.compile(
    r"([ \t>]*+(?:(?:[-*+]|\d{1,9}[.)])[ \t]++)*+)(`{3,}(?=[^`]*$)|~{3,}+)(.*)"
).fullmatch
_marker = re.compile(r"[^ \t>]")
_DETAILS = re.compile(r"<(/?)details\b", re.IGNORECASE)
_begins_details = re.compile(r"[ \t>]*+</?(?:details|summary)\b", re.IGNORECASE).match


def open_block_end(message: str) -> str:
    """Return what closes the fenced code, comment or `<details>` that a message leaves open."""
    fence = prefix = ""
    comment = False
    details = 0
    for line in message.split("\n"):
        if fence:
            found = _fence(line)
            if found and found[2].startswith(fence) and not found[3].strip():
                fence = ""
        elif comment:
            comment = "-->" not in line
        elif found := _fence(line):
            prefix, fence = _marker.sub(" ", found[1]), found[2]
        elif (start := line.rfind("<!--")) != -1 and line[:start].count("`") % 2 == 0:
            comment = "-->" not in line[start:]
        elif details or _begins_details(line):
            for tag in _DETAILS.finditer(line):
                details = max(0, details + (-1 if tag[1] else 1))
    end = f"\n{prefix}{fence}" if fence else " -->" if comment else ""
    return end + ("\n" + "\n</details>" * details if details else "")
