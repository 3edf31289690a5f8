"""The shell around the handlers: failures, origins, request ids."""

from __future__ import annotations

import asyncio
import errno
import socket
import tomllib
from collections.abc import Callable, Coroutine, Iterator
from inspect import iscoroutinefunction
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

import router
from handlers import health
from rag import VERSION, providers
from rag.errors import (
    ConfigurationError,
    IndexMissing,
    NotFound,
    RateLimited,
    RequestTooLarge,
    Unauthorized,
    UpstreamTimeout,
)
from tests.support.service import ROOT, environment, run
from web import cors
from web.server import listen

SITE = "https://2-book.vercel.app"


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ALLOWED_ORIGINS", SITE)
    monkeypatch.setenv("VERCEL_PROJECT", "2-book")
    monkeypatch.setenv("VERCEL_SCOPE", "ada")
    providers.reset()
    yield
    providers.reset()


def failing(error: Exception) -> TestClient:
    """A client of an app whose only route fails like that."""

    async def fail() -> health.HealthResponse:
        raise error

    fail.__module__ = health.__name__
    return TestClient(router.create_app([("GET", "/health", fail)]), raise_server_exceptions=False)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Unauthorized(), 401, "unauthorized"),
        (NotFound(), 404, "not_found"),
        (RequestTooLarge(), 413, "too_large"),
        (RateLimited(retry_after=7.2), 429, "rate_limited"),
        (UpstreamTimeout("secret detail", service="cohere"), 503, "upstream_timeout"),
        (IndexMissing("run python ingest.py"), 503, "index_missing"),
        (ConfigurationError("secret detail"), 503, "configuration"),
        (OSError(errno.EMFILE, "secret detail"), 503, "overloaded"),
        (FileNotFoundError("secret detail"), 500, "internal"),
        (RuntimeError("secret detail"), 500, "internal"),
    ],
)
def test_every_failure_is_a_problem_with_cors(
    settings: None, error: Exception, status: int, code: str
) -> None:
    response = failing(error).get("/health", headers={"Origin": SITE})
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["access-control-allow-origin"] == SITE
    assert response.json()["code"] == code
    assert response.json()["request_id"] == response.headers["x-request-id"]
    assert "secret" not in response.text
    if status == 429:
        assert response.headers["retry-after"] == "8"


def test_previews_are_off_unless_project_and_scope_are_set(
    monkeypatch: pytest.MonkeyPatch, settings: None
) -> None:
    monkeypatch.delenv("VERCEL_SCOPE")
    providers.reset()
    assert cors.preview_pattern(providers.get_settings()) is None


def test_request_ids_are_taken_over_only_when_harmless(settings: None) -> None:
    client = failing(NotFound())
    given = client.get("/health", headers={"X-Request-ID": "trace-0123456789"})
    assert given.headers["x-request-id"] == "trace-0123456789"
    forged = client.get("/health", headers={"X-Request-ID": 'a" onload="x'})
    assert len(forged.headers["x-request-id"]) == 32


def test_routes_can_be_chosen_by_name(monkeypatch: pytest.MonkeyPatch, settings: None) -> None:
    monkeypatch.setenv("ROUTES", "history, delete")
    providers.reset()
    assert [method for method, _, _ in router.selected_routes()] == ["GET", "DELETE"]
    monkeypatch.setenv("ROUTES", "history,dance")
    providers.reset()
    with pytest.raises(ConfigurationError, match="dance"):
        router.selected_routes()


def test_a_refused_method_is_told_all_that_are_taken(settings: None) -> None:
    response = TestClient(router.create_app()).put("/chat/sessions/x")
    assert response.status_code == 405
    assert response.headers["allow"] == "DELETE, GET, HEAD"


def test_the_document_names_every_answer(settings: None) -> None:
    """A client can be made from it: no status and no kind of content comes as a surprise."""
    document = router.create_app().openapi()
    failures = {"401", "403", "404", "405", "413", "415", "422", "429", "500", "503"}
    kinds = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            responses = operation["responses"]
            if path == "/mcp" or path.startswith("/v1/"):  # errors in the form of their protocols
                assert {"200", "4XX", "5XX"} <= responses.keys()
                continue
            assert responses.keys() == {"200"} | failures
            for status in failures:
                schema = responses[status]["content"]["application/problem+json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Problem"}
            kinds[f"{method} {path}"] = set(responses["200"].get("content", ()))
    assert kinds.pop("post /chat") == {"application/json", "text/event-stream"}
    assert kinds.pop("get /") == kinds.pop("get /book/{slug}") == {"text/html"}
    for script in ("widget", "widget-languages", "widget-assistant"):
        assert kinds.pop(f"get /{script}.js") == {"text/javascript"}
    assert kinds["get /health"] == kinds["post /search"] == {"application/json"}
    assert "detail" in document["components"]["schemas"]["Problem"]["required"]


def test_the_document_states_every_bound(settings: None) -> None:
    """Constraints that pydantic cannot place end up as words that JSON Schema does not know."""
    schemas = router.create_app().openapi()["components"]["schemas"]
    stated = {
        word
        for schema in schemas.values()
        for field in schema["properties"].values()
        for word in field
    }
    assert not stated & {"ge", "gt", "le", "lt", "min_length", "max_length"}
    top_k = schemas["SearchRequest"]["properties"]["top_k"]
    assert (top_k["minimum"], top_k["maximum"]) == (1, 20)


COMMANDS = ("router.py", "ingest.py")
WITHOUT_FCNTL = (
    "import runpy, sys; sys.modules['fcntl'] = None; sys.argv = sys.argv[1:]; "
    "runpy.run_path(sys.argv[0], run_name='__main__')"
)
"""Python as it is on Windows."""


@pytest.mark.parametrize("command", COMMANDS)
def test_help_and_version_need_no_settings(command: str) -> None:
    """Also not on a host, which would not start without its secrets."""
    env = environment(SPACE_ID="a/b", PORT="not a port")
    shown = run(command, "--help", env=env)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert f"usage: {command}" in shown.stdout
    assert run(command, "--version", env=env).stdout == f"Ask the Book {VERSION}\n"


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["version"] == VERSION


def test_settings_are_no_arguments() -> None:
    finished = run("router.py", "8000", env=environment())
    assert finished.returncode == 2
    assert "unrecognized arguments: 8000" in finished.stderr


@pytest.mark.parametrize("command", [("router.py",), ("ingest.py", "docs")])
def test_on_windows_the_embedded_engines_name_their_limit(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    finished = run("-c", WITHOUT_FCNTL, *command, env=environment(DATA_DIR=str(tmp_path)))
    assert finished.returncode == 1
    assert finished.stderr.startswith("The embedded engines need Linux or macOS.")
    assert len(finished.stderr.splitlines()) == 1


def test_on_windows_servers_will_do() -> None:
    servers = {"QDRANT_URL": "https://q.example", "DATABASE_URL": "postgresql://d.example/b"}
    finished = run(
        "-c", WITHOUT_FCNTL.replace("__main__", "app"), "router.py", env=environment(**servers)
    )
    assert (finished.returncode, finished.stderr) == (0, "")


def test_an_answer_does_not_wait_for_the_acknowledgement_of_its_head() -> None:
    with listen("127.0.0.1", 0) as listener:
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_no_request_is_taken_to_a_thread(settings: None) -> None:
    """FastAPI does so with every plain function that it calls."""
    routes = [route for route in router.create_app().routes if isinstance(route, APIRoute)]
    for route in routes:
        needed = [route.dependant, *route.dependant.dependencies]
        assert all(iscoroutinefunction(each.call) for each in needed), route.path
    assert any(route.dependant.dependencies for route in routes)


WARM_UP_STEPS = ("_load_stemmer", "_warn_about_index", "_ask_once", "_watch_models")


@pytest.mark.parametrize("broken", WARM_UP_STEPS)
def test_a_part_of_the_warm_up_that_fails_is_logged_and_the_others_run(
    broken: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[str] = []

    def step(name: str) -> Callable[[], Coroutine[None, None, None]]:
        async def take() -> None:
            ran.append(name)
            if name == broken:
                raise RuntimeError(name)

        return take

    for name in WARM_UP_STEPS:
        monkeypatch.setattr(router, name, step(name))
    monkeypatch.setattr(router, "WARM_UP_SECONDS", 0)
    asyncio.run(router._warm_up())
    assert ran == [*WARM_UP_STEPS]
    (record,) = caplog.records
    assert record.getMessage().startswith("a part of the warm-up failed")
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == broken
