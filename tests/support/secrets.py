"""Find secrets in text. Findings name the kind and the line, never the secret.

The five secrets of this project come first, then the tokens of its hosts. Digits and capitals
tell random text from names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

from rag.settings import HIDDEN

_MIXED = r"(?=[A-Za-z0-9_-]*[0-9])(?=[A-Za-z0-9_-]*[A-Z])(?=[A-Za-z0-9_-]*[a-z])"
_NAMES = "COHERE_API_KEY|OPENAI_API_KEY|QDRANT_API_KEY|ADMIN_TOKEN|HF_TOKEN|VERCEL_TOKEN"

PATTERNS = {
    "COHERE_API_KEY": rf"(?<![A-Za-z0-9+/_-]){_MIXED}[A-Za-z0-9]{{40}}(?![A-Za-z0-9+/=_-])",
    "OPENAI_API_KEY": rf"\bsk-(?:or-v1-[0-9a-f]{{32,}}|{_MIXED}[A-Za-z0-9_-]{{32,}})",
    "QDRANT_API_KEY": r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    "QDRANT_URL": r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}[a-z0-9.-]+\.cloud\.qdrant\.io\b",
    "DATABASE_URL": rf"\bpostgres(?:ql)?://[^\s:/@]+:{_MIXED}[^\s@/]{{12,}}@",
    "password of Neon": r"\bnpg_[A-Za-z0-9]{12,}",
    "a named secret": rf"\b(?:{_NAMES})[\"']?\s*[=:]\s*[\"']?{_MIXED}[A-Za-z0-9_|.-]{{20,}}",
    "key of AWS": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "token of Hugging Face": rf"\bhf_{_MIXED}[A-Za-z0-9]{{30,}}",
    "token of GitHub": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})",
    "private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
}
_COMPILED = {kind: re.compile(pattern) for kind, pattern in PATTERNS.items()}


def found(text: str) -> list[str]:
    """Return likely secrets in a text, as `line 12: kind`."""
    return [
        f"line {text.count(chr(10), 0, match.start()) + 1}: {kind}"
        for kind, pattern in _COMPILED.items()
        for match in pattern.finditer(text)
    ]


def leaked(text: str, environ: Mapping[str, str]) -> list[str]:
    """Return the same, and the settings in `environ` whose values occur in the text."""
    values = {name: [environ[name]] for name in HIDDEN if environ.get(name)}
    if "DATABASE_URL" in values:
        login = environ["DATABASE_URL"].rpartition("@")[0]
        password = login.rpartition("//")[2].partition(":")[2]
        values["DATABASE_URL"] += [password, unquote(password)]
    return found(text) + [
        name
        for name, given in values.items()
        if any(len(value) >= 8 and value in text for value in given)
    ]
