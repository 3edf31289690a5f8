"""Put together an MDX page: the partials it imports, its constants, code blocks and tabs.

https://docusaurus.io/docs/markdown-features/react
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

from sites.block_rules import paragraph
from sites.files import Files, real_path
from sites.front_matter import lines_above, split_front_matter
from sites.html_blocks import fragment_words
from sites.html_tags import shows
from sites.includes import Include, Includes, relative_name
from sites.markdown import Dialect, give_anchors
from sites.records import described
from sites.report import Report
from sites.script import evaluate, read_module
from sites.script_types import Computed, Imported, shown_text
from sites.site_config import Scripts

IMPORTS = "imports could not be found"
COMPONENTS = "components were left out"
EXPRESSIONS = "expressions could not be read without running a program"
_OWN = ("@theme", "@docusaurus/")
"""Modules of the generator itself: tabs, cards and other frames around the text."""
_RAW = re.compile(r"(?:-?!{0,2}raw-loader!|!{0,2}(?=[^!]+\?raw$))(?P<file>.+?)(?:\?raw)?")
"""An import of a file as text, by a loader or, in webpack's own way, by `?raw`."""
_HEADING = re.compile(r"h[1-6]")
_CODE = ("code", "src", "source")
"""Names that components give to attributes with code."""
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


class Partials:
    """Parses pages and inserts what they import."""

    def __init__(self, files: Files, folder: Path, scripts: Scripts) -> None:
        """`folder` holds the pages."""
        self._files, self._folder, self._scripts = files, folder, scripts
        self._parsed: dict[tuple[Path, int], tuple[list[Token], int]] = {}
        self._includes = Includes(files, folder, "")

    def read(
        self, path: str, meta: Mapping[str, Any], body: str, above: int, rules: Rules
    ) -> list[Token]:
        """Return the tokens of a page; `above` counts its lines of front matter."""
        self._rules = rules
        self._includes = Includes(self._files, self._folder, path)
        self._labels: dict[str, Any] = {}
        file = _File(self._folder / path, path, above, {"frontMatter": meta})
        tokens = list(self._insert(rules(path, meta)[1].parse(body), file))
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
        before = Token("", "", 0)
        for token in _visible(tokens):
            last, before = before, token
            if token.type == "mdx_tag":
                yield from self._tag(token, last, file)
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
                name, attributes = tag = self._filled(child.meta["tag"], near, file)
                children[at] = child.copy(meta={"tag": tag})
                yield from self._component(name, attributes, near, file) or ()
            elif child.type in ("softbreak", "hardbreak") and near.map:
                near = near.copy(map=[line + 1 for line in near.map])

    def _tag(self, token: Token, last: Token, file: _File) -> Iterator[Token]:
        """Yield what a tag or expression that stands alone is for; `last` is before it."""
        name, attributes = tag = self._filled(token.meta["tag"], token, file)
        if name != "{":
            inserted = self._component(name, attributes, token, file)
            shown = _heading(tag, token) or [token.copy(meta={"tag": tag}), *_code(tag, token)]
            yield from shown if inserted is None else inserted
            return
        words = self._words(attributes["source"], token, file)
        opened, options = last.meta.get("tag", ("", {}))
        if opened == "CodeBlock":
            code, language = words.strip("\n") + "\n", options.get("language", "")
            yield Token("fence", "code", 0, content=code, info=language, map=token.map)
        elif words.strip():
            yield from paragraph(words, token.level, token.map, plain=True)

    def _filled(self, tag: Tag, near: Token, file: _File) -> Tag:
        """Return a tag with its attributes as texts; those that are computed are left out."""
        name, attributes = tag
        found: dict[str, str] = {}
        for key, text in attributes.items():
            if not key.endswith("="):
                found[key] = text
                continue
            key, value = key[:-1], self._value(text, file)
            shown = shown_text(value)
            if key == "values" and isinstance(value, list):  # of <Tabs>
                tabs = [tab for tab in value if isinstance(tab, dict)]
                self._labels |= {str(tab.get("value")): tab.get("label") for tab in tabs}
            elif isinstance(value, dict | list):
                lines = dict.fromkeys(described(value, found.get("name", "")))
                key, shown = f"{key}_text", "\n".join(lines) or None
            elif key in _CODE and (raw := self._raw(value, near, file)) is not None:
                shown = raw
            elif isinstance(value, Computed) and text.lstrip()[:1] == "<" and "{" not in text:
                shown = fragment_words(text.replace("<>", ""))
            elif isinstance(value, Computed) and name[:1].isupper() and shows(key):
                self._lost(EXPRESSIONS, file, near, f"{key}={{{text}}}")
            if shown is not None:
                found[key] = self._includes.filled(shown, key)
        label = self._labels.get(found.get("value", "")) if name == "TabItem" else None
        if isinstance(label, str):
            found["label"] = self._includes.filled(label, "label")
        return name, found

    def _value(self, source: str, file: _File) -> Any:
        return evaluate(source, file.names, partial(self._scripts.load, file.place))

    def _words(self, source: str, near: Token, file: _File) -> str:
        """Return the text of an expression; one that is computed is named."""
        value = self._value(source, file)
        if (raw := self._raw(value, near, file)) is not None:
            return raw
        if (shown := shown_text(value)) is not None:
            return self._includes.filled(shown, f"{{{source.strip()}}}")
        if isinstance(value, Computed | dict | list):
            self._lost(EXPRESSIONS, file, near, f"{{{source.strip()}}}")
        return value.text if isinstance(value, Computed) else ""

    def _raw(self, value: Any, near: Token, file: _File) -> str | None:
        """Return the text of a file that is imported as text; None for any other value."""
        raw = _RAW.fullmatch(value.name) if isinstance(value, Computed) else None
        if raw is None:
            return None
        place = real_path(self._scripts.place(file.place, raw["file"]))
        with self._includes.including(Include(raw["file"], place, at=file.at(near))) as text:
            return text

    def _component(
        self, name: str, attributes: dict[str, str], near: Token, file: _File
    ) -> list[Token] | None:
        """Return the partial that a tag stands for; None for any other tag."""
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
        props = {"children": "", **attributes}  # the content of its tag is read where it stands
        place = real_path(self._scripts.place(file.place, module))
        imported = Include(module, place, at=file.at(near), missing=IMPORTS)
        with self._includes.including(imported) as text:
            if not text:
                return []
            tokens, above = self._tokens(place, text)
            name = relative_name(place, self._folder)
            return list(self._insert(tokens, _File(place, name, above, {"props": props})))

    def _tokens(self, place: Path, text: str) -> tuple[list[Token], int]:
        """Parse a partial once; each file numbers its own headings."""
        meta, body = split_front_matter(text.lstrip(), place.name, Report())
        dialect, parser = self._rules(place.name, meta)
        key = (place, id(parser))
        if key not in self._parsed:
            tokens = parser.parse(body)
            give_anchors(tokens, dialect)
            self._parsed[key] = tokens, lines_above(text, body)
        return self._parsed[key]


def _heading(tag: Tag, token: Token) -> list[Token]:
    """Return the tokens of `<Heading as="h2" id="x" children="…">`; none for any other tag."""
    name, attributes = tag
    level, words = attributes.get("as", ""), attributes.get("children")
    if name != "Heading" or not _HEADING.fullmatch(level) or not words:
        return []
    opening, inline, closing = paragraph(words, token.level, token.map, plain=True)
    opening.type, opening.tag, closing.type = "heading_open", level, "heading_close"
    opening.meta = {"anchor": attributes.get("id", "")}
    return [opening, inline, closing]


def _code(tag: Tag, token: Token) -> Iterator[Token]:
    """Yield the code of several lines that a component is given."""
    name, attributes = tag
    for key in _CODE if name[:1].isupper() else ():
        code = attributes.get(key, "").strip("\n")
        if "\n" in code:
            info = attributes.get("language") or attributes.get("lang", "")
            yield Token("fence", "code", 0, content=f"{code}\n", info=info, map=token.map)


def _visible(tokens: Iterable[Token]) -> Iterator[Token]:
    """Yield the tokens without the contents of `<head>` and the like."""
    hidden = ""
    for token in tokens:
        name, attributes = token.meta.get("tag", ("", {}))
        if hidden:
            hidden = "" if name.lower() == f"/{hidden}" else hidden
        elif name.lower() in _HIDDEN:
            hidden = "" if "/" in attributes else name.lower()
        else:
            yield token
