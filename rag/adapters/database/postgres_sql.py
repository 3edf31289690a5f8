"""SQL as text: statements with their parameters written in, and scripts cut into statements.

Parameters are written into the statement because the simple query protocol, the only one that
pg8000 offers in a single round trip, has no place for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from pg8000.native import literal

from rag.errors import StatementRejected

_OPAQUE = r"\$(\w*)\$.*?\$\1\$|'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/"
"""A quoted part or a comment: what looks like a parameter or a semicolon there is not one."""
_PARAMETERS = re.compile(rf"{_OPAQUE}|::|:(?P<name>[a-z_]\w*)", re.DOTALL | re.IGNORECASE)
_PIECES = re.compile(rf"{_OPAQUE}|.", re.DOTALL)


def render(sql: str, parameters: Mapping[str, Any]) -> str:
    """Replace each `:name` by the value of that parameter.

    Raises StatementRejected for text that PostgreSQL cannot hold, TypeError for a parameter
    that is missing.
    """

    def replace(match: re.Match[str]) -> str:
        if not (name := match["name"]):
            return match[0]
        if name not in parameters:
            raise TypeError(f"the statement has a parameter {name!r}, which is missing")
        return _literal(parameters[name])

    if not parameters:
        return sql
    rendered = _PARAMETERS.sub(replace, sql)
    with suppress(UnicodeEncodeError):
        if b"\0" not in rendered.encode():
            return rendered
    raise StatementRejected("a parameter is not valid text", service="postgres", sqlstate="22021")


def _literal(value: Any) -> str:
    """Quoted and without a type, as a bound parameter is, except for NULL, TRUE and FALSE."""
    if isinstance(value, bytes):
        value = f"\\x{value.hex()}"  # pg8000 would make it a bit string
    elif isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)  # without quotes, -1::smallint would be -(1::smallint)
    text: str = literal(value)
    if "\\" not in text:
        return text
    # Backslashes mean the same in E'' whatever standard_conforming_strings is set to.
    return " E" + text.replace("\\", "\\\\")


def split(script: str) -> Iterator[str]:
    """The statements of a script, without the semicolons between them."""
    statement = ""
    for piece in _PIECES.finditer(f"{script};"):
        if piece[0] != ";":
            statement += piece[0]
        else:
            if re.sub(r"--[^\n]*|\s", "", statement):
                yield statement.strip()
            statement = ""
