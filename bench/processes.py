"""Run every part of a benchmark in its own process, so that CPU is counted separately."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import psutil

from bench.upstreams import ADDRESS, Latencies
from tests.support.service import ROOT, environment, free_port

TIMEOUT = 60.0
"""Seconds for a process to start responding, or to exit."""


class Server:
    """A running server. CPU and memory include its child processes."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, spawned: float) -> None:
        self.process, self.port = process, port
        self.url = f"http://127.0.0.1:{port}"
        self._spawned = spawned
        self._it = psutil.Process(process.pid)

    def wait(self, path: str = "/health") -> float:
        """Wait for the first 200 and return the seconds since the spawn."""
        while True:
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(self.url + path, timeout=30) as response,
            ):
                if response.status == 200:
                    return time.perf_counter() - self._spawned
            if self.process.poll() is not None:
                raise SystemExit(f"{self.process.args!r} ended with {self.process.returncode}")
            if time.perf_counter() - self._spawned > TIMEOUT:
                raise SystemExit(f"{self.process.args!r} does not respond")
            time.sleep(0.001)

    def _family(self) -> list[psutil.Process]:
        return [self._it, *self._it.children(recursive=True)]

    def cpu(self) -> float:
        """Return the CPU seconds used so far."""
        times = [process.cpu_times() for process in self._family()]
        return sum(spent.user + spent.system for spent in times)

    def rss(self) -> float:
        """Return the resident memory in MB."""
        return sum(process.memory_info().rss for process in self._family()) / 2**20

    def peak(self) -> float:
        """Return the first process's peak resident memory in MB; Linux only."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(TIMEOUT)


@contextlib.contextmanager
def upstreams(latencies: Latencies) -> Iterator[dict[str, str]]:
    """Run the imitated services; yield the environment that points to them."""
    options = [f"--{name}={value}" for name, value in asdict(latencies).items()]
    command = [sys.executable, "-m", "bench.upstreams", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, env=environment()) as process:
        assert process.stdout is not None
        url = f"http://{ADDRESS}:{process.stdout.readline().decode().strip()}"
        try:
            yield {
                "COHERE_API_KEY": "key",
                "COHERE_BASE_URL": url,
                "OPENAI_API_KEY": "key",
                "OPENAI_BASE_URL": f"{url}/v1",
                "QDRANT_URL": url,
                "QDRANT_API_KEY": "key",
            }
        finally:
            process.kill()


def spawn(name: str, variables: dict[str, str]) -> Server:
    """Start the service or a reference, with output to a file.

    It uses only the packages on the PYTHONPATH in `variables`.
    """
    port = free_port()
    python = [sys.executable, "-S"]
    if name == "service":
        command = [*python, "router.py"]
    else:
        uvicorn = [*python, "-m", "uvicorn", "--log-level", "warning", "--port", str(port)]
        command = [*uvicorn, "--no-access-log", f"bench.references.{name}:app"]
    log = Path(tempfile.gettempdir()) / f"bench-{name}.log"
    with log.open("wb") as output:
        spawned = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(PORT=str(port), **variables),
            stdout=output,
            stderr=output,
        )
    return Server(process, port, spawned)


@contextlib.contextmanager
def serving(name: str, variables: dict[str, str]) -> Iterator[Server]:
    server = spawn(name, variables)
    try:
        server.wait()
        yield server
    finally:
        server.stop()
