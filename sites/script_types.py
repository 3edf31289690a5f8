"""The values that a script's literals stand for, and how large they may become."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from sites.script_tokens import Tokens

MAX_SIZE = 200_000
"""Items, keys and tens of characters that the names of a script may stand for, in all their uses.
Without a limit, forty lines such as `const b = [...a, ...a]` fill any memory."""
MAX_LEVELS = 100
"""Levels of a value that a name stands for."""


@dataclass(frozen=True, slots=True)
class Computed:
    """A value that only running the program would give."""

    name: str = ""
    """The variable or package it comes from, if it is that simple."""
    place: str = ""
    """File and line."""
    argument: dict[str, Any] | None = field(default=None, hash=False)
    """The object that the called function was given."""
    text: str = ""
    """A template, with `…` for each part of it that is computed."""
    body: Tokens = field(default=(), compare=False)
    """Of a function, what is in it."""


def shown_text(value: Any) -> str | None:
    """Return the text that a page shows for a value; None if it shows none."""
    shown = isinstance(value, str | int | float) and not isinstance(value, bool)
    return str(value) if shown else None


@dataclass(frozen=True, slots=True)
class Imported:
    """A name of another module: `default`, `*` or an export."""

    module: str
    name: str


class Object(dict[str, Any]):
    """An object literal, and the computed values that are spread into it."""

    def __init__(self, known: dict[str, Any] | None = None) -> None:
        super().__init__(known or {})
        self.spreads: list[Computed] = []
        self.places: dict[str, str] = {}
        """File and line of each key."""


class Array(list[Any]):
    """An array literal."""

    def __init__(self) -> None:
        self.places: list[str] = []
        """File and line of each item."""


@dataclass(slots=True)
class Module:
    """What a file or a function declares, exports and returns."""

    names: MutableMapping[str, Any] = field(default_factory=dict)
    exports: dict[str, Any] = field(default_factory=dict)
    assigned: Any = None
    """The first object that is assigned to anything."""
    returned: Any = None

    @property
    def default(self) -> Any:
        return self.exports.get("default", self.assigned)


Load = Callable[[str], Module | None]
"""Returns the module that a name such as `./sidebars` stands for, or None."""


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
