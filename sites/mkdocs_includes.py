"""Files that extensions and a plugin of MkDocs insert into a page.

`--8<-- "file:section"`: https://facelessuser.github.io/pymdown-extensions/extensions/snippets
`{% include "a.md" %}`: https://github.com/mondeja/mkdocs-include-markdown-plugin
`{!a.md [ln:1-3]!}`, by its path from the folder of the build: https://github.com/neurobin/mdx_include
`{* a.py ln[1:3] hl[2] *}`, code: https://github.com/tiangolo/markdown-include-variants. The site
also shows the whole file and its variants, folded away; they repeat the code and are left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from textwrap import dedent
from typing import Any

from sites.files import real_path
from sites.includes import Include, Includes, marked_lines
from sites.mkdocs_config import Options, Site, texts

_DIRECTIVE = re.compile(
    r"^(?P<indent>[ \t]{0,100})(?P<escape>;?)-+8<-+(?:[ \t]+([\"'])(?P<name>[^\"'\n]+)\3"
    r"|[ \t]*\n(?P<names>(?:(?![ \t]*;?-+8<-)[^\n]*\n){0,200})[ \t]*-+8<-+)[ \t]*$",
    re.MULTILINE,
)
_MARK = re.compile(
    r"(?<!-)-++8<-++[ \t]++\[[ \t]*(?:start|(?P<end>end))[ \t]*:[ \t]*(?P<name>[\w-]+)[ \t]*\]"
)
_LINES = re.compile(r"-?[0-9]{0,9}(?::-?[0-9]{0,9})?(?:,-?[0-9]{0,9}(?::-?[0-9]{0,9})?)*")


class Snippets:
    """The snippets of a site, with paths from its configuration or from above its pages."""

    def __init__(self, options: Mapping[str, Any], site: Site) -> None:
        bases = texts(options.get("base_path")) or ["."]
        for name, folder in (("$config_dir", site.folder), ("$docs_dir", site.root)):
            bases = [base.replace(name, str(folder), 1) for base in bases]
        folders = (real_path(site.folder), real_path(site.root.parent))
        self._bases = [folder / base for folder in folders for base in bases]
        self._beside = "" in bases
        """Whether snippets are looked for beside the page: `!relative` is an empty text."""
        self._appended = texts(options.get("auto_append"))
        self._dedent = options.get("dedent_subsections") is True

    def insert(self, body: str, includes: Includes) -> str:
        """Return a page with its snippets."""
        body = "\n\n".join([body, *(f'--8<-- "{name}"' for name in self._appended)])
        return includes.expand(body, _DIRECTIVE, self._includes)

    def _includes(self, match: re.Match[str], folder: Path) -> list[Include | str]:
        """Return the file that a line names, or those in the lines of a block."""
        if match["escape"]:
            return [match[0].replace(";", "", 1)]
        found: list[Include | str] = []
        for name in (match["name"] or match["names"]).split("\n"):
            if name.strip() and name.strip()[0] != ";":
                found += ["\n"] * bool(found)
                found.append(self._include(match["indent"], name.strip(), folder))
        return found

    def _include(self, indent: str, named: str, folder: Path) -> Include:
        if "://" in named:
            return Include(named, None, missing="snippets from addresses are not read")
        name, _, part = named.partition(":")
        bases = [*self._bases, *[folder] * self._beside]
        files = [base for base in bases if base.name == name and os.path.isfile(base)]
        places = [*files, *(base / name for base in bases)]
        place = next((place for place in places if os.path.isfile(place)), places[0])
        return Include(named, place, partial(cut, indent, part, flat=self._dedent))


def cut(indent: str, part: str, text: str, *, flat: bool = False) -> str:
    """Return the lines of a text, such as `2,4:6`, or its section of a name.

    `flat` removes the indent that they share.
    """
    lines = text.removesuffix("\n").split("\n")
    if part and _LINES.fullmatch(part):
        lines = [line for window in part.split(",") for line in _window(lines, window)]
    elif part:
        lines = list(marked_lines(lines, _MARK, part))
    if part and flat:
        lines = dedent("\n".join(lines)).split("\n")
    return "\n".join(indent + line for line in lines if not _MARK.search(line)).rstrip()


def _window(lines: list[str], window: str) -> list[str]:
    """Return the lines of `2`, `2:4`, `:4` or `-3:`; a negative number counts from the end."""
    first, colon, last = window.partition(":")
    begin, end = (
        len(lines) + 1 + number if number < 0 else number
        for number in (int(first or 1), int(last or len(lines)))
    )
    return lines[max(begin, 1) - 1 : end if colon else len(lines)]


_TAGGED = (
    r"(?m)(^[\w.\\ \t]{{0,100}}+)?{}-?\s{{0,20}}include(?:-markdown)?\s{{1,20}}"
    r"(?:\"([^\"\n]{{1,300}})\"|'([^'\n]{{1,300}})')([\s\S]{{0,500}}?){}"
)
_TAG_ARGUMENT = re.compile(
    r"\b([a-z-]+)=(?:\"((?:[^\"\\]|\\.)*+)\"|'((?:[^'\\]|\\.)*+)'|([\w-]+))", re.DOTALL
)
_ESCAPE = re.compile(r"\\(.)")
_LETTERS = {"n": "\n", "t": "\t", "r": "\r"}
_FRONT_MATTER = re.compile(r"---\n(?:(?!---\n)[^\n]*\n){0,200}---\n")


def include_markdown(body: str, options: Options, root: Path, includes: Includes) -> str:
    """Return a page with its included files; `root` is the folder of all pages."""
    tags = options.get("opening_tag") or "{%", options.get("closing_tag") or "%}"
    pattern = re.compile(_TAGGED.format(*(re.escape(str(tag)) for tag in tags)))
    usual = {str(key).replace("_", "-"): value for key, value in options.items()}
    return includes.expand(body, pattern, partial(_tagged, root, usual))


def _tagged(root: Path, usual: Options, match: re.Match[str], folder: Path) -> list[Include | str]:
    before, name = match[1] or "", match[2] or match[3]
    if "://" in name:
        return [before, Include(name, None, missing="includes from addresses are not read")]
    relative = name.startswith(("./", "../"))
    place = folder / name if relative else root / name.lstrip("/")
    given = {
        found[1]: found[2] or found[3] or found[4] for found in _TAG_ARGUMENT.finditer(match[4])
    }
    cut = partial(_cut_marked, usual | given, re.sub(r"\S", " ", before))
    return [before, Include(name, place, cut)]


def _cut_marked(arguments: Options, indent: str, text: str) -> str:
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
    return _ESCAPE.sub(lambda found: _LETTERS.get(found[1], found[1]), str(mark or ""))


EXTENSIONS = ("mdx_include", "markdown_include.include", "markdown_include_variants")
_BRACED = re.compile(r"(?<!\\)\{([!*])[+-]?>?[ \t]*+([^\s\[\]|{}!*]{1,300}+)([^{}\n]{0,500})\1\}")
_BRACED_LINES = re.compile(r"\bln(?::|\[)([\d:,-]+)\]")


def mdx_include(body: str, site: Site, includes: Includes) -> str:
    """Return a page with its included files."""
    options = next(filter(None, map(site.extensions.get, EXTENSIONS)), {})
    base = site.folder / str(options.get("base_path") or ".")
    return includes.expand(body, _BRACED, partial(_braced, base))


def _braced(base: Path, match: re.Match[str], _folder: Path) -> list[Include | str]:
    lines = _BRACED_LINES.search(match[3])
    windows = re.findall(r"(\d+)(?:[:-](\d+))?", lines[1]) if lines else []
    part = ",".join(f"{first}:{last or first}" for first, last in windows if first != "0")
    found = Include(match[2], base / match[2], partial(cut, "", part))
    return ["```python\n", found, "\n```"] if match[1] == "*" else [found]
