"""Limit how large the values of a script may become."""

from __future__ import annotations

from typing import Any

MAX_SIZE = 200_000
"""Items, keys and tens of characters that the names of a script may stand for, in all their uses.
Without a limit, forty lines such as `const b = [...a, ...a]` fill any memory."""
MAX_LEVELS = 100
"""Levels of a value that a name stands for."""


class Sizes:
    """Counts how much the names of a script stand for."""

    def __init__(self) -> None:
        self._left = MAX_SIZE
        self._known: dict[int, tuple[Any, int, int]] = {}
        """By its id, a list or dictionary with its size and its levels."""

    def spend(self, value: Any) -> bool:
        """Count one use of a value. Return whether it is within the limits."""
        size, levels = self._measure(value)
        self._left -= size
        return self._left >= 0 and levels <= MAX_LEVELS

    def _measure(self, value: Any) -> tuple[int, int]:
        if isinstance(value, str):
            return 1 + len(value) // 10, 0
        if not isinstance(value, dict | list):
            return 1, 0
        if id(value) not in self._known:
            items = value.values() if isinstance(value, dict) else value
            measured = [self._measure(item) for item in items]
            size = 1 + sum(size for size, _ in measured)
            levels = 1 + max((levels for _, levels in measured), default=0)
            self._known[id(value)] = value, size, levels
        return self._known[id(value)][1:]
