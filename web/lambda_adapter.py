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
    "This event is not an HTTP request. The function supports API Gateway, Function URLs and "
    "load balancers."
)


class LambdaFunction:
    """Wraps Mangum and handles events that Mangum does not.

    `lifespan` is off, because Mangum would start and stop the app for every request.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    @functools.cached_property
    def _mangum(self) -> Mangum:
        """Create the adapter on the first invocation, because Mangum opens an event loop."""
        from mangum.adapter import DEFAULT_TEXT_MIME_TYPES, Mangum

        # Other types are sent in base64, which a REST API does not decode.
        text = [*DEFAULT_TEXT_MIME_TYPES, MEDIA_TYPE]
        return Mangum(self._app, lifespan="off", text_mime_types=text)

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        """Handle an event. If it is not an HTTP request, return status 400."""
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
    """Remove the stage from the path. An HTTP API adds it unless the stage is `$default`."""
    request = event["requestContext"]
    stage = f"/{request.get('stage')}"
    path = request["http"]["path"] if "http" in request else ""
    if path != stage and not path.startswith(f"{stage}/"):
        return dict(event)
    http = {**request["http"], "path": path[len(stage) :] or "/"}
    return {**event, "requestContext": {**request, "http": http}}
