"""The optional checks over real HTTP: origins, tickets, Turnstile."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import shutil
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.chat.admission import CHEAP_LIMITS
from tests.support.service import ROOT, Service, serving
from tests.upstreams.http import Response
from tests.upstreams.turnstile import Turnstile
from web.access_checks import is_valid_ticket

SITE = "https://book.example"
SECRET = "a-secret-of-the-site"
QUESTION = {"message": "How do I delete a conversation?"}

Start = Callable[..., Service]


@pytest.fixture
def start(handbook: Path, tmp_path: Path) -> Iterator[Start]:
    """Start the service over the handbook with more settings."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def begin(**variables: str) -> Service:
            shutil.copytree(handbook / "index", tmp_path / "data" / "index")
            variables = {"DATA_DIR": str(tmp_path / "data"), "ALLOWED_ORIGINS": SITE, **variables}
            return stack.enter_context(serving(tmp_path / "log", **variables))

        yield begin


@pytest.fixture(scope="module")
def _turnstile() -> Iterator[Turnstile]:
    with _running(Turnstile()) as service:
        yield service


@pytest.fixture
def turnstile(_turnstile: Turnstile) -> Turnstile:
    """In good health; no token has been used."""
    _turnstile.heal()
    _turnstile.forget()
    _turnstile.used.clear()
    return _turnstile


@pytest.fixture(scope="module")
def guarded(
    handbook: Path, _turnstile: Turnstile, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service that wants a token of Turnstile."""
    folder = tmp_path_factory.mktemp("guarded")
    shutil.copytree(handbook / "index", folder / "data" / "index")
    variables = {"TURNSTILE_SECRET": _turnstile.key, "TURNSTILE_URL": f"{_turnstile.url}/verify"}
    variables |= {"DATA_DIR": str(folder / "data"), "ALLOWED_ORIGINS": SITE}
    with serving(folder / "log", **variables) as running:
        yield running
        assert _turnstile.key not in running.log


@contextmanager
def _running(service: Turnstile) -> Iterator[Turnstile]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(service.open(), loop).result(10)
        yield service
        asyncio.run_coroutine_threadsafe(service.close(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def ask(service: Service, path: str = "/chat", **headers: str) -> httpx.Response:
    body = QUESTION if path == "/chat" else {"query": "delete"}
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    with service.client() as client:
        return client.post(path, json=body, headers=sent)


def assert_refused(response: httpx.Response, origin: str = "") -> None:
    problem = response.json()
    assert (response.status_code, problem["status"], problem["code"]) == (403, 403, "forbidden")
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["detail"].endswith(".")
    assert response.headers.get("access-control-allow-origin", "") == origin


def signed(*parts: object, secret: str = SECRET) -> str:
    text = ".".join(map(str, parts))
    return f"{text}.{hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()}"


def soon(seconds: float = 7_200) -> int:
    """Return a time that is not past before the last test of a long run."""
    return int(time.time() + seconds)


# ---------------------------------------------------------------- origins


def test_by_default_nothing_is_checked(start: Start) -> None:
    service = start()
    for headers in ({}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
        assert ask(service, **headers).status_code == 200


@pytest.mark.parametrize("path", ["/chat", "/search"])
def test_foreign_pages_and_programs_are_refused_on_demand(start: Start, path: str) -> None:
    service = start(REQUIRE_ORIGIN="1", VERCEL_PROJECT="book", VERCEL_SCOPE="ada", HOST="127.0.0.1")
    own = service.url
    for origin in (SITE, own, "https://book-abc123xyz-ada.vercel.app", "http://localhost:3000"):
        assert ask(service, path, Origin=origin).status_code == 200, origin
    port = own.rpartition(":")[2]
    for origin in (
        *("", "null", "https://evil.example", f"{SITE}.evil.example", f"{SITE}:8443", "file://"),
        *(f"{SITE}/", f"http://evil.example@127.0.0.1:{port}", f"ftp://127.0.0.1:{port}"),
        *("http://127.0.0.1", "https://book-x-ada.vercel.app", f"{SITE}, https://evil.example"),
    ):
        assert_refused(ask(service, path, Origin=origin))
    assert_refused(ask(service, path))
    with service.client() as client:  # what costs nothing stays open
        for free in ("/health", "/config", "/", "/widget.js"):
            assert client.get(free, headers={"Origin": "https://evil.example"}).status_code == 200
        preflight = client.options(
            path, headers={"Origin": SITE, "Access-Control-Request-Method": "POST"}
        )
        assert preflight.status_code == 200


# ---------------------------------------------------------------- tickets


def test_a_question_needs_a_ticket_of_the_site(start: Start) -> None:
    service = start(TICKET_SECRET=SECRET)
    for path in ("/chat", "/search"):
        for ticket in (signed(soon()), signed(soon(), SITE)):
            assert ask(service, path, Origin=SITE, X_Book_Ticket=ticket).status_code == 200
        assert_refused(ask(service, path, Origin=SITE), SITE)
        for ticket in (signed(soon(-1)), signed(soon(), "https://other.example"), "x"):
            assert_refused(ask(service, path, Origin=SITE, X_Book_Ticket=ticket), SITE)
    with service.client() as client:
        wanted = {
            "Origin": SITE,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type, x-book-ticket",
        }
        assert client.options("/chat", headers=wanted).status_code == 200
    assert SECRET not in service.log


GOOD = signed(soon())


NOT_QUITE = [
    "",
    ".",
    GOOD[:-1],
    GOOD + "0",
    GOOD.upper(),
    GOOD.replace(".", ".."),
    f" {GOOD}",
    f"{GOOD}\n",
    signed(soon(), secret="another-secret-of-16"),
    signed(soon(), secret=""),
    signed(soon(0)),
    signed(soon(-86_400)),
    signed(soon(2 * 86_400)),
    signed(f"-{soon()}"),
    signed(f"{soon()}e3"),
    signed(f"+{soon()}"),
    signed("٢٠٠٠٠٠٠٠٠٠"),
    signed("9" * 5000),
    signed("nan"),
    signed(soon(), "https://evil.example"),
    signed(soon(), f"{SITE}/"),
    signed(soon(), ""),
    f"{soon() + 1}.{GOOD.partition('.')[2]}",
    f"{GOOD.partition('.')[0]}.{SITE}.{GOOD.partition('.')[2]}",
]


@pytest.mark.parametrize("n", range(len(NOT_QUITE)))
def test_a_ticket_that_is_not_quite_one_is_none(n: int) -> None:
    assert is_valid_ticket(SECRET, GOOD, SITE)
    assert not is_valid_ticket(SECRET, NOT_QUITE[n], SITE)


def test_the_function_of_the_handbook_makes_tickets(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed, so the handbook's function is not run")
    page = (ROOT / "docs" / "limits.md").read_text()
    function = re.search(r"```js\n(// api/ticket.js.*?)```", page, re.DOTALL)
    assert function
    run = """
import handler from "./ticket.mjs";
handler({}, { setHeader() { return this; }, send: (text) => console.log(text) });
"""
    (tmp_path / "ticket.mjs").write_text(function[1])
    (tmp_path / "run.mjs").write_text(run)
    env = {"TICKET_SECRET": SECRET, "SITE_ORIGIN": SITE}
    done = subprocess.run(
        [node, "run.mjs"], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    assert is_valid_ticket(SECRET, done.stdout.strip(), SITE)
    assert not is_valid_ticket(SECRET, done.stdout.strip(), "https://evil.example")


# ---------------------------------------------------------------- assistants


def use(service: Service, tool: str, **headers: str) -> tuple[int, str]:
    """Call a tool of `/mcp`; return the status and what is told."""
    arguments = {"question": "Is there a moon?", "query": "delete", "id": "intro"}
    call = {"name": tool, "arguments": arguments}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    with service.client() as client:
        response = client.post("/mcp", json=body, headers=headers)
    return response.status_code, response.text


CHECKS = [
    {"REQUIRE_ORIGIN": "1"},
    {"TICKET_SECRET": SECRET},
    {"TURNSTILE_SECRET": "0x-any", "TURNSTILE_URL": "http://127.0.0.1:9"},
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: next(iter(check)))
def test_assistants_do_not_get_around_a_check(start: Start, check: dict[str, str]) -> None:
    """They have no ticket; what would cost money needs a token of the author."""
    service = start(**check)
    for tool in ("ask", "search"):
        status, told = use(service, tool)
        assert (status, "MCP_TOKEN" in told, '"isError":true' in told) == (200, True, True)
        told = use(service, tool, Origin=SITE)[1]
        assert ("MCP_TOKEN" in told) is ("REQUIRE_ORIGIN" not in check)
    for tool in ("fetch", "report_gap"):  # these cost nothing
        assert "MCP_TOKEN" not in use(service, tool)[1]


def test_an_assistant_with_a_token_of_the_author_may_ask(start: Start) -> None:
    token = "a-token-for-the-team"
    service = start(REQUIRE_ORIGIN="1", TICKET_SECRET=SECRET, MCP_TOKEN=token)
    status, told = use(service, "search", Authorization=f"Bearer {token}")
    assert status == 200
    assert '"isError":false' in told
    assert use(service, "search")[0] == 401


# ---------------------------------------------------------------- Turnstile


def test_a_token_passes_once(guarded: Service, turnstile: Turnstile) -> None:
    service = guarded
    assert ask(service, X_Turnstile_Token="genuine-1").status_code == 200
    assert_refused(ask(service, X_Turnstile_Token="genuine-1"))
    assert ask(service, "/search", X_Turnstile_Token="genuine-2").status_code == 200
    assert_refused(ask(service, X_Turnstile_Token="forged"))
    asked = len(turnstile.requests)
    assert_refused(ask(service))
    assert_refused(ask(service, X_Turnstile_Token="genuine-" + "x" * 2048))
    assert len(turnstile.requests) == asked  # nothing that cannot be a token is sent


@pytest.mark.parametrize("fault", [500, "reset", "malformed", "shape", "empty", "hang"])
def test_without_a_verdict_nothing_is_answered(
    guarded: Service, turnstile: Turnstile, fault: Any
) -> None:
    """Anybody could otherwise wait for, or cause, the minutes in which all pass."""
    turnstile.fail(fault, times=9)
    began = time.monotonic()
    response = ask(guarded, Origin=SITE, X_Turnstile_Token="genuine-9")
    assert time.monotonic() - began < 15
    assert response.status_code == 503
    assert "the verification service does not respond" in response.json()["detail"]
    assert response.headers["access-control-allow-origin"] == SITE
    turnstile.heal()
    assert ask(guarded, X_Turnstile_Token="genuine-10").status_code == 200


def test_tokens_are_not_checked_without_limit(guarded: Service, turnstile: Turnstile) -> None:
    body, statuses = {"message": "x"}, []
    headers = {"X-Turnstile-Token": "forged", "X-Forwarded-For": "203.0.113.5"}
    with guarded.client() as client:
        for _ in range(CHEAP_LIMITS.burst + 200):
            statuses.append(client.post("/chat", json=body, headers=headers).status_code)
            if statuses[-1] == 429:
                break
    assert set(statuses) == {403, 429}
    assert len(turnstile.requests) == statuses.count(403)
    assert ask(guarded, X_Turnstile_Token="genuine-8").status_code == 200


def test_a_verdict_may_come_in_pieces(
    guarded: Service, turnstile: Turnstile, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def pieces() -> AsyncIterator[str]:
        for piece in ('{"succ', 'ess": ', "true}"):
            yield piece
            await asyncio.sleep(0.05)

    async def answer(_: Any) -> Response:
        return Response(200, stream=pieces())

    monkeypatch.setattr(turnstile, "answer", answer)
    assert ask(guarded, X_Turnstile_Token="genuine-7").status_code == 200


def test_a_verdict_of_a_megabyte_is_none(guarded: Service, turnstile: Turnstile) -> None:
    turnstile.fail(200, times=9, body=b'{"success": true}' + b" " * 1_000_000)
    assert ask(guarded, X_Turnstile_Token="genuine-7").status_code == 503


def test_a_wrong_secret_is_the_author_s_to_mend(start: Start, turnstile: Turnstile) -> None:
    service = start(TURNSTILE_SECRET="0x-another", TURNSTILE_URL=turnstile.url)
    response = ask(service, X_Turnstile_Token="genuine-1")
    assert (response.status_code, response.json()["code"]) == (503, "configuration")
    assert "TURNSTILE_SECRET" in service.log
    assert "0x-another" not in service.log


def test_of_ticket_and_token_either_will_do(start: Start, turnstile: Turnstile) -> None:
    service = start(
        TICKET_SECRET=SECRET, TURNSTILE_SECRET=turnstile.key, TURNSTILE_URL=turnstile.url
    )
    assert ask(service, X_Book_Ticket=signed(soon())).status_code == 200
    assert turnstile.requests == []
    assert ask(service, X_Turnstile_Token="genuine-1").status_code == 200
    expired = signed(soon(-5))
    assert ask(service, X_Book_Ticket=expired, X_Turnstile_Token="genuine-2").status_code == 200
    assert_refused(ask(service, X_Book_Ticket=expired))
