"""Conditions on hosts: read-only disks and proxies."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from rag import providers
from rag.environment import load_settings
from web.server import trusted_hop


@pytest.fixture
def read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder that cannot be written; imitated, because root can write anywhere."""
    folder = tmp_path / "data"
    folder.mkdir()
    allowed = os.access
    monkeypatch.setattr(
        os,
        "access",
        lambda path, mode: not str(path).startswith(str(folder)) and allowed(path, mode),
    )
    return folder


def test_on_a_read_only_disk_conversations_go_to_the_temporary_folder(
    read_only: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "tmp"))
    settings = load_settings({"DATA_DIR": str(read_only)})

    async def ask() -> list[tuple[object, ...]]:
        made = providers.Clients(settings)
        rows = await (await made.database()).run("SELECT 1")
        await made.close()
        return rows

    try:
        assert asyncio.run(ask()) == [(1,)]
        assert (tmp_path / "tmp" / f"ask-the-book-{os.geteuid()}" / "postgres").is_dir()
        assert not list(read_only.iterdir())
    finally:
        providers.reset()


@pytest.mark.parametrize(
    ("environ", "forwarded", "client"),
    [
        # Readers can send any header: the last entry that is not a proxy counts.
        ({"SPACE_ID": "a/b"}, "1.2.3.4, 203.0.113.9", "203.0.113.9"),
        ({"SPACE_ID": "a/b"}, "10.9.9.9, 203.0.113.9, 10.1.2.3", "203.0.113.9"),
        ({}, "1.2.3.4", "1.2.3.4"),
    ],
)
def test_the_platforms_hop_names_the_client(
    environ: dict[str, str], forwarded: str, client: str
) -> None:
    hop = trusted_hop(load_settings(environ))
    trusted = ProxyHeadersMiddleware(lambda *_: None, trusted_hosts=hop).trusted_hosts  # type: ignore[arg-type]
    assert ("10.16.3.2" in trusted) == ("SPACE_ID" in environ)
    assert "203.0.113.9" not in trusted
    assert trusted.get_trusted_client_address(forwarded)[0] == client
