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

from fastapi import Depends, FastAPI
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from rag import VERSION, output
from rag.engines import check_database_url, check_platform, stop_engines
from rag.errors import BookError, ConfigurationError, IndexMissing
from rag.providers import get_clients, get_settings
from web import access_checks, cors, error_handlers, log_format
from web.lambda_adapter import LambdaFunction
from web.middleware import RequestMiddleware
from web.server import (
    end_with_supervisor,
    read_arguments,
    require_one_process,
    serve,
    startup_failure_status,
)

log = logging.getLogger("router")

Handler: TypeAlias = Callable[..., Awaitable[Any]]
TEXT = {"type": "string"}

WARM_UP_SECONDS = 0.25
"""Delay of the warm-up after the start, so that health checks are not blocked."""

ROUTES = (
    ("POST", "/chat", "chat.chat"),
    ("GET", "/chat/sessions/{session_id}", "history.history"),
    ("DELETE", "/chat/sessions/{session_id}", "delete.delete"),
    ("GET", "/chat/sessions/{session_id}/export", "export.export"),
    ("POST", "/chat/sessions/{session_id}/turns/{n}/feedback", "feedback.feedback"),
    ("POST", "/search", "search.search"),
    ("GET", "/health", "health.health"),
    ("GET", "/config", "config.config"),
    ("GET", "/", "page.page"),
    ("GET", "/widget.js", "page.widget"),
    ("GET", "/widget-languages.js", "page.widget_languages"),
    ("GET", "/widget-assistant.js", "page.widget_assistant"),
    ("GET", "/book/{slug:path}", "book.book"),
    ("GET", "/llms.txt", "llms_txt.llms_txt"),
    ("GET", "/llms-full.txt", "llms_txt.llms_full_txt"),
    ("POST", "/mcp", "mcp.mcp"),
    ("GET", "/.well-known/mcp", "mcp_card.discovery"),
    ("GET", "/.well-known/mcp/server-card.json", "mcp_card.server_card"),
    ("GET", "/.well-known/mcp/catalog.json", "mcp_card.catalog"),
    ("POST", "/v1/chat/completions", "openai_api.completions"),
    ("GET", "/v1/models", "openai_api.models"),
    ("GET", "/admin", "admin.admin"),
    ("GET", "/admin/{table}", "admin.insights"),
)
"""Method, path, and the handler by its module and function."""


class App(FastAPI):
    """FastAPI with CORS and logging outermost, so that they also apply to unhandled errors."""

    def build_middleware_stack(self) -> ASGIApp:
        settings = get_settings()
        return CORSMiddleware(
            RequestMiddleware(
                super().build_middleware_stack(),
                settings.base_path,
                settings.platform,
                settings.proxy_hops,
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


def create_app(routes: Sequence[tuple[str, str, str | Handler]] = ROUTES) -> App:
    """Create an app with these routes, importing no other handlers.

    Raises ConfigurationError if a secret that they need is missing.
    """
    loaded = [(method, path, _load(handler)) for method, path, handler in routes]
    get_settings().require(needed for _, _, handler in loaded for needed in _module(handler).NEEDS)
    # FastAPI's documentation pages load scripts from a third party, and its redirects trust the
    # Host header.
    app = App(
        title="Ask the Book",
        version=VERSION,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    error_handlers.install(app)
    for method, path, handler in loaded:
        app.add_api_route(
            path,
            handler,
            methods=[method],
            response_model=_response_model(handler),
            response_class=_response_class(handler),
            responses=_responses(handler),
            operation_id=handler.__name__,
            dependencies=[Depends(access_checks.check)] if path in access_checks.PAID else None,
        )
    return app


def selected_routes() -> Sequence[tuple[str, str, str]]:
    """Return the routes of the handlers that the setting ROUTES names, or all.

    The author's view is mounted only if ADMIN_TOKEN is set. The OpenAI-compatible API is mounted
    if API_TOKEN is set, and on a laptop.
    """
    settings = get_settings()
    wanted = settings.routes
    if unknown := set(wanted) - {_name(handler) for _, _, handler in ROUTES}:
        raise ConfigurationError(f"Configuration error: ROUTES names no handler {sorted(unknown)}")
    names = set(wanted) or {_name(handler) for _, _, handler in ROUTES}
    if not settings.admin_token:
        names.discard("admin")
    if not (settings.api_token or settings.local):
        names.discard("openai_api")
    return [route for route in ROUTES if _name(route[2]) in names]


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Warm up while requests are already served; close clients and engines at the end."""
    end_with_supervisor()
    warming_up = asyncio.create_task(_warm_up())
    yield
    warming_up.cancel()
    await asyncio.wait([warming_up])
    await get_clients().close()
    await asyncio.to_thread(stop_engines)
    log_format.write_counts()


async def _warm_up() -> None:
    """Import what a question needs, create the clients, ask a question and watch the models.

    A step that fails unexpectedly is logged, and the others still run.
    """
    await asyncio.sleep(WARM_UP_SECONDS)
    for step in (_load_stemmer, _warn_about_index, _ask_once, _watch_models):
        try:
            await step()
        except Exception:
            log.exception("a part of the warm-up failed; questions are answered all the same")


async def _load_stemmer() -> None:
    text = await asyncio.to_thread(importlib.import_module, "rag.language.tokens")
    await asyncio.to_thread(text.term_hashes, "load the stemmer")


async def _ask_once() -> None:
    warmup = await asyncio.to_thread(importlib.import_module, "rag.chat.warmup")
    await warmup.warm_up(get_clients())


async def _watch_models() -> None:
    model_watch = await asyncio.to_thread(importlib.import_module, "rag.ops.model_watch")
    await model_watch.watch(get_clients())


async def _warn_about_index() -> None:
    """Name the command that makes an index, if there is none or it does not fit this version.

    A store that fails is left for the first question.
    """
    indexer = await asyncio.to_thread(importlib.import_module, "rag.indexing.indexer")
    clients = get_clients()
    try:
        if (info := await (await clients.store()).info()) is None:
            raise IndexMissing(
                "Nothing is indexed yet, so questions cannot be answered. "
                "Index a book with: python ingest.py PATH (PATH may be docs, the handbook)"
            )
        indexer.check_model(info, await clients.embedder())
        indexer.check_rules(info)
    except ConfigurationError as error:
        log.warning("%s", error)
    except BookError:
        pass


def _load(handler: str | Handler) -> Handler:
    if not isinstance(handler, str):
        return handler
    module, _, function = handler.partition(".")
    loaded: Handler = getattr(importlib.import_module(f"handlers.{module}"), function)
    return loaded


def _name(handler: str) -> str:
    return handler.partition(".")[0]


def _module(handler: Handler) -> ModuleType:
    return sys.modules[handler.__module__]


def _returned(handler: Handler) -> Sequence[Any]:
    returned = get_type_hints(handler)["return"]
    return get_args(returned) or (returned,)


def _response_model(handler: Handler) -> Any:
    """Return the model of the handler's JSON, or None if it returns only responses."""
    return next((kind for kind in _returned(handler) if not _is_response(kind)), None)


def _response_class(handler: Handler) -> type[Response]:
    """Return the response class, from which OpenAPI takes the media type."""
    return JSONResponse if _response_model(handler) else _returned(handler)[0]


def _responses(handler: Handler) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI's descriptions of errors and of a streamed answer."""
    failures = getattr(_module(handler), "RESPONSES", error_handlers.RESPONSES)
    if StreamingResponse not in _returned(handler):
        return failures
    stream = {"description": "An answer", "content": {"text/event-stream": {"schema": TEXT}}}
    return {200: stream, **failures}


def _is_response(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Response)


def _configured_app() -> App:
    """Create the app, or exit with one line that says what is wrong with the settings."""
    output.make_safe()
    try:
        settings = get_settings()
        log_format.configure(settings)
        check_platform(settings.qdrant_url, settings.database_url)
        check_database_url(settings)
        require_one_process(settings)
        return create_app(selected_routes())
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(startup_failure_status()) from None


if __name__ == "__main__":
    read_arguments()  # first, so that --help needs no settings

app = _configured_app()
lambda_handler = LambdaFunction(app)


if __name__ == "__main__":
    serve(app)
