"""Insert the files that the include-markdown plugin of MkDocs names: `{% include "a.md" %}`.

https://github.com/mondeja/mkdocs-include-markdown-plugin
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from textwrap import dedent
from typing import Any

from sites.includes import Include, Includes
from sites.mkdocs_config import Options

_DIRECTIVE = (
    r"(?m)(^[\w.\\ \t]{{0,100}}+)?{}-?\s{{0,20}}include(?:-markdown)?\s{{1,20}}"
    r"(?:\"([^\"\n]{{1,300}})\"|'([^'\n]{{1,300}})')([\s\S]{{0,500}}?){}"
)
_ARGUMENT = re.compile(
    r"\b([a-z-]+)=(?:\"((?:[^\"\\]|\\.)*+)\"|'((?:[^'\\]|\\.)*+)'|([\w-]+))", re.DOTALL
)
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}
_FRONT_MATTER = re.compile(r"---\n(?:(?!---\n)[^\n]*\n){0,200}---\n")


def include_markdown(body: str, options: Options, root: Path, includes: Includes) -> str:
    """Return a page with its included files; `root` is the folder of all pages."""
    tags = options.get("opening_tag") or "{%", options.get("closing_tag") or "%}"
    pattern = re.compile(_DIRECTIVE.format(*(re.escape(str(tag)) for tag in tags)))
    usual = {str(key).replace("_", "-"): value for key, value in options.items()}
    return includes.expand(body, pattern, partial(_include, root, usual))


def _include(root: Path, usual: Options, match: re.Match[str], folder: Path) -> list[Include | str]:
    before, name = match[1] or "", match[2] or match[3]
    if "://" in name:
        return [before, Include(name, None, missing="includes from addresses are not read")]
    relative = name.startswith(("./", "../"))
    place = folder / name if relative else root / name.lstrip("/")
    given = {found[1]: found[2] or found[3] or found[4] for found in _ARGUMENT.finditer(match[4])}
    cut = partial(_cut, usual | given, re.sub(r"\S", " ", before))
    return [before, Include(name, place, cut)]


def _cut(arguments: Options, indent: str, text: str) -> str:
    """Return the parts between the marks, without front matter, below the directive."""
    head = _FRONT_MATTER.match(text)
    text = text[head.end() :] if head else text
    start, end = (_unescaped(arguments.get(name)) for name in ("start", "end"))
    parts = text.split(start)[1:] or [text] * bool(end) if start else [text]
    text = "".join(part.split(end)[0] if end else part for part in parts)
    if str(arguments.get("dedent")).lower() == "true":
        text = dedent(text)
    if str(arguments.get("preserve-includer-indent")).lower() != "false":
        text = re.sub(r"\n(?=[^\n])", f"\n{indent}", text)
    return text


def _unescaped(mark: Any) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), str(mark or ""))
