"""GET /book/{slug}: a preview of the book, for books that are not published yet.

With `.md` at the end of the address, the page as Markdown, also of books that are published.
"""

from __future__ import annotations

from fastapi.responses import HTMLResponse, Response

from handlers.schemas import ReaderAddress
from rag.errors import NotFound
from rag.indexing import preview
from rag.interfaces import PreviewPages
from rag.providers import get_clients

NEEDS = ()

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
NO_SUCH_PAGE = "The preview of the book has no such page."


class Markdown(Response):
    media_type = "text/markdown"


async def book(
    slug: str, contents: bool = False, address: ReaderAddress = ""
) -> HTMLResponse | Markdown:
    """Show a page of the indexed book as HTML, or with `.md` as Markdown.

    The list of all pages is shown for `contents`, and for an empty slug if the book has no front
    page.
    """
    store = await get_clients().store()
    page = await store.page(slug) if isinstance(store, PreviewPages) else None
    if page is None and slug.endswith(".md"):
        return Markdown(await _markdown(slug.removesuffix(".md"), address))
    if not isinstance(store, PreviewPages):
        raise NotFound(detail=NO_SUCH_PAGE)
    info = await store.info()
    title = info.book_title if info else ""
    root = "/".join([".."] * slug.count("/")) or "."  # relative, below whatever path a proxy has
    if page and not contents:
        shown = preview.page_html(page, title, root)
    elif (contents or not slug) and (pages := await store.pages()):
        shown = preview.contents_html(pages, title, root)
    else:
        raise NotFound(detail=NO_SUCH_PAGE)
    return HTMLResponse(shown, headers={"Content-Security-Policy": POLICY})


async def _markdown(slug: str, address: str) -> str:
    """Return a page from the preview, or from the index where there is none."""
    from rag.chat import admission
    from rag.chat.retrieval import outline
    from rag.indexing.outline import markdown, page_chunks

    clients = get_clients()
    admission.admit_cheap(clients, address)
    store = await clients.store()
    for name in dict.fromkeys((slug, "" if slug == "index" else slug)):
        if isinstance(store, PreviewPages):
            if page := await store.page(name):
                return preview.page_markdown(page)
        elif known := (await outline(clients)).at(name):
            chunks = await page_chunks(store, known.slug, known.first, known.last)
            return markdown(chunks)
    raise NotFound(detail=NO_SUCH_PAGE)
