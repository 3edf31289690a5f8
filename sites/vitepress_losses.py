"""Name what VitePress makes by running a program: plugins and functions for Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import reduce
from itertools import pairwise
from typing import Any

from sites.script_tokens import Tokens, walk
from sites.script_types import Computed
from sites.site_config import Config

_KNOWN = ("icon", "tabs", "footnote", "task", "mermaid", "twoslash", "copy", "image", "lazy")
"""In the names of plugins that are followed, or change how a page looks, not what it says."""
_NOT_FOLLOWED = (("anchor", "level"), ("anchor", "getTokensText"), ("typographer",))
"""Settings below `markdown` that change text or anchors."""
_FOR_MARKDOWN = re.compile(r"markdown|\bmd\b", re.IGNORECASE)
_PLUGINS = "plugins for Markdown were not run"


def name_unread(config: Config) -> None:
    """Name the plugins and functions that would change the text of pages."""
    markdown = _at(config.root, "markdown")
    for key in ("preConfig", "config"):
        setup = _at(markdown, key)
        if setup is None:
            continue
        body = setup.body if isinstance(setup, Computed) else ()
        plugins = list(_used(body))
        if not plugins or any(token.is_("ruler", "renderer") for token in walk(body)):
            config.ignored("markdown", key, kind="functions for Markdown were not run")
        for name in plugins:
            if not any(word in name.lower() for word in _KNOWN):
                config.ignored("markdown", key, what=name, kind=_PLUGINS)
    for path in _NOT_FOLLOWED:
        if reduce(_at, path, markdown):
            kind = "settings for Markdown are not followed"
            config.ignored("markdown", *path, kind=kind)
    builders = _at(_at(config.root, "vite"), "plugins")
    for at, plugin in enumerate(builders if isinstance(builders, list) else ()):
        name = plugin.name if isinstance(plugin, Computed) else str(_at(plugin, "name"))
        if _FOR_MARKDOWN.search(name):
            config.ignored("vite", "plugins", at, what=name, kind=_PLUGINS)


def _at(value: Any, key: str) -> Any:
    """Return a member of an object, also a computed one, or None."""
    return value.get(key) if isinstance(value, dict) else None


def _used(body: Tokens) -> Iterator[str]:
    """Yield the names of the plugins that a function passes to `md.use(…)`."""
    for token, group in pairwise(walk(body)):
        if token.is_("use") and group.kind == "(" and group.items:
            yield group.items[0].text
