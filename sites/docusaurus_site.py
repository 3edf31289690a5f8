"""Find the folders of pages that a Docusaurus configuration names, with their addresses.

https://docusaurus.io/docs/api/docusaurus-config and the options of the plugins for docs, blogs
and pages. Each plugin has a folder, and docs have one for each version; each translation of
them is in a folder below `i18n`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sites.docusaurus_dialect import MAGIC_COMMENTS
from sites.files import Files, real_path
from sites.script_types import Computed
from sites.sidebars import find_sidebars
from sites.site_config import Config, Scripts
from sites.source import site_path

_DEFAULTS = {"docs": ("docs", "docs"), "blog": ("blog", "blog"), "pages": ("src/pages", "/")}
"""Folder and address of each kind of plugin."""
EXCLUDED = ("**/_*.*", "**/_*/**", "**/*.test.*", "**/__tests__/**")
_GENERATORS_OF_PAGES = ("openapi", "typedoc", "redoc", "remote-content", "graphql", "notion")
"""In the names of plugins that write pages when the site is built."""
_KNOWN_PLUGINS = ("math", "katex", "mathjax", "npm2yarn", "mermaid", "sectionize")
"""In the names of Markdown plugins that change how a page looks, not what it says."""


_MISSING = "folders of pages could not be found"


@dataclass(frozen=True, slots=True)
class Source:
    """A folder of pages."""

    kind: str
    """docs, blog or pages"""
    plugin: str
    """Id of the plugin."""
    folder: Path | None
    """None if it is not there or may not be read."""
    base: str
    """Path of the folder's pages on the site."""
    language: str
    options: Any
    version: str = "current"
    published: bool = True
    """Whether this is the version that readers see first."""
    sidebars: Path | None = None
    math: bool = False
    original: Path | None = None
    """Folder of the pages that this one holds translations of; no others are published."""


@dataclass(frozen=True, slots=True)
class Site:
    """The settings that all pages share."""

    folder: Path
    config: Config
    scripts: Scripts
    title: str
    url: str
    language: str
    trailing_slash: bool | None
    markdown: str
    """mdx, md or detect: the format of pages that do not say it themselves."""
    magic_comments: tuple[str, ...]


def read_site(files: Files, folder: Path, name: str = "") -> Site:
    """Read the configuration called `name`; without one, the settings are the defaults."""
    scripts = Scripts(files, folder)
    config = Config(files, folder, name, scripts)
    for key in ("preprocessor", "parseFrontMatter"):
        if key in (config.get("markdown") or ()):
            config.ignored("markdown", key, kind="functions for Markdown were not run")
    return Site(
        folder,
        config,
        scripts,
        config.text("title") or "",
        ((config.text("url") or "") + (config.text("baseUrl") or "")).rstrip("/"),
        config.text("i18n", "defaultLocale") or "en",
        config.flag("trailingSlash"),
        config.text("markdown", "format") or "mdx",
        _magic_comments(config),
    )


def _magic_comments(config: Config) -> tuple[str, ...]:
    """Return the comments that the theme takes as marks for lines of code."""
    value = config.root
    for key in ("themeConfig", "prism", "magicComments"):
        value = value.get(key) if isinstance(value, dict) else None
    if not isinstance(value, list):
        return MAGIC_COMMENTS
    paths = (("line",), ("block", "start"), ("block", "end"))
    found = [config.text(*path, within=each) for each in value if each for path in paths]
    return tuple(filter(None, found))


def read_sources(files: Files, site: Site) -> list[Source]:
    """Return every folder of pages: all plugins, versions and languages."""
    found = [source for plugin in _plugins(site.config) for source in _sources(files, site, plugin)]
    found.sort(key=lambda source: source.kind != "docs")
    return [*found, *_translations(site, found)]


def _plugins(config: Config) -> Iterator[tuple[str, Any]]:
    """Yield (kind, options) of the plugins that publish Markdown."""
    presets = [(_name(preset), preset) for preset in config.items("presets")]
    for at, (name, _) in enumerate(presets):
        if any(word in name for word in _GENERATORS_OF_PAGES):
            config.ignored("presets", at, what=name)
    # Beside the classic preset, others only add their own pages or the look of the site.
    found = [each for word in ("classic", "preset") for each in presets if word in each[0]]
    docs = bool(found)
    for _, preset in found[:1]:
        options = _options(config, preset, "presets")
        for kind in _DEFAULTS:
            chosen = config.get(kind, within=options) if options is not None else None
            if chosen is not False:
                yield kind, chosen if isinstance(chosen, dict) else {}
    plugins = config.get("plugins")
    for at, plugin in enumerate(plugins if isinstance(plugins, list) else ()):
        name, options = _name(plugin), _options(config, plugin, "plugins")
        kind = name.rpartition("content-")[2]
        if "content-" in name and kind in _DEFAULTS:
            docs = docs or kind == "docs"
            yield kind, options or {}
        elif any(word in name for word in _GENERATORS_OF_PAGES):
            config.ignored("plugins", at, what=name)
        elif isinstance(plugin, Computed) and not name:
            config.lost(plugin, "plugins")
    if not docs:  # a preset of its own, or none: most have a folder `docs`
        yield "docs", {}


def _name(entry: Any) -> str:
    """Return the name of a preset or plugin, which is `name` or `[name, options]`."""
    name = entry[0] if isinstance(entry, list) and entry else entry
    name = name.name if isinstance(name, Computed) else name
    return name if isinstance(name, str) else ""


def _options(config: Config, entry: Any, key: str) -> Any:
    return config.known(entry[1], key) if isinstance(entry, list) and len(entry) > 1 else None


def _sources(files: Files, site: Site, plugin: tuple[str, Any]) -> Iterator[Source]:
    """Yield the folders of one plugin in the default language."""
    kind, options = plugin
    config = site.config
    name, base = _DEFAULTS[kind]
    plugin_id = config.text("id", within=options) or "default"
    route = config.text("routeBasePath", within=options)
    base = base if route is None else route
    own = config.text("path", within=options)
    if own and _has_current(config, options) and not os.path.isdir(site.folder / own):
        config.ignored("path", within=options, what=own, kind=_MISSING)
    folder = files.subfolder(site.folder, own or name, config.name)
    current = Source(
        kind,
        plugin_id,
        real_path(folder) if folder else None,
        site_path(base),
        site.language,
        options,
        math=_reads_math(config, options),
    )
    if kind != "docs":
        yield current
        return
    sidebars = find_sidebars(site.folder, config, options)
    yield from _versions(files, site, replace(current, sidebars=sidebars))


def _has_current(config: Config, options: Any) -> bool:
    """Return whether the docs without a version are published."""
    wanted = config.texts("onlyIncludeVersions", within=options)
    hidden = config.flag("includeCurrentVersion", within=options) is False
    return not hidden and (not wanted or "current" in wanted)


def _versions(files: Files, site: Site, current: Source) -> Iterator[Source]:
    """Yield a folder of docs in each of its versions; the last one has the shortest address."""
    config, options = site.config, current.options
    prefix = "" if current.plugin == "default" else f"{current.plugin}_"
    off = config.flag("disableVersioning", within=options) is True
    listed = Config(files, site.folder, "" if off else f"{prefix}versions.json")
    every = listed.texts()  # the newest is first
    wanted = config.texts("onlyIncludeVersions", within=options) or every
    names = [name for name in every if name in wanted]
    last = config.text("lastVersion", within=options) or next(iter(names), "current")
    current_name = ["current"] if _has_current(config, options) else list[str]()
    for name in current_name + names:
        own = config.text("versions", name, "path", within=options)
        default = "" if name == last else "next" if name == "current" else name
        source = replace(
            current,
            base=site_path(current.base, default if own is None else own),
            version=name,
            published=name == last,
        )
        if name != "current":
            place = f"{prefix}versioned_docs/version-{name}"
            if name == last and not os.path.isdir(site.folder / place):
                listed.ignored(every.index(name), what=place, kind=_MISSING)
            sidebars = f"{prefix}versioned_sidebars/version-{name}-sidebars.json"
            source = replace(
                source,
                folder=real_path(site.folder / place),
                sidebars=site.folder / sidebars,
            )
        yield source


def _translations(site: Site, sources: list[Source]) -> Iterator[Source]:
    """Yield the translated folders that exist."""
    config = site.config
    for locale in config.texts("i18n", "locales"):
        if locale == site.language:
            continue
        place = config.text("i18n", "path") or "i18n"
        language = config.text("i18n", "localeConfigs", locale, "htmlLang") or locale
        own = config.text("i18n", "localeConfigs", locale, "path") or locale
        if not os.path.isdir(site.folder / place / own):
            own = language  # the default of newer versions
        base = config.text("i18n", "localeConfigs", locale, "baseUrl")
        for source in sources:
            suffix = "" if source.plugin == "default" else f"-{source.plugin}"
            name = f"docusaurus-plugin-content-{source.kind}{suffix}"
            folder = site.folder / place / own / name
            if source.kind == "docs":
                current = source.version == "current"
                folder /= "current" if current else f"version-{source.version}"
            if os.path.isdir(folder):
                yield replace(
                    source,
                    folder=real_path(folder),
                    original=source.folder,
                    base=site_path(locale if base is None else base, source.base),
                    language=language,
                )


def _reads_math(config: Config, options: Any) -> bool:
    """Return whether remark-math is on; name the Markdown plugins that are not run."""
    math = False
    for key in ("remarkPlugins", "beforeDefaultRemarkPlugins", "rehypePlugins"):
        value = options.get(key) if isinstance(options, dict) else None
        for at, entry in enumerate(value if isinstance(value, list) else ()):
            name = _name(entry)
            math = math or (key != "rehypePlugins" and "math" in name.lower())
            if not any(word in name.lower() for word in _KNOWN_PLUGINS):
                kind = "plugins for Markdown were not run"
                config.ignored(key, at, within=options, what=name or key, kind=kind)
    return math
