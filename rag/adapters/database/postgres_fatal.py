"""Keep a fatal error that the server sends during a statement.

After such an error the server hangs up, and pg8000 then reports a broken connection instead: an
administrator would be told to look for a network fault where the server has said which limit was
exceeded. pg8000 offers no other way to the message than the method overridden here.
`tests/adapters/test_postgres_faults.py` fails if pg8000 stops calling it.
"""

from __future__ import annotations

from typing import Any

from pg8000.native import Connection, DatabaseError


class Pg8000(Connection):  # type: ignore[misc]
    """pg8000's connection, which also keeps the error that ended it."""

    fatal: DatabaseError | None = None

    def handle_ERROR_RESPONSE(self, data: bytes, context: Any) -> None:
        super().handle_ERROR_RESPONSE(data, context)
        if context.error.args[0].get("V") in ("FATAL", "PANIC"):
            self.fatal = context.error
