"""Fixtures that every part shares."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rag import providers
from rag.adapters.database.embedded import start
from rag.settings import PLATFORMS, SECRETS
from tests.support import secrets
from tests.support.postgres import new_database, query
from tests.support.service import Service, environment, run, serving

if TYPE_CHECKING:
    from tests.upstreams import Upstreams

# A shell that starts a job in the background lets it ignore Ctrl-C, and with it all processes
# that the tests start; some of them are there to be interrupted.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _no_secret_in_any_log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """At the end of the run, over every log that its tests have left."""
    yield
    findings = [
        f"{path} {finding}"
        for path in tmp_path_factory.getbasetemp().rglob("*log*")
        if path.is_file()
        for finding in secrets.found(path.read_text(errors="replace"))
    ]
    assert findings == []


@pytest.fixture(scope="module")
def lambda_loop() -> Iterator[None]:
    """Close the event loop that Mangum opens for its thread and leaves open."""
    yield
    loop = asyncio.get_event_loop_policy().get_event_loop()
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    asyncio.set_event_loop(None)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server: POSTGRES_TEST_URL, or an embedded one."""
    if url := os.environ.get("POSTGRES_TEST_URL"):
        yield url
        return
    server = start(tmp_path_factory.mktemp("postgres"))
    yield server.url
    server.stop()


@pytest.fixture(scope="session")
def test_database(postgres_server: str) -> Iterator[str]:
    """The URL of a database of this run's own."""
    with new_database(postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
def handbook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with this project's handbook indexed; copy it before serving from it."""
    folder = tmp_path_factory.mktemp("handbook")
    finished = run("ingest.py", "docs", env=environment(DATA_DIR=str(folder)))
    assert finished.returncode == 0, finished.stderr
    return folder


@pytest.fixture(scope="session")
def service(handbook: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service over the handbook, on the embedded engines."""
    folder = tmp_path_factory.mktemp("service")
    shutil.copytree(handbook, folder / "data")
    with serving(folder / "log", DATA_DIR=str(folder / "data")) as running:
        yield running


@pytest.fixture(scope="session")
def _upstreams() -> Iterator[Upstreams]:
    from tests.upstreams.handbook import indexed  # its Qdrant takes a second to import

    with indexed() as up:
        yield up


@pytest.fixture(scope="module")
def upstreams(_upstreams: Upstreams) -> Iterator[Upstreams]:
    """The imitated services with the handbook indexed; in good health before each test."""
    _upstreams.heal()
    yield _upstreams
    _upstreams.heal()


@pytest.fixture(autouse=True)
def _healed(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "_upstreams" in request.fixturenames:
        request.getfixturevalue("_upstreams").heal()


@pytest.fixture(scope="module")
def in_process(handbook: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The same for handlers that are called in the tests' own process."""
    folder = tmp_path_factory.mktemp("in-process") / "data"
    shutil.copytree(handbook, folder)
    with pytest.MonkeyPatch.context() as patch:
        for name in (*SECRETS, *PLATFORMS, "SITE_URL", "ROUTES", "PORT"):
            patch.delenv(name, raising=False)
        patch.setenv("DATA_DIR", str(folder))
        providers.reset()
        yield folder
        providers.reset()


@pytest.fixture
def database_url(test_database: str) -> Iterator[str]:
    """The URL of a database without any tables."""
    empty = "DROP SCHEMA IF EXISTS book CASCADE"
    query(test_database, empty)  # whoever was stopped before may have written something since
    yield test_database
    query(test_database, empty)


@pytest.fixture
def unused_tcp_port() -> int:
    """A port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
