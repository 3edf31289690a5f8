"""The doctor in this process, and the databases that it looks at."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator

import pytest

from rag import providers
from rag.adapters import http
from rag.ops.diagnostics import main
from rag.settings import VARIABLES
from tests.support.postgres import new_database, query

Doctor = Callable[..., tuple[int, dict[str, str]]]


@pytest.fixture(scope="module")
def database(postgres_server: str) -> Iterator[str]:
    with new_database(postgres_server) as url:
        yield url


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Doctor]:
    """Run it with these variables: its exit status and what it says of each service."""

    names = {*VARIABLES} | {"HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE"}

    def look(**variables: str) -> tuple[int, dict[str, str]]:
        for name in names:
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        providers.reset()
        http.trusted.cache_clear()
        status = asyncio.run(main())
        out, err = capsys.readouterr()
        assert "hunter2" not in out + err
        assert "test-key" not in out + err
        return status, {line.split()[0]: line for line in out.splitlines()}

    yield look
    providers.reset()
    http.trusted.cache_clear()


@pytest.fixture
def given(postgres_server: str) -> Iterator[tuple[str, str, str]]:
    """An administrator's URL, a role that owns the schema `book`, and its URL."""
    role = f"doctor_{uuid.uuid4().hex}"
    with new_database(postgres_server) as admin:
        query(admin, f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
        query(admin, f"CREATE SCHEMA book AUTHORIZATION {role}")
        joint = "&" if "?" in admin else "?"
        yield admin, role, f"{admin}{joint}user={role}&password=x"
        query(admin, f"DROP OWNED BY {role} CASCADE")
    query(postgres_server, f"DROP ROLE {role}")
