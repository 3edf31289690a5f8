"""The app as an AWS Lambda function."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from web.problem_details import MEDIA_TYPE, details

if TYPE_CHECKING:
    from mangum import Mangum

log = logging.getLogger(__name__)

NO_REQUEST = (
    "This event is no HTTP request. The function answers an API Gateway, a Function URL or a "
    "load balancer."
)


class LambdaFunction:
    """Mangum, and what the front ends of Lambda leave to the function.

    `lifespan` is off: Mangum would start and stop the app around every single request.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    @functools.cached_property
    def _mangum(self) -> Mangum:
        """Made by the first invocation, because Mangum opens an event loop of its own."""
        from mangum.adapter import DEFAULT_TEXT_MIME_TYPES, Mangum

        # Anything else is sent in base64, which a REST API shows to the reader as it is.
        text = [*DEFAULT_TEXT_MIME_TYPES, MEDIA_TYPE]
        return Mangum(self._app, lifespan="off", text_mime_types=text)

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        """Answer an event; one that is no HTTP request gets status 400 and a sentence."""
        try:
            event = _without_stage(event)
            reader = self._mangum.infer(event, context)
            _ = reader.scope, reader.body
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError):
            log.warning(NO_REQUEST)
            return {
                "statusCode": 400,
                "headers": {"content-type": MEDIA_TYPE},
                "body": json.dumps(details(400, NO_REQUEST, "no_request")),
                "isBase64Encoded": False,
            }
        return self._mangum(event, context)


def _without_stage(event: Mapping[str, Any]) -> dict[str, Any]:
    """An HTTP API puts the name of its stage in front of the path, unless it is `$default`."""
    request = event["requestContext"]
    stage = f"/{request.get('stage')}"
    path = request["http"]["path"] if "http" in request else ""
    if path != stage and not path.startswith(f"{stage}/"):
        return dict(event)
    http = {**request["http"], "path": path[len(stage) :] or "/"}
    return {**event, "requestContext": {**request, "http": http}}
