"""Which sites may call the API from a browser (CORS)."""

from __future__ import annotations

import re

from rag.settings import Settings

LOCAL = ("http://localhost:3000", "http://127.0.0.1:3000")
METHODS = ("GET", "POST", "DELETE", "OPTIONS")


def allowed_origins(settings: Settings) -> list[str]:
    return [*LOCAL, *settings.allowed_origins]


def preview_pattern(settings: Settings) -> str | None:
    """Preview deployments of one Vercel project, `{project}-{hash}-{scope}.vercel.app`.

    None unless both project and scope are set: without the scope, a stranger's project
    whose name begins like ours would match.
    """
    if not (settings.vercel_project and settings.vercel_scope):
        return None
    project, scope = re.escape(settings.vercel_project), re.escape(settings.vercel_scope)
    return rf"https://{project}-[a-z0-9-]+-{scope}\.vercel\.app"
