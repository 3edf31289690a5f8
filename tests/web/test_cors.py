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
from rag.errors import (
    InvalidRequest,
    NotFound,
    RateLimited,
    RequestTooLarge,
    UpstreamError,
)

SITE = "https://2-book.vercel.app"
ALLOWED = (
    SITE,
    "https://2-book-git-main-9f3k2-ada.vercel.app",
    "https://2-book-8dk3j2-ada.vercel.app",
    "http://localhost:3000",
    "http://127.0.0.1:3000",
)
FORBIDDEN = (
    "null",
    "https://evil.example",
    "https://evil-2-book.vercel.app",
    "https://2-book.vercel.app.evil.com",
    "https://2-book-x-eve.vercel.app",
    "https://2-book-x-ada.vercel.app.evil.com",
    "https://2-book-x-adaxvercel.app",
    "https://evil.example/2-book-x-ada.vercel.app",
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
