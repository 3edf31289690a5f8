"""Settings from the environment: one frozen object, read once, secrets never shown."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rag.errors import ConfigurationError

ROOT = Path(__file__).resolve().parent.parent
SECRETS = ("COHERE_API_KEY", "OPENAI_API_KEY", "QDRANT_URL", "QDRANT_API_KEY", "DATABASE_URL")
PLATFORMS = ("SPACE_ID", "AWS_LAMBDA_FUNCTION_NAME", "VERCEL")
"""Variables by which a host is known; one of them set means that this is no laptop."""


def _setting(name: str, default: Any, help: str, *, secret: bool = False) -> Any:
    metadata = {"name": name, "help": help, "default": default}
    return field(default=default, repr=not secret, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the author can set. The field's metadata names the variable and explains it."""

    cohere_api_key: str = _setting("COHERE_API_KEY", "", "Cohere key for embeddings.", secret=True)
    openai_api_key: str = _setting("OPENAI_API_KEY", "", "Key for the chat model.", secret=True)
    qdrant_url: str = _setting("QDRANT_URL", "", "Address of the Qdrant cluster.", secret=True)
    qdrant_api_key: str = _setting("QDRANT_API_KEY", "", "Qdrant key.", secret=True)
    database_url: str = _setting(
        "DATABASE_URL", "", "PostgreSQL connection string, as Neon gives it.", secret=True
    )

    embedded: bool = _setting(
        "EMBEDDED", False, "On a host: serve what is unset from the embedded engines."
    )
    data_dir: Path = _setting(
        "DATA_DIR", Path(".data"), "Where the embedded engines keep the index and the history."
    )
    host: str = _setting("HOST", "127.0.0.1", "Address to listen on; 0.0.0.0 in a container.")
    port: int = _setting("PORT", 7860, "Port of the server.")
    routes: tuple[str, ...] = _setting(
        "ROUTES", (), "Endpoints to mount, by name, separated by commas; empty means all."
    )
    base_path: str = _setting(
        "BASE_PATH",
        "",
        "Path in front of all endpoints, such as `/api`, that a proxy leaves there.",
    )
    site_url: str = _setting(
        "SITE_URL",
        "",
        "Address of the book's site; citations link there. Unset: what the book itself names; "
        "on a laptop a preview.",
    )
    book_title: str = _setting("BOOK_TITLE", "", "Name of the book; taken from the book if unset.")

    allowed_origins: tuple[str, ...] = _setting(
        "ALLOWED_ORIGINS", (), "Origins of the sites that may ask, separated by commas."
    )
    vercel_project: str = _setting(
        "VERCEL_PROJECT", "", "Vercel project whose preview deployments may ask (with the scope)."
    )
    vercel_scope: str = _setting("VERCEL_SCOPE", "", "Vercel account or team of that project.")

    collection: str = _setting("QDRANT_COLLECTION", "book", "Name of the Qdrant collection.")
    cohere_base_url: str = _setting("COHERE_BASE_URL", "", "Another address for the Cohere API.")
    cohere_embed_model: str = _setting(
        "COHERE_EMBED_MODEL", "embed-english-v3.0", "Cohere embedding model."
    )
    rerank_model: str = _setting(
        "RERANK", "", "Cohere rerank model, such as rerank-v3.5; unset means no reranking."
    )
    openai_base_url: str = _setting(
        "OPENAI_BASE_URL", "", "Another OpenAI-compatible server for the chat model."
    )
    chat_model: str = _setting("CHAT_MODEL", "gpt-4o-mini", "Chat model.")
    rewrite_model: str = _setting(
        "REWRITE_MODEL", "", "Model that makes follow-ups standalone; the chat model if unset."
    )
    max_answer_tokens: int = _setting("MAX_ANSWER_TOKENS", 900, "Cap on the length of an answer.")
    history_tokens: int = _setting(
        "HISTORY_TOKENS", 6000, "How much of the conversation the chat model is shown."
    )
    context_passages: int = _setting(
        "CONTEXT_PASSAGES", 10, "How many passages an answer is made from."
    )
    deadline_seconds: float = _setting(
        "DEADLINE_SECONDS", 50.0, "A chat answers or fails within this time."
    )
    starter_questions: tuple[str, ...] = _setting(
        "STARTER_QUESTIONS",
        (),
        "Questions the chat offers to begin with, separated by `|`; headings of the book if unset.",
    )
    retention_days: int = _setting(
        "RETENTION_DAYS", 90, "Conversations unused for this long are deleted."
    )
    rate_per_minute: float = _setting(
        "RATE_PER_MINUTE",
        20.0,
        "Questions and searches a minute from one address, and in one conversation.",
    )
    rate_burst: int = _setting("RATE_BURST", 40, "How many of them may come at once after a pause.")
    daily_token_budget: int = _setting(
        "DAILY_TOKEN_BUDGET",
        1_000_000,
        "Tokens of the chat model a day, for all readers together; then answers are extractive.",
    )
    daily_question_budget: int = _setting(
        "DAILY_QUESTION_BUDGET",
        5000,
        "Questions a day that the chat model may answer, or a reranker sort passages for.",
    )
    log_questions: bool = _setting("LOG_QUESTIONS", False, "Write questions to the log.")
    log_format: str = _setting(
        "LOG_FORMAT",
        "",
        "`text` or `json`; unset: text on a terminal, JSON on a host and everywhere else.",
    )
    admin_token: str = _setting(
        "ADMIN_TOKEN",
        "",
        "Opens the author's view at `/admin`, 16 characters or more; unset: there is no such page.",
        secret=True,
    )
    token_price: float = _setting(
        "TOKEN_PRICE", 0.0, "Price of a million tokens; the author's view then shows amounts."
    )

    platform: str = ""
    """The variable by which a host was recognised, or empty on a laptop."""
    space_host: str = ""
    """Public name of a Hugging Face Space."""

    @property
    def preview(self) -> bool:
        """Whether its user has a preview of the book before them: on a laptop, all embedded."""
        return not (self.platform or self.qdrant_url) and self.host in ("127.0.0.1", "localhost")

    @property
    def book_url(self) -> str:
        """Where citations link to: the book's site, or the preview that this service shows."""
        if self.site_url:
            return self.site_url
        if self.space_host:
            return f"https://{self.space_host}/book"
        return f"http://localhost:{self.port}/book"

    def missing(self, needed: Iterable[str] = SECRETS) -> list[str]:
        """Secrets among `needed` that are unset and that nothing embedded stands in for."""
        if self.embedded or not self.platform:
            return []
        by_name = {f.metadata["name"]: f.name for f in fields(self) if f.metadata}
        return [name for name in SECRETS if name in needed and not getattr(self, by_name[name])]

    def require(self, needed: Iterable[str] = SECRETS) -> None:
        """Raise one ConfigurationError that names every missing secret."""
        if missing := self.missing(needed):
            raise ConfigurationError(f"Configuration error: Missing {', '.join(missing)}")


HIDDEN = tuple(item.metadata["name"] for item in fields(Settings) if not item.repr)
"""Settings that nobody may see: SECRETS, without which a host does not start, and others."""


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the environment, and `.env` in the project's folder where there is one.

    What the environment sets wins over `.env`. Raises ConfigurationError naming every
    malformed value at once.
    """
    if environ is None:
        if (ROOT / ".env").exists():
            from dotenv import load_dotenv

            load_dotenv(ROOT / ".env", override=False)
        environ = os.environ
    values: dict[str, Any] = {}
    problems: list[str] = []
    for item in fields(Settings):
        raw = environ.get(item.metadata["name"], "").strip() if item.metadata else ""
        if raw:
            try:
                values[item.name] = _parse(item.name, raw, item.metadata["default"])
            except ValueError as error:
                problems.append(f"{item.metadata['name']} {error}")
    if problems:
        raise ConfigurationError(f"Configuration error: {'; '.join(problems)}")
    values["platform"] = next((name for name in PLATFORMS if environ.get(name)), "")
    values["space_host"] = environ.get("SPACE_HOST", "")
    return Settings(**values)


def _parse(name: str, raw: str, default: Any) -> Any:
    """Turn a variable's text into the type of its default; ValueError says what is wrong.

    Messages never repeat the value: it may be a secret in the wrong place.
    """
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
        if not 0 < number < 1e9:
            raise ValueError("must be a positive number")
        if name == "port" and number > 65535:
            raise ValueError("must be a port from 1 to 65535")
        return number
    if isinstance(default, tuple):
        separator = "|" if name == "starter_questions" else ","
        return tuple(part.strip().rstrip("/") for part in raw.split(separator) if part.strip())
    if isinstance(default, Path):
        return Path(raw).expanduser()
    if name == "admin_token" and not re.fullmatch(r"[!-~]{16,}", raw):
        raise ValueError("must be 16 or more visible ASCII characters")
    if name == "log_format":
        if raw.lower() not in ("text", "json"):
            raise ValueError("must be text or json")
        return raw.lower()
    if name == "base_path":
        return f"/{raw.strip('/')}" if raw.strip("/") else ""
    if name == "database_url":
        if urlsplit(raw).scheme not in ("postgres", "postgresql"):
            raise ValueError("must start with postgresql://")
    elif name.endswith("_url"):
        parts = urlsplit(raw)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must start with https:// (or http://) and name a host")
        return raw.rstrip("/")
    return raw


def table() -> str:
    """The settings as a Markdown table, for the README and the handbook."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for item in fields(Settings):
        if item.metadata:
            default = item.metadata["default"]
            shown = f"`{int(default) if isinstance(default, bool) else default}`"
            unset = default in ("", ())
            name, help = item.metadata["name"], item.metadata["help"]
            rows.append(f"| `{name}` | {'' if unset else shown} | {help} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())  # noqa: T201
