"""uvicorn, as `python router.py` runs it."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.types import ASGIApp

from rag import VERSION
from rag.engines import check_free
from rag.errors import ConfigurationError
from rag.providers import Clients, get_settings
from rag.settings import Settings

if TYPE_CHECKING:
    import uvicorn

SPACE_PROXY = "10.0.0.0/8"
"""Where a Space's own proxy calls from; it appends the client's address to X-Forwarded-For."""

HEALTHCHECK_SECONDS = 30
"""A process that gives no sign of life for so long is replaced, and its answers are lost: a
starved machine must not look like a process that hangs."""


USAGE = """\
Serve the book that `python ingest.py PATH` has indexed, until Ctrl-C.

Everything is set by environment variables, or in a file .env beside router.py:

  PORT=8000                 listen on another port (7860 if unset)
  HOST=0.0.0.0              listen on all addresses, not only on this machine
  DATA_DIR=path             folder of the index and the conversations (.data if unset)
  OPENAI_API_KEY=...        let a chat model write the answers
  LOG_FORMAT=json           log as JSON, or as text
  ALLOWED_ORIGINS=https://my-book.vercel.app
                            sites that may show the chat, separated by commas

.env.example and docs/settings.md list all of them.
"""


def read_arguments(arguments: Sequence[str] | None = None) -> None:
    """Answer --help and --version; refuse anything else, because settings are no arguments."""
    parser = argparse.ArgumentParser(
        prog="router.py",
        description=USAGE,
        epilog="`make run` installs, indexes and serves in one command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"Ask the Book {VERSION}")
    parser.parse_args(arguments)


def trusted_hop(settings: Settings) -> str:
    """Addresses whose X-Forwarded-For is believed; anybody else could write anything there.

    On hosts that are not known here, FORWARDED_ALLOW_IPS, uvicorn's own variable, names them.
    """
    default = SPACE_PROXY if settings.platform == "SPACE_ID" else "127.0.0.1"
    return os.environ.get("FORWARDED_ALLOW_IPS") or default


def configured(app: ASGIApp | str, settings: Settings, processes: int = 1) -> uvicorn.Config:
    """The server with its bounds: whom it believes, and for how long it waits."""
    import uvicorn

    from web.http_timeouts import HEAD_BYTES, KEEP_ALIVE_SECONDS, BoundedProtocol
    from web.shutdown import GRACE_SECONDS

    return uvicorn.Config(
        app,
        workers=processes,
        http=BoundedProtocol,
        h11_max_incomplete_event_size=HEAD_BYTES,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        access_log=False,
        log_config=None,  # the same format as the rest of the log
        log_level="warning",
        timeout_graceful_shutdown=GRACE_SECONDS,
        forwarded_allow_ips=trusted_hop(settings),
        timeout_worker_healthcheck=HEALTHCHECK_SECONDS,
    )


def listen(host: str, port: int) -> socket.socket:
    """A listening socket whose connections send at once.

    asyncio sets this for sockets that it makes, not for those of one that it is given; an
    answer's head and body are two writes, and the second would wait 40 ms for the first's ACK.
    """
    listener = socket.create_server((host, port), backlog=2048)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def serve(app: FastAPI) -> None:
    """Listen until Ctrl-C or SIGTERM. A taken port or folder is one sentence and status 1."""
    settings = get_settings()
    try:
        check_free(settings)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from None
    try:
        listener = listen(settings.host, settings.port)
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
    _raise_file_limit()
    processes = _processes(settings)
    config = configured("router:app" if processes > 1 else app, settings, processes)
    with listener, contextlib.suppress(KeyboardInterrupt):  # Ctrl-C has been obeyed by then
        # Imported here: Lambda and Vercel load this module and never serve.
        if processes == 1:
            from uvicorn import Server

            Server(config).run(sockets=[listener])
        else:
            from uvicorn.supervisors import Multiprocess

            Multiprocess(config, sockets=[listener]).run()


def end_with_supervisor() -> None:
    """Stop as after SIGTERM where the process that started this one for WEB_CONCURRENCY is gone.

    Nobody would otherwise stop it, and it would keep the port.
    """
    import multiprocessing  # uvicorn has loaded it; Lambda does not need it

    if supervisor := multiprocessing.parent_process():

        def wait() -> None:
            supervisor.join()
            os.kill(os.getpid(), signal.SIGTERM)

        threading.Thread(target=wait, daemon=True).start()


def _processes(settings: Settings) -> int:
    """How many processes WEB_CONCURRENCY, the variable of many hosts, asks for.

    An embedded engine belongs to one process.
    """
    asked = os.environ.get("WEB_CONCURRENCY", "1")
    processes = max(1, int(asked)) if asked.isdecimal() else 1
    if processes > 1 and not (settings.qdrant_url and settings.database_url):
        sys.stdout.write("The embedded engines serve one process: WEB_CONCURRENCY is not used.\n")
        return 1
    return processes


def _raise_file_limit() -> None:
    """Every open answer takes a socket to its reader and one to its model."""
    try:
        import resource
    except ImportError:  # Windows knows no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if 0 <= soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
