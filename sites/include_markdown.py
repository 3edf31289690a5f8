"""Insert the files that the include-markdown plugin of MkDocs names: `{% include "a.md" %}`.

https://github.com/mondeja/mkdocs-include-markdown-plugin
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from sites.includes import Include, Includes
from sites.mkdocs_config import Options

_DIRECTIVE = (
    r"{}-?\s{{0,20}}include(?:-markdown)?\s{{1,20}}(?:\"([^\"\n]{{1,300}})\"|'([^'\n]{{1,300}})')"
    r"([\s\S]{{0,2000}}?){}"
)
_MARKS = re.compile(r"\b(start|end)=(?:\"([^\"]*)\"|'([^']*)')")
_FRONT_MATTER = re.compile(r"---\n(?:(?!---\n)[^\n]*\n){0,200}---\n")


def include_markdown(body: str, options: Options, root: Path, includes: Includes) -> str:
    """Return a page with its included files; `root` is the folder of all pages."""
    tags = options.get("opening_tag") or "{%", options.get("closing_tag") or "%}"
    pattern = re.compile(_DIRECTIVE.format(*(re.escape(str(tag)) for tag in tags)))
    return includes.expand(body, pattern, partial(_include, root))


def _include(root: Path, match: re.Match[str], folder: Path) -> list[Include | str]:
    name = match[1] or match[2]
    relative = name.startswith(("./", "../"))
    place = folder / name if relative else root / name.lstrip("/")
    marks = {mark[1]: mark[2] or mark[3] for mark in _MARKS.finditer(match[3])}
    return [Include(name, place, partial(_cut, marks.get("start"), marks.get("end")))]


def _cut(start: str | None, end: str | None, text: str) -> str:
    """Return the parts between the marks, without front matter."""
    head = _FRONT_MATTER.match(text)
    text = text[head.end() :] if head else text
    parts = text.split(start)[1:] if start else [text]
    return "".join(part.split(end)[0] if end else part for part in parts)
