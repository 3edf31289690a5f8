"""The one retry policy, without a network."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from rag.adapters.retry import (
    retried,
    retry_after,
    said,
    status_error,
)
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
        return await retried(
            attempt,
            service="s",
            errors=(Broken,),
            translate=lambda error: UpstreamError(str(error), service="s"),
            seconds=seconds,
            attempts=attempts,
            attempt_seconds=0.2,
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
            await retried(
                attempt,
                service="s",
                errors=(),
                translate=lambda error: UpstreamError(str(error), service="s"),
                seconds=60.0,
            )

    with pytest.raises(UpstreamOverloaded):  # at once: at the end of 20 s it were a TimeoutError
        asyncio.run(main())


def test_cancelling_is_not_a_failure_of_the_service() -> None:
    async def main() -> None:
        async def attempt() -> None:
            await asyncio.sleep(9)

        async with asyncio.timeout(0.1):
            await retried(
                attempt,
                service="s",
                errors=(Exception,),
                translate=lambda error: UpstreamError(str(error), service="s"),
                seconds=5.0,
            )

    with pytest.raises(TimeoutError):
        asyncio.run(main())


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("3", 3.0), ("0.5", 0.5), ("soon", None), ("", None), ("-1", None), ("inf", None)],
)
def test_retry_after_as_a_number(value: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": value}) == seconds


def test_retry_after_in_other_forms() -> None:
    assert retry_after({"retry-after-ms": "250", "Retry-After": "9"}) == 0.25
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert retry_after({"Retry-After": later}) == pytest.approx(60, abs=3)
    assert retry_after({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert retry_after({}) is None


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, UpstreamOverloaded),
        (503, UpstreamOverloaded),
        (408, UpstreamTimeout),
        (504, UpstreamTimeout),
        (400, UpstreamRejected),
        (404, UpstreamRejected),
        (500, UpstreamError),
        (502, UpstreamError),
    ],
)
def test_what_a_status_means(status: int, error: type[UpstreamError]) -> None:
    assert type(status_error("s", status, "text")) is error


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"message": "a"}, "a"),
        ({"error": {"message": "b", "code": "c"}}, "b"),
        (b'{"status": {"error": "c"}, "time": 0}', "c"),
        (b"\xff no JSON", "\ufffd no JSON"),
        ("two\n lines", "two lines"),
        (None, ""),
        ({}, ""),
        ({"message": "the key secret-1 is bad"}, "the key *** is bad"),
        ({"message": "key sk-abc***xyz1 is bad"}, "key *** is bad"),
        ({"message": "x" * 999}, "x" * 300),
    ],
)
def test_what_a_service_said_is_short_and_without_secrets(body: object, text: str) -> None:
    assert said(body, "secret-1") == text
