"""GET / and GET /widget.js: the chat, as a page of its own and for any other site."""

from __future__ import annotations

from fastapi import Response

from handlers.files import file, hashes

NEEDS = ()


async def page() -> Response:
    """The chat page. What it says about the book it asks `/config` for."""
    headers = {"Content-Security-Policy": _policy(), "Cache-Control": "no-cache"}
    return Response(file("page.html"), media_type="text/html", headers=headers)


async def widget() -> Response:
    """The chat widget: one module that finds this service by its own address."""
    headers = {"Cache-Control": "public, max-age=3600"}
    return Response(file("widget.js"), media_type="text/javascript", headers=headers)


def _policy() -> str:
    """Only the page's own script and style sheet run, and talk to this service alone.

    Any site may frame the page: a Hugging Face Space shows it in an iframe.
    """
    return (
        "default-src 'none'; script-src 'self'; connect-src 'self'; img-src data:; "
        f"style-src {hashes('page.html', 'style')}; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
