"""GET /admin and GET /admin/{table}: statistics about questions, for the author of the book.

Mounted only if ADMIN_TOKEN is set. The page itself contains no data. It sends the token in a
header, which does not appear in URLs, referrers or logs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal, TypeAlias

from fastapi import Header, Query, Response
from pydantic import BaseModel, Field

from handlers.author import has_token
from handlers.schemas import ReaderAddress
from handlers.static_files import file, inline_hashes
from rag.errors import NotFound, Unauthorized
from rag.providers import get_clients

NEEDS = ("DATABASE_URL",)
WARNINGS_SECONDS = 20.0
"""How long the table of warnings, which the page loads by itself, waits for the services."""


class TablePage(BaseModel):
    """Which rows of a table to return."""

    days: int = Field(30, ge=1, le=365)
    offset: int = Field(0, ge=0, le=100_000)
    limit: int = Field(50, ge=1, le=5000)
    format: Literal["json", "csv"] = "json"


FIRST_PAGE = TablePage()
Table: TypeAlias = Literal[
    "days", "sections", "unanswered", "ratings", "answerers", "questions", "retention", "warnings"
]


class InsightsResponse(BaseModel):
    table: str
    days: int
    rows: list[dict[str, Any]]
    next: int | None
    """The `offset` of the next page; null on the last page."""


async def admin() -> Response:
    """Serve the author's page, which asks for the token and keeps it while its tab is open."""
    policy = (
        f"default-src 'none'; script-src {inline_hashes('admin.html', 'script')}; "
        f"connect-src 'self'; img-src data:; style-src {inline_hashes('admin.html', 'style')}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-cache"}
    return Response(file("admin.html"), media_type="text/html", headers=headers)


async def insights(
    table: Table,
    page: Annotated[TablePage, Query()] = FIRST_PAGE,
    authorization: Annotated[str, Header()] = "",
    address: ReaderAddress = "",
) -> InsightsResponse | Response:
    """Return rows of one table over the last days, as JSON or CSV. Requires the admin token."""
    from rag.answering import sources
    from rag.conversations import analytics as domain
    from rag.ops.model_watch import model_warnings

    clients = get_clients()
    settings = clients.settings
    if not settings.admin_token:
        raise NotFound
    if not has_token(clients, authorization, address):
        raise Unauthorized
    view = domain.TableView(
        days=page.days,
        offset=page.offset,
        limit=page.limit,
        retention_days=settings.retention_days,
        book_url=await sources.citation_base(settings, await clients.store(), address),
        token_price=settings.token_price,
    )
    if table == "warnings":
        found = await model_warnings(clients, wait=WARNINGS_SECONDS)
        rows = [{"warning": text} for text in found[page.offset : page.offset + page.limit + 1]]
    else:
        async with clients.author_lock:
            one_more = replace(view, limit=page.limit + 1)
            rows = await domain.TABLES[table](await clients.database(), one_more)
    more, rows = len(rows) > page.limit, rows[: page.limit]
    if page.format == "csv":
        headers = {
            "Content-Disposition": f'attachment; filename="{table}.csv"',
            "Cache-Control": "no-store",
        }
        return Response(domain.as_csv(rows), media_type="text/csv; charset=utf-8", headers=headers)
    following = page.offset + page.limit if more else None
    return InsightsResponse(table=table, days=page.days, rows=rows, next=following)
