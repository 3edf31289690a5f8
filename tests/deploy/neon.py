"""Imitate Neon's SQL over HTTP in front of a real PostgreSQL.

Requests and responses are those of Neon's serverless driver: rows as lists of text, column
types as object ids, errors as status 400 with the error's fields.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pg8000.exceptions import DatabaseError
from pg8000.native import Connection

from rag.adapters.database.postgres_url import parse_url


@dataclass
class Neon:
    port: int = 0
    broken: int = 0
    """Status of every response, if not 0."""
    told: list[str] = field(default_factory=list)
    """Connection strings received."""
    asked: list[dict[str, Any]] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    neon: Neon
    database_url: str
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the test's output quiet."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.neon.asked.append(body)
        self.neon.told.append(self.headers["Neon-Connection-String"])
        assert self.path == "/sql"
        assert self.headers["Neon-Array-Mode"] == self.headers["Neon-Raw-Text-Output"] == "true"
        if self.neon.broken:
            self._send(self.neon.broken, {"message": "broken"})
            return
        try:
            self._send(200, self._run(body))
        except DatabaseError as error:
            said = error.args[0]
            names = {"message": "M", "code": "C", "severity": "S"}
            self._send(400, {name: said.get(key) for name, key in names.items()})

    def _run(self, body: dict[str, Any]) -> dict[str, Any]:
        server = parse_url(self.database_url)
        with Connection(
            server.user,
            host=None if server.unix_socket else server.host,
            port=server.port,
            unix_sock=server.unix_socket or None,
            database=server.database,
            password=server.password,
        ) as database:
            for (type_id,) in database.run("SELECT oid FROM pg_type"):
                database.register_in_adapter(type_id, str)
            if "queries" not in body:
                return self._statement(database, body)
            database.run("BEGIN")
            results = [self._statement(database, query) for query in body["queries"]]
            database.run("COMMIT")
            return {"results": results}

    def _statement(self, database: Connection, query: dict[str, Any]) -> dict[str, Any]:
        assert all(value is None or isinstance(value, str) for value in query["params"])
        sql = re.sub(r"\$(\d+)", r":p\1", query["query"])
        parameters = {f"p{n}": value for n, value in enumerate(query["params"], 1)}
        rows = database.run(sql, **parameters)
        columns = database.columns or ()
        return {
            "fields": [{"name": c["name"], "dataTypeID": c["type_oid"]} for c in columns],
            "rows": rows or [],
            "rowCount": database.row_count,
        }

    def _send(self, status: int, body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@contextlib.contextmanager
def neon_over(database_url: str) -> Iterator[Neon]:
    neon = Neon()
    handler = type("Handler", (_Handler,), {"neon": neon, "database_url": database_url})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    neon.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield neon
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
