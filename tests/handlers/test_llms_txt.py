"""`/llms.txt`, `/llms-full.txt`, pages as Markdown, and the files below `/.well-known/mcp`."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import jsonschema_rs
import pytest

from handlers.book import Markdown, book
from handlers.llms_txt import llms_full_txt, llms_txt
from rag import providers
from rag.adapters import site_files
from rag.errors import NotFound
from tests.support.served_site import Served, served
from tests.support.service import Service, serving
from tests.upstreams import Upstreams
from tests.upstreams.http import Response


@pytest.fixture
def http(service: Service) -> Iterator[httpx.Client]:
    with service.client() as client:
        yield client


def links(text: str) -> list[str]:
    return re.findall(r"^- \[.+?\]\((http[^)]+)\)", text, re.M)


def test_every_link_leads_to_a_page_as_markdown(http: httpx.Client) -> None:
    response = http.get("/llms.txt")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert "max-age" in response.headers["cache-control"]
    assert response.text.startswith("# Ask the Book\n\n> ")
    found = links(response.text)
    assert len(found) > 10
    for url in found:
        page = http.get(f"/book/{url.partition('/book/')[2]}")
        assert page.status_code == 200, url
        assert page.headers["content-type"] == "text/markdown; charset=utf-8"
        assert page.text.startswith("# ")


def test_every_preview_page_is_there_as_markdown(http: httpx.Client) -> None:
    pages = re.findall(r'<li><a href="\./([^"]+)"', http.get("/book/").text)
    full = http.get("/llms-full.txt").text
    assert len(pages) > 10
    for slug in pages:
        text = http.get(f"/book/{slug.rstrip('/')}.md").text
        headings = re.findall(r"^#+ .+", re.sub(r"```.*?```", "", text, flags=re.S), re.M)
        assert len(headings) > 1
        for heading in headings:
            assert heading in full, "the text made of passages has the same headings"
    assert http.get("/book/no/such.md").status_code == 404


@pytest.fixture
def plain(in_process: Path) -> Iterator[None]:
    yield
    providers.reset()


def fetched(name: str) -> tuple[int, str, str]:
    handler = llms_txt if name == "llms.txt" else llms_full_txt
    response = asyncio.run(handler())
    return response.status_code, bytes(response.body).decode(), response.headers.get("location", "")


@pytest.fixture
def site(plain: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """The book's own site."""
    with served({}) as site:
        monkeypatch.setenv("SITE_URL", site.url)
        monkeypatch.setattr(site_files, "_known", {})
        providers.reset()
        yield site


TEXT = Response(200, b"# Ours", {"Content-Type": "text/plain; charset=utf-8"})
PAGE = Response(200, b"<html>", {"Content-Type": "text/html"})


def test_the_site_s_own_file_comes_first(site: Served) -> None:
    site.pages["/llms.txt"] = TEXT
    assert fetched("llms.txt") == (307, "", f"{site.url}/llms.txt")
    assert fetched("llms.txt")[0] == 307
    assert site.asked == ["/llms.txt"], "asked once"
    status, text, _ = fetched("llms-full.txt")
    assert (status, f"Source: {site.url}/docs/privacy\n" in text) == (200, True)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        PAGE,
        Response(500, b"", {"Content-Type": "text/plain"}),
        Response(302, b"", {"Location": "http://localhost:7860/llms.txt"}),
    ],
    ids=["missing", "the site's page for everything", "failing", "leads back here"],
)
def test_without_one_the_book_s_own_pages_are_listed(site: Served, answer: Response | None) -> None:
    if answer:
        site.pages["/llms.txt"] = answer
    status, text, _ = fetched("llms.txt")
    assert status == 200
    assert f"{site.url}/docs/privacy" in links(text)


def test_a_site_that_is_down_delays_nothing(site: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_files, "SECONDS", 0.2)
    site.fail("hang", times=9)
    assert fetched("llms.txt")[0] == 200


def test_a_service_that_is_its_own_site_does_not_ask_itself_forever() -> None:
    with pytest.raises(NotFound):
        asyncio.run(llms_txt(purpose=site_files.PURPOSE))


def test_a_long_book_is_cut(plain: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.indexing.llms_txt.FULL_CHARACTERS", 20_000)
    monkeypatch.setattr("rag.indexing.llms_txt.MAX_PAGES", 3)
    monkeypatch.setattr("rag.indexing.llms_txt._full", {})
    full = fetched("llms-full.txt")[1]
    assert len(full.encode()) < 20_200
    assert full.endswith("more pages are left out, because the book is too long.\n")
    contents = fetched("llms.txt")[1]
    assert len(links(contents)) == 3
    assert contents.endswith("more pages are left out.\n")


def test_a_page_is_markdown_without_a_preview(
    upstreams: Upstreams, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On a host there is no preview, but the widget copies pages."""
    for name, value in upstreams.environ().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setenv("SITE_URL", "https://book.example")
    providers.reset()

    async def main() -> None:
        page = await book("docs/privacy.md")
        assert isinstance(page, Markdown)
        assert bytes(page.body).startswith(b"# Privacy\n")
        assert b"\n## What is kept\n" in page.body
        for slug in ("docs/privacy", "docs/none.md", ""):
            with pytest.raises(NotFound):
                await book(slug)

    asyncio.run(main())
    providers.reset()


# ------------------------------------------------------------------ discovery

CARD = {
    "type": "object",
    "required": ["$schema", "name", "version", "description"],
    "properties": {
        "$schema": {
            "pattern": r"^https://static\.modelcontextprotocol\.io/schemas/v1/server-card\.schema\.json$"
        },
        "name": {"pattern": "^[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$", "minLength": 3, "maxLength": 200},
        "version": {"type": "string", "maxLength": 255},
        "description": {"type": "string", "minLength": 1, "maxLength": 100},
        "title": {"type": "string", "minLength": 1, "maxLength": 100},
        "remotes": {
            "items": {
                "required": ["type", "url"],
                "properties": {"type": {"enum": ["streamable-http", "sse"]}},
            }
        },
    },
}
"""The bounds of the draft's schema."""


def test_the_server_is_found_from_its_host(http: httpx.Client) -> None:
    card = http.get("/.well-known/mcp/server-card.json").json()
    jsonschema_rs.validate(CARD, card)
    (remote,) = card["remotes"]
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    assert httpx.post(remote["url"], json=ping).json()["result"] == {}
    (entry,) = http.get("/.well-known/mcp/catalog.json").json()["entries"]
    assert entry["type"] == "application/mcp-server-card+json"
    assert httpx.get(entry["url"]).json() == card
    (server,) = http.get("/.well-known/mcp").json()["servers"]
    assert (server["url"], server["authentication"]) == (remote["url"], "none")


def test_addresses_name_the_host_and_the_prefix_of_a_proxy(handbook: Path, tmp_path: Path) -> None:
    shutil.copytree(handbook, tmp_path / "data")
    data = {"DATA_DIR": str(tmp_path / "data"), "BASE_PATH": "/api"}
    with serving(tmp_path / "log", **data) as running:
        headers = {"Host": "ask.book.example", "X-Forwarded-Proto": "https"}
        url = f"{running.url}/api/.well-known/mcp/server-card.json"
        card = httpx.get(url, headers=headers).json()
        assert card["name"] == "example.book.ask/ask-the-book"
        assert card["remotes"][0]["url"] == "https://ask.book.example/api/mcp"
        evil = httpx.get(url, headers={"Host": "evil[.example:1"})
        assert evil.status_code < 500
