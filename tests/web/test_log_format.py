"""The log: text for people, JSON for machines, and nothing that forges a line."""

from __future__ import annotations

import json
import logging
import os
import pty
import select
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.environment import load_settings
from rag.errors import ConfigurationError
from tests.support.service import ROOT, environment, free_port, serving
from web import log_format
from web.log_format import DuplicateFilter, JsonLines, TextLines, chosen

REQUEST = {
    "request_id": "0123456789abcdef",
    "method": "POST",
    "path": "/chat",
    "stages_ms": {"embed": 12.3, "search": 4.0},
    "status": 200,
    "passages": [["a-long-id", 0.5]],
    "found": "answer",
    "fallback": None,
    "ms": 20.4,
}


def record(message: str, *, error: BaseException | None = None, **extra: Any) -> logging.LogRecord:
    caught = (type(error), error, error.__traceback__) if error else None
    made = logging.LogRecord("rag.chat", logging.WARNING, "x.py", 1, message, (), caught)
    made.__dict__.update(extra)
    return made


def failed() -> Exception:
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        return error


class Terminal:
    def __init__(self, terminal: bool) -> None:
        self.isatty = lambda: terminal


@pytest.mark.parametrize(
    ("variables", "terminal", "expected"),
    [
        ({}, True, "text"),
        ({}, False, "json"),
        ({"SPACE_ID": "a/b"}, True, "json"),
        ({"LOG_FORMAT": "json"}, True, "json"),
        ({"LOG_FORMAT": "Text", "SPACE_ID": "a/b"}, False, "text"),
    ],
)
def test_the_format_suits_the_place(
    variables: dict[str, str], terminal: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal(terminal))
    assert chosen(load_settings(variables)) == expected


def test_another_format_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="LOG_FORMAT must be text or json"):
        load_settings({"LOG_FORMAT": "xml"})


def test_json_keeps_the_facts_of_a_request() -> None:
    assert json.loads(JsonLines().format(record("request", request=REQUEST))) == REQUEST


def test_json_has_one_line_for_a_failure() -> None:
    line = JsonLines().format(record("out of\nreach", error=failed()))
    assert "\n" not in line
    said = json.loads(line)
    assert (said["level"], said["logger"], said["message"]) == (
        "warning",
        "rag.chat",
        "out of\nreach",
    )
    assert said["exception"].startswith("Traceback")


def test_text_is_a_short_line() -> None:
    line = TextLines().format(record("request", request=REQUEST))
    assert line[8:] == " POST /chat 200 in 20 ms (embed 12, search 4) found=answer"
    broken = TextLines().format(record("request", request={**REQUEST, "status": 503}))
    assert "request_id=0123456789abcdef" in broken


@pytest.mark.parametrize("ending", ["\n", "\x1b[31m", "\x85", "\u2028"])
def test_text_cannot_be_forged(ending: str) -> None:
    forged = {**REQUEST, "path": f"/a{ending}00:00:00 all is well"}
    for made in (record("request", request=forged), record(f"a{ending}b")):
        assert ending not in TextLines().format(made)


def test_text_shows_where_a_failure_came_from() -> None:
    line = TextLines().format(record("out of reach", error=failed()))
    assert " WARNING: out of reach\nTraceback" in line


def test_without_an_index_the_start_names_the_command(tmp_path: Path) -> None:
    """On a terminal; `serving` starts the service as a host does."""
    port = free_port()
    screen, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "router.py"],
        cwd=ROOT,
        env=environment(PORT=str(port), DATA_DIR=str(tmp_path / "data")),
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    shown = ""
    try:
        ends = time.monotonic() + 30
        while "python ingest.py" not in shown and time.monotonic() < ends:
            if select.select([screen], [], [], 0.1)[0]:
                shown += os.read(screen, 4096).decode()
        httpx.get(f"http://127.0.0.1:{port}/health")
    finally:
        process.terminate()
        process.wait(30)
        with suppress(OSError):  # the end of the terminal
            while part := os.read(screen, 4096):
                shown += part.decode()
        os.close(screen)
    assert "WARNING: Nothing is indexed yet" in shown
    assert " GET /health 200 in " in shown


def test_elsewhere_every_line_after_the_banner_is_json(tmp_path: Path) -> None:
    with serving(tmp_path / "log", DATA_DIR=str(tmp_path / "data")) as service:
        ends = time.monotonic() + 30
        while "python ingest.py" not in service.log and time.monotonic() < ends:
            time.sleep(0.05)
        lines = [json.loads(line) for line in service.log.splitlines()[5:]]
        assert "python ingest.py PATH" in next(x["message"] for x in lines if "message" in x)
        assert service.requests[0]["path"] == "/health"


def test_the_same_warning_is_written_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = DuplicateFilter()
    assert [seen.filter(record("it is down")) for _ in range(3)] == [True, False, False]
    assert seen.filter(record("something else is down"))
    told = record("a request")
    told.levelno = logging.INFO
    assert all(seen.filter(told) for _ in range(3))
    for n in range(3 * log_format.REMEMBERED):
        assert seen.filter(record(f"failure {n}"))
    assert len(seen._written) <= log_format.REMEMBERED
    monkeypatch.setattr(log_format, "REPEAT_SECONDS", 0.0)  # time goes by
    assert seen.filter(record("failure 1"))
