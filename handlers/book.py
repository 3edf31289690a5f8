"""GET /book/{slug}: a preview of the book, for books that are not published yet."""

from __future__ import annotations

from fastapi.responses import HTMLResponse

from rag.errors import NotFound
from rag.indexing import preview
from rag.interfaces import PreviewPages
from rag.providers import get_clients

NEEDS = ()

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
NO_SUCH_PAGE = "The preview of the book has no such page."


async def book(slug: str) -> HTMLResponse:
    """Show a page of the indexed book as HTML. An empty slug lists all pages."""
    store = await get_clients().store()
    if not isinstance(store, PreviewPages):
        raise NotFound(detail=NO_SUCH_PAGE)
    info = await store.info()
    title = info.book_title if info else ""
    root = "/".join([".."] * slug.count("/")) or "."  # relative, below whatever path a proxy has
    if page := await store.page(slug):
        shown = preview.page_html(page, title, root)
    elif not slug and (pages := await store.pages()):
        shown = preview.contents_html(pages, title, root)
    else:
        raise NotFound(detail=NO_SUCH_PAGE)
    return HTMLResponse(shown, headers={"Content-Security-Policy": POLICY})
