"""What mends a service in trouble, in a sentence for the author."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from rag.adapters.database.postgres_url import Server, parse_url
from rag.errors import IndexMismatch, IndexMissing, UpstreamOverloaded
from rag.settings import Settings

_PROBE_SECONDS = 3.0

_NEW_KEY = {
    "cohere": "Make a key at https://dashboard.cohere.com/api-keys and set COHERE_API_KEY.",
    "openai": "Make a key at the provider of the chat model and set OPENAI_API_KEY.",
    "qdrant": "Make a key on the cluster's page at https://cloud.qdrant.io and set QDRANT_API_KEY.",
    "postgres": "Copy the connection string again, with its password, into DATABASE_URL.",
}
_MORE_QUOTA = {
    "cohere": "A trial key has 1,000 calls a month: wait for the next one, or get a paid key.",
    "openai": "Add credit, or raise the limit, at the provider; until then answers are extractive.",
}
_ADDRESS = {
    "cohere": "COHERE_BASE_URL",
    "openai": "OPENAI_BASE_URL",
    "qdrant": "QDRANT_URL",
    "postgres": "DATABASE_URL",
}


def reachable(host: str, port: int) -> bool:
    """Whether a connection can be opened."""
    with contextlib.suppress(OSError):
        socket.create_connection((host, port), _PROBE_SECONDS).close()
        return True
    return False


def mend(
    service: str,
    error: BaseException,
    settings: Settings,
    *,
    probe: Callable[[str, int], bool] = reachable,
) -> str:
    """What to do about `error`; empty where the error says all that is known."""
    said = str(error).lower()
    if service == "budget":
        return "Raise DAILY_TOKEN_BUDGET or DAILY_QUESTION_BUDGET if you mean to spend more."
    if isinstance(error, IndexMissing | IndexMismatch):
        return _index(error)
    if "quota" in said or "used up" in said:
        return _MORE_QUOTA.get(service, "")
    if "key was refused" in said or "(28" in said:
        return _NEW_KEY[service]
    if "model" in said and service in ("cohere", "openai"):
        name = "COHERE_EMBED_MODEL" if service == "cohere" else "CHAT_MODEL"
        return f"Set {name} to a model that this key may use."
    if isinstance(error, UpstreamOverloaded):
        return "Wait a minute and look again."
    causes = list(_causes(error))
    if "certificate" in said or "tls" in said or _any(causes, ssl.SSLError):
        return (
            "The connection is not safe: look whether the address is the service's own, "
            "ca-certificates are installed and the clock is right."
        )
    if _any(causes, socket.gaierror) or "name or service" in said or "name resolution" in said:
        return _unknown_name(service)
    if service == "postgres" and settings.database_url:
        return _database(parse_url(settings.database_url), said, probe)
    if service == "qdrant" and urlsplit(settings.qdrant_url).port == 6333:
        return "Port 6333 may be blocked here: Qdrant Cloud answers on 443, so leave it out."
    return ""


def _index(error: BaseException) -> str:
    if isinstance(error, IndexMismatch):
        return "Run python ingest.py PATH, or set COHERE_EMBED_MODEL to the model of the index."
    return (
        "Run python ingest.py PATH with these settings, or set QDRANT_COLLECTION to the "
        "collection that holds the book."
    )


def _unknown_name(service: str) -> str:
    told = f"There is no host of that name: look at {_ADDRESS[service]}."
    if service == "qdrant":
        told += " Qdrant Cloud deletes a free cluster that was not used for some weeks."
    return told


def _database(server: Server, said: str, probe: Callable[[str, int], bool]) -> str:
    """A port that nothing comes through looks like a server that is down."""
    if not any(word in said for word in ("connect", "no answer", "in time")):
        return ""
    if server.unix_socket or server.over_https:
        return ""
    if server.host.endswith(".neon.tech"):
        blocked = "is blocked here" if probe(server.host, 443) else "may be blocked here"
        return (
            f"Port {server.port} {blocked}. Neon takes SQL over HTTPS too: write the port 443 "
            "behind the host in DATABASE_URL (…neon.tech:443/…)."
        )
    return f"Look whether the server runs and this host lets connections out to port {server.port}."


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, what caused it, and what it was made of."""
    waiting, seen = [error], set()
    while waiting:
        found = waiting.pop()
        if id(found) not in seen:
            seen.add(id(found))
            yield found
            parts = found.exceptions if isinstance(found, BaseExceptionGroup) else ()
            waiting += [e for e in (found.__cause__, found.__context__, *parts) if e]


def _any(causes: list[BaseException], kind: type[BaseException]) -> bool:
    return any(isinstance(cause, kind) for cause in causes)
