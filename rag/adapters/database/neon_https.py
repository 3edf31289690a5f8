"""One connection to Neon over HTTPS, for hosts that let nothing out on PostgreSQL's port.

Neon's proxy takes SQL at `https://HOST/sql`: the statement and its parameters as text in
JSON, the connection string in a header, and the same in a list as one transaction. The
protocol is the one of its serverless driver: https://github.com/neondatabase/serverless
"""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import select
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from pg8000.converters import PG_TYPES, PY_TYPES, make_params

from rag.adapters.database.postgres_url import Server
from rag.adapters.database.postgres_wire import ServerError, bind

_PIECES = re.compile(r"\$(\w*)\$.*?\$\1\$|'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/|.", re.DOTALL)
"""A quoted part or a comment, whose semicolons end nothing; or any one character."""


class HttpsConnection:
    """Of the same shape as `postgres_wire.Connection`; a kept-alive connection to the proxy."""

    def __init__(self, server: Server, timeout: float) -> None:
        self.sent = False
        self.used_at = time.time()
        user, password = quote(server.user, ""), quote(server.password or "", "")
        self._headers = {
            "Content-Type": "application/json",
            "Neon-Connection-String": f"postgresql://{user}:{password}@{server.host}/"
            f"{quote(server.database, '')}?sslmode=require",
            "Neon-Raw-Text-Output": "true",
            "Neon-Array-Mode": "true",
        }
        self._http = http.client.HTTPSConnection(server.host, server.port, timeout=timeout)
        self._http.connect()

    async def execute(
        self, sql: str, parameters: dict[str, Any], seconds: float
    ) -> list[tuple[Any, ...]]:
        """As `postgres_wire.Connection.execute`; a script goes out as one transaction."""
        self._executing = asyncio.ensure_future(
            asyncio.to_thread(self._execute, sql, parameters, seconds)
        )
        return await asyncio.shield(self._executing)

    async def finish(self) -> None:
        """As `postgres_wire.Connection.finish`."""
        with suppress(ServerError):
            await self._executing

    def _execute(
        self, sql: str, parameters: dict[str, Any], timeout: float
    ) -> list[tuple[Any, ...]]:
        self.sent = False
        if parameters:
            statement, values = bind(sql, parameters)
            return _rows(self._ask({"query": statement, "params": _texts(values)}, timeout))
        queries = [{"query": statement, "params": []} for statement in statements(sql)]
        if len(queries) == 1:
            return _rows(self._ask(queries[0], timeout))
        results = self._ask({"queries": queries}, timeout)["results"]
        return [row for result in results for row in _rows(result)]

    def is_quiet(self) -> bool:
        """Whether nothing waits to be read: the proxy's goodbye to an idle connection does."""
        poll = select.poll()
        poll.register(self._http.sock, select.POLLIN)
        return not poll.poll(0)

    def abandon(self) -> None:
        with suppress(OSError):
            self._http.close()

    def _ask(self, body: dict[str, Any], timeout: float) -> dict[str, Any]:
        text = json.dumps(body, ensure_ascii=False).encode()
        if self._http.sock is not None:
            self._http.sock.settimeout(timeout)
        try:
            self._http.request("POST", "/sql", text, self._headers)
            self.sent = True
            response = self._http.getresponse()
            answer = response.read()
        except http.client.HTTPException as error:
            raise OSError(type(error).__name__) from None
        if response.status == 400:
            refused = json.loads(answer)
            code = str(refused.get("code") or "08P01")
            fatal = refused.get("severity") in ("FATAL", "PANIC") or code.startswith("28")
            fields = {"C": code, "M": str(refused.get("message", ""))}
            raise ServerError({**fields, "V": "FATAL" if fatal else "ERROR"})
        if response.status != 200:
            raise OSError(f"the database's proxy answers {response.status}")
        read: dict[str, Any] = json.loads(answer)
        return read


def statements(script: str) -> Iterator[str]:
    """The statements of a script, without the semicolons between them."""
    statement = ""
    for piece in _PIECES.finditer(f"{script};"):
        if piece[0] != ";":
            statement += piece[0]
        else:
            if re.sub(r"--[^\n]*|\s", "", statement):
                yield statement.strip()
            statement = ""


def _texts(values: tuple[Any, ...]) -> list[str | None]:
    """Parameters as PostgreSQL's own text; UnicodeEncodeError for what is not text."""
    texts: list[str | None] = list(make_params(PY_TYPES, values))
    for text in texts:
        if text is not None:
            text.encode()
    return texts


def _rows(result: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Rows with the types that pg8000 gives them."""
    readers = [PG_TYPES.get(field["dataTypeID"], str) for field in result["fields"]]
    return [
        tuple(None if v is None else read(v) for read, v in zip(readers, row, strict=True))
        for row in result["rows"]
    ]
