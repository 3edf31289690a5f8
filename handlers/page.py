"""GET / and GET /widget*.js: the chat page, and the widget for other sites."""

from __future__ import annotations

from fastapi.responses import HTMLResponse, Response

from handlers.static_files import file, inline_hashes

NEEDS = ()


class Script(Response):
    media_type = "text/javascript"


async def page() -> HTMLResponse:
    """Serve the chat page, which loads the book's details from `/config`."""
    headers = {"Content-Security-Policy": _policy(), "Cache-Control": "no-cache"}
    return HTMLResponse(file("page.html"), headers=headers)


async def widget() -> Script:
    """Serve the chat widget, a module that derives the service's URL from its own."""
    return _script("widget.js")


async def widget_languages() -> Script:
    """Serve the widget's texts in other languages than English."""
    return _script("widget-languages.js")


async def widget_assistant() -> Script:
    """Serve the widget's dialog for the use of the book in an assistant."""
    return _script("widget-assistant.js")


def _script(name: str) -> Script:
    return Script(file(name), headers={"Cache-Control": "public, max-age=3600"})


def _policy() -> str:
    """Return a policy that allows only the page's own script and styles, and this service.

    Framing is allowed, because a Hugging Face Space shows the page in an iframe.
    """
    return (
        "default-src 'none'; script-src 'self'; connect-src 'self'; img-src data:; "
        f"style-src {inline_hashes('page.html', 'style')}; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
