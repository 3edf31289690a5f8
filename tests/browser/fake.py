"""A backend on loopback with the chat's HTTP contract, which can misbehave on demand.

It answers like the service from a script set by a test: slow, cut off, failing, sleeping or
hostile. The book site that embeds the widget runs on another port, so that every request is
cross-origin, as in production.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import socket
import threading
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

Json = dict[str, Any]

NO_STORE = {"Cache-Control": "no-store"}

WIDGET = Path(__file__).parents[2] / "widget"
BUNDLE = WIDGET / "widget.js"
PAGE = WIDGET / "page.html"

ANSWER = (
    "Run the **installer** and follow its questions [1]. It writes one file, `book.toml`, "
    "which you can edit later [2].\n\n"
    "1. Fetch the archive.\n2. Unpack it [1].\n3. Run `install`.\n\n"
    "```sh\n./install --prefix ~/books   # [1] stays as it is in code\n```\n\n"
    "| Platform | Needs |\n|---|---|\n| Linux | glibc 2.31 |\n| macOS | nothing [2] |\n"
)

QUOTED = (
    "**[Installation › Linux](http://book.example/docs/install#step-1)**\n\n"
    "Fetch the archive. Run `install` as [any user](http://book.example/users), *not*\nas root. "
    "It asks where the books are kept. [1]\n\n"
    "```sh\n./install --prefix ~/books\n```\n\n"
    "[Read on](http://book.example/docs/install#step-1)\n\n"
    "**[Configuration › The file book.toml](http://book.example/docs/install#step-2)**\n\n"
    "| Name | Meaning |\n|---|---|\n| `path` | where the books are |\n\n"
    "It is read once, when the service starts. [2]\n"
)
"""An answer that quotes the book."""
NEAREST = "Run install as any user, not as root."


def quoted() -> list[Json]:
    """Return the sources of QUOTED."""
    return [cited(1, 1, highlight=NEAREST), cited(2, 1)]


def source(n: int, site: str = "http://book.example", **given: Any) -> Json:
    """Make a source."""
    slug = f"docs/install#step-{n}"
    return {
        "chunk_id": f"00000000-0000-4000-8000-{n:012}",
        "title": ["Installation", "Configuration", "Troubleshooting"][(n - 1) % 3],
        "section": ["Install › Linux", "The file book.toml", ""][(n - 1) % 3],
        "slug": slug,
        "url": f"{site}/{slug}:~:text=Fetch%20the%20archive",
        "snippet": "Fetch the archive for your platform, unpack it, and run the installer, "
        "which asks where the books are to be kept and writes the file book.toml.",
        "score": round(0.95 - 0.1 * n, 2),
        "source_path": f"docs/install-{n}.md",
        "highlight": "",
        "claims": [],
        **given,
    }


def claim(n: int, k: int, site: str = "http://book.example") -> Json:
    """Make the claim of a source's k-th marker."""
    slug = f"docs/install#step-{n}-{k}"
    return {
        "slug": slug,
        "section": f"Step {n} › Part {k}",
        "url": f"{site}/{slug}:~:text=sentence%20{k}",
        "snippet": f"Sentence {k} of step {n} says how it is done.",
    }


def cited(n: int, claims: int, **given: Any) -> Json:
    """Make a source with claims; its own fields are those of the first claim."""
    found = [claim(n, k) for k in range(claims)]
    return source(n, **{**(found[0] if found else {}), "claims": found, **given})


def near(n: int, site: str = "http://book.example", **given: Any) -> Json:
    """Make a related section."""
    slug = f"docs/more#part-{n}"
    place = {"title": "More", "section": f"Part {n}", "slug": slug, "url": f"{site}/{slug}"}
    return {**place, **given}


@dataclass
class Reply:
    """How the next question is answered. The default is a good answer, immediately."""

    message: str = ANSWER
    sources: list[Json] = field(default_factory=lambda: [source(1), source(2)])
    offered: list[Json] | None = None
    """Sources of the stream, if numbered differently from the answer's."""
    streamed: str | None = None
    related: list[Json] = field(default_factory=list)
    metadata: Json = field(default_factory=dict)
    delay: float = 0.0
    """Seconds between tokens."""
    hang: float = 0.0
    """Seconds of silence before the headers."""
    cut_after: int | None = None
    """Number of tokens after which the connection breaks."""
    problem: Json | None = None
    """Problem details to return instead; `retry_after` becomes the header."""
    html: int = 0
    """Status of a proxy's HTML page to return instead."""
    error_event: Json | None = None
    statuses: list[str] = field(default_factory=list)
    """States of `status` events before the first token."""
    pause_after: int | None = None
    """Number of tokens after which the stream waits until the test sets `Fake.released`."""
    held: bool = False
    """Whether the stream waits after the last token until the test sets `Fake.released`."""
    plain: bool = False
    """Whether to return a JSON body instead of a stream."""


class Fake:
    """State of the backend, which tests read and change while it runs."""

    def __init__(self) -> None:
        self.url = ""
        self.replies: list[Reply] = []
        self.default = Reply()
        self.asleep_until = 0.0
        self.released = False
        self.history_status = 0
        self.delete_status = 0
        self.sessions: dict[str, list[Json]] = {}
        self.asked: list[Json] = []
        self.ratings: list[Json] = []
        self.seen: list[str] = []
        self.config: Json = {
            "title": "The Book of Books",
            "language": "en",
            "site_url": "http://book.example/",
            "starters": ["How do I install it?", "Where is it configured?"],
            "engines": {"answers": "extractive, embedded", "vectors": "Qdrant"},
            "privacy": "It is kept for 90 days. You can delete it at any time.",
            "chunks": 12,
        }

    # ------------------------------------------------------------ endpoints

    async def chat(self, request: Request) -> Response:
        body = await request.json()
        body["key"] = request.headers.get("idempotency-key", "")
        self.asked.append(body)
        reply = self.replies.pop(0) if self.replies else self.default
        if reply.hang:
            await asyncio.sleep(reply.hang)
        if reply.html:
            return HTMLResponse("<h1>Bad gateway</h1>", reply.html, NO_STORE)
        if reply.problem:
            return problem(**reply.problem)
        session = body.get("session_id")
        if session not in self.sessions:
            session = str(uuid.uuid4())
            self.sessions[session] = []
        done = self.answer(session, body["message"], reply)
        if reply.plain:
            return JSONResponse(done)
        return StreamingResponse(
            self.events(session, reply, done),
            media_type="text/event-stream",
            headers=NO_STORE,
        )

    def answer(self, session: str, question: str, reply: Reply) -> Json:
        turns = self.sessions[session]
        return {
            "session_id": session,
            "message": reply.message,
            "sources": reply.sources,
            "metadata": {
                "response_time_ms": 12,
                "tokens_used": 34,
                "context_chunks": 6,
                "turn": len(turns) + 1,
                "saved": True,
                "answered_by": "extractive",
                "fallback": None,
                "citations_reported": True,
                "found": "answer" if reply.sources else "nothing",
                **reply.metadata,
            },
            "related": reply.related,
            "question": question,
        }

    async def events(self, session: str, reply: Reply, done: Json) -> AsyncIterator[str]:
        yield event("session", {"session_id": session})
        yield ": ping\n\n"
        offered = reply.offered if reply.offered is not None else reply.sources
        yield event("sources", {"sources": offered})
        for state in reply.statuses:
            yield event("status", {"state": state})
        text = reply.streamed if reply.streamed is not None else reply.message
        for n, start in enumerate(range(0, len(text), 7)):
            if reply.cut_after is not None and n >= reply.cut_after:
                raise ConnectionResetError  # uvicorn drops the connection
            while n == reply.pause_after and not self.released:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            yield event("token", {"text": text[start : start + 7]})
            await asyncio.sleep(reply.delay)
        while reply.held and not self.released:  # noqa: ASYNC110 - another thread sets it
            await asyncio.sleep(0.02)
        if reply.error_event:
            yield event("error", {"type": "about:blank", **reply.error_event})
            return
        self.sessions[session].append(
            {
                "n": done["metadata"]["turn"],
                "question": done.pop("question"),
                "answer": done["message"],
                "sources": done["sources"],
                "related": done["related"],
                "metadata": done["metadata"],
                "created_at": "2026-11-23T00:00:00Z",
                "rating": None,
            }
        )
        yield event("done", done)

    async def history(self, request: Request) -> Response:
        if self.history_status:
            return problem(self.history_status, "The history cannot be read right now.")
        turns = self.sessions.get(request.path_params["session_id"])
        if turns is None:
            return problem(404, "There is no such conversation.")
        after, limit = (int(request.query_params[name]) for name in ("after", "limit"))
        page = [turn for turn in turns if turn["n"] > after][:limit]
        more = bool(page) and page[-1]["n"] < len(turns)
        return JSONResponse(
            {
                "session_id": request.path_params["session_id"],
                "turns": page,
                "total": len(turns),
                "next": page[-1]["n"] if more else None,
            }
        )

    async def export(self, request: Request) -> Response:
        turns = self.sessions.get(request.path_params["session_id"])
        if turns is None:
            return problem(404, "There is no such conversation.")
        return Response("\n".join(turn["question"] for turn in turns), media_type="text/markdown")

    async def delete(self, request: Request) -> Response:
        if self.delete_status:
            return problem(self.delete_status, "Deleting does not work right now.")
        session = request.path_params["session_id"]
        if self.sessions.pop(session, None) is None:
            return problem(404, "There is no such conversation.")
        return JSONResponse({"session_id": session, "deleted": True}, headers=NO_STORE)

    async def feedback(self, request: Request) -> Response:
        body = {**request.path_params, **await request.json()}
        self.ratings.append(body)
        self.sessions[body["session_id"]][body["n"] - 1]["rating"] = body["rating"] or None
        return JSONResponse({"rating": body["rating"]}, headers=NO_STORE)

    async def health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"}, headers=NO_STORE)

    async def configuration(self, _: Request) -> Response:
        return JSONResponse(self.config)

    async def script(self, request: Request) -> Response:
        name = request.url.path.removeprefix("/")
        return Response((WIDGET / name).read_bytes(), media_type="text/javascript")

    async def page(self, _: Request) -> Response:
        return HTMLResponse(PAGE.read_bytes(), headers={"Content-Security-Policy": policy()})

    def app(self) -> ASGIApp:
        session = "/chat/sessions/{session_id}"
        app = Starlette(
            routes=[
                Route("/", self.page),
                Route("/widget.js", self.script),
                Route("/widget-languages.js", self.script),
                Route("/widget-assistant.js", self.script),
                Route("/config", self.configuration),
                Route("/health", self.health),
                Route("/chat", self.chat, methods=["POST"]),
                Route(session, self.history, methods=["GET"]),
                Route(session, self.delete, methods=["DELETE"]),
                Route(session + "/export", self.export),
                Route(session + "/turns/{n:int}/feedback", self.feedback, methods=["POST"]),
            ],
            middleware=[
                Middleware(
                    CORSMiddleware,
                    allow_origins=["*"],
                    allow_methods=["*"],
                    allow_headers=["*"],
                    expose_headers=["Retry-After"],
                )
            ],
        )

        async def gate(scope: Any, receive: Any, send: Any) -> None:
            """While asleep, respond like a proxy: HTML without CORS headers."""
            if scope["type"] == "http":
                self.seen.append(f"{scope['method']} {scope['path']}")
            if (
                time.monotonic() < self.asleep_until
                and not scope["path"].startswith("/widget")
                and scope["path"] != "/"
            ):
                await HTMLResponse("<h1>Preparing Space</h1>", 503)(scope, receive, send)
            else:
                await app(scope, receive, send)

        return gate


def policy() -> str:
    """Return the strictest policy under which the page works: only its own style sheet."""
    style = re.search(r"<style>(.*?)</style>", PAGE.read_text("utf-8"), re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    return (
        "default-src 'none'; script-src 'self'; connect-src 'self'; img-src data:; "
        f"style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


def event(name: str, data: Json) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def problem(status: int, detail: str, retry_after: int = 0, code: str = "test") -> Response:
    body = {"type": "about:blank", "title": "Problem", "status": status, "detail": detail}
    headers = {"Retry-After": str(retry_after)} if retry_after else {}
    return JSONResponse(
        body | {"code": code, "request_id": "r"},
        status,
        headers,
        media_type="application/problem+json",
    )


@contextmanager
def serve(app: ASGIApp) -> Iterator[str]:
    """Run an app on a free loopback port; yield its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        config = uvicorn.Config(
            app, log_level="critical", lifespan="off", ws="none", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)
