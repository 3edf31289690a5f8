"""Shared by the deployment commands: read the settings, and ask the deployed service a question."""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rag.environment import load_settings  # noqa: E402
from rag.errors import ConfigurationError  # noqa: E402
from rag.settings import HIDDEN, SECRETS, VARIABLES  # noqa: E402

LOCAL = ("HOST", "PORT", "DATA_DIR", "ROUTES")
"""Settings of the local machine, never copied to a host."""
QUESTION = "What is this book about?"


def fail(sentence: str) -> NoReturn:
    """Exit with a message and status 1."""
    sys.exit(sentence)


def settings_for_host() -> tuple[dict[str, str], dict[str, str]]:
    """Return the secrets and other variables set in the environment and `.env`.

    Exits with a message if a secret is missing (unless EMBEDDED is set) or a value is malformed.
    """
    try:
        settings = load_settings()
    except ConfigurationError as error:
        fail(str(error))
    values = {
        name: _text(item.name, getattr(settings, item.name))
        for name, item in VARIABLES.items()
        if getattr(settings, item.name) != item.metadata["default"]
    }
    missing = [name for name in SECRETS if name not in values]
    if missing and not settings.embedded:
        fail(
            f"Missing {', '.join(missing)}: add them to {ROOT / '.env'}, or set EMBEDDED=1 "
            "if the host can run the embedded engines."
        )
    secrets = {name: values[name] for name in HIDDEN if name in values}
    others = {n: v for n, v in values.items() if n not in HIDDEN and n not in LOCAL}
    return secrets, others


def _text(name: str, value: object) -> str:
    """Format a value for an environment variable."""
    if isinstance(value, bool):
        return "1" if value else "0"
    separator = "|" if name == "starter_questions" else ","
    return separator.join(value) if isinstance(value, tuple) else str(value)


def ask(
    url: str, question: str, headers: Mapping[str, str] | None = None, timeout: float = 120
) -> None:
    """Ask the service and print its answer; retry for `timeout` seconds while it starts."""
    body = json.dumps({"message": question}).encode()
    sent = {"Content-Type": "application/json", **(headers or {})}
    deadline = time.monotonic() + timeout
    while True:
        request = urllib.request.Request(f"{url.rstrip('/')}/chat", body, sent)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=90) as response:  # noqa: S310
                answer = json.load(response)
                break
        except urllib.error.HTTPError as error:
            problem = _detail(error)
            if error.code not in (502, 503, 504) or time.monotonic() > deadline:
                fail(f"{url} is running but returned {error.code}: {problem}")
        except (OSError, ValueError) as error:
            if time.monotonic() > deadline:
                fail(f"{url} does not respond: {error}")
        time.sleep(min(2.0, timeout / 10))
    print(f"\n{question}\n\n{answer['message']}\n")
    for n, source in enumerate(answer["sources"], 1):
        print(f"[{n}] {source['title']}: {source['url']}")


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["detail"])
    except (ValueError, KeyError, TypeError):
        return str(error.reason)
