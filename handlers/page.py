"""GET / and GET /widget.js: the chat, as a page of its own and for any other site."""

from __future__ import annotations

from fastapi.responses import HTMLResponse, Response

from handlers.static_files import file, hashes

NEEDS = ()


class Script(Response):
    media_type = "text/javascript"


async def page() -> HTMLResponse:
    """The chat page. What it says about the book it asks `/config` for."""
    headers = {"Content-Security-Policy": _policy(), "Cache-Control": "no-cache"}
    return HTMLResponse(file("page.html"), headers=headers)


async def widget() -> Script:
    """The chat widget: one module that finds this service by its own address."""
    headers = {"Cache-Control": "public, max-age=3600"}
    return Script(file("widget.js"), headers=headers)


def _policy() -> str:
    """Only the page's own script and style sheet run, and talk to this service alone.

    Any site may frame the page: a Hugging Face Space shows it in an iframe.
    """
    return (
        "default-src 'none'; script-src 'self'; connect-src 'self'; img-src data:; "
        f"style-src {hashes('page.html', 'style')}; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
