"""Parse robots.txt by RFC 9309.

`urllib.robotparser` has no wildcards and applies the first matching rule instead of the most
specific one, so it would read forbidden pages and skip allowed ones.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

MAX_BYTES = 500_000
"""RFC 9309 requires at least 500 KiB to be parsed; the rest is ignored."""
_SAFE = "/?&=+$,;:@!'()*~#[]%"


@dataclass(slots=True)
class _Group:
    agents: list[str] = field(default_factory=list)
    rules: list[tuple[str, bool]] = field(default_factory=list)
    """(pattern, whether it allows)"""
    delay: float = 0.0


class Robots:
    """The rules that apply to one crawler; `agent` is its product token."""

    def __init__(self, text: str, agent: str) -> None:
        self.sitemaps: list[str] = []
        groups: list[_Group] = []
        in_agents = False
        for line in text.splitlines():
            name, colon, value = line.partition("#")[0].partition(":")
            name, value = name.strip().lower(), value.strip()
            if not colon:
                continue
            if name == "user-agent":
                if not in_agents:
                    groups.append(_Group())
                groups[-1].agents.append(value.lower().partition("/")[0])  # without a version
            elif name == "sitemap":
                self.sitemaps.append(value)
                continue
            elif groups and name in ("allow", "disallow"):
                if value:
                    groups[-1].rules.append((_normalise(value), name == "allow"))
            elif groups and name == "crawl-delay":
                groups[-1].delay = _seconds(value)
            in_agents = name == "user-agent"
        ours = [group for group in groups if agent.lower() in group.agents]
        ours = ours or [group for group in groups if "*" in group.agents]
        self._rules = [rule for group in ours for rule in group.rules]
        self.delay = max((group.delay for group in ours), default=0.0)
        """Crawl-delay in seconds."""

    def allows(self, path: str) -> bool:
        """Return whether a path with its query may be read: the longest rule wins, then Allow."""
        if path == "/robots.txt":
            return True
        path = _normalise(path)
        found = [(len(pattern), allow) for pattern, allow in self._rules if _matches(pattern, path)]
        return max(found, default=(0, True))[1]


def _normalise(path: str) -> str:
    """Normalise percent-encoding, so that `%7E`, `%7e` and `~` are equal."""
    return quote(unquote(path), safe=_SAFE)


def _matches(pattern: str, path: str) -> bool:
    """Match a pattern with `*` and a final `$`, in linear time."""
    ends = pattern.endswith("$")
    first, *rest = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    last = rest.pop() if rest else None
    for piece in rest:
        found = path.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    if last is None:
        return not ends or at == len(path)
    if ends:
        return path.endswith(last) and len(path) - len(last) >= at
    return path.find(last, at) >= 0


def _seconds(value: str) -> float:
    with suppress(ValueError):
        if 0 <= (seconds := float(value)) < 3600:
            return seconds
    return 0.0
