"""uvicorn, as `python router.py` runs it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.types import ASGIApp

from rag.clients import Clients, check_free, get_settings
from rag.settings import Settings
from rag.types import ConfigurationError

if TYPE_CHECKING:
    import uvicorn

SPACE_PROXY = "10.0.0.0/8"
"""Where a Space's own proxy calls from; it appends the client's address to X-Forwarded-For."""
GRACE_SECONDS = 4
"""How long open answers may go on after SIGTERM; hosts kill after 5 to 10 s."""


def trusted_hop(settings: Settings) -> str:
    """Addresses whose X-Forwarded-For is believed; anybody else could write anything there.

    On hosts that are not known here, FORWARDED_ALLOW_IPS, uvicorn's own variable, names them.
    """
    default = SPACE_PROXY if settings.platform == "SPACE_ID" else "127.0.0.1"
    return os.environ.get("FORWARDED_ALLOW_IPS") or default


def configured(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """The server with its bounds: whom it believes, and for how long it waits."""
    import uvicorn

    from web.protocol import HEAD_BYTES, KEEP_ALIVE_SECONDS, BoundedProtocol

    return uvicorn.Config(
        app,
        http=BoundedProtocol,
        h11_max_incomplete_event_size=HEAD_BYTES,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=GRACE_SECONDS,
        forwarded_allow_ips=trusted_hop(settings),
    )


def serve(app: FastAPI) -> None:
    """Listen until Ctrl-C or SIGTERM. A taken port or folder is one sentence and status 1."""
    # Imported here: Lambda and Vercel load this module and never serve.
    import uvicorn

    settings = get_settings()
    try:
        check_free(settings)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from None
    try:
        listener = socket.create_server((settings.host, settings.port), backlog=2048)
    except OSError as error:
        sys.stderr.write(
            f"Port {settings.port} on {settings.host} cannot be used: {error.strerror}. "
            f"Choose another one, for example: make run PORT={settings.port + 1}\n"
        )
        raise SystemExit(1) from None
    shown = "localhost" if settings.host in ("127.0.0.1", "0.0.0.0") else settings.host  # noqa: S104
    sys.stdout.write(f"Ask the Book is listening on http://{shown}:{settings.port}\n")
    for role, engine in Clients(settings).engines().items():
        sys.stdout.write(f"  {role:<11} {engine}\n")
    sys.stdout.flush()
    with listener, contextlib.suppress(KeyboardInterrupt):  # Ctrl-C has been obeyed by then
        asyncio.run(uvicorn.Server(configured(app, settings)).serve(sockets=[listener]))
