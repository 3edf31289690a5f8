"""Serve a dictionary as a site on loopback, which can misbehave."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

from tests.upstreams.http import Request, Response, Service

Content: TypeAlias = str | bytes | Response | Callable[[Request], Response]


class Served(Service):
    """Pages by path. A string is an HTML page; a missing path is 404."""

    def __init__(self, pages: Mapping[str, Content]) -> None:
        super().__init__()
        self.pages: dict[str, Content] = dict(pages)

    @property
    def asked(self) -> list[str]:
        """The requested paths, in order."""
        return [request.path for request in self.requests]

    async def answer(self, request: Request) -> Response:
        found = self.pages.get(request.path)
        if found is None:
            return Response(404, b"<h1>Not there</h1>", {"Content-Type": "text/html"})
        if isinstance(found, Response):
            return found
        if isinstance(found, str | bytes):
            data = found.encode() if isinstance(found, str) else found
            return Response(200, data, {"Content-Type": "text/html; charset=utf-8"})
        return found(request)


@contextmanager
def served(pages: Mapping[str, Content]) -> Iterator[Served]:
    """Serve on a separate thread; `{URL}` in a page becomes the site's address."""
    site = Served(pages)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(site.open(), loop).result(30)
        for path, content in site.pages.items():
            if isinstance(content, str):
                site.pages[path] = content.replace("{URL}", site.url)
        yield site
    finally:
        asyncio.run_coroutine_threadsafe(site.close(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


def folder(path: Path) -> dict[str, Content]:
    """Map a built site's folder to paths like a host: `/a` redirects to `/a/`, `/b` is `b.html`."""
    pages: dict[str, Content] = {}
    for file in sorted(path.rglob("*")):
        if file.is_file():
            name = "/" + file.relative_to(path).as_posix()
            address = name.removesuffix("index.html")
            data = file.read_bytes()
            pages |= {name: data, address: data, name.removesuffix(".html"): data}
            if address != name and address != "/":
                pages[address.rstrip("/")] = Response(301, b"", {"Location": quote(address)})
    return pages


def html(
    title: str, body: str, *links: str, head: str = "", language: str = "en", site: str = "My Book"
) -> str:
    """Make a page like a generator: navigation and footer around an article."""
    anchor = title.lower().replace(" ", "-")
    anchors = "".join(f'<li><a href="{link}">{link}</a></li>' for link in links)
    return f"""<!doctype html><html lang="{language}"><head><title>{title} | {site}</title>{head}
</head><body><nav><ul>{anchors}</ul></nav><main><article><h1 id="{anchor}">{title}</h1>
{body}</article></main><footer>The footer is never cited.</footer></body></html>"""


def sitemap(*paths: str) -> str:
    entries = "".join(f"<url><loc>{{URL}}{path}</loc></url>" for path in paths)
    namespace = "http://www.sitemaps.org/schemas/sitemap/0.9"
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    return f'{head}<urlset xmlns="{namespace}">{entries}</urlset>'
