"""Suggest how to fix a service problem, in a sentence for the author."""

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
    "cohere": "Create a key at https://dashboard.cohere.com/api-keys and set COHERE_API_KEY.",
    "openai": "Create a key at the chat model's provider and set OPENAI_API_KEY.",
    "qdrant": "Create a key for the cluster at https://cloud.qdrant.io and set QDRANT_API_KEY.",
    "postgres": "Copy the connection string, including the password, to DATABASE_URL again.",
}
_MORE_QUOTA = {
    "cohere": "A trial key has 1,000 calls per month. Wait for next month or get a paid key.",
    "openai": "Add credit or raise the limit at the provider. Until then, answers are extractive.",
}
_ADDRESS = {
    "cohere": "COHERE_BASE_URL",
    "openai": "OPENAI_BASE_URL",
    "qdrant": "QDRANT_URL",
    "postgres": "DATABASE_URL",
}


def reachable(host: str, port: int) -> bool:
    """Whether a TCP connection can be opened."""
    with contextlib.suppress(OSError):
        socket.create_connection((host, port), _PROBE_SECONDS).close()
        return True
    return False


def remedy_for(
    service: str,
    error: BaseException,
    settings: Settings,
    *,
    probe: Callable[[str, int], bool] = reachable,
) -> str:
    """Return how to fix `error`, or "" if there is nothing to add to its message."""
    message = str(error).lower()
    if service == "budget":
        return "To allow more, raise DAILY_TOKEN_BUDGET or DAILY_QUESTION_BUDGET."
    if isinstance(error, IndexMissing | IndexMismatch):
        return _index(error)
    if "quota" in message or "used up" in message:
        return _MORE_QUOTA.get(service, "")
    if "key was refused" in message or "(28" in message:
        return _NEW_KEY[service]
    if "model" in message and service in ("cohere", "openai"):
        name = "COHERE_EMBED_MODEL" if service == "cohere" else "CHAT_MODEL"
        return f"Set {name} to a model that this key may use."
    if isinstance(error, UpstreamOverloaded):
        return "Wait a minute and try again."
    causes = list(_causes(error))
    if "certificate" in message or "tls" in message or _any(causes, ssl.SSLError):
        return (
            "The TLS connection could not be verified. Check that the address is correct, "
            "ca-certificates is installed and the clock is right."
        )
    unresolved = "name or service" in message or "name resolution" in message
    if unresolved or _any(causes, socket.gaierror):
        return _unknown_name(service)
    if service == "postgres" and settings.database_url:
        return _database(parse_url(settings.database_url), message, probe)
    if service == "qdrant" and urlsplit(settings.qdrant_url).port == 6333:
        return "Port 6333 may be blocked. Qdrant Cloud also uses 443: remove the port from the URL."
    return ""


def _index(error: BaseException) -> str:
    if isinstance(error, IndexMismatch):
        return "Run python ingest.py PATH, or set COHERE_EMBED_MODEL to the model of the index."
    return (
        "Run python ingest.py PATH with these settings, or set QDRANT_COLLECTION to the "
        "collection that holds the book."
    )


def _unknown_name(service: str) -> str:
    remedy = f"The host name does not exist. Check {_ADDRESS[service]}."
    if service == "qdrant":
        remedy += " Qdrant Cloud deletes free clusters that are unused for some weeks."
    return remedy


def _database(server: Server, message: str, probe: Callable[[str, int], bool]) -> str:
    """Tell a blocked port from a server that is down, as far as possible."""
    if not any(word in message for word in ("connect", "no answer", "in time")):
        return ""
    if server.unix_socket or server.over_https:
        return ""
    if server.host.endswith(".neon.tech"):
        blocked = "is blocked here" if probe(server.host, 443) else "may be blocked here"
        return (
            f"Port {server.port} {blocked}. Neon also accepts SQL over HTTPS: add port 443 to the "
            "host in DATABASE_URL (…neon.tech:443/…)."
        )
    return (
        f"Check that the server is running and that outgoing connections to port {server.port} "
        "are allowed."
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error, its causes and the members of exception groups."""
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
