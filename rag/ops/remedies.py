"""Suggest how to fix a service problem, in a sentence for the author."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

from rag.adapters.database.postgres_url import Server, parse_url
from rag.errors import IndexMismatch, IndexMissing, Reason, UpstreamError
from rag.settings import Settings

_PROBE_SECONDS = 3.0

_ANY_SERVICE: dict[Reason, str] = {
    "busy": "Wait a minute and try again.",
    "proxy": (
        "Check the address, user name and password in HTTPS_PROXY (HTTP_PROXY for http://). To go "
        "around the proxy, name the host in NO_PROXY."
    ),
    "tls": (
        "Check the address (host, port, https:// or http://) and the clock. If your network or the "
        "server has a certificate authority of its own, set SSL_CERT_FILE to a file that also "
        "holds its certificate."
    ),
}
_ONE_SERVICE: dict[tuple[str, Reason], str] = {
    ("cohere", "key"): (
        "Create a key at https://dashboard.cohere.com/api-keys and set COHERE_API_KEY."
    ),
    ("openai", "key"): "Create a key at the chat model's provider and set OPENAI_API_KEY.",
    ("qdrant", "key"): (
        "Create a key for the cluster at https://cloud.qdrant.io and set QDRANT_API_KEY."
    ),
    ("postgres", "key"): (
        "Copy the connection string, including the password and sslmode, to DATABASE_URL again. If "
        "that does not help, the server's administrator must let this role in, with an entry in "
        "pg_hba.conf or ALTER ROLE name LOGIN."
    ),
    ("postgres", "tls"): (
        "Check the host in DATABASE_URL, the clock, and that ca-certificates is installed. If the "
        "server has a certificate authority of its own, add sslrootcert=FILE to DATABASE_URL. In a "
        "private network, a server without TLS can be used with sslmode=disable."
    ),
    ("postgres", "read-only"): (
        "The server takes no changes. If it is a replica, or was the primary server before a "
        "failover, set DATABASE_URL to the primary server. If its provider has made it read-only, "
        "free space or raise the plan there."
    ),
    ("postgres", "full"): (
        "The database's disk or storage quota is full. Its administrator must free space or "
        "enlarge it; a lower RETENTION_DAYS keeps fewer conversations."
    ),
    ("postgres", "encoding"): (
        "Create a database in UTF-8 with CREATE DATABASE book ENCODING 'UTF8' TEMPLATE template0, "
        "and set DATABASE_URL to it. Conversations can be copied with pg_dump."
    ),
    ("postgres", "cancelled"): (
        "The server's own time limit ended a statement. The database's administrator can raise it "
        "with ALTER ROLE name SET statement_timeout = '10s' (the same for lock_timeout and "
        "transaction_timeout)."
    ),
    ("postgres", "slow"): (
        "The server was reached. It may be overloaded, or another session may hold a lock on a "
        "table of the schema book: see pg_stat_activity, and end that session with "
        "pg_terminate_backend."
    ),
    ("postgres", "connections"): (
        "All connections that the server allows are taken. Each process of this service uses up "
        "to four: raise the limit with ALTER ROLE name CONNECTION LIMIT 20 (or ALTER DATABASE), "
        "stop other clients, or use the address of a pooler such as PgBouncer."
    ),
    ("postgres", "database"): (
        "Create the database with CREATE DATABASE, or correct its name in DATABASE_URL."
    ),
    ("cohere", "quota"): (
        "A trial key has 1,000 calls per month. Wait for next month or get a paid key."
    ),
    ("openai", "quota"): (
        "Add credit or raise the limit at the provider. Until then, answers are extractive."
    ),
    ("cohere", "model"): "Set COHERE_EMBED_MODEL to a model that this key may use.",
    ("openai", "model"): (
        "Set CHAT_MODEL to a model that this key may use. Until then, answers are extractive."
    ),
    ("cohere", "host"): "The host name does not exist. Check COHERE_BASE_URL.",
    ("openai", "host"): "The host name does not exist. Check OPENAI_BASE_URL.",
    ("postgres", "host"): "The host name does not exist. Check DATABASE_URL.",
    ("qdrant", "host"): (
        "The host name does not exist. Check QDRANT_URL. Qdrant Cloud deletes free clusters that "
        "are unused for some weeks."
    ),
}
_NO_CONNECTION = (
    "Check that the server is running, that its address and port are right, and that this machine "
    "may connect to it. Behind a proxy, set HTTPS_PROXY."
)


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
    """Return how to fix `error`, or "" if there is nothing to add to its message.

    `probe` tells whether a host and port can be reached.
    """
    if service == "budget":
        return (
            "To allow more, raise what is used up: DAILY_TOKEN_BUDGET, DAILY_QUESTION_BUDGET, "
            "DAILY_EMBEDDING_BUDGET or DAILY_STORAGE_BUDGET."
        )
    if isinstance(error, IndexMissing | IndexMismatch):
        return _index(error, settings)
    reason = error.reason if isinstance(error, UpstreamError) else ""
    if service == "postgres" and reason == "rights":
        return _rights(settings)
    if remedy := _ONE_SERVICE.get((service, reason)) or _ANY_SERVICE.get(reason):
        return remedy
    if reason in ("connection", "timeout"):
        if service == "postgres" and settings.database_url:
            return _database(parse_url(settings.database_url), probe)
        if service == "qdrant" and urlsplit(settings.qdrant_url).port == 6333:
            return (
                "Port 6333 may be blocked. Qdrant Cloud also uses 443: remove the port from the "
                "URL."
            )
    return _NO_CONNECTION if reason == "connection" else ""


def _index(error: BaseException, settings: Settings) -> str:
    if "another version" in str(error):
        return ""  # it says what to run
    if isinstance(error, IndexMismatch):
        if "dimensions" in str(error):
            return "Or set EMBED_DIMENSIONS to those of the index."
        if not settings.cohere_api_key:
            return "Or set COHERE_API_KEY, if Cohere embedded the index."
        return (
            "Or set COHERE_EMBED_MODEL to the model of the index; all-MiniLM is used without "
            "COHERE_API_KEY."
        )
    return (
        "Run python ingest.py PATH with these settings, or set QDRANT_COLLECTION to the "
        "collection that holds the book."
    )


def _rights(settings: Settings) -> str:
    """Return the statements that an administrator runs, with the role's name."""
    user = parse_url(settings.database_url).user.replace('"', '""') if settings.database_url else ""
    role = f'"{user or "role"}"'
    return (
        f"The role {role} lacks a right. An administrator of the database can give it a schema of "
        f"its own with CREATE SCHEMA book AUTHORIZATION {role}. If the tables belong to another "
        "role, that role must create or upgrade them (run python -m rag.ops.diagnostics with its "
        f"DATABASE_URL) and run: GRANT USAGE ON SCHEMA book TO {role}; GRANT SELECT, INSERT, "
        f"UPDATE, DELETE ON ALL TABLES IN SCHEMA book TO {role}; GRANT EXECUTE ON ALL FUNCTIONS "
        f"IN SCHEMA book TO {role};"
    )


def _database(server: Server, probe: Callable[[str, int], bool]) -> str:
    """Tell a blocked port from a server that is down, as far as possible."""
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
