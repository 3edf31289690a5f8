"""CORS and the protecting headers: every kind of origin on every status."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import router
from handlers import health
from rag import providers
from rag.environment import load_settings
from rag.errors import (
    InvalidRequest,
    NotFound,
    RateLimited,
    RequestTooLarge,
    UpstreamError,
)
from web import cors

SITE = "https://2-book.vercel.app"
ALLOWED = (
    SITE,
    "https://2-book-8dk3j2lxq-ada.vercel.app",
    "https://2-book-000000000-ada.vercel.app",
    "http://localhost:3000",
    "http://127.0.0.1:3000",
)
FORBIDDEN = (
    "null",
    "https://evil.example",
    "https://evil-2-book.vercel.app",
    "https://2-book.vercel.app.evil.com",
    "https://2-book-x-ada.vercel.app",
    "https://2-book-ada.vercel.app",
    "https://2-book--ada.vercel.app",
    "https://2-book-git-main-ada.vercel.app",
    "https://2-book-8dk3j2lx-ada.vercel.app",
    "https://2-book-8dk3j2lxq0-ada.vercel.app",
    "https://2-book-8dk3j2lxQ-ada.vercel.app",
    "https://2-book-8dk3-2lxq-ada.vercel.app",
    "https://2-book-8dk3j2lxq-8dk3j2lxq-ada.vercel.app",
    "https://2-book-x-8dk3j2lxq-ada.vercel.app",
    "https://2-book-8dk3j2lxq-x-ada.vercel.app",
    "https://x.2-book-8dk3j2lxq-ada.vercel.app",
    "https://2-book-8dk3j2lxq-ada.vercel.app:443",
    "https://2-book-8dk3j2lxq-ada.vercel.app.",
    "https://2-book-8dk3j2lxq-ada.vercel.app/",
    "http://2-book-8dk3j2lxq-ada.vercel.app",
    "https://2-book-8dk3j2lxq-eve.vercel.app",
    "https://2-book-8dk3j2lxq-ada.vercel.app.evil.com",
    "https://2-book-8dk3j2lxq-adaxvercel.app",
    "https://evil.example/2-book-8dk3j2lxq-ada.vercel.app",
    "https://localhost:3000",
    "http://2-book.vercel.app",
    "https://2-book.vercel.app:8443",
    "https://2-book.vercel.app.",
    "https://2-BOOK.vercel.app@evil.example",
    "https://2-book.vercel.app, https://evil.example",
    "http://localhost:3001",
    "file://",
)
FAILURES: dict[int, Exception | None] = {
    200: None,
    404: NotFound(),
    413: RequestTooLarge(),
    422: InvalidRequest(),
    429: RateLimited(retry_after=3),
    500: RuntimeError("hunter2"),
    503: UpstreamError("hunter2", service="openai"),
}


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The real endpoints, and /as/STATUS, which ends as it is told."""

    async def end(status: int) -> health.HealthResponse:
        if error := FAILURES[status]:
            raise error
        return await health.health()

    end.__module__ = health.__name__
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATA_DIR", str(tmp_path_factory.mktemp("origins")))
        patch.setenv("ALLOWED_ORIGINS", SITE)
        patch.setenv("VERCEL_PROJECT", "2-book")
        patch.setenv("VERCEL_SCOPE", "ada")
        providers.reset()
        app = router.create_app([*router.ROUTES, ("GET", "/as/{status}", end)])
        yield TestClient(app, raise_server_exceptions=False)
    providers.reset()


def responses(http: TestClient, origin: str) -> Iterator[Any]:
    headers = {"Origin": origin, "Content-Type": "application/json", "Cookie": "session=hunter2"}
    for status in FAILURES:
        response = http.get(f"/as/{status}", headers=headers)
        assert response.status_code == status
        yield response
    for status, response in (
        (404, http.get("/nowhere", headers=headers)),
        (405, http.put("/chat", headers=headers)),
        (413, http.post("/chat", content=b" " * 1_000_001, headers=headers)),
        (422, http.post("/chat", content=b"{", headers=headers)),
        (200, http.get("/", headers=headers)),
        (200, http.get("/widget.js", headers=headers)),
    ):
        assert response.status_code == status
        yield response


@pytest.mark.parametrize("origin", ALLOWED)
def test_an_allowed_origin_may_read_every_status(http: TestClient, origin: str) -> None:
    for response in responses(http, origin):
        assert response.headers["access-control-allow-origin"] == origin
        assert response.headers["access-control-allow-credentials"] == "true"
        assert "Origin" in response.headers["vary"]
        exposed = response.headers["access-control-expose-headers"]
        assert {"Retry-After", "X-Request-ID"} <= {name.strip() for name in exposed.split(",")}
    for method in ("GET", "POST", "DELETE"):
        wanted = {
            "Origin": origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "content-type, idempotency-key",
        }
        preflight = http.options("/chat", headers=wanted)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == origin
        assert method in preflight.headers["access-control-allow-methods"]


@pytest.mark.parametrize("origin", FORBIDDEN)
def test_a_forbidden_origin_may_read_none(http: TestClient, origin: str) -> None:
    for response in responses(http, origin):
        assert "access-control-allow-origin" not in response.headers
    preflight = http.options(
        "/chat", headers={"Origin": origin, "Access-Control-Request-Method": "POST"}
    )
    assert "access-control-allow-origin" not in preflight.headers


def allowed(origin: str, **variables: str) -> bool:
    names = {"VERCEL_PROJECT": "docs", "VERCEL_SCOPE": "acme"}
    return cors.is_allowed(load_settings({**names, **variables}), origin)


@pytest.mark.parametrize("branch", ["main", "feature-x", "8dk3j2lxq", "a", "a-b-c-1"])
def test_branches_are_previews_only_if_the_author_says_so(branch: str) -> None:
    origin = f"https://docs-git-{branch}-acme.vercel.app"
    assert not allowed(origin)
    assert allowed(origin, VERCEL_BRANCHES="1")
    for other in (
        f"https://docs-{branch}-acme.vercel.app" if len(branch) != 9 else "https://docs-acme",
        f"https://docs-git-{branch}-eve.vercel.app",
        f"https://evil-docs-git-{branch}-acme.vercel.app",
        f"https://docs-git-{branch}--acme.vercel.app",
        f"https://docs-git--{branch}-acme.vercel.app",
        f"https://docs-git-{branch}-acme.vercel.app.evil.example",
        "https://docs-git-acme.vercel.app",
    ):
        assert not allowed(other, VERCEL_BRANCHES="1"), other


def test_no_name_longer_than_vercel_makes_is_a_preview() -> None:
    longest = "b" * (63 - len("docs-git--acme"))
    for branch, expected in ((longest, True), (longest + "b", False)):
        origin = f"https://docs-git-{branch}-acme.vercel.app"
        assert allowed(origin, VERCEL_BRANCHES="1") is expected
    project = "p" * 50
    cut = f"https://{project}-8dk3j2lxq-acme.vercel.app"
    assert not allowed(cut, VERCEL_PROJECT=project)


def test_a_project_or_scope_is_no_pattern() -> None:
    assert not allowed("https://docsx8dk3j2lxq-acme.vercel.app", VERCEL_PROJECT="docs.*")
    assert not allowed("https://docs-8dk3j2lxq-evil.vercel.app", VERCEL_SCOPE="(acme|evil)")
    assert allowed("https://docs-8dk3j2lxq-acme.vercel.app", VERCEL_PROJECT="Docs")


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://127.0.0.1:3000"])
def test_the_site_on_the_author_s_machine_may_ask_a_service_that_runs_there(origin: str) -> None:
    host = {"SPACE_ID": "a/b"}
    assert allowed(origin)
    assert allowed(origin, HOST="localhost")
    for elsewhere in (host, {"VERCEL": "1"}, {"AWS_LAMBDA_FUNCTION_NAME": "f"}):
        assert not allowed(origin, **elsewhere)
    for public in ("0.0.0.0", "::", "192.0.2.7"):
        assert not allowed(origin, HOST=public)
    assert allowed(origin, **host, ALLOWED_ORIGINS=f"https://book.example, {origin}")
    assert not allowed("http://localhost:3001")


def test_every_response_protects_itself(http: TestClient) -> None:
    for response in responses(http, SITE):
        headers = response.headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-request-id"]
        assert "set-cookie" not in headers
        assert "hunter2" not in response.text
        if headers["content-type"].startswith("application/"):
            assert headers["cache-control"] == "no-store"
            assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_the_page_may_be_framed_and_nothing_else_may_run_in_it(http: TestClient) -> None:
    """A Hugging Face Space shows it in an iframe."""
    headers = http.get("/").headers
    assert "x-frame-options" not in headers
    assert "frame-ancestors" not in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "'unsafe-inline'" not in headers["content-security-policy"]
    assert http.get("/widget.js").headers["cross-origin-resource-policy"] == "cross-origin"


def test_the_page_itself_sets_no_cookie_and_sends_no_referrer() -> None:
    widget = Path(router.__file__).parent / "widget"
    for path in widget.glob("src/**/*.js"):
        assert "document.cookie" not in path.read_text(), path
