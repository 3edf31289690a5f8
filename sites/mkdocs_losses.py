"""Name what MkDocs makes by running a program: plugins, hooks, macros, templates."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from sites.files import MAX_CONFIG_BYTES, Refused
from sites.globs import ignored
from sites.includes import Includes
from sites.losses import Losses
from sites.mkdocs_config import Site, texts
from sites.pymarkdown import is_known

_READ = frozenset(
    {"blog", "i18n", "awesome-pages", "awesome-nav", "literate-nav", "section-index", "search"}
    | {"tags", "social", "privacy", "offline", "minify", "optimize", "meta", "info", "typeset"}
    | {"git-revision-date", "git-revision-date-localized", "git-authors", "git-committers"}
    | {"git-committers-2", "redirects", "glightbox", "autorefs", "rss", "link-marker", "exclude"}
    | {"include-markdown", "open-in-new-tab", "panzoom", "htmlproofer", "llmstxt", "mike"}
)
"""Plugins that are followed, or change neither the text nor the addresses of pages."""
_JINJA_RUNNERS = ("macros", "zensical.extensions.macros", "markdownextradata", "table-reader")
_JINJA = {"variable": ("{{", "}}"), "block": ("{%", "%}")}
_PLACEHOLDER = re.compile(
    r"(<!--\s*+[\w-]++:?)(?:[^\n]{0,80}?-->)?|<(?:[A-Z]|[a-z]++_)[\w-]*+>|\{\{[^{}\n]{1,80}\}\}"
    r"|^[ \t]*+[`~]{3,}+[ \t]*+[^\s`]++[^\n`]*[ \t]([\w-]+)$",
    re.MULTILINE,
)
"""Comments, tags that HTML does not have, expressions, and words after the language of code."""
_EXECUTED = re.compile(
    r"^[ \t>]*+[`~]{3,}+([^\n`]*\bexec=[\"']?(?:on|1|true|yes)\b.*)", re.MULTILINE | re.IGNORECASE
)
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
    for hook in texts(site.config.get("hooks")):
        site.lost(f"hooks are not run; {_INSTEAD}", "hooks", hook)


def name_template(meta: Mapping[str, Any], text: str, site: Site) -> None:
    """Name the site's own template that a page asks for: it may hold the page's text."""
    own = str(meta.get("template") or "")
    found = _TEMPLATE.search(text) if own else None
    folder = site.theme.get("custom_dir")
    if found and folder and os.path.isfile(site.folder / str(folder) / own):
        losses = site.files.report.losses
        line = text.count("\n", 0, found.start()) + 1
        losses.add(f"templates are not rendered; {_INSTEAD}", f"{losses.page}:{line}", own)


def name_jinja(
    path: str, meta: Mapping[str, Any], body: str, site: Site, includes: Includes
) -> None:
    """Name a page's first expression of Jinja, which a plugin would run."""
    named = {**site.extensions, **dict(site.plugins)}
    options = next((named[name] for name in _JINJA_RUNNERS if name in named), None)
    if options is None:
        return
    forced = str(options.get("force_render_paths") or "").split("\n")
    usual = options.get("render_by_default") is not False or ignored(path, forced)
    if meta.get("render_macros", usual) is False:
        return
    found = []
    for kind, usual_signs in _JINJA.items():
        signs = zip(("start", "end"), usual_signs, strict=True)
        start, end = (str(options.get(f"j2_{kind}_{side}_string") or sign) for side, sign in signs)
        at = body.find(start)
        to = body.find(end, at)
        if 0 <= at < to:
            found.append((at, body[at : to + len(end)]))
    for at, text in sorted(found)[:1]:
        place = includes.origin(body.count("\n", 0, at))
        site.files.report.losses.add(f"macros are not run; {_INSTEAD}", place, text)


def name_executed(body: str, site: Site, includes: Includes) -> None:
    """Name the code of a page that markdown-exec would run, to show its output."""
    fences = str(site.extensions.get("pymdownx.superfences"))
    if site.plugin("markdown-exec") is not None or "markdown_exec" in fences:
        for found in _EXECUTED.finditer(body):
            place = includes.origin(body.count("\n", 0, found.start(1)))
            site.files.report.losses.add(
                f"outputs of code are missing; {_INSTEAD}", place, found[1]
            )


def hook_source(site: Site) -> str:
    """Return the code of the hooks and of the modules beside them, which they may import."""
    code = []
    for folder in {(site.folder / hook).parent for hook in texts(site.config.get("hooks"))}:
        with suppress(OSError):
            for path in folder.glob("*.py"):
                with suppress(Refused):
                    code.append(site.files.read(path, MAX_CONFIG_BYTES, hidden=True))
    return _bare(b"".join(code).decode("utf-8", "replace"))


def name_hooked(path: str, body: str, code: str, includes: Includes, losses: Losses) -> None:
    """Name a page whose path the hooks ask for, and its first placeholder that they know."""
    if any(f"=={quote}{_bare(path)}{quote}" in code for quote in "'\""):
        losses.add(f"pages are changed by hooks that are not run; {_INSTEAD}", path)
    marks: dict[str, re.Match[str]] = {}
    for found in _PLACEHOLDER.finditer(body) if code else ():
        marks.setdefault(_bare(found[found.lastindex or 0]), found)
    for mark, found in marks.items():
        if mark in code:
            place = includes.origin(body.count("\n", 0, found.start()))
            losses.add(f"placeholders for hooks are not replaced; {_INSTEAD}", place, found[0])
            break


def _bare(text: str) -> str:
    """Return a text without spaces and without the signs that a pattern has for them."""
    return re.sub(r"\\s|[\s\\*+?]", "", text)


def name_objects(lines: Iterable[str], body: str, includes: Includes, losses: Losses) -> None:
    """Name the objects that would be described from code, each by the line that asks for it."""
    numbered = enumerate(body.split("\n"))
    places = {line.strip(" \t>"): number for number, line in reversed(list(numbered))}
    for line in lines:
        at = places.get(line.strip(), 0)
        kind = f"descriptions from code are not rendered; {_INSTEAD}"
        losses.add(kind, includes.origin(at), line.partition(":::")[2].strip())
