"""Find internals that no response may reveal."""

from __future__ import annotations

import re

LEAKS = re.compile(
    r"Traceback|File \"|\.py\b.*line \d|site-packages|/home/|/tmp/|/usr/"
    r"|\b(?:SELECT|INSERT INTO|UPDATE|DELETE FROM) book\.|sqlstate|psycopg|pg8000"
    r"|<<<[A-Z]+ [0-9a-f]{12}|You answer readers of|sk-[\w-]{8,}|-test-key|hunter2"
)
"""A stack trace, a local path, SQL, the model's instructions or a key."""


def leak(text: str) -> str:
    """Return the first leak in a text, or ""."""
    found = LEAKS.search(text)
    return found[0] if found else ""
