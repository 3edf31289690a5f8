"""uvicorn, as `python router.py` runs it."""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from socket import SOCK_STREAM
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from rag import VERSION
from rag.engines import check_free, check_installed, writable
from rag.errors import ConfigurationError
from rag.providers import Clients, get_settings
from rag.settings import Settings

if TYPE_CHECKING:
    import uvicorn

SPACE_PROXY = "10.0.0.0/8"
"""Where a Space's own proxy calls from; it appends the client's address to X-Forwarded-For."""
CLOUD_RUN_PROXY = "169.254.0.0/16"
"""The same of Google Cloud Run."""
_PROXIES = {"SPACE_ID": SPACE_PROXY, "K_SERVICE": CLOUD_RUN_PROXY}

HEALTHCHECK_SECONDS = 30
"""A process that does not respond for this long is replaced, and its answers are lost. Long enough
that a process on an overloaded machine does not seem to hang."""


USAGE = """\
Serve the book that `python ingest.py PATH` has indexed, until Ctrl-C.

Everything is set by environment variables, or in a file .env beside router.py:

  PORT=8000                 listen on another port (7860 if unset)
  HOST=0.0.0.0              listen on all addresses, not only on this machine; `::` with IPv6 too
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
    default = _PROXIES.get(settings.platform, "127.0.0.1")
    return os.environ.get("FORWARDED_ALLOW_IPS") or default


def make_config(app: ASGIApp | str, settings: Settings, processes: int = 1) -> uvicorn.Config:
    """Return the server's configuration, with its trusted proxies and timeouts."""
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


def listen(host: str, port: int, *zone: int) -> socket.socket:
    """A listening socket whose connections send at once.

    asyncio sets this for sockets that it makes, not for those of one that it is given; an
    answer's head and body are two writes, and the second would wait 40 ms for the first's ACK.
    `zone` is the rest of an IPv6 address, which names the interface of a link-local one.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port, *zone), family=family, backlog=2048)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def listen_on_all(host: str, port: int) -> list[socket.socket]:
    """Listen on every address that `host` stands for; `::` is all of both families.

    Each family has a socket of its own, so that IPv4 readers keep IPv4 addresses. A family that
    this machine does not have is left out. Raises OSError.
    """
    names = ("::", "0.0.0.0") if host == "::" else (host,)  # noqa: S104
    found = [each for name in names for each in socket.getaddrinfo(name, port, type=SOCK_STREAM)]
    listeners, missing = [], None
    with contextlib.ExitStack() as opened:
        for address in dict.fromkeys(each[4] for each in found):
            try:
                listeners.append(opened.enter_context(listen(*address)))
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                missing = error
        if missing and not listeners:
            raise missing
        opened.pop_all()
    return listeners


def cannot_listen(error: OSError, settings: Settings) -> str:
    """Say why the address cannot be used, and what to change."""
    host, port = settings.host, settings.port
    if isinstance(error, socket.gaierror):
        return f"HOST={host} is neither an address nor a known name. {_HOSTS}"
    shown = f"Port {port} on {f'[{host}]' if ':' in host else host} cannot be used"
    other = port + 1 if port < 65_535 else port - 1
    advice = {
        errno.EADDRNOTAVAIL: f"this machine does not have this address. {_HOSTS}",
        errno.EAFNOSUPPORT: f"this machine has no IPv6. {_HOSTS}",
        errno.EACCES: "ports below 1024 need special rights. Choose a higher one, for example: "
        "make run PORT=7860",
        errno.EADDRINUSE: "another program uses it. Stop that program, or choose another port, for "
        f"example: make run PORT={other}",
    }
    return f"{shown}: {advice.get(error.errno or 0, f'{error.strerror}.')}"


_HOSTS = (
    "Set HOST to 127.0.0.1 for this machine alone, to 0.0.0.0 for all its addresses, or to :: for "
    "all with IPv6."
)


def serve(app: FastAPI) -> None:
    """Listen until Ctrl-C or SIGTERM. A taken port or folder is one sentence and status 1."""
    settings = get_settings()
    try:
        check_installed(settings)
        check_free(settings)
        listeners = listen_on_all(settings.host, settings.port)
    except (ConfigurationError, OSError) as error:
        reason = cannot_listen(error, settings) if isinstance(error, OSError) else error
        sys.stderr.write(f"{reason}\n")
        raise SystemExit(1) from None
    sys.stdout.write(f"Ask the Book is listening on {settings.listening_url}\n")
    for role, engine in Clients(settings).engines().items():
        sys.stdout.write(f"  {role:<11} {engine}\n")
    sys.stdout.flush()
    _raise_file_limit()
    processes = _processes(settings)
    config = make_config("router:app" if processes > 1 else app, settings, processes)
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C has been obeyed by then
        # Imported here: Lambda and Vercel load this module and never serve.
        if processes == 1:
            from uvicorn import Server

            Server(config).run(sockets=listeners)
        else:
            from uvicorn.supervisors import Multiprocess

            Multiprocess(config, sockets=listeners).run()
    for listener in listeners:
        listener.close()
    # The engines stop at exit. A second interrupt skips the wait.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))


def require_one_process(settings: Settings) -> None:
    """Raise ConfigurationError if uvicorn runs this process beside another on an embedded database.

    `uvicorn --workers` starts several, and stops all of them if one cannot start.
    """
    if settings.database_url:
        return
    if not _supervisor():
        if "uvicorn" in Path(sys.argv[0]).parts[-2:]:
            check_free(settings)
        return
    import fcntl

    folder = writable(settings.data_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "serving.lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError:
        return  # the start of the database reports it
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # until this process ends
    except BlockingIOError:
        raise ConfigurationError(
            "The embedded database serves one process, but several were started. Start one: "
            "python router.py, or uvicorn router:app without --workers. For several processes, set "
            "DATABASE_URL."
        ) from None


def startup_failure_status() -> int:
    """Status of a process that cannot start. With 3, uvicorn does not start a worker again."""
    return 3 if _supervisor() else 1


def end_with_supervisor() -> None:
    """Stop as after SIGTERM where the process that started this one for WEB_CONCURRENCY is gone.

    Nobody would otherwise stop it, and it would keep the port.
    """
    if supervisor := _supervisor():

        def wait() -> None:
            supervisor.join()
            os.kill(os.getpid(), signal.SIGTERM)

        threading.Thread(target=wait, daemon=True).start()


def _supervisor() -> Any:
    """Return the process that started this one as one of several, or None."""
    multiprocessing = sys.modules.get("multiprocessing")  # loaded in such a process, not on Lambda
    return multiprocessing and multiprocessing.parent_process()


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
