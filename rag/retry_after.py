"""Parse the time that an HTTP response asks to wait before the next request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from time import time


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds in `Retry-After`, a number or a date (RFC 9110, 10.2.3), if valid.

    The more precise `retry-after-ms` of some model servers is preferred.
    """
    lower = {name.lower(): value.strip() for name, value in headers.items()}
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = lower.get(name, "")
        if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", value):
            return float(value) * scale
        if value:
            try:
                when = parsedate_to_datetime(value)
                when = when if when.tzinfo else when.replace(tzinfo=UTC)  # dates are in GMT
                return max(0.0, when.timestamp() - time())
            except (ValueError, OverflowError):
                continue
    return None
