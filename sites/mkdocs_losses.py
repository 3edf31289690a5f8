"""Name what MkDocs makes by running a program: plugins, hooks, macros, templates."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from sites.includes import Includes
from sites.losses import Losses
from sites.mkdocs_config import Site
from sites.pymarkdown import is_known

_READ = frozenset(
    {"blog", "i18n", "awesome-pages", "awesome-nav", "literate-nav", "section-index", "search"}
    | {"tags", "social", "privacy", "offline", "minify", "optimize", "meta", "info", "typeset"}
    | {"git-revision-date", "git-revision-date-localized", "git-authors", "git-committers"}
    | {"git-committers-2", "redirects", "glightbox", "autorefs", "rss", "link-marker", "exclude"}
    | {"include-markdown", "open-in-new-tab", "panzoom", "htmlproofer", "llmstxt", "mike"}
)
"""Plugins that are followed, or change neither the text nor the addresses of pages."""
_JINJA = re.compile(r"\{\{[^{}]{0,500}\}\}|\{%[^%]{0,500}%\}")
_TEMPLATE = re.compile(r"^template:", re.MULTILINE)
_INSTEAD = "index the built site instead (`mkdocs build`, then `python ingest.py site`)"


def name_unread(site: Site) -> None:
    """Name the plugins, extensions and hooks that are not run."""
    for name, _ in site.plugins:
        if name not in _READ | {"macros", "mkdocstrings"}:
            site.lost(f"plugins are not run; {_INSTEAD}", "plugins", name)
    for name in site.extensions:
        if not is_known(name):
            site.lost(f"extensions are not run; {_INSTEAD}", "markdown_extensions", name)
    hooks = site.config.get("hooks")
    for hook in hooks if isinstance(hooks, list) else ():
        site.lost(f"hooks are not run; {_INSTEAD}", "hooks", str(hook))


def name_template(meta: Mapping[str, Any], text: str, site: Site) -> None:
    """Name the site's own template that a page asks for: it may hold the page's text."""
    own = str(meta.get("template") or "")
    found = _TEMPLATE.search(text) if own else None
    folder = site.theme.get("custom_dir")
    if found and folder and os.path.isfile(site.folder / str(folder) / own):
        losses = site.files.report.losses
        line = text.count("\n", 0, found.start()) + 1
        losses.add(f"templates are not rendered; {_INSTEAD}", f"{losses.page}:{line}", own)


def name_jinja(body: str, includes: Includes, losses: Losses) -> None:
    """Name a page's first expression of Jinja, which the macros plugin would run."""
    if match := _JINJA.search(body):
        place = includes.origin(body.count("\n", 0, match.start()))
        losses.add(f"macros are not run; {_INSTEAD}", place, match[0])


def name_objects(lines: Iterable[str], body: str, includes: Includes, losses: Losses) -> None:
    """Name the objects that would be described from code, each by the line that asks for it."""
    numbered = enumerate(body.split("\n"))
    places = {line.strip(" \t>"): number for number, line in reversed(list(numbered))}
    for line in lines:
        at = places.get(line.strip(), 0)
        kind = f"descriptions from code are not rendered; {_INSTEAD}"
        losses.add(kind, includes.origin(at), line.partition(":::")[2].strip())
