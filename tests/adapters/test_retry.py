"""The retry policy, without a network."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from rag.adapters.retry import RetryLimits, with_retries
from rag.deadlines import until
from rag.errors import (
    UpstreamError,
    UpstreamOverloaded,
    UpstreamRejected,
    UpstreamTimeout,
)


def test_adapters_import_no_sdk_before_they_are_used() -> None:
    modules = (
        "embedding.cohere",
        "chat_model.openai",
        "vector_store.qdrant",
        "vector_store.qdrant_writer",
    )
    imports = "; ".join(f"import rag.adapters.{name}" for name in modules)
    heavy = "{'cohere', 'openai', 'qdrant_client', 'httpx', 'httpx2', 'pydantic', 'numpy'}"
    code = f"import sys; {imports}; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert found.stdout == "[]\n", found.stderr


class Broken(Exception):
    pass


def run(*outcomes: str | Exception | float, seconds: float = 5.0, attempts: int = 3) -> object:
    """What comes of attempts that return, raise or take a time; with the attempts made."""
    left = list(outcomes)

    async def attempt() -> str:
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        if isinstance(outcome, float):
            await asyncio.sleep(outcome)
        return str(outcome)

    async def main() -> object:
        return await with_retries(
            attempt,
            RetryLimits(seconds, attempts, 0.2),
            service="s",
            errors=(Broken,),
            translate=lambda error: UpstreamError(str(error), service="s"),
        )

    try:
        return asyncio.run(main())
    finally:
        run.left = len(left)  # type: ignore[attr-defined]


def test_the_first_success_is_the_result() -> None:
    assert run("fine", "never") == "fine"
    assert run(Broken("once"), "fine") == "fine"
    assert run(9.0, "fine") == "fine"


def test_a_refusal_is_final() -> None:
    with pytest.raises(UpstreamRejected):
        run(UpstreamRejected("no", service="s"), "fine")
    assert run.left == 1  # type: ignore[attr-defined]


def test_the_last_failure_is_raised_with_its_cause() -> None:
    with pytest.raises(UpstreamError, match="third") as caught:
        run(Broken("first"), Broken("second"), Broken("third"), "never")
    assert isinstance(caught.value.__cause__, Broken)


def test_what_is_no_services_failure_passes_through() -> None:
    with pytest.raises(KeyError):
        run(KeyError("a bug"), "never")


def test_time_bounds_everything() -> None:
    with pytest.raises(UpstreamTimeout):
        run(9.0, 9.0, 9.0, seconds=0.3)
    with pytest.raises(UpstreamOverloaded):
        run(UpstreamOverloaded("later", service="s", retry_after=30), "never")
    assert run.left == 1  # type: ignore[attr-defined]


def test_nobody_waits_for_a_time_after_the_requests_deadline() -> None:
    """The service asks for 30 s of patience, the policy has 60, the request 20."""

    async def main() -> None:
        async def attempt() -> None:
            raise UpstreamOverloaded("later", service="s", retry_after=30)

        async with until(asyncio.get_running_loop().time() + 20):
            await with_retries(
                attempt,
                RetryLimits(60.0),
                service="s",
                errors=(),
                translate=lambda error: UpstreamError(str(error), service="s"),
            )

    with pytest.raises(UpstreamOverloaded):  # at once: at the end of 20 s it were a TimeoutError
        asyncio.run(main())


def test_cancelling_is_not_a_failure_of_the_service() -> None:
    async def main() -> None:
        async def attempt() -> None:
            await asyncio.sleep(9)

        async with asyncio.timeout(0.1):
            await with_retries(
                attempt,
                RetryLimits(5.0),
                service="s",
                errors=(Exception,),
                translate=lambda error: UpstreamError(str(error), service="s"),
            )

    with pytest.raises(TimeoutError):
        asyncio.run(main())
