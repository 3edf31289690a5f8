"""Read the settings from environment variables and the optional file `.env`.

Whatever is wrong with them is reported as a ConfigurationError that names the variable. Messages
never repeat a value, which may be a misplaced secret.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from contextlib import suppress
from io import StringIO
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from rag.errors import ConfigurationError
from rag.settings import PLATFORMS, ROOT, VARIABLES, Settings, model_names

_TOKENS = ("admin_token", "api_token", "ticket_secret")


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read all settings. The environment takes precedence over `.env` in the project's folder.

    Raises ConfigurationError that lists all invalid values.
    """
    problems: list[str] = []
    if environ is None:
        problems += _load_dotenv(ROOT / ".env")
        problems += _check_network(os.environ)
        environ = os.environ
    values: dict[str, Any] = {}
    for name, item in VARIABLES.items():
        if raw := environ.get(name, "").strip():
            try:
                values[item.name] = _parse(item.name, raw, item.metadata["default"])
            except ValueError as error:
                problems.append(f"{name} {error}")
    if problems:
        raise ConfigurationError(f"Configuration error: {'; '.join(problems)}")
    values["platform"] = next((name for name in PLATFORMS if environ.get(name)), "")
    values["space_host"] = environ.get("SPACE_HOST", "")
    return Settings(**values)


def _load_dotenv(path: Path) -> list[str]:
    """Add the variables of a `.env` file to the environment. Returns what is wrong with it."""
    if not path.is_file():
        return []
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError:
        return [".env cannot be read: check who owns the file and its permissions"]
    except UnicodeDecodeError:
        return [".env is not UTF-8: save it again with that encoding"]
    if "\0" in text:
        return [".env contains a NUL character: save it again as plain text in UTF-8"]
    from dotenv import dotenv_values

    found = dotenv_values(stream=StringIO(text))
    for name, value in found.items():
        if value is not None:  # the locale may have another encoding
            os.environ.setdefault(name, os.fsdecode(value.encode()))
    begun = set(re.findall(r"^[ \t]*(?:export[ \t]+)?([A-Z_]+)\b", text, re.M))
    return [
        f"{name} in .env cannot be read: write {name}=value on one line"
        for name in VARIABLES
        if name in begun and found.get(name) is None
    ]


def _check_network(environ: Mapping[str, str]) -> list[str]:
    """Check the variables that HTTP clients read on their own and report badly."""
    problems = []
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
        for each in (name, name.lower()):
            if (proxy := environ.get(each, "").strip()) and not _is_http(proxy):
                problems.append(f"{each} must be an address such as http://proxy.example:3128")
    if file := environ.get("SSL_CERT_FILE"):
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
        except ssl.SSLError:
            problems.append("SSL_CERT_FILE names a file that holds no certificates in PEM format")
        except OSError:
            problems.append("SSL_CERT_FILE names a file that does not exist or cannot be read")
    if (folder := environ.get("SSL_CERT_DIR")) and not any(
        os.path.isdir(part) for part in folder.split(os.pathsep)
    ):
        problems.append("SSL_CERT_DIR names a folder that does not exist")
    return problems


def _is_http(address: str) -> bool:
    try:
        parts = urlsplit(address)
        is_usable = bool(parts.hostname) and parts.port != 0 and not re.search(r"\s", address)
        return parts.scheme in ("http", "https") and is_usable
    except ValueError:
        return False


def _host(raw: str) -> str:
    """Return a host name or an address in its usual form, without brackets."""
    bare = raw[1:-1] if raw.startswith("[") and raw.endswith("]") else raw
    with suppress(ValueError):
        ip = ip_address(bare)
        return str(getattr(ip, "ipv4_mapped", None) or ip)
    if not re.fullmatch(r"[A-Za-z0-9._-]+", bare):
        raise ValueError("must be an address such as 127.0.0.1, 0.0.0.0 or ::, without a port")
    return bare.lower()


def _parse(name: str, raw: str, default: Any) -> Any:
    """Convert a variable's text to the type of its default. Raises ValueError."""
    if not isinstance(default, Path):
        try:
            raw = os.fsencode(raw).decode()  # whatever encoding the locale has
        except UnicodeError:
            raise ValueError("is not in UTF-8") from None
    if isinstance(default, bool):
        if raw.lower() in ("1", "true", "yes", "on"):
            return True
        if raw.lower() in ("0", "false", "no", "off"):
            return False
        raise ValueError("must be 1 or 0")
    if isinstance(default, int | float):
        try:
            number = type(default)(raw)
        except ValueError:
            raise ValueError("must be a number") from None
        if not (0 < number < 1e9 or number == default):
            raise ValueError("must be a positive number")
        if name == "port" and number > 65535:
            raise ValueError("must be a port from 1 to 65535")
        if name == "embed_dimensions" and number not in (256, 512, 1024, 1536):
            raise ValueError("must be 256, 512, 1024 or 1536")
        return number
    if isinstance(default, tuple):
        separator = "|" if name == "starter_questions" else ","
        parts = tuple(part.strip().rstrip("/") for part in raw.split(separator) if part.strip())
        if name == "mcp_token" and not all(re.fullmatch(r"[\w-]{16,}", p, re.A) for p in parts):
            raise ValueError("must be tokens of 16 or more letters, digits, - or _")
        return parts
    if isinstance(default, Path):
        try:
            folder = Path(raw).expanduser()
        except RuntimeError:
            raise ValueError("starts with ~, but there is no such home folder") from None
        exists = next((path for path in (folder, *folder.parents) if os.path.lexists(path)), None)
        if exists and not os.path.isdir(exists):
            raise ValueError("names or leads through a file, and must name a folder")
        return folder
    if name in _TOKENS and not re.fullmatch(r"[!-~]{16,}", raw):
        raise ValueError("must be 16 or more visible ASCII characters")
    if name == "log_format":
        if raw.lower() not in ("text", "json"):
            raise ValueError("must be text or json")
        return raw.lower()
    if name == "chat_model":
        return ", ".join(model_names(raw)) or default
    if name == "host":
        return _host(raw)
    if name == "base_path":
        path = unquote(raw.strip("/"))
        if not re.fullmatch(r"[^\s?#\\:]*", path) or "//" in path:
            raise ValueError("must be a path such as /api, without a host")
        return path and f"/{path}"
    if name == "database_url":
        if raw.partition("://")[0].lower() not in ("postgres", "postgresql"):
            raise ValueError("must start with postgresql://")
    elif name.endswith("_url"):
        if not _is_http(raw):
            raise ValueError("must start with https:// (or http://) and name a host")
        return raw.rstrip("/")
    return raw
