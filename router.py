"""The routes, and the three ways to serve them: uvicorn, Vercel and Lambda.

python router.py                        on a laptop or in a container
uvicorn router:app --port 7860          the same, by hand
router.lambda_handler                   on AWS Lambda
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from types import ModuleType
from typing import Any, TypeAlias, get_args, get_type_hints

from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from handlers import (
    admin,
    book,
    chat,
    config,
    delete,
    export,
    feedback,
    health,
    history,
    page,
    search,
)
from rag import VERSION
from rag.errors import BookError, ConfigurationError
from rag.providers import check_platform, get_clients, get_settings, stop_engines
from web import cors, error_handlers, log_format
from web.lambda_adapter import LambdaFunction
from web.middleware import RequestMiddleware
from web.server import end_with_supervisor, read_arguments, serve

log = logging.getLogger("router")

Handler: TypeAlias = Callable[..., Awaitable[Any]]
Route: TypeAlias = tuple[str, str, Handler]
TEXT = {"type": "string"}

REHEARSAL_SECONDS = 0.25
"""After the start, until what a question needs is made ready."""

ROUTES: tuple[Route, ...] = (
    ("POST", "/chat", chat.chat),
    ("GET", "/chat/sessions/{session_id}", history.history),
    ("DELETE", "/chat/sessions/{session_id}", delete.delete),
    ("GET", "/chat/sessions/{session_id}/export", export.export),
    ("POST", "/chat/sessions/{session_id}/turns/{n}/feedback", feedback.feedback),
    ("POST", "/search", search.search),
    ("GET", "/health", health.health),
    ("GET", "/config", config.config),
    ("GET", "/", page.page),
    ("GET", "/widget.js", page.widget),
    ("GET", "/widget-languages.js", page.widget_languages),
    ("GET", "/widget-assistant.js", page.widget_assistant),
    ("GET", "/book/{slug:path}", book.book),
    ("GET", "/admin", admin.admin),
    ("GET", "/admin/{table}", admin.insights),
)


class App(FastAPI):
    """FastAPI with CORS and the log around everything: an unhandled error's 500 has both."""

    def build_middleware_stack(self) -> ASGIApp:
        settings = get_settings()
        return CORSMiddleware(
            RequestMiddleware(
                super().build_middleware_stack(), settings.base_path, settings.platform
            ),
            allow_origins=cors.allowed_origins(settings),
            allow_origin_regex=cors.preview_pattern(settings),
            allow_methods=cors.METHODS,
            allow_headers=["*"],
            allow_credentials=True,
            expose_headers=["Retry-After", "X-Request-ID"],
        )

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas["Problem"] = error_handlers.PROBLEM
        return document


def create_app(routes: Sequence[Route] = ROUTES) -> App:
    """An app with these routes. Raises ConfigurationError if a secret they need is missing."""
    get_settings().require(needed for _, _, handler in routes for needed in _module(handler).NEEDS)
    # The framework's pages about the API run scripts of a third party beside the conversations,
    # and its redirects lead to whatever host the request has named.
    app = App(
        title="Ask the Book",
        version=VERSION,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    error_handlers.install(app)
    for method, path, handler in routes:
        app.add_api_route(
            path,
            handler,
            methods=[method],
            response_model=_response_model(handler),
            response_class=_response_class(handler),
            responses=_responses(handler),
            operation_id=handler.__name__,
        )
    return app


def selected_routes() -> Sequence[Route]:
    """The routes of the handlers that the setting ROUTES names, or all.

    Without a token there is no author's view, not even one that refuses.
    """
    wanted, token = get_settings().routes, get_settings().admin_token
    if unknown := set(wanted) - {_name(handler) for _, _, handler in ROUTES}:
        raise ConfigurationError(f"Configuration error: ROUTES names no handler {sorted(unknown)}")
    names = set(wanted) or {_name(handler) for _, _, handler in ROUTES}
    if not token:
        names.discard("admin")
    return [route for route in ROUTES if _name(route[2]) in names]


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Get ready while the first requests are already taken; leave nothing behind."""
    end_with_supervisor()
    rehearsing = asyncio.create_task(_rehearse())
    yield
    rehearsing.cancel()
    await asyncio.wait([rehearsing])
    await get_clients().close()
    await asyncio.to_thread(stop_engines)


async def _rehearse() -> None:
    """What the handlers import on first use, the clients, and a question of our own.

    It begins a moment after the start: what asks whether the server is up shall not wait.
    """
    await asyncio.sleep(REHEARSAL_SECONDS)
    text = await asyncio.to_thread(importlib.import_module, "rag.language.tokens")
    await asyncio.to_thread(text.term_hashes, "the first word loads its language's stemmer")
    await _warn_without_index()
    rehearsal = await asyncio.to_thread(importlib.import_module, "rag.chat.warmup")
    await rehearsal.warm_up(get_clients())


async def _warn_without_index() -> None:
    """Name the command that makes an index. A store that fails is left for the first question."""
    with contextlib.suppress(BookError):
        if await (await get_clients().store()).info() is None:
            log.warning(
                "Nothing is indexed yet, so questions cannot be answered. "
                "Index a book with: python ingest.py PATH (PATH may be docs, the handbook)"
            )


def _module(handler: Handler) -> ModuleType:
    return sys.modules[handler.__module__]


def _name(handler: Handler) -> str:
    return handler.__module__.rpartition(".")[2]


def _returned(handler: Handler) -> Sequence[Any]:
    returned = get_type_hints(handler)["return"]
    return get_args(returned) or (returned,)


def _response_model(handler: Handler) -> Any:
    """What the handler returns as JSON; responses of its own making need no model."""
    return next((kind for kind in _returned(handler) if not _is_response(kind)), None)


def _response_class(handler: Handler) -> type[Response]:
    """The media type of what the handler returns instead, for OpenAPI."""
    return JSONResponse if _response_model(handler) else _returned(handler)[0]


def _responses(handler: Handler) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says beside the model: failures, and the same answer as a stream."""
    if StreamingResponse not in _returned(handler):
        return error_handlers.RESPONSES
    stream = {"description": "An answer", "content": {"text/event-stream": {"schema": TEXT}}}
    return {200: stream, **error_handlers.RESPONSES}


def _is_response(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Response)


def _configured_app() -> App:
    """The app for the environment, or one line that says what is wrong with it."""
    try:
        settings = get_settings()
        log_format.configure(settings)
        check_platform(settings.qdrant_url, settings.database_url)
        return create_app(selected_routes())
    except ConfigurationError as error:
        # A stack would bury the only line that helps.
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from None


if __name__ == "__main__":
    read_arguments()  # first, so that --help needs no settings

app = _configured_app()
lambda_handler = LambdaFunction(app)


if __name__ == "__main__":
    serve(app)
