"""Origins that may call the API from a browser (CORS).

Nothing is protected by an origin: there are no cookies, and programs send any origin they like.
"""

from __future__ import annotations

import re

from rag.settings import Settings

LOCAL = ("http://localhost:3000", "http://127.0.0.1:3000")
"""Development servers of a site. Allowed only if the service itself runs on a laptop."""
METHODS = ("GET", "HEAD", "POST", "DELETE", "OPTIONS")
LONGEST_LABEL = 63
"""Vercel cuts longer names, https://vercel.com/docs/deployments/generated-urls."""


def allowed_origins(settings: Settings) -> list[str]:
    """Return the configured origins and, on a laptop, those of local development servers."""
    return [*(LOCAL if settings.local else ()), *settings.allowed_origins]


def preview_pattern(settings: Settings) -> str | None:
    """Return a pattern for the previews of one Vercel project, or None if there are none.

    A deployment is at `{project}-{hash}-{scope}.vercel.app`; the hash has nine letters and digits.
    A branch is at `{project}-git-{branch}-{scope}.vercel.app`. A branch may have any name, and so
    may a stranger's project at the same address, so branches are off unless the author allows them.
    """
    if not (settings.vercel_project and settings.vercel_scope):
        return None
    project, scope = settings.vercel_project.lower(), settings.vercel_scope.lower()
    middle = "[a-z0-9]{9}"
    if settings.vercel_branches:
        middle = rf"(?:{middle}|git-[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)"
    label = rf"{re.escape(project)}-{middle}-{re.escape(scope)}"
    return rf"https://(?=[^.]{{1,{LONGEST_LABEL}}}\.){label}\.vercel\.app"


def is_allowed(settings: Settings, origin: str) -> bool:
    """Whether a page of this origin may call the API."""
    pattern = preview_pattern(settings)
    return origin in allowed_origins(settings) or bool(pattern and re.fullmatch(pattern, origin))


def may_call(settings: Settings, origin: str) -> bool:
    """Whether to serve a request with this `Origin` header: none, our own or an allowed one.

    The Host header is no proof: with DNS rebinding, a foreign site's requests carry its own name.
    """
    own = [f"https://{settings.space_host}"] if settings.space_host else []
    if settings.local:
        own += [f"http://{name}:{settings.port}" for name in ("localhost", "127.0.0.1")]
    return not origin or origin in own or is_allowed(settings, origin)
