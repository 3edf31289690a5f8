"""GET /book/{slug}: a preview of the book, for books that are not published yet."""

from __future__ import annotations

from fastapi.responses import HTMLResponse

from rag.errors import NotFound
from rag.indexing import preview
from rag.interfaces import PreviewPages
from rag.providers import get_clients

NEEDS = ()

ROOT = "/book"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
NO_SUCH_PAGE = "The preview of the book has no such page."


async def book(slug: str, contents: bool = False) -> HTMLResponse:
    """Show a page of the indexed book as HTML, or the list of all pages.

    The list is shown for `contents`, and for an empty slug if the book has no front page.
    """
    store = await get_clients().store()
    if not isinstance(store, PreviewPages):
        raise NotFound(detail=NO_SUCH_PAGE)
    info = await store.info()
    title = info.book_title if info else ""
    if not contents and (page := await store.page(slug)):
        shown = preview.page_html(page, title, ROOT)
    elif (contents or not slug) and (pages := await store.pages()):
        shown = preview.contents_html(pages, title, ROOT)
    else:
        raise NotFound(detail=NO_SUCH_PAGE)
    return HTMLResponse(shown, headers={"Content-Security-Policy": POLICY})
