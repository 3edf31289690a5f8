"""One connection to Neon over HTTPS, for hosts that block PostgreSQL's port.

Neon's proxy accepts SQL at `https://HOST/sql`: a statement in JSON, the connection string in
a header; a list of statements is one transaction. Its serverless driver uses the same protocol: https://github.com/neondatabase/serverless
"""

from __future__ import annotations

import http.client
import json
import re
import select
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

from pg8000 import native

from rag.adapters.database.postgres_sql import split
from rag.adapters.database.postgres_url import Server
from rag.adapters.database.postgres_wire import ConnectionLost, ServerError, Unreadable

_SETTINGS = ("SET LOCAL DateStyle = 'ISO, MDY'", "SET LOCAL TimeZone = 'UTC'")
"""What rows are read by. A role may have other settings, and each request is a session."""


class HttpsConnection:
    """The interface of `postgres_wire.Connection`, over a kept-alive connection to the proxy."""

    def __init__(self, server: Server, timeout: float) -> None:
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

    def execute(self, sql: str, seconds: float) -> list[tuple[Any, ...]]:
        """See `postgres_wire.Connection.execute`. A script is one transaction."""
        queries = [{"query": part, "params": []} for part in (*_SETTINGS, *split(sql))]
        self._sent = False
        try:
            results = self._post({"queries": queries}, seconds)["results"][len(_SETTINGS) :]
        except TimeoutError:
            raise
        except (OSError, http.client.HTTPException, ValueError, LookupError) as error:
            raise ConnectionLost(type(error).__name__, sent=self._sent) from error
        try:
            return [row for result in results for row in _rows(result)]
        except (ValueError, LookupError) as error:
            raise Unreadable(type(error).__name__) from error

    def is_quiet(self) -> bool:
        """Whether the connection is still open. The proxy's hanging up makes it readable."""
        if self._http.sock is None:
            return False
        poll = select.poll()
        poll.register(self._http.sock, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        with suppress(OSError):
            self._http.close()

    def _post(self, body: dict[str, Any], seconds: float) -> dict[str, Any]:
        text = json.dumps(body, ensure_ascii=False).encode()
        if self._http.sock is not None:
            self._http.sock.settimeout(seconds)
        self._http.request("POST", "/sql", text, self._headers)
        self._sent = True
        response = self._http.getresponse()
        content = response.read()
        if response.status not in (200, 400):
            raise OSError(f"the proxy answered with status {response.status}")
        answer: dict[str, Any] = json.loads(content)
        if response.status == 200:
            return answer
        code = str(answer.get("code") or "08P01")
        fatal = answer.get("severity") in ("FATAL", "PANIC") or code.startswith("28")
        fields = {"C": code, "M": str(answer.get("message", ""))}
        raise ServerError({**fields, "V": "FATAL" if fatal else "ERROR"})


def _rows(result: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Convert the values to the types that pg8000 returns."""
    readers = [_READERS.get(field["dataTypeID"], str) for field in result["fields"]]
    return [
        tuple(None if v is None else read(v) for read, v in zip(readers, row, strict=True))
        for row in result["rows"]
    ]


def _text_array(text: str) -> list[str]:
    """Return the items of a one-dimensional array without NULLs, such as `{a,"b \\" c"}`."""
    items = re.findall(r'"((?:[^"\\]|\\.)*+)"?|([^{},"]+)', text, re.DOTALL)
    return [re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL) + bare for quoted, bare in items]


_READERS: dict[int, Callable[[str], Any]] = {
    native.BOOLEAN: lambda text: text == "t",
    21: int,  # smallint
    native.INTEGER: int,
    native.BIGINT: int,
    native.FLOAT: float,
    native.BYTES: lambda text: bytes.fromhex(text.removeprefix("\\x")),
    native.UUID_TYPE: UUID,
    native.DATE: date.fromisoformat,
    native.TIMESTAMPTZ: datetime.fromisoformat,
    native.JSONB: json.loads,
    native.TEXT_ARRAY: _text_array,
}
"""Readers for the column types that this service uses, by OID; other types stay text."""
