"""GET /admin and GET /admin/{table}: what readers ask, for the author of the book alone.

Mounted only where ADMIN_TOKEN is set. The page itself holds nothing; what it shows it asks
for with the token in a header, which no address, referrer or log contains.
"""

from __future__ import annotations

import hmac
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import Header, Query, Response
from pydantic import BaseModel

from handlers.schemas import ReaderAddress
from handlers.static_files import file, hashes
from rag.conversations.rate_limits import Limits, client_key
from rag.errors import NotFound, Unauthorized
from rag.providers import get_clients

NEEDS = ("DATABASE_URL",)

RATE = Limits(per_minute=60, burst=120)
"""Requests of one address, with the right token or a wrong one: guessing gets nowhere."""


class InsightsResponse(BaseModel):
    table: str
    days: int
    rows: list[dict[str, Any]]
    next: int | None
    """Pass it as `offset` to get what follows; null at the end."""


async def admin() -> Response:
    """The author's page: it asks for the token and keeps it as long as its tab is open."""
    policy = (
        f"default-src 'none'; script-src {hashes('admin.html', 'script')}; connect-src 'self'; "
        f"img-src data:; style-src {hashes('admin.html', 'style')}; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-cache"}
    return Response(file("admin.html"), media_type="text/html", headers=headers)


async def insights(
    table: Literal["days", "sections", "unanswered", "ratings", "answerers", "questions"],
    days: Annotated[int, Query(ge=1, le=365)] = 30,
    offset: Annotated[int, Query(ge=0, le=100_000)] = 0,
    limit: Annotated[int, Query(ge=1, le=5000)] = 50,
    format: Literal["json", "csv"] = "json",
    authorization: Annotated[str, Header()] = "",
    address: ReaderAddress = "",
) -> InsightsResponse | Response:
    """Rows of one table over the last `days`, as JSON or CSV, for who sends the author's token."""
    from rag.conversations import analytics as domain
    from rag.conversations.csv_table import as_csv

    clients = get_clients()
    settings = clients.settings
    if not settings.admin_token:
        raise NotFound
    clients.author_limits.admit([client_key("", address)], RATE)
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not _same(token.strip(), settings.admin_token):
        raise Unauthorized
    view = domain.View(
        days=days,
        offset=offset,
        limit=limit,
        retention_days=settings.retention_days,
        book_url=settings.book_url,
        token_price=settings.token_price,
    )
    async with clients.author_lock:
        one_more = replace(view, limit=limit + 1)
        rows = await domain.TABLES[table](await clients.database(), one_more)
    more, rows = len(rows) > limit, rows[:limit]
    if format == "csv":
        headers = {
            "Content-Disposition": f'attachment; filename="{table}.csv"',
            "Cache-Control": "no-store",
        }
        return Response(as_csv(rows), media_type="text/csv; charset=utf-8", headers=headers)
    return InsightsResponse(
        table=table, days=days, rows=rows, next=offset + limit if more else None
    )


def _same(one: str, other: str) -> bool:
    """Compare in a time that tells nothing."""
    return hmac.compare_digest(one.encode(), other.encode())
