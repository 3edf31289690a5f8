"""The settings: a frozen object that never prints secrets. `rag.environment` reads them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rag.errors import ConfigurationError

ROOT = Path(__file__).resolve().parent.parent
SECRETS = ("COHERE_API_KEY", "OPENAI_API_KEY", "QDRANT_URL", "QDRANT_API_KEY", "DATABASE_URL")
PLATFORMS = ("SPACE_ID", "AWS_LAMBDA_FUNCTION_NAME", "VERCEL", "K_SERVICE")
"""Environment variables that identify a hosting platform; K_SERVICE is Google Cloud Run's. None of
them is set on a laptop."""
DEFAULT_CHAT_MODEL = "gpt-6-luna"
FIRST_TOKEN_SECONDS = (20.0, 120.0)
"""How long a model may take to its first token, and a model on this machine or in its network."""


def _setting(default: Any, help: str, *, secret: bool = False) -> Any:
    return field(default=default, repr=not secret, metadata={"help": help, "default": default})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings. A field's variable is its name in capitals; its metadata describe it."""

    cohere_api_key: str = _setting("", "Cohere API key, for embeddings and reranking.", secret=True)
    openai_api_key: str = _setting("", "API key for the chat model.", secret=True)
    qdrant_url: str = _setting("", "URL of the Qdrant cluster.", secret=True)
    qdrant_api_key: str = _setting("", "Qdrant API key.", secret=True)
    database_url: str = _setting(
        "", "PostgreSQL connection string, for example from Neon.", secret=True
    )

    embedded: bool = _setting(
        False, "On a host, use an embedded engine for each service that is not set."
    )
    data_dir: Path = _setting(
        Path(".data"), "Where the embedded engines store the index and conversations."
    )
    host: str = _setting(
        "127.0.0.1", "Address to listen on; `0.0.0.0` in a container, `::` with IPv6 too."
    )
    port: int = _setting(7860, "Port to listen on.")
    routes: tuple[str, ...] = _setting(
        (), "Endpoints to mount, by name, comma-separated; all if unset."
    )
    base_path: str = _setting("", "Path prefix that your proxy does not strip, such as `/api`.")
    proxy_hops: int = _setting(
        0,
        "Number of your proxies in front that append to `X-Forwarded-For`; needed behind a Unix "
        "socket.",
    )
    site_url: str = _setting(
        "",
        "URL of the book's site, which citations link to. If unset, the URL in the book's own "
        "configuration, or on a laptop a preview.",
    )
    book_title: str = _setting("", "Title of the book; read from the book if unset.")

    allowed_origins: tuple[str, ...] = _setting(
        (), "Origins allowed to call the service (CORS), comma-separated."
    )
    vercel_project: str = _setting(
        "", "Vercel project whose preview deployments may call the service; needs `VERCEL_SCOPE`."
    )
    vercel_scope: str = _setting("", "Vercel account or team of that project.")
    vercel_branches: bool = _setting(
        False, "Allow its branch addresses too, which a stranger's project could imitate."
    )
    require_origin: bool = _setting(
        False, "Refuse questions and searches from other sites and programs."
    )
    ticket_secret: str = _setting(
        "",
        "If set, questions and searches need a ticket that your site has signed with it; at least "
        "16 characters.",
        secret=True,
    )
    turnstile_secret: str = _setting(
        "", "If set, questions and searches need a token of Cloudflare Turnstile.", secret=True
    )
    turnstile_url: str = _setting("", "Address that checks its tokens, if not Cloudflare's.")

    qdrant_collection: str = _setting("book", "Name of the Qdrant collection.")
    cohere_base_url: str = _setting("", "Base URL for the Cohere API, if not the default.")
    cohere_embed_model: str = _setting("embed-english-v3.0", "Cohere embedding model.")
    embed_dimensions: int = _setting(
        1024, "Numbers in an embedding of embed-v4.0: 256, 512, 1024 or 1536."
    )
    embed_price: float = _setting(
        0.0, "Dollars per million tokens of the embedding model; if unset, Cohere's list price."
    )
    max_page_chunks: int = _setting(
        2000, "Ingest leaves out a page that makes more chunks than this."
    )
    max_book_characters: int = _setting(
        100_000_000, "Ingest refuses a book with more characters to embed than this."
    )
    max_includes: int = _setting(500, "Files that one page may include.")
    max_include_depth: int = _setting(6, "Levels of files that include other files.")
    max_included_characters: int = _setting(
        1_000_000, "Characters that includes may add to one page."
    )
    rerank: str = _setting(
        "", "Cohere rerank model, such as rerank-v4.0-fast; no reranking if unset."
    )
    openai_base_url: str = _setting("", "Base URL of another OpenAI-compatible server.")
    chat_model: str = _setting(
        DEFAULT_CHAT_MODEL,
        "Chat model, or several with commas, best first: the next one answers if one is gone.",
    )
    rewrite_model: str = _setting(
        "", "Model that rewrites follow-up questions to stand alone; the chat model if unset."
    )
    max_answer_tokens: int = _setting(900, "Maximum length of an answer, in tokens.")
    history_tokens: int = _setting(
        6000, "Maximum conversation history sent to the chat model, in tokens."
    )
    context_passages: int = _setting(10, "Number of passages that an answer is based on.")
    second_look: bool = _setting(
        True,
        "If the first search finds no clear answer, ask the chat model once where to look further.",
    )
    deadline_seconds: float = _setting(
        50.0,
        "A chat request answers or fails within this many seconds, plus those by "
        "which `FIRST_TOKEN_SECONDS` exceeds 20.",
    )
    first_token_seconds: float = _setting(
        0.0,
        "How long to wait for the chat model's first token; if unset, 20, and 120 if "
        "`OPENAI_BASE_URL` is a local address.",
    )
    starter_questions: tuple[str, ...] = _setting(
        (), "Suggested first questions, separated by `|`; headings of the book if unset."
    )
    retention_days: int = _setting(90, "Conversations unused for this many days are deleted.")
    rate_per_minute: float = _setting(
        20.0, "Questions and searches per minute, per client address and per conversation."
    )
    rate_burst: int = _setting(40, "How many of them may arrive at once.")
    daily_token_budget: int = _setting(
        5_000_000,
        "Chat model tokens per day, for all readers together; beyond it, answers are extractive.",
    )
    daily_question_budget: int = _setting(
        5000, "Questions and searches per day that may use the chat model or the reranker."
    )
    daily_embedding_budget: int = _setting(
        2000,
        "Calls per day to a paid embedding or reranking model; beyond it, only words are compared.",
    )
    daily_storage_budget: int = _setting(
        5_000_000,
        "Bytes of conversations saved per day; beyond it, answers are given but not saved.",
    )
    reader_share: float = _setting(
        5.0, "Percent of each daily budget for one client address or one conversation."
    )
    max_turns: int = _setting(200, "Questions per conversation.")
    log_questions: bool = _setting(False, "Write questions to the log.")
    log_format: str = _setting(
        "", "`text` or `json`; unset: text on a terminal, JSON on a host and everywhere else."
    )
    admin_token: str = _setting(
        "",
        "Token for the author's view at `/admin`, at least 16 characters; no such page if unset.",
        secret=True,
    )
    token_price: float = _setting(
        0.0, "Price per million tokens; if set, the author's view shows costs."
    )

    mcp_token: tuple[str, ...] = _setting(
        (),
        "Tokens that the address of `/mcp` must contain, as in `/mcp?token=…`, comma-separated; "
        "open to all if unset.",
        secret=True,
    )
    api_token: str = _setting(
        "",
        "Key for the OpenAI-compatible `/v1`, at least 16 characters; if unset, `/v1` works only "
        "on a laptop.",
        secret=True,
    )

    platform: str = ""
    """The variable in PLATFORMS that is set, or empty on a laptop."""
    space_host: str = ""
    """Public host name of a Hugging Face Space."""

    @property
    def local(self) -> bool:
        """Whether the service runs on a laptop: on no known host, and reachable only from there."""
        return not self.platform and (self.host == "localhost" or is_loopback(self.host))

    @property
    def first_token(self) -> float:
        """How many seconds the chat model may take to its first token."""
        return self.first_token_seconds or FIRST_TOKEN_SECONDS[is_local(self.openai_base_url)]

    @property
    def answer_seconds(self) -> float:
        """Within how many seconds a chat request answers or fails."""
        return self.deadline_seconds + max(0.0, self.first_token - FIRST_TOKEN_SECONDS[False])

    def preview_url(self, address: str = "") -> str:
        """Return the URL of the preview of the book for a reader with this address.

        It is absolute for readers at this machine and on a Space. For others it is relative to this
        service, whose address only they know. It is empty if there is no preview.
        """
        if self.qdrant_url or (self.routes and "book" not in self.routes):
            return ""
        if self.space_host:
            return f"https://{self.space_host}{self.base_path}/book"
        if self.local and (not address or is_loopback(address)):
            return f"{self.listening_url}{self.base_path}/book"
        return "book"

    @property
    def listening_url(self) -> str:
        """The address to open on this machine."""
        host = self.host
        if host in ("127.0.0.1", "0.0.0.0", "::"):  # noqa: S104
            host = "localhost"
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def missing(self, needed: Iterable[str] = SECRETS) -> list[str]:
        """Return the secrets in `needed` that are unset and have no embedded replacement."""
        if self.embedded or not self.platform:
            return []
        return [name for name in SECRETS if name in needed and not getattr(self, name.lower())]

    def require(self, needed: Iterable[str] = SECRETS) -> None:
        """Raise a ConfigurationError that lists all missing secrets, if any."""
        if missing := self.missing(needed):
            raise ConfigurationError(f"Configuration error: Missing {', '.join(missing)}")


VARIABLES = {item.name.upper(): item for item in fields(Settings) if item.metadata}
"""The fields of the settings, by the names of their variables."""
HIDDEN = tuple(name for name, item in VARIABLES.items() if not item.repr)
"""Settings that must never be shown: SECRETS, which a host needs to start, and the rest."""


def model_names(text: str) -> tuple[str, ...]:
    """Return the names in a list of models with commas, each once."""
    return tuple(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))


def is_local(url: str) -> bool:
    """Whether an address is on this machine or in its private network."""
    host = urlsplit(url).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        suffixes = (".local", ".internal", ".lan", ".localhost")
        return bool(host) and ("." not in host or host.endswith(suffixes))
    return address.is_private or address.is_loopback


def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        ip = ipaddress.ip_address(address.removeprefix("::ffff:"))  # an IPv4 address in IPv6
    except ValueError:
        return False
    return ip.is_loopback


def table() -> str:
    """Return all settings as a Markdown table, for the README and the handbook."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, item in VARIABLES.items():
        default, help = item.metadata["default"], item.metadata["help"]
        shown = f"`{int(default) if isinstance(default, bool) else default}`"
        rows.append(f"| `{name}` | {'' if default in ('', ()) else shown} | {help} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())  # noqa: T201
