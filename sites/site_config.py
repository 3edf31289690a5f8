"""A site's JavaScript configuration as data, with the files that it imports."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from sites.files import Files, real_path
from sites.script import read_module
from sites.script_types import Computed, Module, Object

_SCRIPTS = (".ts", ".js", ".mts", ".mjs", ".cjs", ".json", ".tsx", ".jsx")
_ENDINGS = ("", *_SCRIPTS, *(f"/index{ending}" for ending in _SCRIPTS))
MAX_SCRIPTS = 200
"""Files that one configuration may import."""
COMPUTED = "settings could not be read without running a program"


class Scripts:
    """The scripts of a site. Each is read once."""

    def __init__(self, files: Files, site: Path) -> None:
        self._files = files
        self._site = real_path(site)
        self._read: dict[Path, Module | None] = {}

    def read(self, place: Path) -> Module | None:
        """Return a script, or None if it is not there or imports itself."""
        place = real_path(place)
        if place not in self._read:
            if len(self._read) >= MAX_SCRIPTS or not os.path.isfile(place):
                return None
            self._read[place] = None
            name = os.path.relpath(place, self._site)
            text = self._files.config(self._site, name)
            # Files that import each other in a long chain end as if they were not there.
            with suppress(RecursionError):
                self._read[place] = read_module(text, lambda name: self.load(place, name), name)
        return self._read[place]

    def place(self, importer: Path, name: str) -> Path:
        """Return the place that a file imports as `name`; `@site` or a `/` leads to the site."""
        if name.startswith("@site/"):
            return self._site / name[6:]
        inside = self._site / name[1:]
        is_inside = name[:1] == "/" and os.path.isfile(inside)
        return inside if is_inside else importer.parent / name

    def load(self, importer: Path, name: str) -> Module | None:
        """Return the script that a file imports as `name`, or None."""
        start = self.place(importer, name)
        for place in (start, start.with_suffix("")):  # `./shared.js` may be written in TypeScript
            for ending in _ENDINGS:
                if f"{place}{ending}".endswith(_SCRIPTS) and os.path.isfile(f"{place}{ending}"):
                    return self.read(Path(f"{place}{ending}"))
        return None


class Config:
    """Settings by their path in the exported object. Computed ones are named and left out."""

    def __init__(self, files: Files, site: Path, name: str, scripts: Scripts | None = None) -> None:
        """`name` is the file's path below the site, or "" if there is none."""
        self.name = name
        self.losses = files.report.losses
        module = (scripts or Scripts(files, site)).read(site / name) if name else None
        self.root: Any = module.default if module else None
        if isinstance(self.root, Computed):  # of `extend({…})` the object is read
            self.lost(self.root, f"{self.root.name or 'everything'}()")
            self.root = self.root.argument

    def lost(self, value: Computed, what: str) -> None:
        """Name a setting that is computed."""
        self.losses.add(COMPUTED, value.place, what)

    def ignored(
        self, *path: str | int, within: Any = None, what: str = "", kind: str = COMPUTED
    ) -> None:
        """Name a setting, or an item of a list, that is not followed."""
        value, place = self.root if within is None else within, self.name
        for key in path:
            try:
                place = value.places[key]
                value = value[key]
            except (AttributeError, LookupError, TypeError):
                break
        self.losses.add(kind, place, what or ".".join(map(str, path)))

    def known(self, value: Any, what: str) -> Any:
        """Return a value, or None for one that is computed, which is named."""
        if isinstance(value, Computed):
            self.lost(value, what)
            return None
        return value

    def get(self, *path: str, within: Any = None) -> Any:
        """Return the value at a path of keys, or None."""
        value = self.root if within is None else within
        for depth, key in enumerate(path):
            if not isinstance(value, dict):
                return None
            if key not in value and isinstance(value, Object):
                for spread in value.spreads:
                    self.lost(spread, spread.name or " ".join((".".join(path[:depth]), "{...}")))
            value = self.known(value.get(key), ".".join(path[: depth + 1]))
        return value

    def members(self, *path: str) -> dict[str, Any]:
        """Return the members of an object. Those with a computed name are named as lost."""
        value = self.get(*path)
        for spread in value.spreads if isinstance(value, Object) else ():
            self.lost(spread, ".".join(path))
        return value if isinstance(value, dict) else {}

    def text(self, *path: str, within: Any = None) -> str | None:
        value = self.get(*path, within=within)
        return value if isinstance(value, str) else None

    def flag(self, *path: str, within: Any = None) -> bool | None:
        value = self.get(*path, within=within)
        return value if isinstance(value, bool) else None

    def texts(self, *path: str, within: Any = None) -> list[str]:
        """Return the texts of a list, or a text alone."""
        value = self.get(*path, within=within)
        items = value if isinstance(value, list) else [value]
        known = [self.known(item, ".".join(path)) for item in items]
        return [item for item in known if isinstance(item, str)]

    def items(self, *path: str, within: Any = None) -> Iterator[Any]:
        """Yield the items of a list that are not computed."""
        value = self.get(*path, within=within)
        for item in value if isinstance(value, list) else ():
            if (known := self.known(item, ".".join(path))) is not None:
                yield known
