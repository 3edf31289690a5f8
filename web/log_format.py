"""The log: text for people at a terminal, one JSON object per line for everything else."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Mapping
from typing import Any

from rag.settings import Settings

_ESCAPES = {n: f"\\u{n:04x}" for n in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)}
"""Line ends and control characters; left as they are, a path could forge lines or colours."""
_QUIET = ("httpx", "httpx2")
"""Libraries that log whole addresses, which may hold secrets."""
REPEAT_SECONDS = 600.0
"""For this long, an identical warning is not written again."""
REMEMBERED = 1000
"""Messages remembered for this, at most."""
_NOT_FACTS = ("method", "path", "status", "ms", "stages_ms", "passages")
"""Shown in front of a request's other facts, or too long for a line of text."""


def configure(settings: Settings) -> None:
    """Send the log of this process to standard output, in the format of LOG_FORMAT."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines() if chosen(settings) == "json" else TextLines())
    handler.addFilter(Unrepeated())
    # Lambda installs a handler of its own, which hides everything below a warning.
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=bool(settings.platform))
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def chosen(settings: Settings) -> str:
    """`text` or `json`: LOG_FORMAT, or what suits the place where the process runs."""
    if settings.log_format:
        return settings.log_format
    return "text" if sys.stdout.isatty() and not settings.platform else "json"


class Unrepeated(logging.Filter):
    """Drops a warning that was written within the last minutes.

    What is down is down for every question, and its reason need not be read a thousand times.
    """

    def __init__(self) -> None:
        super().__init__()
        self._written: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        message, now = (record.name, record.getMessage()), time.monotonic()
        if now - self._written.get(message, -REPEAT_SECONDS) < REPEAT_SECONDS:
            return False
        if len(self._written) >= REMEMBERED:
            self._written.clear()
        self._written[message] = now
        return True


class JsonLines(logging.Formatter):
    """One JSON object per line: a request's facts, or level, logger and message."""

    def format(self, record: logging.LogRecord) -> str:
        line = _request(record) or {
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line = {**line, "exception": self.formatException(record.exc_info)}
        return _one_line(json.dumps(line, ensure_ascii=False))


class TextLines(logging.Formatter):
    """A line per request, with its stages in milliseconds; a traceback keeps its own lines."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802, RUF100
        if line := _request(record):
            record.message = _sentence(line)
        elif record.levelno > logging.INFO:
            record.message = f"{record.levelname}: {record.message}"
        record.message = _one_line(record.message)
        return super().formatMessage(record)


def _request(record: logging.LogRecord) -> dict[str, Any]:
    """The facts of a request's line; empty for any other message."""
    return dict(record.__dict__.get("request", {}))


def _sentence(line: Mapping[str, Any]) -> str:
    stages = ", ".join(f"{name} {ms:.0f}" for name, ms in line["stages_ms"].items())
    # The id is what a reader can report; nothing needs reporting while all is well.
    hidden = _NOT_FACTS if line["status"] >= 500 else (*_NOT_FACTS, "request_id")
    facts = " ".join(
        f"{name}={value}"
        for name, value in line.items()
        if name not in hidden and value not in (None, "")
    )
    text = f"{line['method']} {line['path']} {line['status']} in {line['ms']:.0f} ms"
    return text + (f" ({stages})" if stages else "") + (f" {facts}" if facts else "")


def _one_line(text: str) -> str:
    return text.translate(_ESCAPES)
