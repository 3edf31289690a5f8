"""Imitate Cohere, OpenAI and Qdrant over real HTTP on loopback.

The official SDKs work with them unmodified. Each service can be slowed down or made to fail:

    with Upstreams() as up:
        up.cohere.latency = 0.08
        up.cohere.fail(429, retry_after=1)
        up.openai.script(Reply("A fact [1].", cut_after=2), "The next answer [1].")
        up.qdrant.fail("hang", times=3)
        settings = load_settings(up.environ())

`python -m tests.upstreams` runs them until interrupted.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

from tests.upstreams.cohere import Cohere
from tests.upstreams.http import Request, Service
from tests.upstreams.openai import OpenAI, Reply, sections, words
from tests.upstreams.qdrant import Qdrant
from tests.upstreams.qdrant_server import Forwarded

__all__ = [
    "Cohere",
    "OpenAI",
    "Qdrant",
    "Reply",
    "Request",
    "Service",
    "Upstreams",
    "sections",
    "words",
]


class Upstreams:
    """The three services, on their own thread for the duration of the `with` block."""

    def __init__(self, first_port: int = 0, qdrant: Qdrant | Forwarded | None = None) -> None:
        """Listen from `first_port` on, or on free ports; `qdrant` may be a real server's proxy."""
        self.cohere = Cohere()
        self.openai = OpenAI()
        self.qdrant = qdrant or Qdrant()
        self._first_port = first_port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def services(self) -> tuple[Service, ...]:
        return (self.cohere, self.openai, self.qdrant)

    def environ(self) -> dict[str, str]:
        """Return environment variables that point the service here."""
        return {
            "COHERE_API_KEY": self.cohere.key,
            "COHERE_BASE_URL": self.cohere.url,
            "OPENAI_API_KEY": self.openai.key,
            "OPENAI_BASE_URL": f"{self.openai.url}/v1",
            "QDRANT_URL": self.qdrant.url,
            "QDRANT_API_KEY": self.qdrant.key,
            # A model at a local address would be given the time to be loaded.
            "FIRST_TOKEN_SECONDS": "20",
        }

    def heal(self) -> None:
        """Remove all faults, delays, scripts and records."""
        for service in self.services:
            service.heal()
            service.forget()
            service.latency = 0.0
        self.openai.unscript()

    def vanish(self, service: Service) -> None:
        """Shut a service down; `reappear` restarts it with its data at the same address."""
        self._run(service.vanish())

    def reappear(self, service: Service) -> None:
        self._run(service.listen())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def __enter__(self) -> Self:
        self._thread.start()
        for n, service in enumerate(self.services):
            port = self._first_port and self._first_port + n
            self._run(service.open(port))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for service in self.services:
            self._run(service.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()
