"""A PostgreSQL connection string, as libpq reads it and Neon writes it."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from rag.errors import ConfigurationError

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_NO_LIMIT = 3600.0


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
    if parts.scheme not in ("postgres", "postgresql"):
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
    return Server(
        host=host,
        port=port,
        user=user,
        database=query.get("dbname") or unquote(parts.path.removeprefix("/")) or user,
        password=password,
        ssl_mode=mode,
        ssl_root=query.get("sslrootcert", ""),
        require_channel_binding=query.get("channel_binding") == "require",
        connect_timeout=timeout if timeout > 0 else _NO_LIMIT,
        startup=server_keys,
    )


def _login() -> str:
    return os.environ.get("USER") or "postgres"
