"""The service behind a real nginx: its path, its readers' addresses, streaming, odd targets."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.service import Service, free_port, serving
from tests.upstreams import Reply, Upstreams, words
from tests.web.test_hostile import head, send
from tests.web.test_server import started

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/bin") or ""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not NGINX, reason="nginx is not installed here"),
]

QUESTION = {"message": "How do I delete a conversation?"}
HOST = {"K_SERVICE": "book", "EMBEDDED": "1", "PROXY_HOPS": "1", "FORWARDED_ALLOW_IPS": "127.0.0.1"}
"""A host, because requests from this machine are not counted on a laptop."""

CONFIGURATION = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; user {user};
events {{ worker_connections 64; }}
http {{
  access_log off;
  gzip on; gzip_types *; gzip_min_length 1;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  proxy_set_header Host $http_host;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header X-Forwarded-Proto https;
  proxy_set_header Connection "";
  server {{ listen 127.0.0.1:{port}; {locations} }}
}}
"""


@contextlib.contextmanager
def nginx(folder: Path, locations: str) -> Iterator[Service]:
    """Run nginx with these locations until the end of the block."""
    import getpass

    port, configuration = free_port(), folder / "nginx.conf"
    configuration.write_text(
        CONFIGURATION.format(folder=folder, port=port, locations=locations, user=getpass.getuser())
    )
    process = subprocess.Popen([NGINX, "-p", str(folder), "-c", str(configuration)])
    running = Service(process, f"http://127.0.0.1:{port}", folder / "error.log")
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield running
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def data(handbook: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(handbook, tmp_path / "data"))


def ways(url: str) -> dict[str, str]:
    """Return locations that leave the path in place, and that strip it."""
    return {
        "in place": f"location /team/kb {{ proxy_pass {url}; }}",
        "stripped": f"location /team/kb/ {{ proxy_pass {url}/; }}",
        "HTTP/1.1": f"location /team/kb {{ proxy_pass {url}; proxy_http_version 1.1; }}",
    }


@pytest.mark.parametrize("way", ways(""))
def test_below_a_path(data: Path, tmp_path: Path, way: str) -> None:
    with (
        serving(tmp_path / "log", DATA_DIR=str(data), BASE_PATH="/team/kb") as service,
        nginx(tmp_path, ways(service.url)[way]) as front,
        httpx.Client(base_url=f"{front.url}/team/kb", timeout=60, follow_redirects=True) as client,
    ):
        page = client.get(f"{front.url}/team/kb")
        assert (page.status_code, page.url.path) == (200, "/team/kb/")
        assert client.get("/widget.js").headers["content-encoding"] == "gzip"
        assert client.head("/health").status_code == 200
        assert client.get("/book/docs/privacy").status_code == 200
        assert client.get("/book/docs/privacy.md").text.startswith("# ")
        assert client.get("/llms.txt").text.startswith("# ")
        answer = client.post("/chat", json=QUESTION).json()
        session = f"/chat/sessions/{answer['session_id']}"
        assert client.get(session).status_code == 200
        assert client.delete(session).status_code == 200
        call = {"name": "search", "arguments": {"query": QUESTION["message"]}}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
        assert client.post("/mcp", json=message).json()["result"]["structuredContent"]["results"]
        wrong = client.post("/chat", json={"message": ""})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid")
        card = client.get("/.well-known/mcp/server-card.json").json()
        public = front.url.replace("http:", "https:")
        assert card["remotes"][0]["url"] == f"{public}/team/kb/mcp"


@pytest.mark.parametrize("upstream", ["an address", "a Unix socket"])
def test_each_reader_has_a_limit(data: Path, tmp_path: Path, upstream: str) -> None:
    """What a reader writes into `X-Forwarded-For` stays in front of what nginx appends."""
    variables = {**HOST, "DATA_DIR": str(data), "RATE_PER_MINUTE": "1", "RATE_BURST": "2"}
    port, socket_path = free_port(), tmp_path / "back"
    if upstream == "an address":
        command, url = ["router.py"], f"http://127.0.0.1:{port}"
        variables["PORT"] = str(port)
    else:
        command = ["-m", "uvicorn", "router:app", "--uds", str(socket_path)]
        url = f"http://unix:{socket_path}:"
    with (
        started(tmp_path / "log", *command, variables=variables),
        nginx(tmp_path, f"location / {{ proxy_pass {url}; }}") as front,
    ):
        deadline = time.monotonic() + 60
        while httpx.get(f"{front.url}/health").status_code != 200 and time.monotonic() < deadline:
            time.sleep(0.2)

        def ask(reader: str, forwarded: str = "") -> int:
            headers = {"X-Forwarded-For": forwarded} if forwarded else {}
            transport = httpx.HTTPTransport(local_address=reader)
            with httpx.Client(transport=transport, base_url=front.url, timeout=60) as client:
                return client.post("/search", json={"query": "x"}, headers=headers).status_code

        ask("127.0.0.9")  # the database starts
        time.sleep(2)
        ask("127.0.0.9")
        assert [ask("127.0.0.2") for _ in range(3)] == [200, 200, 429]
        assert ask("127.0.0.2", "203.0.113.7") == 429
        assert ask("127.0.0.2", "203.0.113.7, 127.0.0.3") == 429
        assert ask("127.0.0.3", "127.0.0.2") == 200


def moments(front: Service, path: str, body: dict[str, Any]) -> list[float]:
    """Seconds until each part of a streamed answer that holds a word of the model."""
    begun, found = time.monotonic(), []
    headers = {"Accept": "text/event-stream", "Authorization": "Bearer " + "k" * 20}
    with httpx.stream(
        "POST", f"{front.url}{path}", json=body, headers=headers, timeout=60
    ) as answer:
        assert answer.status_code == 200, answer.read()
        for part in answer.iter_text():
            if "word" in part:
                found.append(time.monotonic() - begun)
    return found


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_answers_are_streamed(
    upstreams: Upstreams, test_database: str, tmp_path: Path, version: str
) -> None:
    """With nginx's default `proxy_buffering on`, which the service's own header overrides."""
    variables = upstreams.environ() | {"DATABASE_URL": test_database, "API_TOKEN": "k" * 20}
    ask = {"messages": [{"role": "user", "content": QUESTION["message"]}], "stream": True}
    with (
        serving(tmp_path / "log", **variables) as service,
        nginx(
            tmp_path,
            f"location / {{ proxy_pass {service.url}; proxy_http_version {version}; }}",
        ) as front,
    ):
        for path, body in (("/chat", QUESTION), ("/v1/chat/completions", ask)):
            upstreams.openai.script(Reply(words(30) + "[1].", delay=0.1))
            found = moments(front, path, body)
            assert len(found) > 10
            assert found[-1] - found[0] > 1.5


def test_a_slow_model_is_not_cut_off(
    upstreams: Upstreams, test_database: str, tmp_path: Path
) -> None:
    """A proxy ends connections that are silent for some time, here shorter than the model."""
    variables = upstreams.environ() | {"DATABASE_URL": test_database, "API_TOKEN": "k" * 20}
    ask = {"messages": [{"role": "user", "content": QUESTION["message"]}], "stream": True}
    with (
        serving(tmp_path / "log", **variables) as service,
        nginx(
            tmp_path,
            f"location / {{ proxy_pass {service.url}; proxy_http_version 1.1;"
            " proxy_read_timeout 12s; }",
        ) as front,
    ):
        for path, body in (("/chat", QUESTION), ("/v1/chat/completions", ask)):
            upstreams.openai.script(Reply(words(5) + "[1].", first_delay=18))
            assert moments(front, path, body)[-1] > 17


@pytest.fixture(scope="module")
def below(handbook: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("below")
    data = shutil.copytree(handbook, folder / "data")
    with (
        serving(folder / "log", DATA_DIR=str(data), BASE_PATH="/team/kb") as service,
        nginx(folder, ways(service.url)["in place"]) as front,
    ):
        yield front
    assert "Traceback" not in service.log


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"http://host.example/team/kb/health", 200),
        (b"http://host.example/team/kb", 307),
        (b"http://host.example:8080/team/kb/book/docs/privacy?x=http://y", 200),
        (b"/team/kb/%62ook/docs/privacy", 200),
        (b"/team/kb/book/docs%2Fprivacy", 200),
        (b"/team/kb//health", 404),
        (b"/team/kb/nowhere/../health", 404),  # passed on as it was sent
        (b"/team/kbhealth", 404),
        (b"/elsewhere", 404),
    ],
)
def test_targets(below: Service, target: bytes, status: int) -> None:
    said = send(below, head(b"GET " + target, b"Connection: close"))
    assert int(said.split()[1]) == status, said[:500]
