"""The service as a Gradio app, for a free ZeroGPU Space: `python deploy/hugging_face.py --free`.

ZeroGPU hosts only Gradio apps that have a GPU function. Gradio's server mode is a FastAPI app, and
this one passes every request on to the service. Nothing else of Gradio's can be reached, so
strangers can neither upload files nor use up the GPU quota.
"""

from __future__ import annotations

import os
import signal

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when Gradio is imported

import spaces  # it must come before Gradio, whose launch it extends
from fastapi import Response
from gradio import Server
from starlette.types import ASGIApp, Receive, Scope, Send

import router
from rag.providers import get_settings
from web.server import trusted_hop

GRADIOS_OWN = (("HEAD", "/"), ("GET", "/gradio_api/startup-events"))
"""Requests with which Gradio checks that it has started."""


@spaces.GPU  # type: ignore[untyped-decorator]  # spaces is not installed there either
def gpu() -> None:
    """Do nothing. ZeroGPU stops a Space without a GPU function; no answer needs a GPU."""


class Space(Server):  # type: ignore[misc]  # Gradio is not installed where types are checked
    """Gradio's server with the service's routes at their own addresses, CORS included."""

    def build_middleware_stack(self) -> ASGIApp:
        gradio = super().build_middleware_stack()

        async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
            own = scope["type"] == "lifespan" or (
                (scope.get("method"), scope["path"]) in GRADIOS_OWN
            )
            await (gradio if own else router.app)(scope, receive, send)

        return dispatch


def main() -> None:
    settings = get_settings()
    # uvicorn, which Gradio starts, reads whose X-Forwarded-For to trust from here.
    os.environ["FORWARDED_ALLOW_IPS"] = trusted_hop(settings)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # Gradio stops cleanly at Ctrl-C
    server = Space()
    server.add_api_route("/", lambda: Response(), methods=["HEAD"], include_in_schema=False)
    server.launch(
        server_name="0.0.0.0",  # noqa: S104
        server_port=settings.port,
        ssr_mode=False,
        app_kwargs={"lifespan": router.app.router.lifespan_context},
    )


if __name__ == "__main__":
    main()
