"""The forms of a request that proxies, balancers and monitors send."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from mangum import Mangum

import router
from tests.support.service import Service, serving
from tests.web.test_hostile import head, send
from tests.web.test_lambda_adapter import EVENTS, Event


@pytest.fixture(scope="module")
def below(handbook: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service below a path that its proxy leaves in place."""
    folder = tmp_path_factory.mktemp("below")
    shutil.copytree(handbook, folder / "data")
    with serving(folder / "log", DATA_DIR=str(folder / "data"), BASE_PATH="team/kb/") as running:
        yield running


def asked(service: Service, line: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer to a request line."""
    said, _, body = send(service, head(line, b"Connection: close")).partition(b"\r\n\r\n")
    first, *rest = said.decode().split("\r\n")
    return int(first.split()[1]), dict(each.lower().split(": ", 1) for each in rest), body


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"http://host.example/health", 200),
        (b"http://host.example/team/kb/health", 200),
        (b"HTTPS://reader@host.example:8443/health?deep=0", 200),
        (b"http://[2001:db8::1]:80/health", 200),
        (b"http://host.example", 200),
        (b"http://host.example/team/kb", 307),
        (b"http://host.example//health", 404),
        (b"http:///health", 200),
        (b"ftp://host.example/health", 404),
        (b"http://http://health", 404),
        (b"//host.example/health", 404),
        (b"/team/kb//health", 404),
        (b"/team/kbhealth", 404),
        (b"/team%2Fkb/health", 200),
        (b"/%2e%2e/health", 404),
        (b"/%", 404),
        (b"/%ff%00", 404),
        (b"*", 404),
    ],
)
def test_targets(below: Service, target: bytes, status: int) -> None:
    assert asked(below, b"GET " + target)[0] == status


@pytest.mark.parametrize("line", [b"OPTIONS *", b"CONNECT host.example:443", b"PRI *", b"FOO /"])
def test_methods_that_no_route_has(below: Service, line: bytes) -> None:
    status, headers, body = asked(below, line)
    assert status in (404, 405)
    assert headers["content-type"] == "application/problem+json"
    assert body


def test_no_target_left_a_stack(below: Service) -> None:
    """After the tests above."""
    assert "Traceback" not in below.log
    assert '"level"' not in below.log


PATHS = [
    *("/", "/health", "/config", "/widget.js", "/book/", "/book/docs/api", "/nowhere", "/chat"),
    *("/chat/sessions/x", "/chat/sessions/x?limit=0", "/health?deep=maybe"),
]


@pytest.mark.parametrize("path", PATHS)
def test_head_has_the_headers_of_get_and_no_body(below: Service, path: str) -> None:
    get_status, get_headers, get_body = asked(below, f"GET {path}".encode())
    status, headers, body = asked(below, f"HEAD {path}".encode())
    assert (status, body) == (get_status, b"")
    assert int(headers["content-length"]) == len(get_body) > 0
    for changing in ("date", "x-request-id"):
        del headers[changing], get_headers[changing]
    assert headers == get_headers


def test_an_open_connection_takes_more_after_head(below: Service) -> None:
    with below.client() as client:
        for _ in range(3):
            assert client.head("/health").status_code == 200
            assert client.get("/health").json()["status"] == "ok"


def test_the_log_says_head(below: Service) -> None:
    with below.client() as client:
        client.head("/widget.js", headers={"X-Request-ID": "head-of-the-widget"})
        client.get("/health")  # a line may come after its answer
    (line,) = [each for each in below.requests if each["request_id"] == "head-of-the-widget"]
    assert (line["method"], line["status"]) == ("HEAD", 200)


@pytest.fixture(scope="module")
def function(in_process: Path, lambda_loop: None) -> Mangum:
    return Mangum(router.create_app(), lifespan="off")


@pytest.mark.parametrize("make", EVENTS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("path", ["/", "/health", "/widget.js", "/nowhere"])
def test_head_on_lambda(function: Mangum, make: Any, path: str) -> None:
    def invoke(method: str) -> Event:
        event = make(method, path, None, {})
        answer: Event = function(event, SimpleNamespace(aws_request_id="1"))
        return answer

    get, answer = invoke("GET"), invoke("HEAD")
    assert (answer["statusCode"], answer["body"]) == (get["statusCode"], "")
    assert answer.get("headers", {}).keys() == get.get("headers", {}).keys()


def test_the_base_path_without_its_slash(below: Service) -> None:
    with httpx.Client(base_url=below.url) as client:
        for method in ("GET", "HEAD"):
            moved = client.request(method, "/team/kb?a=b&c=%20")
            assert (moved.status_code, moved.headers["location"]) == (307, "kb/?a=b&c=%20")
        assert client.get("/team/kb", follow_redirects=True).text.startswith("<!doctype html>")
        assert client.get("/team/kb/").status_code == client.get("/").status_code == 200
        assert client.post("/team/kb").status_code in (404, 405)
        assert client.get("/team").status_code == client.get("/team/kbb").status_code == 404


def test_the_preview_stays_below_the_base_path(below: Service) -> None:
    home = httpx.URL(f"{below.url}/team/kb/book/docs/api")
    page = httpx.get(home).text
    links = [part.partition('"')[0] for part in page.split('<a href="')[1:3]]
    assert str(home.join(links[0])) == f"{below.url}/team/kb/"
    assert str(home.join(links[1])).startswith(f"{below.url}/team/kb/book/")
    contents = httpx.URL(f"{below.url}/team/kb/book/")
    listed = httpx.get(contents).text
    found = [part.partition('"')[0] for part in listed.split('<a href="')[3:]]
    assert found
    for link in found[:3]:
        assert str(contents.join(link)).startswith(f"{below.url}/team/kb/book/docs/")
        assert httpx.get(contents.join(link)).status_code == 200
