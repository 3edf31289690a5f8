"""A PostgreSQL connection string, as libpq reads it and Neon writes it."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from rag.errors import ConfigurationError

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_NO_LIMIT = 3600.0
_LONGEST_FOLDER = 90
"""Bytes; a socket's path may have 107, and on some systems 103."""


@dataclass(frozen=True)
class Server:
    """A server's address, login and TLS settings. The repr leaves out the password."""

    host: str
    """Name or address, or the folder of a Unix socket, which starts with a slash."""
    port: int
    user: str
    database: str
    password: str | None = field(repr=False)
    ssl_mode: str = "prefer"
    ssl_root: str = ""
    """File of certificates to trust instead of the system's."""
    require_channel_binding: bool = False
    connect_timeout: float = _NO_LIMIT
    """Seconds."""
    startup: Mapping[str, str] = field(default_factory=dict)
    """Startup parameters for the server, such as `options=endpoint=...`."""

    @property
    def over_https(self) -> bool:
        """Whether to send SQL over HTTPS, which Neon accepts on port 443."""
        return self.port == 443 and self.host.endswith(".neon.tech")

    @property
    def unix_socket(self) -> str:
        """Path of the Unix socket; empty for TCP."""
        return f"{self.host}/.s.PGSQL.{self.port}" if self.host.startswith("/") else ""

    @cached_property
    def ssl_context(self) -> ssl.SSLContext | None:
        """None for no TLS. As in libpq, only `verify-ca` and `verify-full` (and `require`
        with `sslrootcert`) check the certificate; `channel_binding=require` verifies the
        server by its own means."""
        if self.unix_socket or self.ssl_mode == "disable":
            return None
        root = "" if self.ssl_root == "system" else self.ssl_root
        try:
            context = ssl.create_default_context(cafile=root or None)
        except OSError:
            raise ConfigurationError("DATABASE_URL: sslrootcert cannot be read") from None
        if self.ssl_mode != "verify-full":
            context.check_hostname = False
            if self.ssl_mode != "verify-ca" and not (root and self.ssl_mode == "require"):
                context.verify_mode = ssl.CERT_NONE
        return context

    @property
    def ssl_optional(self) -> bool:
        return self.ssl_mode in ("allow", "prefer")


def parse_url(url: str) -> Server:
    """Parse `postgresql://user:password@host:port/database?parameter=value`.

    Unknown parameters are ignored. Raises ConfigurationError, whose message quotes no part of
    the string: any part may be the password.
    """
    try:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query.replace("+", "%2B")))
        # libpq takes `?host=/folder` and `//%2Ffolder/`; urlsplit lowers the case of names.
        network = parts.netloc.rpartition("@")[2]
        host = unquote(network.rpartition(":")[0] if parts.port else network.rstrip(":"))
        host = query.get("host") or host.removeprefix("[").removesuffix("]") or "localhost"
        port = int(query.get("port") or parts.port or 5432)
        timeout = float(query.get("connect_timeout") or 0)
    except ValueError:
        raise ConfigurationError(
            "DATABASE_URL cannot be understood; special characters in its password must be "
            "percent-encoded (a slash is %2F, a hash %23, a colon %3A)"
        ) from None
    if not url.strip().lower().startswith(("postgres://", "postgresql://")):
        raise ConfigurationError("DATABASE_URL must start with postgresql://")
    if parts.fragment or "," in host:
        raise ConfigurationError(
            "DATABASE_URL names several hosts or holds a bare #; one host, and %23 for a hash"
        )
    mode = query.get("sslmode") or "prefer"
    if mode not in SSL_MODES:
        raise ConfigurationError(f"DATABASE_URL: sslmode must be one of {', '.join(SSL_MODES)}")
    password = query.get("password") or unquote(parts.password or "") or None
    user = query.get("user") or unquote(parts.username or "") or _login()
    server_keys: dict[str, Any] = {k: query[k] for k in ("options",) if query.get(k)}
    for value in (host, user, password or "", *server_keys.values(), unquote(parts.path)):
        if re.search("[\0\ud800-\udfff]", value):
            raise ConfigurationError("DATABASE_URL holds characters that no part of it may hold")
    if not 0 < port < 65_536:
        raise ConfigurationError("DATABASE_URL: the port must be between 1 and 65535")
    if not _is_host(host):
        raise ConfigurationError(
            "DATABASE_URL: the host must be a name, an address, or a folder with a short path; "
            "special characters in the password must be percent-encoded (@ is %40, a slash %2F)"
        )
    return Server(
        host=host,
        port=port,
        user=user,
        database=query.get("dbname") or unquote(parts.path.removeprefix("/")) or user,
        password=password,
        ssl_mode=mode,
        ssl_root=query.get("sslrootcert", ""),
        require_channel_binding=query.get("channel_binding") == "require",
        connect_timeout=timeout if 0 < timeout < _NO_LIMIT else _NO_LIMIT,
        startup=server_keys,
    )


def _is_host(host: str) -> bool:
    """Whether a host can be looked up, or is a folder that can hold a socket."""
    if host.startswith("/"):
        return len(host.encode()) < _LONGEST_FOLDER
    with suppress(UnicodeError):  # such as a label that is empty or too long
        return bool(host.encode("idna")) and not re.search(r"\s", host)
    return False


def _login() -> str:
    return os.environ.get("USER") or "postgres"
