"""Find what a cut-off answer left open, so that it does not swallow the text after it."""

from __future__ import annotations

import re

from rag.answering.code_reader import FencedLines

_DETAILS = re.compile(r"<(/?)details\b", re.IGNORECASE)
_begins_details = re.compile(r"[ \t>]*+</?(?:details|summary)\b", re.IGNORECASE).match


def open_block_end(message: str) -> str:
    """Return what closes the fenced code, comment or `<details>` that a message leaves open."""
    code, comment, details = FencedLines(), False, 0
    for line in message.split("\n"):
        if comment:
            comment = "-->" not in line
        elif code.read(line):
            continue
        elif (start := line.rfind("<!--")) != -1 and line[:start].count("`") % 2 == 0:
            comment = "-->" not in line[start:]
        elif details or _begins_details(line):
            for tag in _DETAILS.finditer(line):
                details = max(0, details + (-1 if tag[1] else 1))
    end = f"\n{code.end}" if code.fence else " -->" if comment else ""
    return end + ("\n" + "\n</details>" * details if details else "")
