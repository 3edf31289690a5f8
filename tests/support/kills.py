"""Kill the service repeatedly while readers chat, and compare the history with the ledger."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rag.adapters.database.embedded import EmbeddedPostgres, start
from rag.errors import UpstreamError
from tests.support.crowd import UNLIMITED, Ledger, crowd
from tests.support.postgres import query, server_pid
from tests.support.service import ROOT, environment, run
from tests.upstreams import Reply, Upstreams

READERS = 8
POSTGRES_SECONDS = 65.0
"""Interval between kills of PostgreSQL; its supervisor gives up after too many."""
ANSWER = "It is said here [1], and said again in other words there [2]. That is all there is."


@dataclass
class Outcome:
    kills: int
    postgres_kills: int
    ledger: Ledger
    wrong: list[str]
    seconds: float


class ForkServer:
    """Controls the fork server; `url` is the address of its services."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self._process = process
        self.url = url
        self._child = 0

    def start(self) -> None:
        """Start a service; the previous one must have ended."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self._child = int(self._process.stdout.readline())

    def kill(self) -> None:
        os.kill(self._child, signal.SIGKILL)


@contextlib.contextmanager
def fork_server(log: Path, **variables: str) -> Iterator[ForkServer]:
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener, log.open("wb") as output:
        os.set_inheritable(listener.fileno(), True)
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.fork_server", str(listener.fileno())],
            cwd=ROOT,
            env=environment(**variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
            pass_fds=[listener.fileno()],
        )
        try:
            yield ForkServer(process, f"http://127.0.0.1:{listener.getsockname()[1]}")
        finally:
            assert process.stdin
            assert process.stdout
            process.stdin.close()
            process.stdout.close()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(20)


async def torment(
    kill: Callable[[int], None], url: str, ledger: Ledger, kills: int, seed: int = 1
) -> None:
    """Let readers chat at `url`, and call `kill(n)` at moments throughout their answers."""
    chance, heard = random.Random(seed), asyncio.Event()
    async with crowd(url, ledger, READERS, heard=heard.set, seed=seed):
        for n in range(1, kills + 1):
            for _ in range(chance.randint(1, 30)):
                heard.clear()
                await asyncio.wait_for(heard.wait(), 60)
            await asyncio.sleep(chance.uniform(0, 0.08))
            kill(n)


def run_kills(kills: int, folder: Path, told: Callable[[str], None] = lambda _: None) -> Outcome:
    """Run the production setup: real SDKs, imitated services and a PostgreSQL, also killed."""
    with contextlib.ExitStack() as stack:
        up = stack.enter_context(Upstreams())
        if (finished := run("ingest.py", "docs", env=environment(**up.environ()))).returncode:
            raise AssertionError(finished.stderr)
        up.openai.reply = Reply(ANSWER, delay=0.004)
        server: EmbeddedPostgres = start(folder / "postgres")
        stack.callback(server.stop)
        variables = up.environ() | UNLIMITED | {"DATABASE_URL": server.url}
        service = stack.enter_context(fork_server(folder / "log", **variables))
        began = time.monotonic()

        ledger, fallen = Ledger(), list[float]()

        def kill(n: int) -> None:
            if n >= 4 and (not fallen or time.monotonic() - fallen[-1] > POSTGRES_SECONDS):
                fallen.append(time.monotonic())
                os.kill(server_pid(server) or 0, signal.SIGKILL)
            if n != 4:  # this time only PostgreSQL is killed
                service.kill()
                service.start()
            if n % 50 == 0:
                told(f"{n} kills in {time.monotonic() - began:.0f} s")
                for each in up.services:
                    each.forget()

        service.start()
        asyncio.run(torment(kill, service.url, ledger, kills))
        until_ready(server.url)
        wrong = ledger.balance(server.url)
        return Outcome(kills, len(fallen), ledger, wrong, time.monotonic() - began)


def until_ready(url: str) -> None:
    """Wait for a killed PostgreSQL to recover."""
    deadline = time.monotonic() + 60
    while True:
        try:
            query(url, "SELECT 1")
        except UpstreamError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return
