"""The free Space's app with the real Gradio and `spaces`, beside an imitated ZeroGPU and services.

Its packages are installed for this test alone, as the Hub would install them.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from deploy.free_space import SDK_VERSION, space_files, unreachable
from deploy.hugging_face import needed_files
from tests.support.service import ROOT, environment, free_port
from tests.upstreams import Reply, Upstreams

SITE = "https://book.example"
PROXY = "127.0.0.2"
"""Address from which the test calls, as the proxy of a Space; uvicorn's default is another."""
START = f"""
import runpy
import web.server
web.server._PROXIES["SPACE_ID"] = {PROXY!r}
runpy.run_path("app.py", run_name="__main__")
"""


def test_only_three_ports_lead_out() -> None:
    fine = {
        "QDRANT_URL": "https://7f3a53.cloud.qdrant.io",
        "DATABASE_URL": "postgresql://u:p@ep-1.neon.tech:443/book?sslmode=require",
        "OPENAI_BASE_URL": "http://llm.example:8080/v1",
        "BOOK_TITLE": "Ports: a history",
    }
    assert list(unreachable(fine)) == []
    closed = {
        "QDRANT_URL": "https://7f3a53.cloud.qdrant.io:6333",
        "DATABASE_URL": "postgresql://u:p@ep-1.neon.tech/book",
        "OPENAI_BASE_URL": "http://llm.example:11434/v1",
        "COHERE_BASE_URL": "https://proxy.example:99999",
    }
    sentences = list(unreachable(closed))
    assert [sentence.count(name) for sentence, name in zip(sentences, closed, strict=True)] == [
        1
    ] * 4
    assert "write :443" in sentences[1]
    assert not [sentence for sentence in sentences if "7f3a53" in sentence or "u:p" in sentence]


@dataclass
class ZeroGPU:
    """Record what is asked of ZeroGPU's device API."""

    url: str = ""
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def free_space() -> Iterator[ZeroGPU]:
    api = ZeroGPU()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output quiet."""

        def do_POST(self) -> None:
            api.asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield api
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Write the Space's files and install its packages; return its Python and its folder."""
    folder = tmp_path_factory.mktemp("free-space")
    image = {name: path.read_bytes() for name, path in needed_files(ROOT)}
    for name, data in space_files(ROOT, image).items():
        file = folder / "app" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    python = folder / "venv" / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*install, "-r", str(folder / "app" / "requirements.txt"), f"gradio=={SDK_VERSION}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"the packages of the free Space cannot be installed: {done.stderr[-300:]}")
    return python, folder / "app"


@pytest.fixture(scope="module")
def running(
    space: tuple[Path, Path], free_space: ZeroGPU, upstreams: Upstreams, test_database: str
) -> Iterator[httpx.Client]:
    python, folder = space
    port = free_port()
    variables = upstreams.environ() | {
        "DATABASE_URL": test_database,
        "SITE_URL": SITE,
        "ALLOWED_ORIGINS": SITE,
        "PORT": str(port),
        "RATE_BURST": "20",
        "SYSTEM": "spaces",
        "SPACE_ID": "author/book",
        "SPACES_ZERO_GPU": "true",
        "SPACES_ZERO_DEVICE_API_URL": free_space.url,
    }
    log = folder.parent / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(python), "-c", START],
            cwd=folder,
            env=environment(**variables),
            stdout=output,
            stderr=output,
        )
    try:
        proxy = httpx.HTTPTransport(local_address=PROXY)
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url, timeout=60, transport=proxy) as client:
            deadline = time.monotonic() + 120
            while True:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                with contextlib.suppress(httpx.TransportError):
                    if client.get("/health").status_code == 200:
                        break
                time.sleep(0.2)
            yield client
        process.terminate()
        assert process.wait(30) == 0, log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(20)


@pytest.mark.slow
def test_the_service_answers_through_gradio(running: httpx.Client, upstreams: Upstreams) -> None:
    upstreams.openai.script("Use the button [1].")
    question = {"message": "How do I delete a conversation?"}
    answer = running.post("/chat", json=question, headers={"Origin": SITE})
    assert answer.status_code == 200, answer.text
    assert answer.json()["message"] == "Use the button [1]."
    assert answer.json()["metadata"]["saved"] is True
    assert answer.headers["Access-Control-Allow-Origin"] == SITE
    stranger = running.post("/search", json={"query": "delete"}, headers={"Origin": "https://x.y"})
    assert "Access-Control-Allow-Origin" not in stranger.headers
    session = answer.json()["session_id"]
    assert len(running.get(f"/chat/sessions/{session}").json()["turns"]) == 1
    assert running.delete(f"/chat/sessions/{session}").status_code == 200


@pytest.mark.slow
def test_answers_are_streamed(running: httpx.Client, upstreams: Upstreams) -> None:
    upstreams.openai.script(Reply("Use the button in the list [1].", delay=0.2))
    question = {"message": "How do I delete a conversation at once?"}
    arrived: list[float] = []
    events: list[str] = []
    with running.stream(
        "POST", "/chat", json=question, headers={"Accept": "text/event-stream"}
    ) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        for line in response.iter_lines():
            if line.startswith("event: "):
                arrived.append(time.monotonic())
                events.append(line.removeprefix("event: "))
    assert (events[0], events[-1]) == ("session", "done")
    assert arrived[-1] - arrived[0] > 0.3, "the answer came in one piece"


@pytest.mark.slow
def test_the_widget_is_served(running: httpx.Client) -> None:
    for path in ("/", "/widget.js", "/widget-languages.js"):
        assert running.get(path).status_code == 200
    assert running.head("/").status_code == 200
    assert "gradio" not in running.get("/").text.lower()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/gradio_api/upload"),
        ("POST", "/gradio_api/queue/join"),
        ("GET", "/gradio_api/info"),
        ("GET", "/gradio_api/file=/etc/passwd"),
        ("POST", "/login"),
        ("GET", "/theme.css"),
    ],
)
def test_gradios_own_routes_are_closed(running: httpx.Client, method: str, path: str) -> None:
    refused = running.request(method, path)
    assert refused.status_code == 404
    assert refused.headers["Content-Type"] == "application/problem+json"


@pytest.mark.slow
def test_limits_count_readers_and_not_the_proxy(running: httpx.Client) -> None:
    def search(reader: str) -> int:
        headers = {"X-Forwarded-For": reader}
        return running.post("/search", json={"query": "delete"}, headers=headers).status_code

    assert 429 in [search("203.0.113.1") for _ in range(40)]
    assert search("203.0.113.2") == 200


@pytest.mark.slow
def test_zero_gpu_finds_a_function_and_lends_no_gpu(
    running: httpx.Client, free_space: ZeroGPU
) -> None:
    assert json.dumps(free_space.asked) == '["/startup-report"]'
