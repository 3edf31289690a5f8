"""Languages of the static-i18n plugin: https://ultrabug.github.io/mkdocs-static-i18n

A page in French is `a.fr.md` or, with `docs_structure: folder`, `fr/a.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any


class Languages:
    """The languages that a site configures; without any, all pages are in the default one."""

    def __init__(self, options: Mapping[str, Any], default: str) -> None:
        listed = options.get("languages")
        if isinstance(listed, dict):  # as before version 1.0
            main = options.get("default_language")
            listed = [
                {**(own if isinstance(own, dict) else {}), "locale": tag, "default": tag == main}
                for tag, own in listed.items()
            ]
        entries = listed if isinstance(listed, list) else []
        self._in_folders = options.get("docs_structure") == "folder"
        self._options: dict[str, Mapping[str, Any]] = {
            str(own.get("locale") or ""): own for own in entries if isinstance(own, dict)
        }
        named = (tag for tag, own in self._options.items() if own.get("default") is True)
        self.default = next(named, default)

    def split(self, path: str) -> tuple[str, str]:
        """Return the language of a page and its path without it."""
        if self._in_folders:
            first, _, rest = path.partition("/")
            return (first, rest) if rest and first in self._options else (self.default, path)
        source = PurePosixPath(path)
        stem, _, tag = source.stem.rpartition(".")
        if stem and tag in self._options:
            return tag, str(source.with_name(stem + source.suffix))
        return self.default, path

    def is_built(self, path: str) -> bool:
        return self._options.get(self.split(path)[0], {}).get("build") is not False

    def title(self, language: str, named: str) -> str:
        """Return the title of a page that the navigation names, or "" if it is not translated."""
        own = named if language == self.default else ""
        titles = self._options.get(language, {}).get("nav_translations")
        return str(titles.get(named, own)) if isinstance(titles, dict) else own

    def prefix(self, language: str) -> str:
        """Return the folder of a language on the site."""
        if language not in self._options:
            return ""
        usual = "" if language == self.default else language
        return str(self._options[language].get("link") or usual).strip("/")
