"""The settings of a MkDocs site that its pages depend on.

https://www.mkdocs.org/user-guide/configuration
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import Any

from sites.files import Files, real_path
from sites.front_matter import lines_below, load_yaml
from sites.globs import ignored
from sites.source import Request
from sites.time_limit import TooSlow, page_time_limit

MARKDOWN = (".markdown", ".mdown", ".mkdn", ".mkd", ".md")
CONFIGS = ("mkdocs.yml", "mkdocs.yaml", "properdocs.yml", "zensical.yml")
_PREFIXES = ("material/", "markdown.extensions.")
_ALWAYS_EXCLUDED = (".*", "/templates/")
MAX_FILES = 10
"""Configurations that may inherit from one another."""

Options = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Site:
    """The settings of `mkdocs.yml`, with those that it inherits."""

    folder: Path
    """Where the configuration is and the build runs."""
    root: Path
    """Folder of the pages."""
    part: str
    """Path below the root of the folder that is read, with a slash; "" for all of it."""
    config: Options
    names: tuple[str, ...]
    """The file and those that it inherits from."""
    files: Files
    extensions: dict[str, Options]
    """Without the prefix `markdown.extensions.`."""
    plugins: tuple[tuple[str, Options], ...]
    """Without the prefix `material/` and without those that are off."""

    @property
    def theme(self) -> Options:
        """The options of the theme."""
        theme = self.config.get("theme")
        return theme if isinstance(theme, dict) else {}

    def has(self, *names: str) -> bool:
        """Return whether one of the extensions is on."""
        return any(name in self.extensions for name in names)

    def plugin(self, name: str) -> Options | None:
        """Return the options of a plugin, or None if it is off."""
        return next((options for plugin, options in self.plugins if plugin == name), None)

    def lost(self, kind: str, key: str, value: str) -> None:
        """Name a value below a key that is not followed, with its file and line."""
        place = self.names[0]
        for name in self.names:
            text = self.files.config(self.folder, name)
            spellings = (prefix + value for prefix in ("", *_PREFIXES))
            lines = lines_below(text, key)
            if line := next(filter(None, map(lines.get, spellings)), 0):
                place = f"{name}:{line}"
                break
        self.files.report.losses.add(kind, place, value)


def load_site(request: Request) -> Site:
    """Read the configuration of the folder or one above it."""
    found = request.find_site(CONFIGS, levels=2)
    if found is None:
        return Site(request.folder, request.folder, "", {}, ("",), request.files, {}, ())
    config, names = Options(), [found.name]
    for name in names:  # grows by the file that each inherits from
        own = load_yaml(request.files, found.parent, name)
        config = _merged(own, config)
        above = own.get("INHERIT")
        if isinstance(above, str) and len(names) < MAX_FILES:
            names.append(normpath(join(dirname(name), above)))
    root, part = request.folder, ""
    named = str(config.get("docs_dir") or "docs")
    if docs := request.files.subfolder(found.parent, named, found.name):
        whole, asked = real_path(docs), real_path(root)
        if asked == found.parent or whole.is_relative_to(asked):
            root = docs
        elif asked.is_relative_to(whole):
            root, part = docs, f"{asked.relative_to(whole).as_posix()}/"
    extensions = _entries(config.get("markdown_extensions"))
    return Site(
        found.parent,
        root,
        part,
        config,
        tuple(names),
        request.files,
        {name.removeprefix("markdown.extensions."): options for name, options in extensions},
        tuple(_plugins(config.get("plugins"))),
    )


def _merged(base: Options, config: Options) -> Options:
    """Merge an inherited configuration as MkDocs does: mappings deeply, the rest replaced."""
    merged = dict(base)
    for key, value in config.items():
        inner = merged.get(key)
        if isinstance(inner, dict) and isinstance(value, dict):
            value = _merged(inner, value)
        merged[key] = value
    return merged


def _entries(listed: Any) -> Iterator[tuple[str, Options]]:
    """Yield names and options; the configuration may be a list or a mapping."""
    entries = list(listed.items()) if isinstance(listed, dict) else []
    entries += [(entry, None) for entry in listed] if isinstance(listed, list) else []
    for entry, options in entries:
        if isinstance(entry, dict):
            yield from _entries(entry)
        else:
            yield str(entry), options if isinstance(options, dict) else {}


def _plugins(listed: Any) -> Iterator[tuple[str, Options]]:
    """Yield the plugins that are on, with those of Material's groups."""
    for name, options in _entries(listed):
        if options.get("enabled") is False:
            continue
        if name.removeprefix("material/") == "group":
            yield from _plugins(options.get("plugins"))
        else:
            yield name.removeprefix("material/"), options


def built_pages(site: Site, paths: Iterable[str]) -> list[str]:
    """Return the paths that `exclude_docs`, `draft_docs` and the exclude plugin leave."""
    lines = [*_ALWAYS_EXCLUDED]
    for key in ("exclude_docs", "draft_docs"):
        own = str(site.config.get(key) or "").split("\n")
        lines += own
        for line in (line for line in own if line.startswith(("!.", "!/."))):
            kind = "exceptions for hidden files are not followed"
            site.lost(kind, key, line)
    options = site.plugin("exclude") or {}
    globs, patterns = texts(options.get("glob")), texts(options.get("regex"))
    paths = [
        path
        for path in paths
        if not ignored(path, lines) and not any(fnmatchcase(path, glob) for glob in globs)
    ]
    for pattern in patterns:
        try:
            with page_time_limit(site.files.limits.page_seconds):
                paths = [path for path in paths if not re.match(pattern, path)]
        except (re.error, TooSlow):
            site.lost("patterns could not be followed", "plugins", pattern)
    return paths


def texts(value: Any) -> list[str]:
    """Return the texts of a list, or a text alone."""
    listed = value if isinstance(value, list) else [value]
    return [each for each in listed if isinstance(each, str)]
