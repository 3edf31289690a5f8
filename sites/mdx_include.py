"""Insert the files that two extensions name by their path from the folder of the build.

`{!a.md [ln:1-3]!}` inserts lines: https://github.com/neurobin/mdx_include
`{* a.py ln[1:3] hl[2] *}` shows code: https://github.com/tiangolo/markdown-include-variants. The
site also shows the whole file and its variants, folded away; they repeat the code and are left out.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from sites.includes import Include, Includes
from sites.mkdocs_config import Site
from sites.pymdownx_snippets import cut

EXTENSIONS = ("mdx_include", "markdown_include.include", "markdown_include_variants")
_DIRECTIVE = re.compile(
    r"(?<!\\)\{([!*])[+-]?>?[ \t]*+([^\s\[\]|{}!*]{1,300}+)([^{}\n]{0,500})\1\}"
)
_LINES = re.compile(r"\bln(?::|\[)([\d:,-]+)\]")


def mdx_include(body: str, site: Site, includes: Includes) -> str:
    """Return a page with its included files."""
    options = next(filter(None, map(site.extensions.get, EXTENSIONS)), {})
    base = site.folder / str(options.get("base_path") or ".")
    return includes.expand(body, _DIRECTIVE, partial(_include, base))


def _include(base: Path, match: re.Match[str], _folder: Path) -> list[Include | str]:
    lines = _LINES.search(match[3])
    windows = re.findall(r"(\d+)(?:[:-](\d+))?", lines[1]) if lines else []
    part = ",".join(f"{first}:{last or first}" for first, last in windows if first != "0")
    found = Include(match[2], base / match[2], partial(cut, "", part))
    return ["```python\n", found, "\n```"] if match[1] == "*" else [found]
