"""What Vue fills into a VitePress page: `{{ values }}` and components."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby
from operator import attrgetter
from typing import Any

from markdown_it.token import Token

from sites.includes import Includes
from sites.losses import Losses
from sites.partials import COMPONENTS, EXPRESSIONS
from sites.script import evaluate, read_module
from sites.script_types import Load, shown_text

_VALUE = re.compile(r"<!--.*?(?:-->|\Z)|\{\{((?:[^{}]|\{(?!\{)|\}(?!\}))*+)\}\}", re.DOTALL)
_SCRIPT = re.compile(r"\s*+<(script|style)\b[^>]*+>", re.IGNORECASE)
_COMPONENT = re.compile(
    r"<(?P<name>[A-Z][\w.]*+|[a-z][a-z0-9]*+-[\w-]++)"
    r"(?P<rest>(?:[^<>\"']|\"[^\"]*\"|'[^']*')*+)>(?P<empty>\s*</(?P=name)\s*>)?"
)
_FILLED_CODE = re.compile(r"[\w+#.]+-vue\b")
"""The language of code in which values are filled in, too."""
_FRAMES = frozenset({"Badge", "ClientOnly", "Content"})
"""Components of VitePress itself that have no text of their own, or whose text is read."""


class Filling:
    """Fills in one page. What only a program would give is left out and named."""

    def __init__(
        self, meta: Mapping[str, Any], origin: Includes, losses: Losses, load: Load
    ) -> None:
        """`origin` knows which file and line each line of the page is from, `load` its imports."""
        self._names: dict[str, Any] = {"$frontmatter": meta}
        self._origin, self._losses, self._load = origin, losses, load
        self._keeps_braces = False

    def fill(self, tokens: Sequence[Token], body: str) -> None:
        """Fill in the tokens of a page's body."""
        self._keeps_braces = "v-pre" in body
        scripts = set[int]()
        for at, token in enumerate(tokens):
            script = _SCRIPT.match(token.content) if token.type == "html_block" else None
            if script:
                scripts.add(at)
                code = token.content[script.end() : token.content.rfind("</")]
                self._names |= read_module(code).names if script[1].lower() == "script" else {}
        for at, token in enumerate(tokens):
            line = token.map[0] if token.map else 0
            if token.type == "fence" and _FILLED_CODE.match(token.info):
                token.info = token.info.replace("-vue", "", 1)
                self._values(token, line + 1)
            elif token.type == "html_block" and at not in scripts:
                self._components(token.content, line)
                self._values(token, line)
            for kind, run in groupby(token.children or (), key=attrgetter("type")):
                children = list(run)
                if kind == "html_inline":
                    self._components("".join(child.content for child in children), line)
                for child in children if kind in ("text", "code_inline") else ():
                    self._values(child, line)
                line += len(children) if kind in ("softbreak", "hardbreak") else 0

    def _values(self, token: Token, line: int) -> None:
        """Fill in the values in a token that begins at a line."""

        def shown(match: re.Match[str]) -> str:
            text = shown_text(evaluate(match[1] or "", self._names, self._load))
            if text is not None:
                text = self._origin.filled(text, match[0])
                return escape(text, quote=False) if token.type == "html_block" else text
            if match[1] is None or self._keeps_braces or token.type == "code_inline":
                return match[0]
            place = self._origin.origin(line + token.content.count("\n", 0, match.start()))
            self._losses.add(EXPRESSIONS, place, match[0])
            return ""

        if "{{" in token.content:
            token.content = _VALUE.sub(shown, token.content)

    def _components(self, html: str, line: int) -> None:
        for match in _COMPONENT.finditer(html):
            if (match["empty"] or match["rest"].endswith("/")) and match["name"] not in _FRAMES:
                place = self._origin.origin(line + html.count("\n", 0, match.start()))
                self._losses.add(COMPONENTS, place, f"<{match['name']} />")
