"""Imitate Cloudflare's siteverify: each token passes once."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from tests.upstreams.http import Request, Response, Service


class Turnstile(Service):
    key = "0x-turnstile-test-secret"

    def __init__(self) -> None:
        super().__init__()
        self.used: set[str] = set()

    async def answer(self, request: Request) -> Response:
        form = {name: values[-1] for name, values in parse_qs(request.body.decode()).items()}
        return Response(200, self._verdict(form))

    def _verdict(self, form: dict[str, str]) -> dict[str, Any]:
        token = form.get("response", "")
        if form.get("secret") != self.key:
            return _refused("invalid-input-secret")
        if not token.startswith("genuine-"):
            return _refused("invalid-input-response")
        if token in self.used:
            return _refused("timeout-or-duplicate")
        self.used.add(token)
        return {"success": True, "error-codes": [], "hostname": "book.example"}


def _refused(code: str) -> dict[str, Any]:
    return {"success": False, "error-codes": [code]}
