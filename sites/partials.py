"""Put together an MDX page: the partials it imports, its constants and its code blocks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

from sites.fences import text_paragraph
from sites.files import Files, Report, real_path
from sites.front_matter import lines_above, split_front_matter
from sites.includes import Include, Includes, relative_name
from sites.markdown import Dialect, give_anchors
from sites.script import evaluate, read_module
from sites.script_types import Computed, Imported
from sites.site_config import Scripts

IMPORTS = "imports could not be found"
COMPONENTS = "components were left out"
EXPRESSIONS = "expressions could not be read without running a program"
_OWN = ("@theme", "@docusaurus/")
"""Modules of the generator itself: tabs, cards and other frames around the text."""
_RAW = re.compile(r"(?:-?!{0,2}raw-loader!|!{0,2}(?=[^!]+\?raw$))(?P<file>.+?)(?:\?raw)?")
"""An import of a file as text, by a loader or, in webpack's own way, by `?raw`."""
_HIDDEN = frozenset({"head", "style", "script"})
_FILLED = frozenset({"mdx_expression", "mdx_tag"})
_CLOSERS = frozenset({"paragraph_close", "heading_close", "table_close"})

Tag = tuple[str, dict[str, str]]
Rules = Callable[[str, Mapping[str, Any]], tuple[Dialect, MarkdownIt]]
"""Returns the dialect and the parser for a file, by its path and front matter."""


class _File(NamedTuple):
    """A page or partial that is being put together."""

    place: Path
    name: str
    above: int
    """Lines of front matter."""
    names: Mapping[str, Any]

    def at(self, token: Token) -> str:
        return f"{self.name}:{self.above + token.map[0] + 1}" if token.map else self.name


class PageText(NamedTuple):
    """A page without its front matter."""

    meta: Mapping[str, Any]
    body: str
    above: int
    """Lines of front matter."""


class Partials:
    """Parses pages and inserts what they import."""

    def __init__(self, files: Files, folder: Path, site: Path, scripts: Scripts) -> None:
        """`folder` holds the pages; `@site` in an import stands for `site`."""
        self._files, self._scripts = files, scripts
        self._folder, self._site = folder, site
        self._parsed: dict[tuple[Path, int], tuple[list[Token], int]] = {}
        self._includes = Includes(files, folder, "")

    def read(self, path: str, page: PageText, rules: Rules) -> list[Token]:
        """Return the tokens of a page."""
        names = {"frontMatter": page.meta}
        self._rules = rules
        self._includes = Includes(self._files, self._folder, path)
        file = _File(self._folder / path, path, page.above, names)
        tokens = list(self._insert(rules(path, page.meta)[1].parse(page.body), file))
        self._includes.report()
        return tokens

    def _lost(self, kind: str, file: _File, token: Token, detail: str) -> None:
        self._files.report.losses.add(kind, file.at(token), detail)

    def _insert(self, tokens: Sequence[Token], file: _File) -> Iterator[Token]:
        """Yield the tokens of a file, and those of a partial in place of its tag."""
        script = "\n".join(token.content for token in tokens if token.type == "mdx_esm")
        if script:
            file = file._replace(names={**file.names, **read_module(script).names})
        waiting: list[Token] = []
        for token in _whole_code(_visible(tokens)):
            if token.type == "mdx_tags":
                yield from self._flow(token, file)
                continue
            if token.type == "inline" and any(c.type in _FILLED for c in token.children or ()):
                # A copy, since a partial may stand in several places.
                token = token.copy(children=list(token.children or ()))
                waiting += self._inline(token, token.children or [], file)
            yield token
            if token.type in _CLOSERS and waiting:
                yield from waiting
                waiting = []

    def _inline(self, near: Token, children: list[Token], file: _File) -> Iterator[Token]:
        """Give expressions their words; yield the partials that stand in the text."""
        for at, child in enumerate(children):
            if child.type == "mdx_expression":
                words = self._words(child.content, near, file)
                children[at] = child.copy(meta={"words": words})
            elif child.type == "mdx_tag":
                yield from self._component(child.meta["tags"][0], near, file) or ()
            elif child.type in ("softbreak", "hardbreak") and near.map:
                near = near.copy(map=[line + 1 for line in near.map])

    def _flow(self, token: Token, file: _File) -> Iterator[Token]:
        """Yield what a line of tags and expressions stands for."""
        tags: list[Tag] = token.meta["tags"]
        at = 0
        while at < len(tags):
            name, attributes = tags[at]
            at += 1
            if name == "{":
                if words := self._words(attributes["source"], token, file).strip():
                    yield from text_paragraph(words, token)
            elif name == "CodeBlock" and tags[at : at + 1] and tags[at][0] == "{":
                yield from self._code(attributes, tags[at][1]["source"], token, file)
                at += 1
            elif (inserted := self._component((name, attributes), token, file)) is not None:
                yield from inserted
            else:
                yield Token("mdx_tags", "", 0, meta={"tags": [(name, attributes)]}, map=token.map)

    def _code(
        self, attributes: dict[str, str], source: str, near: Token, file: _File
    ) -> Iterator[Token]:
        """Yield `<CodeBlock language="js" title="a.js">{`…`}</CodeBlock>` as title and fence."""
        if title := attributes.get("title"):
            yield from text_paragraph(title, near)
        code = self._words(source, near, file).strip("\n") + "\n"
        info = attributes.get("language", "")
        yield Token("fence", "code", 0, content=code, info=info, map=near.map)

    def _words(self, source: str, near: Token, file: _File) -> str:
        """Return the text of an expression; one that is computed is named."""
        value = evaluate(source, file.names, partial(self._scripts.load, file.place))
        if isinstance(value, Computed) and (raw := _RAW.fullmatch(value.name)):
            return self._raw(raw["file"], near, file)
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return self._includes.filled(str(value), f"{{{source.strip()}}}")
        if isinstance(value, Computed | dict | list):
            self._lost(EXPRESSIONS, file, near, f"{{{source.strip()}}}")
        return value.text if isinstance(value, Computed) else ""

    def _raw(self, name: str, near: Token, file: _File) -> str:
        """Return the text of a file that is shown as code."""
        place = self._place(name, file)
        with self._includes.including(Include(name, place, at=file.at(near))) as text:
            return text

    def _place(self, name: str, file: _File) -> Path:
        below = name.startswith("@site/")
        return real_path(self._site / name[6:] if below else file.place.parent / name)

    def _component(self, tag: Tag, near: Token, file: _File) -> list[Token] | None:
        """Return the partial that a tag stands for; None for any other tag."""
        name, attributes = tag
        value = file.names.get(name)
        module = value.module if isinstance(value, Imported) else ""
        if module.endswith((".md", ".mdx")) and value == Imported(module, "default"):
            return self._partial(module, attributes, near, file)
        known = not name[:1].isupper() or module.startswith(_OWN)
        if "/" in attributes and not known:
            self._lost(COMPONENTS, file, near, f"<{name} />")
        return None

    def _partial(
        self, module: str, attributes: dict[str, str], near: Token, file: _File
    ) -> list[Token]:
        known = {name: value for name, value in attributes.items() if value}
        props = {"children": "", **known}  # the content of its tag is read where it stands
        place = self._place(module, file)
        imported = Include(module, place, at=file.at(near), missing=IMPORTS)
        with self._includes.including(imported) as text:
            if not text:
                return []
            tokens, above = self._tokens(place, text)
            name = relative_name(place, self._folder)
            return list(self._insert(tokens, _File(place, name, above, {"props": props})))

    def _tokens(self, place: Path, text: str) -> tuple[list[Token], int]:
        """Parse a partial once; each file numbers its own headings."""
        meta, body = split_front_matter(text, place.name, Report())
        dialect, parser = self._rules(place.name, meta)
        key = (place, id(parser))
        if key not in self._parsed:
            tokens = parser.parse(body)
            give_anchors(tokens, dialect)
            self._parsed[key] = tokens, lines_above(text, body)
        return self._parsed[key]


def _visible(tokens: Sequence[Token]) -> Iterator[Token]:
    """Yield the tokens without the contents of `<head>`, `<style>` and `<script>`."""
    hidden = ""
    for token in tokens:
        if token.type == "mdx_tags":
            names = [name.lower() for name, _ in token.meta["tags"]]
            opened = next((name for name in names if name in _HIDDEN), "")
            if hidden or opened:
                hidden = "" if f"/{hidden or opened}" in names else hidden or opened
                continue
        if not hidden:
            yield token


def _whole_code(tokens: Iterable[Token]) -> Iterator[Token]:
    """Yield the tokens, with a `<CodeBlock>` and the expression on the next line as one."""
    opened: Token | None = None
    for token in tokens:
        if opened and token.type == "mdx_tags":
            meta = {"tags": [*opened.meta["tags"], *token.meta["tags"]]}
            yield Token("mdx_tags", "", 0, meta=meta, map=token.map, level=opened.level)
            opened = None
            continue
        if opened:
            yield opened
            opened = None
        if token.type == "mdx_tags" and token.meta["tags"][-1][0] == "CodeBlock":
            opened = token
        else:
            yield token
    if opened:
        yield opened
