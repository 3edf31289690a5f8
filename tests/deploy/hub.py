"""Imitate the Hub's API and a running Space on loopback.

Paths and bodies are those of huggingface_hub 2.4. Everything received is kept for tests.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_imitationimitationimitationimita"


@dataclass
class Hub:
    """State of the imitated Hub, and how it should behave."""

    url: str = ""
    exists: bool = False
    sdk: str = "docker"
    hardware: str = ""
    private: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    commits: int = 0
    restarts: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Question and Authorization header of each request to the Space."""
    refusal: int = 0
    """Status returned when a Space is created, if not 0."""
    build: list[str] = field(default_factory=lambda: ["BUILDING", "APP_STARTING", "RUNNING"])
    """Stages after a commit; the last one is final."""
    log: list[str] = field(default_factory=list)
    stages: list[str] = field(default_factory=lambda: ["NO_APP_FILE"])

    def stage(self) -> str:
        return self.stages.pop(0) if len(self.stages) > 1 else self.stages[0]


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the test's output quiet."""

    def do_GET(self) -> None:
        hub, path = self.hub, self.path.split("?")[0]
        if path == "/api/whoami-v2":
            known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
            self._json(200, {"name": "reader"}) if known else self._json(401, {"error": "no"})
        elif path in ("/api/spaces/reader/book", "/api/spaces/reader/book/revision/main"):
            if hub.exists:
                self._json(200, self._info())
            else:
                self._json(404, {"error": "none"}, {"X-Error-Code": "RepoNotFound"})
        elif path == "/api/spaces/reader/book/runtime":
            stage = hub.stage()
            reason = {"errorMessage": "build failed"} if stage.endswith("ERROR") else {}
            self._json(200, {"stage": stage, **reason})
        elif path.startswith("/api/spaces/reader/book/logs/"):
            events = [
                {"data": f"{line}\n", "timestamp": "2026-01-01T00:00:00Z"} for line in hub.log
            ]
            body = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
            self._send(200, body.encode(), "text/event-stream")
        else:
            self._json(404, {"error": f"unknown {path}"})

    def do_POST(self) -> None:
        hub, path = self.hub, self.path.split("?")[0]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        space = "/api/spaces/reader/book"
        if path == "/api/repos/create":
            if hub.refusal:
                self._json(hub.refusal, {"error": "refused"})
                return
            sent = json.loads(body)
            assert (sent["type"], sent["name"]) == ("space", "book")
            hub.sdk, hub.hardware = sent["sdk"], sent.get("hardware", "")
            hub.exists, hub.private = True, sent.get("visibility") == "private"
            hub.files[".gitattributes"] = b""
            self._json(200, {"url": f"{hub.url}/spaces/reader/book"})
        elif path in (f"{space}/secrets", f"{space}/variables"):
            sent = json.loads(body)
            kept = hub.secrets if path.endswith("secrets") else hub.variables
            kept[sent["key"]] = sent["value"]
            self._json(200, {})
        elif path == "/api/validate-yaml":
            assert f"sdk: {hub.sdk}\n" in json.loads(body)["content"]
            self._json(200, {})
        elif path == f"{space}/preupload/main":
            files = [self._uploaded(file["path"]) for file in json.loads(body)["files"]]
            self._json(200, {"files": files})
        elif path == f"{space}/commit/main":
            self._commit(body)
        elif path == f"{space}/restart":
            hub.restarts += 1
            hub.stages = ["APP_STARTING", "RUNNING"]
            self._json(200, {"stage": "APP_STARTING"})
        elif path == "/chat":
            hub.asked.append((json.loads(body)["message"], self.headers.get("Authorization", "")))
            source = {"title": "Privacy", "url": "https://book.example/privacy"}
            self._json(200, {"message": "It is about tests. [1]", "sources": [source]})
        else:
            self._json(404, {"error": f"unknown {path}"})

    def _info(self) -> dict[str, Any]:
        hub = self.hub
        return {
            "_id": "1",
            "id": "reader/book",
            "sha": f"{hub.commits:040x}",
            "sdk": hub.sdk,
            "private": hub.private,
            "host": hub.url,
            "subdomain": "reader-book",
            "siblings": [{"rfilename": name} for name in hub.files],
            "tags": [],
        }

    def _uploaded(self, path: str) -> dict[str, Any]:
        """Return how to upload a file, and its existing git object."""
        held = self.hub.files.get(path)
        oid = None
        if held is not None:
            oid = hashlib.sha1(b"blob %d\0" % len(held) + held).hexdigest()
        return {"path": path, "uploadMode": "regular", "shouldIgnore": False, "oid": oid}

    def _commit(self, body: bytes) -> None:
        hub = self.hub
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                hub.files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "deletedFile":
                del hub.files[value["path"]]
        hub.commits += 1
        hub.stages = [hub.stages[-1], *hub.build]
        oid = f"{hub.commits:040x}"
        url = f"{hub.url}/spaces/reader/book/commit/{oid}"
        self._json(200, {"commitUrl": url, "commitOid": oid})

    def _json(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(body).encode(), "application/json", headers)

    def _send(
        self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextlib.contextmanager
def imitation() -> Iterator[Hub]:
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
