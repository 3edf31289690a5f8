"""Origins that may call the API from a browser (CORS)."""

from __future__ import annotations

import re

from rag.settings import Settings

LOCAL = ("http://localhost:3000", "http://127.0.0.1:3000")
METHODS = ("GET", "POST", "DELETE", "OPTIONS")


def allowed_origins(settings: Settings) -> list[str]:
    """Return the configured origins and those of local development servers."""
    return [*LOCAL, *settings.allowed_origins]


def is_allowed(settings: Settings, origin: str) -> bool:
    """Whether a request with this `Origin` header may be served: one of ours or an allowed one.

    The Host header is no proof: with DNS rebinding, a foreign site's requests carry its own name.
    """
    own = [f"https://{settings.space_host}"] if settings.space_host else []
    if settings.on_laptop:
        own += [f"http://{name}:{settings.port}" for name in ("localhost", "127.0.0.1")]
    if not origin or origin in (*own, *allowed_origins(settings)):
        return True
    pattern = preview_pattern(settings)
    return bool(pattern and re.fullmatch(pattern, origin))


def preview_pattern(settings: Settings) -> str | None:
    """Return a pattern for a Vercel project's previews, `{project}-{hash}-{scope}.vercel.app`.

    Return None unless both project and scope are set. Without the scope, another account's project
    with the same prefix would match.
    """
    if not (settings.vercel_project and settings.vercel_scope):
        return None
    project, scope = re.escape(settings.vercel_project), re.escape(settings.vercel_scope)
    return rf"https://{project}-[a-z0-9-]+-{scope}\.vercel\.app"
