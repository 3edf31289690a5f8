"""The log: text for people at a terminal, one JSON object per line for everything else."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rag import output
from rag.settings import Settings

_ESCAPES = {
    n: f"\\u{n:04x}"
    for n in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0xD800, 0xE000))
}
"""Line ends and control characters, with which a path could forge lines or colours, and halves of
characters, which no encoding has."""
_QUIET = ("httpx", "httpx2")
"""Libraries that log whole addresses, which may hold secrets."""
REPEAT_SECONDS = 600.0
"""For this long, an identical warning is not written again."""
COUNT_SECONDS = 10.0
"""After this time the number of its repetitions is written, then after twice as long, and so on."""
REMEMBERED = 1000
"""Messages remembered for this, at most."""
_NOT_FACTS = ("method", "path", "status", "ms", "stages_ms", "passages")
"""Shown in front of a request's other facts, or too long for a line of text."""


def configure(settings: Settings) -> None:
    """Send the log of this process to standard output, in the format of LOG_FORMAT."""
    output.make_safe()
    json_lines = JsonLines(ascii_only=not output.is_utf8())
    handler = RepeatCountingHandler(sys.stdout)
    handler.setFormatter(json_lines if chosen(settings) == "json" else TextLines())
    # Lambda installs a handler of its own, which hides everything below a warning.
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=bool(settings.platform))
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def write_counts() -> None:
    """Write how often dropped warnings were repeated, before the process ends."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, RepeatCountingHandler):
            handler.write_counts()


def chosen(settings: Settings) -> str:
    """`text` or `json`: LOG_FORMAT, or what suits the place where the process runs."""
    if settings.log_format:
        return settings.log_format
    return "text" if sys.stdout.isatty() and not settings.platform else "json"


@dataclass(slots=True)
class _Written:
    name: str
    level: int
    line: str
    written: float
    dropped: int = 0
    """Repetitions that have not been counted in the log yet."""
    counted: float = 0.0
    wait: float = COUNT_SECONDS


class DuplicateFilter(logging.Filter):
    """Drops and counts a warning that was written within the last minutes.

    A service that is down fails every question. One line in the log is enough for all of them.
    Failures are the same if they come from the same line of code with the same words.
    """

    def __init__(self) -> None:
        super().__init__()
        self._written: dict[tuple[str, str], _Written] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        key, now = (record.name, _identity(record)), time.monotonic()
        if (known := self._written.get(key)) and now - known.written < REPEAT_SECONDS:
            known.dropped += 1
            return False
        if len(self._written) >= REMEMBERED:
            self._written.clear()
        line = record.getMessage().partition("\n")[0][:200]
        self._written[key] = _Written(record.name, record.levelno, line, now, counted=now)
        return True

    def counts(self, *, all_now: bool = False) -> Iterator[logging.LogRecord]:
        """Yield a record for each warning whose repetitions are due to be counted."""
        now = time.monotonic()
        for known in list(self._written.values()):
            if known.dropped and (all_now or now - known.counted >= known.wait):
                times = f"{known.dropped} more in {now - known.counted:.0f} s"
                known.dropped, known.counted = 0, now
                known.wait = min(2 * known.wait, REPEAT_SECONDS)
                text = f"{times}: {known.line}"
                yield logging.LogRecord(known.name, known.level, "", 0, text, (), None)


def _identity(record: logging.LogRecord) -> str:
    """Return what is the same in each repetition of a record. Request ids differ."""
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return record.getMessage()
    return f"{record.pathname}:{record.lineno} {type(error).__name__} {error}"


class RepeatCountingHandler(logging.StreamHandler[Any]):
    """Writes records to a stream, and how many repeats `DuplicateFilter` dropped."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._repeated = DuplicateFilter()
        self.addFilter(self._repeated)

    def emit(self, record: logging.LogRecord) -> None:
        for count in self._repeated.counts():
            super().emit(count)
        super().emit(record)

    def write_counts(self) -> None:
        """Write the counts that are not due yet, because the process ends."""
        for count in self._repeated.counts(all_now=True):
            super().emit(count)


class JsonLines(logging.Formatter):
    """One JSON object per line: a request's facts, or level, logger and message."""

    def __init__(self, *, ascii_only: bool = False) -> None:
        super().__init__()
        self._ascii_only = ascii_only

    def format(self, record: logging.LogRecord) -> str:
        line = _request(record) or {
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line = {**line, "exception": self.formatException(record.exc_info)}
        return _one_line(json.dumps(line, ensure_ascii=self._ascii_only))


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
