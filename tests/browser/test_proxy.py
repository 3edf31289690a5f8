"""The whole service in a real browser, direct and behind nginx: its addresses, and two tabs."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urljoin

import httpx
import pytest

from tests.browser.conftest import Reader
from tests.support.service import environment, free_port, run, serving

pytest.importorskip("playwright.sync_api")
from playwright.sync_api import expect

ANIMALS = {
    "C# guide": "wombats",
    "what?": "pelicans",
    "why? #1/100% done": "otters",
    "a%20b": "hedgehogs",
    "über uns/größe & co": "badgers",
    "x (1) [2] + 'y'": "flamingos",
    "日本/ページ": "tortoises",
    "back\\slash": "penguins",
}
"""The name of each page, and the animal that it is about."""
PAGE = """# Keeping {0}

This page tells about them.

## Größe & C# of {0}

Big {0} eat {0} food.
"""

NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  gzip on; gzip_types text/event-stream application/json text/plain;
  server {{
    listen 127.0.0.1:{port};
    location {location} {{
      proxy_pass {target};
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For 203.0.113.7;
    }}
  }}
}}
"""


@dataclass
class Place:
    """Where readers find the service."""

    url: str
    """With a slash at its end."""
    is_direct: bool


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a book whose files have signs in their names."""
    folder = tmp_path_factory.mktemp("signs")
    for name, animal in ANIMALS.items():
        path = folder / "book" / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(PAGE.format(animal), "utf-8")
    data = folder / "data"
    finished = run("ingest.py", str(folder / "book"), env=environment(DATA_DIR=str(data)))
    assert finished.returncode == 0, finished.stderr
    return data


@pytest.fixture(
    scope="module",
    params=[
        "direct",
        pytest.param("kept", marks=pytest.mark.slow),
        pytest.param("stripped", marks=pytest.mark.slow),
    ],
)
def place(
    request: pytest.FixtureRequest, book: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """The service direct, or below `/kb` behind a proxy that keeps that path or strips it."""
    folder = tmp_path_factory.mktemp("place")
    shutil.copytree(book, folder / "data")
    variables = {"DATA_DIR": str(folder / "data"), "BASE_PATH": "/kb"}
    if request.param == "direct":
        with serving(folder / "log", **variables) as service:
            yield Place(f"{service.url}/kb/", is_direct=True)
        return
    if not (nginx := shutil.which("nginx")):
        pytest.skip("needs nginx: apt-get install nginx")
    if request.param == "stripped":
        del variables["BASE_PATH"]
    with serving(folder / "log", PROXY_HOPS="1", **variables) as service:
        port, stripped = free_port(), request.param == "stripped"
        text = NGINX.format(
            folder=folder,
            port=port,
            location="/kb/" if stripped else "/kb",
            target=f"{service.url}/" if stripped else service.url,
        )
        (folder / "nginx.conf").write_text(text)
        proxy = subprocess.Popen([nginx, "-p", str(folder), "-c", str(folder / "nginx.conf")])
        try:
            wait_for(f"http://127.0.0.1:{port}/kb/health", proxy)
            yield Place(f"http://127.0.0.1:{port}/kb/", is_direct=False)
        finally:
            proxy.terminate()
            proxy.wait(20)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"nothing answers at {url}")


def open_chat(reader: Reader, place: Place) -> None:
    """Open the chat page by its address without the slash, as people type it."""
    reader.page.goto(place.url.rstrip("/"))
    expect(reader.field).to_be_visible()
    assert reader.page.url == place.url


def test_every_citation_reaches_its_section(reader: Reader, place: Place) -> None:
    for animal in ANIMALS.values():
        asked = {"message": f"What do big {animal} eat?"}
        answer = httpx.post(f"{place.url}chat", json=asked, timeout=60).json()
        urls = [source["url"] for source in answer["sources"]]
        urls += re.findall(r"\]\(([^()]+)\)", answer["message"])
        reached = set()
        for url in dict.fromkeys(urljoin(place.url, url) for url in urls):
            assert place.is_direct or url.startswith(place.url), url
            reader.page.goto(url)
            expect(reader.page.locator("h1")).to_contain_text("Keeping")
            if "#" in url:
                expect(reader.page.locator(":target")).to_have_count(1)
                reached.add(unquote(str(reader.page.evaluate("location.hash"))))
        assert f"#größe--c-of-{animal}" in reached


def test_a_citation_is_clicked(reader: Reader, place: Place) -> None:
    open_chat(reader, place)
    reader.ask("What do big otters eat?")
    with reader.page.context.expect_page() as opened:
        reader.page.locator(".turn .prose .cite").first.click()
    page = opened.value
    expect(page.locator("h1")).to_have_text("Keeping otters")
    expect(page.locator(":target")).to_contain_text("otters")


def test_every_page_is_listed_and_reached(reader: Reader, place: Place) -> None:
    page = reader.page
    page.goto(f"{place.url}book/{quote('C# guide')}")
    page.get_by_role("link", name="All pages").click()
    expect(page.locator("ul.pages a")).to_have_count(len(ANIMALS))
    for animal in ANIMALS.values():
        page.get_by_role("link", name=f"Keeping {animal}").click()
        expect(page.locator("h1")).to_have_text(f"Keeping {animal}")
        page.get_by_role("link", name="All pages").click()
    page.get_by_role("link", name="Ask a question").click()
    expect(reader.field).to_be_visible()
    assert page.url == place.url


def test_every_address_for_programs_is_answered(place: Place) -> None:
    with httpx.Client(base_url=place.url, timeout=60) as http:
        listed = http.get("llms.txt").text
        links = re.findall(r"^- \[.+?\]\((.+?)\)(?::|$)", listed, re.M)
        assert len(links) == len(ANIMALS)
        for link in links:
            page = http.get(urljoin(f"{place.url}llms.txt", link))
            assert page.status_code == 200, link
            assert page.headers["content-type"].startswith("text/markdown")
        full = http.get("llms-full.txt").text
        for url in re.findall(r"^Source: (.+)$", full, re.M):
            assert http.get(urljoin(f"{place.url}llms-full.txt", url)).status_code == 200, url

        def call(method: str, **params: Any) -> Any:
            body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            return http.post("mcp", json=body).json()["result"]

        resources = call("resources/list")["resources"]
        assert len(resources) == len(ANIMALS)
        for resource in resources:
            (content,) = call("resources/read", uri=resource["uri"])["contents"]
            assert content["text"].startswith(f"# {resource['title']}")
        for animal in ANIMALS.values():
            query = {"query": f"big {animal}"}
            found = call("tools/call", name="search", arguments=query)["structuredContent"]
            best = found["results"][0]
            assert best["title"].startswith(f"Keeping {animal}")
            for known in (best["id"], best["url"]):
                arguments = {"id": known}
                fetched = call("tools/call", name="fetch", arguments=arguments)["structuredContent"]
                assert fetched["title"] == f"Keeping {animal}", known
                shown = http.get(urljoin(place.url, fetched["url"]))
                assert f"<h1>Keeping {animal}</h1>" in shown.text, fetched["url"]


def questions(reader: Reader) -> list[str]:
    return reader.turns.locator(".question > p").all_inner_texts()


def test_two_tabs(reader: Reader, place: Place) -> None:
    first = reader
    open_chat(first, place)
    first.ask("What do big wombats eat?")
    second = Reader(first.page.context.new_page(), first.site)
    open_chat(second, place)
    expect(second.turns).to_have_count(1)
    second.page.get_by_role("button", name="New conversation").click()
    expect(second.turns).to_have_count(0)
    second.ask("What do big otters eat?")
    first.ask("And big pelicans?")
    first.turns.last.get_by_role("button", name="Good answer").click()
    expect(first.page.locator("[aria-live]")).to_contain_text("Thank you")
    second.ask("And big badgers?")
    for reader, asked in (
        (first, ["What do big wombats eat?", "And big pelicans?"]),
        (second, ["What do big otters eat?", "And big badgers?"]),
    ):
        reader.page.reload()
        expect(reader.turns).to_have_count(2)
        assert questions(reader) == asked
    rated = first.turns.last.get_by_role("button", name="Good answer")
    expect(rated).to_have_attribute("aria-pressed", "true")
    for n in range(2):
        other = second.turns.nth(n).get_by_role("button", name="Good answer")
        expect(other).to_have_attribute("aria-pressed", "false")
    with first.page.expect_download() as download:
        first.page.get_by_role("button", name="Download this conversation").click()
    saved = download.value.path().read_text()
    assert "And big pelicans?" in saved
    assert "What do big otters eat?" not in saved
    assert "](book/" not in saved  # leads nowhere from a file
    for url in re.findall(r"\(<(http[^>]+)>\)", saved):
        assert httpx.get(url).status_code == 200, url
