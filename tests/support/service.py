"""Run the service as a user does: in its own process, on a free port."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.support.secrets import leaked

ROOT = Path(__file__).parents[2]
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV", "SSL_CERT_FILE")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def environment(**variables: str) -> dict[str, str]:
    """Return a minimal environment, without the developer's settings."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {**inherited, "PYTHONWARNINGS": "default", **variables}


def run(
    *command: str, env: Mapping[str, str], timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a command of the project and return its text output, checked for secrets."""
    finished = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=dict(env),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert not (shown := leaked(finished.stdout + finished.stderr, env)), shown
    return finished


class Service:
    """A running `python router.py`."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
        self.process = process
        self.url = url
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The log's line of each request."""
        lines = (json.loads(line) for line in self.log.splitlines() if line.startswith("{"))
        return [line for line in lines if "path" in line]

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=60)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(20)


@contextlib.contextmanager
def serving(log: Path, **variables: str) -> Iterator[Service]:
    """Start the service, wait until it responds, and always stop it.

    Its log must not contain any of its secrets.
    """
    port = free_port()
    command = [sys.executable, "router.py"]
    env = environment(PORT=str(port), **variables)
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=output, stderr=output)
    service = Service(process, f"http://127.0.0.1:{port}", log)
    try:
        deadline = time.monotonic() + 60
        while True:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the service did not start:\n{service.log}")
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{service.url}/health").status_code == 200:
                    break
            time.sleep(0.05)
        yield service
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(20)
    assert not (shown := leaked(service.log, env)), shown


def within(seconds: float, true: Callable[[], object]) -> bool:
    """Wait for something to become true, for so long at most."""
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(true())
