"""Find what a cut-off answer left open, so that it does not swallow the text after it."""

from __future__ import annotations

import re

_fence = re.compile(
    r"([ \t>]*+(?:(?:[-*+]|\d{1,9}[.)])[ \t]++)*+)(`{3,}(?=[^`]*$)|~{3,}+)(.*)"
).fullmatch
_marker = re.compile(r"[^ \t>]")


def open_block_end(message: str) -> str:
    """Return what closes the fenced code or comment that is open at the end of a message."""
    fence = prefix = ""
    comment = False
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
    return f"\n{prefix}{fence}" if fence else " -->" if comment else ""
