"""robots.txt by RFC 9309.

`urllib.robotparser` knows no wildcards and lets the first rule that matches decide, where the
standard wants the most specific one, so it would both read what is forbidden and leave out
what is allowed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote, unquote

MAX_BYTES = 500_000
"""The standard asks crawlers to read at least 500 KiB; the rest is ignored."""
_SAFE = "/?&=+$,;:@!'()*~#[]%"


@dataclass(slots=True)
class _Group:
    agents: list[str] = field(default_factory=list)
    rules: list[tuple[str, bool]] = field(default_factory=list)
    """(pattern, whether it allows)"""
    delay: float | None = None


class Robots:
    """The rules for one crawler, `agent` being its product token."""

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
                groups[-1].agents.append(value.lower())
            elif name == "sitemap":
                self.sitemaps.append(value)
                continue
            elif groups and name in ("allow", "disallow"):
                if value:
                    groups[-1].rules.append((_normal(value), name == "allow"))
            elif groups and name == "crawl-delay":
                groups[-1].delay = _seconds(value)
            in_agents = name == "user-agent"
        ours = [group for group in groups if agent.lower() in group.agents]
        ours = ours or [group for group in groups if "*" in group.agents]
        self._rules = [rule for group in ours for rule in group.rules]
        self.delay = max((group.delay or 0.0 for group in ours), default=0.0)
        """Seconds between requests that the site asks for."""

    def allows(self, path: str) -> bool:
        """Whether a path (with its query) may be read: the longest rule wins, then the kinder."""
        if path == "/robots.txt":
            return True
        path = _normal(path)
        found = [(len(pattern), allow) for pattern, allow in self._rules if _matches(pattern, path)]
        return max(found, default=(0, True))[1]


def _normal(path: str) -> str:
    """One spelling for `%7E`, `%7e` and `~`."""
    return quote(unquote(path), safe=_SAFE)


def _matches(pattern: str, path: str) -> bool:
    """`*` is any run of characters, `$` at the end the end; linear, whatever the pattern."""
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


def _seconds(value: str) -> float | None:
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if 0 <= seconds < 3600 else None
