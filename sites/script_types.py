"""The values that a script's literals stand for."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any


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


@dataclass(frozen=True, slots=True)
class Imported:
    """A name of another module: `default`, `*` or an export."""

    module: str
    name: str


class Object(dict[str, Any]):
    """An object literal, and the computed values that are spread into it."""

    def __init__(self) -> None:
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
