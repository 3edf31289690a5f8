"""The Retry-After header in all its forms."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from rag.retry_after import retry_after


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
    "date",
    [
        "Wed, 21 Oct 2199 07:28:00 GMT",
        "Wednesday, 21-Oct-2199 07:28:00 GMT",
        "Wed Oct 21 07:28:00 2199",
    ],
)
def test_every_form_of_a_date_is_in_gmt(date: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        wait = retry_after({"Retry-After": date})
    finally:
        monkeypatch.undo()
        time.tzset()
    then = datetime(2199, 10, 21, 7, 28, tzinfo=UTC).timestamp()
    assert wait == pytest.approx(then - time.time(), abs=5)


@pytest.mark.parametrize(
    "value",
    [
        "Wed, 21 Oct 2015 07:28:00 +99999999999999",
        "Wed, 21 Oct 999999 07:28:00 GMT",
        "Wed, 41 Oct 2015 07:28:00 GMT",
        "٣",
        "nan",
        "1e9",
    ],
)
def test_invalid_values_are_ignored(value: str) -> None:
    assert retry_after({"Retry-After": value}) is None
