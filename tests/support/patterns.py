"""Find every regular expression of the packages, and time each on text made to slow it down.

A child process does the timing, because a pattern that backtracks cannot be interrupted:

    python -m tests.support.patterns FIRST

prints one JSON line per pattern, from the FIRST on, and dies by SIGVTALRM if one takes too long.
"""

from __future__ import annotations

import ast
import importlib
import itertools
import json
import re
import signal
import sys
import time
import types
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rag.answering import code_reader, text_fragments
from sites import docusaurus_dialect, include_markdown

ROOT = Path(__file__).parents[2]
PACKAGES = ("rag", "handlers", "web", "sites", "router.py", "ingest.py")
BOOK = ("sites.", "rag.indexing.")
"""Modules whose patterns see whole pages. Others see at most LONG characters."""
SHORT, MIDDLE, LONG, PAGE = 500, 2_000, 20_000, 1_000_000
SECONDS_PER_MB = 4.0
"""Many times what a linear pattern takes. At LONG, a quadratic one takes ten times more."""
SECONDS_BOUNDED = 0.03
"""What a pattern may take whose input is short, on the longest input."""
SECONDS_PER_PATTERN = 6
FUNCTIONS = ("compile", "match", "search", "fullmatch", "finditer", "findall", "sub", "split")
SCANS = frozenset({"search", "finditer", "findall", "sub", "split"})

REVIEWED: dict[tuple[str, str], list[str | bytes]] = {
    ("rag.adapters.chat_model.parameters", r"f'\\b{n}\\b'"): [r"\btemperature\b"],
    ("rag.adapters.chat_model.control_tags", "names.replace(' ', '|')"): [
        r"(?:\w+_)?(?:think|thinking|thoughts?)|(?:thinking|thought)_(?:process|steps?|trace)|cot",
        r"(?:special|reserved|unused(?:_token)?|placeholder)_?\d+",
        r"(?:tool_|function_|python_tag)\w*|calls",
        r"\w+",
    ],
    ("rag.adapters.vector_store.qdrant_writer", "f'{re.escape(self._alias)}_[0-9a-f]{{8}}'"): [
        "book_[0-9a-f]{8}"
    ],
    ("rag.indexing.chunking", "f'^ {{0,{min(below, default=0)}}}'"): [
        "(?m)^ {0,0}",
        "(?m)^ {0,40}",
    ],
    ("sites.docusaurus_dialect", "_MAGIC_LINE.replace('MARKS', marks)"): [
        "(?m)" + docusaurus_dialect._MAGIC_LINE.replace("MARKS", "highlight-start|a-b")
    ],
    (
        "sites.include_markdown",
        "_DIRECTIVE.format(*(re.escape(str(tag)) for tag in tags))",
    ): [
        include_markdown._DIRECTIVE.format(r"\{%", "%}"),
        include_markdown._DIRECTIVE.format("<", ">"),
    ],
    ("rag.language.detect", "letters"): ["[\u3040-\u30ff]"],
    ("rag.language.tokens", "'|'.join(longest_first)"): ["何ですか|です|か|を"],
    (
        "rag.retrieval.spelling",
        r"f'{first}(?<!\\w{first})\\w{{{rest - allowed},{rest + allowed}}}(?!\\w)'",
    ): [r"a(?<!\wa)\w{2,4}(?!\w)", r"a(?<!\wa)\w{61,65}(?!\w)"],
    ("rag.answering.code_reader", "f'(?<!`){run}(?!`)'"): ["(?<!`)``(?!`)"],
    ("web.cors", "pattern"): [r"https://(?=[^.]{1,63}\.)docs-[a-z0-9]{9}-acme\.vercel\.app"],
    ("rag.retrieval.spelling", r"f'(?<!\\w){re.escape(word)}(?!\\w)'"): [r"(?<!\w)typo(?!\w)"],
    ("handlers.static_files", "f'<{tag}[^>]*>(.+?)</{tag}>'.encode()"): [
        b"<style[^>]*>(.+?)</style>"
    ],
    ("sites.mdbook", "key"): [r"^[ \t]*\[?(?:preprocessor\.)?[\"']?toc[\"']?[ \t]*[].=]"],
    ("sites.rewrites", "pattern"): ["en|fr", "[^/]+", ".+"],  # of few repetitions
    ("sites.mkdocs_config", "pattern"): [r"private/.*"],  # the author's own, under a clock
    ("sites.other_generators", "generator.says"): [
        "starlight",
        "jb-|^project:",
        r"mintlify|\"navigation\"",
        r"^(?:extensions|html_theme|master_doc|root_doc|project)[ \t]*=",
    ],
}
"""Patterns that are put together while the program runs: module, source, and examples of them."""


OURS = {
    "rag.adapters.database.postgres_sql._PARAMETERS": "our own SQL, before parameters are put in",
    "rag.adapters.database.postgres_sql._PIECES": "the schema",
    "handlers.static_files: f'<{tag}[^>]*>(.+?)</{tag}>'.encode()": "our own pages",
}
"""Patterns that see nothing of readers, books or services."""
BOUNDED = {
    "rag.answering.text_fragments._MARKUP": text_fragments.LONGEST_BLOCK,
    "rag.answering.citation_filter.ends_with_prefix": code_reader.TAIL,
    "rag.answering.citation_filter.is_line_start": code_reader.TAIL,
    "rag.answering.citation_filter.is_indexed": code_reader.TAIL,
    "rag.answering.citation_habits._is_exponent": code_reader.TAIL,
    "rag.language.sentences._ABBREVIATION": 16,
}
"""Patterns whose callers cut what they see to so many characters."""


@dataclass
class Found:
    """A pattern, where it is, and the methods it is used with."""

    where: str
    pattern: re.Pattern[Any]
    methods: set[str] = field(default_factory=set)

    @property
    def lengths(self) -> tuple[int, ...]:
        if self.where in BOUNDED:
            return (BOUNDED[self.where],)
        return (LONG, PAGE) if self.where.startswith(BOOK) else (LONG,)

    @property
    def limit(self) -> float:
        """Seconds per MB."""
        bound = BOUNDED.get(self.where)
        return SECONDS_BOUNDED / bound * 1e6 if bound else SECONDS_PER_MB


def modules() -> Iterator[tuple[str, Path]]:
    for place in PACKAGES:
        paths = [ROOT / place] if place.endswith(".py") else sorted((ROOT / place).rglob("*.py"))
        for path in paths:
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield name.removesuffix(".__init__"), path


def collect() -> tuple[list[Found], list[str]]:
    """Return all patterns, and the source of those that are neither literal nor reviewed."""
    found: dict[re.Pattern[Any], Found] = {}
    unknown: list[str] = []

    def add(where: str, pattern: re.Pattern[Any], methods: Iterable[str] = ()) -> None:
        found.setdefault(pattern, Found(where, pattern)).methods.update(methods)

    for name, path in modules():
        module, used = importlib.import_module(name), _methods_by_name(path)
        for variable, pattern, bound in _objects(module):
            methods = {bound} if bound else used.get(variable, set())
            add(f"{name}.{variable}", pattern, methods)
        for call, method in _calls(ast.parse(path.read_text())):
            source = ast.unparse(call.args[0])
            flags = _flags(call)
            methods = {method} if method else set()
            try:
                written = [eval(source, dict(vars(module)))]
            except NameError:
                written = list(REVIEWED.get((name, source), []))
                if not written:
                    unknown.append(f"{name}: {source}")
                methods = methods or {"search"}
            for text in written:
                compiled = re.compile(text, flags)
                add(f"{name}: {source}", compiled, methods)
    for each in found.values():
        each.methods = each.methods or {"search"}
    return list(found.values()), unknown


def _calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str]]:
    """Yield the calls of the module `re`, and the method that is used, as far as it is plain."""
    bound = {
        id(node.value): node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=function)):
                if function in FUNCTIONS:
                    yield node, bound.get(id(node), "") if function == "compile" else function


def _flags(call: ast.Call) -> int:
    """Return the flags of a call, wherever they are among its arguments."""
    values = [*call.args[1:], *(word.value for word in call.keywords)]
    nodes = [node for value in values for node in ast.walk(value)]
    named = [node for node in nodes if isinstance(node, ast.Attribute)]
    flags = [getattr(re, node.attr) for node in named if ast.unparse(node.value) == "re"]
    return int(sum({int(flag) for flag in flags if isinstance(flag, re.RegexFlag)}))


def _methods_by_name(path: Path) -> dict[str, set[str]]:
    """Return the methods of patterns that a module calls on each variable."""
    used: dict[str, set[str]] = {}
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=method) if method in FUNCTIONS:
                used.setdefault(name, set()).add(method)
    return used


def _objects(module: types.ModuleType) -> Iterator[tuple[str, re.Pattern[Any], str]]:
    """Yield the patterns a module holds, with the method if it holds a bound one."""
    seen: set[int] = set()

    def walk(value: Any, depth: int) -> Iterator[tuple[re.Pattern[Any], str]]:
        if id(value) in seen or depth > 6:
            return
        seen.add(id(value))
        if isinstance(value, re.Pattern):
            yield value, ""
        elif isinstance(value, types.BuiltinMethodType) and isinstance(value.__self__, re.Pattern):
            yield value.__self__, value.__name__
        elif isinstance(value, dict):
            yield from itertools.chain(*(walk(each, depth + 1) for each in value.values()))
        elif isinstance(value, list | tuple | set | frozenset):
            yield from itertools.chain(*(walk(each, depth + 1) for each in value))
        elif isinstance(value, type) and value.__module__ == module.__name__:
            yield from walk(dict(vars(value)), depth + 1)
        elif isinstance(value, types.FunctionType) and value.__module__ == module.__name__:
            cells = [cell.cell_contents for cell in value.__closure__ or ()]
            yield from walk([cells, value.__defaults__, value.__kwdefaults__], depth + 1)

    for name, value in vars(module).items():
        if not name.startswith("__"):
            for pattern, bound in walk(value, 0):
                yield name, pattern, bound


# ---------------------------------------------------------------- text to slow a pattern down

FLOODS = (
    " ", "\n", "\t", " \n", "\r\n", "a", "a ", "ab ", "a_", "*a _", "A", "1", "1.", "é", "中", "ไ",
    "e\u0301", "\u200d", "[", "]", "](", "[1]", "![", "[a](", "`", "` ", "``` ", "```\n", "~~~\n",
    "<", "<a ", "</", "<!--", "-->", "{", "}", "{#", '{a="b" ', "((", "))", "|", "- ", "> ", "1. ",
    "\\", "'", '"', "“", "-", "--", "::", ":", ":a", "//", "/*", "/", "a.", ". ", ".", "!", "。",
    "#", "# a\n", "=", "import a", "\0", "_", "*", "**a", "$", "^", "^(", "&", "&amp;", "a@",
)  # fmt: skip
ENDINGS = ("", "\0", "!", "\n", "x\n")


def attacks(pattern: re.Pattern[Any], most: int = 160) -> list[tuple[str, str, str]]:
    """Return triples of a beginning, a unit to repeat and an ending, derived from a pattern."""
    tree = re._parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE)
    pumped = list(dict.fromkeys(_pumped(tree, "")))
    whole = _sample(tree, 0)
    units = [("", whole), ("", whole[:-1]), ("", whole[1:]), ("", f"{whole} "), *pumped]
    units += [("", start + unit) for start, unit in pumped]
    letters = sorted(set(_letters(tree)))
    units += [("", letter) for letter in letters[:24]]
    units += [("", a + b) for a, b in itertools.permutations(letters[:7], 2)]
    derived = [(start, unit, "") for start, unit in dict.fromkeys(units) if unit]
    derived = derived[:most]
    derived += [(start, unit, end) for start, unit in pumped if unit for end in ENDINGS[1:]]
    return [*dict.fromkeys(derived), *(("", unit, "") for unit in FLOODS)]


def _sample(tree: Any, choice: int) -> str:
    """Return a text that roughly matches a parse tree. `choice` picks among alternatives."""
    return "".join(_piece(op, value, choice) for op, value in tree)


def _piece(op: Any, value: Any, choice: int) -> str:
    name = str(op)
    if name == "LITERAL":
        return chr(value)
    if name == "NOT_LITERAL":
        return "a" if value != ord("a") else "b"
    if name == "ANY":
        return "a"
    if name == "IN":
        letters = _members(value)
        return letters[choice % len(letters)] if letters else "a"
    if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        low, high, body = value
        return _sample(body, choice) * min(int(high), max(int(low), 1 + choice % 2), 8)
    if name == "SUBPATTERN":
        return _sample(value[-1], choice)
    if name == "ATOMIC_GROUP":
        return _sample(value, choice)
    if name == "BRANCH":
        return _sample(value[1][choice % len(value[1])], choice)
    if name == "GROUPREF":
        return "`"
    return "\n" if str(value) == "AT_BEGINNING" else ""


def _members(items: Any) -> list[str]:
    """Return some characters of a class. Of a negated one, characters that it lets through."""
    letters: list[str] = []
    negated = False
    for op, value in items:
        name = str(op)
        if name == "NEGATE":
            negated = True
        elif name == "LITERAL":
            letters.append(chr(value))
        elif name == "RANGE":
            letters += [chr(value[0]), chr(value[1])]
        elif name == "CATEGORY":
            category = str(value)
            letters += {
                "CATEGORY_SPACE": [" ", "\n"],
                "CATEGORY_WORD": ["a", "_", "1"],
                "CATEGORY_DIGIT": ["1"],
                "CATEGORY_NOT_SPACE": ["a", "-"],
                "CATEGORY_NOT_WORD": [" ", "-"],
                "CATEGORY_NOT_DIGIT": ["a", " "],
            }.get(category, ["a"])
    if negated:
        return [c for c in "a 1-\n[<`é" if c not in letters]
    return letters


def _pumped(tree: Any, before: str) -> Iterator[tuple[str, str]]:
    """Yield what precedes each repetition, and what it repeats."""
    for op, value in tree:
        name = str(op)
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            body = value[2]
            for choice in range(4):
                yield before, _sample(body, choice)
            yield from _pumped(body, before)
        elif name == "SUBPATTERN":
            yield from _pumped(value[-1], before)
        elif name == "ATOMIC_GROUP":
            yield from _pumped(value, before)
        elif name in ("ASSERT", "ASSERT_NOT"):
            yield from _pumped(value[1], before)
        elif name == "BRANCH":
            for branch in value[1]:
                yield from _pumped(branch, before)
        before += _piece(op, value, 0)


def _letters(tree: Any) -> Iterator[str]:
    for op, value in tree:
        name = str(op)
        if name in ("LITERAL", "NOT_LITERAL"):
            yield chr(value)
        elif name == "IN":
            yield from _members(value)[:6]
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            yield from _letters(value[2])
        elif name == "SUBPATTERN":
            yield from _letters(value[-1])
        elif name == "ATOMIC_GROUP":
            yield from _letters(value)
        elif name in ("ASSERT", "ASSERT_NOT"):
            yield from _letters(value[1])
        elif name == "BRANCH":
            for branch in value[1]:
                yield from _letters(branch)


# ---------------------------------------------------------------- timing


def _run(pattern: re.Pattern[Any], method: str, text: str) -> float:
    """Return the seconds of CPU time that a method takes on a text."""
    subject: Any = text.encode("utf-8", "replace") if isinstance(pattern.pattern, bytes) else text
    begin = time.thread_time()
    if method in SCANS:
        for _ in pattern.finditer(subject):
            pass
    else:
        getattr(pattern, method)(subject)
    return time.thread_time() - begin


def _text(attack: tuple[str, str, str], length: int) -> str:
    start, unit, end = attack
    return start + unit * max(1, (length - len(start) - len(end)) // len(unit)) + end


def worst(found: Found) -> tuple[float, str, int, str]:
    """Return seconds per MB, method, length and text of the slowest attack on a pattern.

    Cheap lengths come first, and only the slowest attacks go on to longer ones.
    """
    slowest = (0.0, "", 0, "")
    for method in sorted({"finditer" if m in SCANS else m for m in found.methods}):
        left: Sequence[tuple[str, str, str]] = attacks(found.pattern)
        before = [length for length in (SHORT, MIDDLE) if length < found.lengths[0]]
        for length, kept in zip((*before, *found.lengths), (40, 10, 2, 0), strict=False):
            timed = []
            at_least = max(length, found.lengths[0])  # a longer text takes at least as long
            for attack in left:
                text = _text(attack, length)
                seconds = _run(found.pattern, method, text)
                if 1 < seconds / at_least * 1e6 / found.limit < 5:  # perhaps just a busy machine
                    seconds = min(seconds, *(_run(found.pattern, method, text) for _ in range(2)))
                rate = seconds / at_least * 1e6
                slowest = max(slowest, (rate, method, at_least, f"{attack!r}"))
                if rate > found.limit:
                    return slowest
                timed.append((seconds, attack))
            timed.sort(key=lambda item: -item[0])
            left = [attack for _, attack in timed[:kept]]
    return slowest


def main(first: int) -> None:
    patterns, _ = collect()
    for number, found in enumerate(patterns[first:], first):
        print(json.dumps({"number": number, "where": found.where}), flush=True)
        if found.where not in OURS:
            signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS_PER_PATTERN)
            rate, *slowest = worst(found)
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            print(json.dumps({"slow": rate > found.limit, "rate": rate, "on": slowest}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
