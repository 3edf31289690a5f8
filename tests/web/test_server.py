"""The server on real addresses, sockets and outputs, and its end."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag import engines
from rag.environment import load_settings
from rag.errors import ConfigurationError
from tests.support.service import ROOT, environment, free_port, run, serving
from tests.upstreams import Reply, Upstreams, words
from web import server

QUESTION = {"message": "How do I delete a conversation?"}


def has_ipv6() -> bool:
    with suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


@pytest.fixture
def data(handbook: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(handbook, tmp_path / "data"))


@contextmanager
def started(
    log: Path,
    *command: str,
    variables: dict[str, str],
    prepare: Callable[[], None] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command of the project; its output goes to `log`."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=environment(**variables),
            stdout=output,
            stderr=output,
            preexec_fn=prepare,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(30)


def answers(url: str, seconds: float = 60) -> bool:
    """Whether the service answers at this address, after waiting for its start."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            return httpx.get(f"{url}/health").status_code == 200
        time.sleep(0.1)
    return False


# ---------------------------------------------------------------- addresses


@needs_ipv6
@pytest.mark.parametrize(
    ("host", "reached", "not_reached", "shown"),
    [
        ("::", ("127.0.0.1", "[::1]"), (), "localhost"),
        ("[::]", ("127.0.0.1", "[::1]"), (), "localhost"),
        ("0:0:0:0:0:0:0:0", ("127.0.0.1", "[::1]"), (), "localhost"),
        ("::1", ("[::1]",), ("127.0.0.1",), "[::1]"),
        ("[::1]", ("[::1]",), ("127.0.0.1",), "[::1]"),
        ("LOCALHOST", ("localhost",), (), "localhost"),
        ("127.0.0.2", ("127.0.0.2",), ("[::1]",), "127.0.0.2"),
    ],
)
def test_both_families(
    tmp_path: Path,
    host: str,
    reached: tuple[str, ...],
    not_reached: tuple[str, ...],
    shown: str,
) -> None:
    port, log = free_port(), tmp_path / "log"
    variables = {"HOST": host, "PORT": str(port), "DATA_DIR": str(tmp_path / "data")}
    with started(log, "router.py", variables=variables):
        assert all(answers(f"http://{each}:{port}") for each in reached)
        assert not any(answers(f"http://{each}:{port}", 0.5) for each in not_reached)
    first = log.read_text().splitlines()[0]
    assert first == f"Ask the Book is listening on http://{shown}:{port}"
    assert "Traceback" not in log.read_text()


@needs_ipv6
def test_ipv4_readers_keep_their_addresses() -> None:
    """As a mapped address (::ffff:127.0.0.1) no proxy's address would be recognised."""
    listeners = server.listen_on_all("::", free_port())
    assert [listener.family for listener in listeners] == [socket.AF_INET6, socket.AF_INET]
    for listener in listeners:
        listener.close()


def link_local() -> str:
    """Return such an address of this machine, with its interface, or ""."""
    with suppress(OSError):
        for line in Path("/proc/net/if_inet6").read_text().splitlines():
            digits, *_, interface = line.split()
            if digits.startswith("fe80"):
                return f"{ip_address(bytes.fromhex(digits))}%{interface}"
    return ""


@pytest.mark.skipif(not link_local(), reason="this machine has no link-local address")
def test_a_link_local_address_names_its_interface() -> None:
    (listener,) = server.listen_on_all(link_local(), free_port())
    assert listener.getsockname()[3] != 0
    listener.close()


def test_without_ipv6_all_addresses_are_those_of_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    make = socket.create_server

    def without_ipv6(address: Any, *, family: int, **options: Any) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return make(address, family=family, **options)

    monkeypatch.setattr(socket, "create_server", without_ipv6)
    (listener,) = server.listen_on_all("::", free_port())
    listener.close()
    with pytest.raises(OSError, match="not supported") as caught:
        server.listen_on_all("::1", free_port())
    said = server.cannot_listen(caught.value, load_settings({"HOST": "::1"}))
    assert "has no IPv6. Set HOST to 127.0.0.1" in said


@pytest.mark.parametrize(
    ("host", "advice"),
    [
        ("203.0.113.1", "does not have this address. Set HOST to"),
        ("2001:db8::1", "Port {port} on [2001:db8::1] cannot be used"),
        ("no-such-host.invalid", "HOST=no-such-host.invalid is neither an address nor a known"),
        ("127.0.0.1:8000", "HOST must be an address such as 127.0.0.1, 0.0.0.0 or ::"),
        ("http://127.0.0.1", "HOST must be an address"),
        ("[::1", "HOST must be an address"),
    ],
)
def test_an_address_that_cannot_be_used(tmp_path: Path, host: str, advice: str) -> None:
    port = free_port()
    env = environment(HOST=host, PORT=str(port), DATA_DIR=str(tmp_path))
    finished = run("router.py", env=env)
    assert finished.returncode == 1
    (line,) = finished.stderr.strip().splitlines()
    assert advice.format(port=port) in line
    assert "make run PORT" not in line


@pytest.mark.parametrize(
    ("code", "port", "advice"),
    [
        (errno.EADDRINUSE, 7860, "another program uses it. .* make run PORT=7861"),
        (errno.EADDRINUSE, 65_535, "make run PORT=65534"),
        (errno.EACCES, 80, "ports below 1024 need special rights"),
        (errno.EMFILE, 7860, r"cannot be used: Too many open files\."),
    ],
)
def test_the_advice_fits_the_error(code: int, port: int, advice: str) -> None:
    settings = load_settings({"PORT": str(port)})
    with pytest.raises(AssertionError, match=advice):
        raise AssertionError(server.cannot_listen(OSError(code, os.strerror(code)), settings))


@needs_ipv6
def test_a_port_that_is_taken_in_one_family(tmp_path: Path) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as taken:
        port = taken.getsockname()[1]
        env = environment(HOST="::", PORT=str(port), DATA_DIR=str(tmp_path))
        finished = run("router.py", env=env)
    assert finished.returncode == 1
    assert "another program uses it" in finished.stderr


# ---------------------------------------------------------------- sockets and processes


def last_line(log: Path) -> str:
    time.sleep(0.1)  # a line may come after its answer
    return log.read_text().splitlines()[-1]


def test_behind_a_unix_socket_each_reader_has_a_limit(data: Path, tmp_path: Path) -> None:
    path, log = tmp_path / "book.sock", tmp_path / "log"
    variables = {"DATA_DIR": str(data), "PROXY_HOPS": "2", "RATE_PER_MINUTE": "1"}
    with started(
        log,
        *("-m", "uvicorn", "router:app", "--uds", str(path)),
        variables={**variables, "RATE_BURST": "2"},
    ):
        deadline = time.monotonic() + 60
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        transport = httpx.HTTPTransport(uds=str(path), retries=5)
        with httpx.Client(transport=transport, base_url="http://book", timeout=60) as client:

            def ask(forwarded: str) -> int:
                headers = {"X-Forwarded-For": forwarded} if forwarded else {}
                body = {"query": "delete"}
                return client.post("/search", json=body, headers=headers).status_code

            for n in range(20):  # until the database has started, limits are counted in memory
                if ask(f"192.0.2.{n}, 10.0.0.1") == 200 and "memory" not in last_line(log):
                    break
            assert [ask("203.0.113.7, 10.0.0.1") for _ in range(3)] == [200, 200, 429]
            assert ask("192.0.2.99, 203.0.113.7, 10.0.0.1") == 429, "the reader wrote one more"
            assert ask("203.0.113.8, 10.0.0.1") == 200
            assert ask("[2001:db8::7]:4711, 10.0.0.1") == 200
            assert [ask(""), ask("203.0.113.9"), ask("203.0.113.9")] == [200, 200, 429], "as one"


def test_engines_that_are_not_installed_are_needed_at_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"Missing COHERE_API_KEY, QDRANT_URL\. "):
        engines.check_installed(load_settings({}))
    with pytest.raises(ConfigurationError, match=r"Missing QDRANT_URL\. "):
        engines.check_installed(load_settings({"COHERE_API_KEY": "x"}))
    engines.check_installed(load_settings({"COHERE_API_KEY": "x", "QDRANT_URL": "https://q"}))


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        (("--workers", "2"), {}),
        (("--workers=3",), {}),
        ((), {"WEB_CONCURRENCY": "2"}),
        (("--workers=2",), {"DATA_DIR": "/proc/nothing"}),
    ],
)
def test_several_processes_of_an_embedded_database_are_refused(
    data: Path, tmp_path: Path, arguments: tuple[str, ...], variables: dict[str, str]
) -> None:
    command = ("-m", "uvicorn", "router:app", "--port", str(free_port()), *arguments)
    variables = {"DATA_DIR": str(data), "TMPDIR": str(tmp_path), **variables}
    finished = run(*command, env=environment(**variables))
    assert "Start one: python router.py" in finished.stderr
    assert "Traceback" not in finished.stderr + finished.stdout


def test_a_second_uvicorn_on_the_same_folder_is_refused_at_once(data: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "log", DATA_DIR=str(data)) as service:
        reply = httpx.post(f"{service.url}/chat", json=QUESTION, timeout=60)
        assert reply.json()["metadata"]["saved"]
        command = ("-m", "uvicorn", "router:app", "--port", str(free_port()))
        finished = run(*command, env=environment(DATA_DIR=str(data)))
    assert finished.returncode
    assert "is in use by process" in finished.stderr
    assert "Traceback" not in finished.stderr + finished.stdout


def test_one_process_after_another_is_served(data: Path, tmp_path: Path) -> None:
    """As with `uvicorn --reload`, which starts one process at a time."""
    code = "import router; print(router.app.title)"
    command = (
        "import multiprocessing as m, runpy\n"
        "if __name__ == '__main__':\n"
        "    for _ in range(2):\n"
        f"        p = m.get_context('spawn').Process(target=exec, args=({code!r},))\n"
        "        p.start(); p.join(); print(p.exitcode)\n"
    )
    (script := tmp_path / "one.py").write_text(command)
    env = environment(DATA_DIR=str(data), PYTHONPATH=str(ROOT))
    finished = run(str(script), env=env)
    assert finished.stdout.split("\n") == ["Ask the Book", "0", "Ask the Book", "0", ""]


def test_workers_that_cannot_start_are_not_started_again(tmp_path: Path) -> None:
    command = ("-m", "uvicorn", "router:app", "--port", str(free_port()), "--workers", "2")
    finished = run(*command, env=environment(PORT="x", DATA_DIR=str(tmp_path)), timeout=60)
    assert 1 <= finished.stderr.count("PORT must be a number") <= 4


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    "signals",
    [
        (signal.SIGINT, signal.SIGINT),
        (signal.SIGINT, signal.SIGINT, signal.SIGINT),
        (signal.SIGTERM, signal.SIGTERM),
        (signal.SIGTERM, signal.SIGINT),
        (signal.SIGINT, signal.SIGTERM),
    ],
)
def test_a_second_interrupt_ends_quietly(
    upstreams: Upstreams,
    test_database: str,
    tmp_path: Path,
    signals: tuple[signal.Signals, ...],
    streamed: bool,
) -> None:
    upstreams.openai.script(Reply(words(400), delay=0.05))
    before = upstreams.openai.tokens_sent
    variables = upstreams.environ() | {"DATABASE_URL": test_database}
    said: list[httpx.Response] = []
    with serving(tmp_path / "log", **variables) as service:

        def ask() -> None:
            accept = "text/event-stream" if streamed else "application/json"
            with suppress(httpx.TransportError):
                url, headers = f"{service.url}/chat", {"Accept": accept}
                said.append(httpx.post(url, json=QUESTION, headers=headers, timeout=60))

        reader = threading.Thread(target=ask)
        reader.start()
        deadline = time.monotonic() + 30
        while upstreams.openai.tokens_sent == before and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        for each in signals:
            with suppress(ProcessLookupError):
                service.process.send_signal(each)
            time.sleep(0.4)
        service.process.wait(20)
        reader.join(30)
        log = service.log
    assert "Traceback" not in log, log[log.index("Traceback") - 200 :][:4000]
    assert "Exception" not in log
    for response in said:
        assert "Internal Server Error" not in response.text
        if not streamed:
            assert response.status_code == 503
            assert "restarting" in response.json()["detail"]


# ---------------------------------------------------------------- output


def body(message: str) -> bytes:
    return json.dumps({"message": message}).encode()


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "ascii:strict", "LOG_FORMAT": "text"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LANG": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LOG_FORMAT": "text"},
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "utf-8"},
    ],
    ids=lambda variables: " ".join(variables.values()),
)
def test_output_never_raises(data: Path, tmp_path: Path, variables: dict[str, str]) -> None:
    asked = [
        "Wie lösche ich ein Gespräch?",
        "如何删除对话？ 😀",
        "half \ud83d of it",
        "\u202eabc é",
    ]
    headers = {"Content-Type": "application/json"}
    with (
        serving(tmp_path / "log", DATA_DIR=str(data), LOG_QUESTIONS="1", **variables) as service,
        service.client() as client,
    ):
        for message in asked:
            reply = client.post("/chat", content=body(message), headers=headers)
            assert reply.status_code == 200
        client.get("/health")
        log = service.log
        if "LOG_FORMAT" not in variables:
            questions = [line["question"] for line in service.requests if "question" in line]
            assert len(questions) == len(asked)
            assert questions[:2] == asked[:2]
    assert "Traceback" not in log
    assert "Logging error" not in log
    assert log.count("/chat") == len(asked)


def call(question: str) -> bytes:
    """Return a search of an assistant."""
    params = {"name": "search", "arguments": {"query": question}}
    return json.dumps(
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    ).encode()


def closed(*numbers: int) -> Callable[[], None]:
    def close() -> None:
        for number in numbers:
            os.close(number)

    return close


@pytest.mark.parametrize("numbers", [(1,), (2,), (0, 1, 2)])
def test_a_closed_output_is_no_obstacle(
    data: Path, tmp_path: Path, numbers: tuple[int, ...]
) -> None:
    port, log = free_port(), tmp_path / "log"
    variables = {"DATA_DIR": str(data), "PORT": str(port)}
    with started(log, "router.py", variables=variables, prepare=closed(*numbers)) as process:
        assert answers(f"http://127.0.0.1:{port}")
        reply = httpx.post(f"http://127.0.0.1:{port}/chat", json=QUESTION, timeout=60)
        assert reply.json()["metadata"]["saved"] is True
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert "Traceback" not in log.read_text()


def test_a_log_collector_that_ends_is_no_obstacle(data: Path, tmp_path: Path) -> None:
    port, (reading, writing) = free_port(), os.pipe()
    process = subprocess.Popen(
        [sys.executable, "router.py"],
        cwd=ROOT,
        env=environment(DATA_DIR=str(data), PORT=str(port)),
        stdout=writing,
        stderr=subprocess.PIPE,
    )
    os.close(writing)
    try:
        assert answers(url := f"http://127.0.0.1:{port}")
        os.close(reading)
        for _ in range(3):
            assert httpx.post(f"{url}/chat", json=QUESTION, timeout=60).status_code == 200
    finally:
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=30)
    assert (process.returncode, complaints) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_below_the_log_is_no_obstacle(tmp_path: Path) -> None:
    port = free_port()
    env = environment(DATA_DIR=str(tmp_path / "data"), PORT=str(port))
    with Path("/dev/full").open("wb") as full:
        process = subprocess.Popen(
            [sys.executable, "router.py"], cwd=ROOT, env=env, stdout=full, stderr=full
        )
    try:
        assert answers(f"http://127.0.0.1:{port}")
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        (b"/chat", b"application/json"),
        (b"/chat", b"text/event-stream"),
        (b"/mcp", b"application/json"),
        (b"", b""),  # connections on which nothing is asked
    ],
    ids=["chat", "stream", "assistant", "idle"],
)
def test_a_flood_of_readers_is_one_line_with_a_count(
    data: Path, tmp_path: Path, path: bytes, accept: bytes
) -> None:
    port, log = free_port(), tmp_path / "log"

    def few_files() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

    variables = {"DATA_DIR": str(data), "PORT": str(port), "RATE_BURST": "1000"}
    with started(log, "router.py", variables=variables, prepare=few_files):
        url = f"http://127.0.0.1:{port}"
        assert answers(url)
        assert httpx.post(f"{url}/chat", json=QUESTION, timeout=60).status_code == 200
        peers = [socket.create_connection(("127.0.0.1", port)) for _ in range(70)]
        for n, peer in enumerate(peers):
            question = f"How do I deploy the book for the {n}th time?"
            content = call(question) if path == b"/mcp" else body(question)
            headers = [b"Host: x", b"Content-Length: %d" % len(content), b"Accept: " + accept]
            kind = b"Content-Type: application/json"
            if path:
                first = b"POST " + path + b" HTTP/1.1"
                peer.sendall(b"\r\n".join([first, *headers, kind, b"", content]))
        time.sleep(4)
        for peer in peers:
            peer.close()
        assert httpx.post(f"{url}/chat", json=QUESTION, timeout=60).status_code == 200
    said = log.read_text()
    assert said.count("out of system resource") == 2, "once, and once with the count"
    assert " more in " in said
    written = [json.loads(line) for line in said.splitlines() if '"exception"' in line]
    kinds = [each["message"][:40] for each in written]  # without addresses and numbers
    assert len(kinds) == len(set(kinds)), "one stack for each kind of error"
    assert len(kinds) < 8
    assert len(said) < 200_000
