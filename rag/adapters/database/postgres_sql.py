"""SQL as text: write parameters into statements, and split scripts into statements.

Parameters become literals because pg8000 runs a statement in one round trip only by the simple
query protocol, which has no bound parameters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from pg8000.native import literal

from rag.errors import StatementRejected

_OPAQUE = r"\$(\w*)\$.*?\$\1\$|'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/"
"""A quoted part or a comment, in which colons and semicolons mean nothing."""
_PARAMETERS = re.compile(rf"{_OPAQUE}|::|:(?P<name>[a-z_]\w*)", re.DOTALL | re.IGNORECASE)
_PIECES = re.compile(rf"{_OPAQUE}|.", re.DOTALL)


def render(sql: str, parameters: Mapping[str, Any]) -> str:
    """Replace each `:name` with the value of that parameter, as a literal.

    Raises StatementRejected for text that PostgreSQL cannot store, TypeError for a missing
    parameter.
    """

    def replace(match: re.Match[str]) -> str:
        if not (name := match["name"]):
            return match[0]
        if name not in parameters:
            raise TypeError(f"parameter {name!r} is missing")
        return _literal(parameters[name])

    if not parameters:
        return sql
    rendered = _PARAMETERS.sub(replace, sql)
    with suppress(UnicodeEncodeError):
        if b"\0" not in rendered.encode():
            return rendered
    raise StatementRejected("a parameter is not valid text", service="postgres", sqlstate="22021")


def _literal(value: Any) -> str:
    """Return a quoted literal without a type, as bound parameters are; NULL, TRUE, FALSE bare."""
    if isinstance(value, bytes):
        value = f"\\x{value.hex()}"  # `literal` would make it a bit string
    elif isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)  # without quotes, -1::smallint would be -(1::smallint)
    text: str = literal(value)
    if "\\" not in text:
        return text
    # Backslashes mean the same in E'' whatever standard_conforming_strings is set to.
    return " E" + text.replace("\\", "\\\\")


def split(script: str) -> Iterator[str]:
    """Yield the statements of a script, without the semicolons between them."""
    statement = ""
    for piece in _PIECES.finditer(f"{script};"):
        if piece[0] != ";":
            statement += piece[0]
        else:
            if re.sub(r"--[^\n]*|\s", "", statement):
                yield statement.strip()
            statement = ""
