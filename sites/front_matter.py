"""Parse the YAML of a configuration or of a page's front matter as plain, bounded data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from sites.files import Files
from sites.report import Report

MAX_FRONT_MATTER = 64_000
"""Characters; anything longer is not front matter."""
_FRONT_MATTER = re.compile(
    r"---(?:[- \t]*|ya?ml|json)\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE
)
_KEYS = re.compile(
    r"(?: {0,3}[\w-]++:[^\n]*+(?:\n|\Z)(?:(?: {4}|\t)[ \t]*+[^\s][^\n]*+(?:\n|\Z))*+)++", re.ASCII
)
_KEY = re.compile(r"^ {0,3}([\w-]++):(.*(?:\n[ \t].*)*)", re.ASCII | re.MULTILINE)
MAX_YAML = 200_000
"""Characters of a configuration."""
MAX_YAML_DEPTH = 50
MAX_REPEATED = 5_000
"""Values that the aliases of a YAML text may repeat together."""
MAX_DIGITS = 40
"""Longer numbers are text: Python refuses to print an integer of 4,300 digits."""


class BadYaml(Exception):
    """The text is not YAML or more than is read; the message says why."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        """`line` counts from 0."""
        super().__init__(reason)
        self._line = line

    def where(self, above: int = 0) -> str:
        """Return ` in line 7`, or "" if it is not known. `above` lines stand before the text."""
        return "" if self._line is None else f" in line {self._line + 1 + above}"


def parse_yaml(text: str) -> Any:
    """Parse YAML into plain values. Raises BadYaml.

    Nothing is constructed or executed: `!!python/name:a.b` is the text `a.b`, `!ENV` its default.
    """
    if text.lstrip().startswith("{"):  # JSON, which may be indented with tabs
        text = text.replace("\t", " ")
    if len(text) > MAX_YAML:
        raise BadYaml(f"it is longer than {MAX_YAML:,} characters")
    try:
        _check(text)
        return yaml.load(text, Loader=_PlainLoader)  # noqa: S506 - creates plain values only
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line if mark else None
        raise BadYaml(error.problem or "it cannot be parsed", line) from None
    except (yaml.YAMLError, RecursionError):
        raise BadYaml("it cannot be parsed") from None
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError):
        # PyYAML lets these out for values such as `!!bool maybe`.
        raise BadYaml("a value is not of its type") from None


def _check(text: str) -> None:
    """Raise BadYaml for what makes a small text large, or recursive, when it is loaded."""
    levels = sum(map(text.count, "-?:[{"))  # each level begins with one of these
    if levels <= MAX_YAML_DEPTH and "&" not in text and "*" not in text:
        return
    anchored: dict[str, tuple[int, int]] = {}
    open_nodes = [_Size()]
    repeated = 0
    for event in yaml.parse(text, Loader=_PlainLoader):
        line = event.start_mark.line if event.start_mark else None
        if isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append(_Size(event.anchor))
            ended = None
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in anchored:
                raise BadYaml("an alias names nothing above it, or what contains it", line)
            ended = _Size("", *anchored[event.anchor])
            repeated += ended.nodes
        elif isinstance(event, yaml.ScalarEvent):
            ended = _Size(event.anchor, 1)
        elif isinstance(event, yaml.CollectionEndEvent):
            ended = open_nodes.pop()
            ended.add(1, 0)
            ended.levels += 1
        else:
            continue
        if ended:
            open_nodes[-1].add(ended.nodes, ended.levels)
            if ended.anchor:
                anchored[ended.anchor] = ended.nodes, ended.levels
        if len(open_nodes) - 1 + open_nodes[-1].levels > MAX_YAML_DEPTH:
            raise BadYaml(f"it is nested more than {MAX_YAML_DEPTH} levels deep", line)
        if repeated > MAX_REPEATED:
            raise BadYaml(f"its aliases repeat more than {MAX_REPEATED:,} values", line)


@dataclass(slots=True)
class _Size:
    """The values of a YAML node with those of its aliases, and its levels."""

    anchor: str | None = None
    nodes: int = 0
    levels: int = 0

    def add(self, nodes: int, levels: int) -> None:
        self.nodes += nodes
        self.levels = max(self.levels, levels)


class _PlainLoader(yaml.SafeLoader):
    """A safe loader that reads unknown tags as plain values."""


def _text(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> str:
    """Return a text without half surrogates, which `"\\ud800"` makes and nothing can store."""
    value = str(loader.construct_scalar(node))
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _integer(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Any:
    too_long = len(node.value) > MAX_DIGITS
    return _text(loader, node) if too_long else loader.construct_yaml_int(node)


def _date(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Any:
    """Return a date; one that no calendar has, such as 2017-02-29, is text."""
    try:
        return loader.construct_yaml_timestamp(node)
    except ValueError:
        return _text(loader, node)


def _plain(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        values = loader.construct_sequence(node, deep=True)
        return values if suffix != "ENV" else values[-1] if values[1:] else None
    if not isinstance(node, yaml.ScalarNode) or suffix == "ENV":
        return None
    return _text(loader, node) or suffix.partition(":")[2]


_PlainLoader.add_constructor("tag:yaml.org,2002:str", _text)
_PlainLoader.add_constructor("tag:yaml.org,2002:int", _integer)
_PlainLoader.add_constructor("tag:yaml.org,2002:timestamp", _date)
_PlainLoader.add_multi_constructor("!", _plain)
_PlainLoader.add_multi_constructor("tag:yaml.org,2002:python/", _plain)


def load_yaml(files: Files, folder: Path, path: str) -> dict[str, Any]:
    """Read a YAML mapping. A broken or missing file is a problem and gives {}."""
    try:
        data = parse_yaml(files.config(folder, path))
    except BadYaml as error:
        files.report.add(path, f"is not valid YAML{error.where()} ({error}); it was ignored.")
        return {}
    return data if isinstance(data, dict) else {}


@lru_cache(maxsize=4)
def lines_below(text: str, key: str) -> dict[str, int]:
    """Return each text below a top-level key of YAML, with its first line from 1."""
    try:
        root = yaml.compose(text, Loader=_PlainLoader)
    except yaml.YAMLError:
        return {}
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    left = [node for name, node in pairs if name.value == key]
    seen = set[int]()
    lines: dict[str, int] = {}
    for node in left:
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            left += [each for pair in node.value for each in pair]
        elif isinstance(node, yaml.SequenceNode):
            left += node.value
        else:
            first = int(node.start_mark.line) + (node.style in ("|", ">")) + 1
            for number, line in enumerate(node.value.split("\n"), start=first):
                lines.setdefault(line, number)
    return lines


def lines_above(text: str, body: str) -> int:
    """Return the number of lines of a page above its body, which ends it."""
    return text.count("\n") - body.count("\n")


def split_front_matter(text: str, path: str, report: Report) -> tuple[dict[str, Any], str]:
    """Split a page into its YAML front matter, as a dictionary, and the body.

    Invalid front matter is reported as a problem and dropped.
    """
    match = _FRONT_MATTER.match(text, 0, MAX_FRONT_MATTER)
    if match is None:
        return {}, text
    head, body = match[1], text[match.end() :]
    try:
        data = parse_yaml(head)
    except BadYaml as error:
        where = error.where(above=1)
        report.add(path, f"has broken front matter{where} ({error}); the page is read without it.")
        return {}, body
    if data is None:
        return {}, body
    if not isinstance(data, dict):  # two horizontal rules with prose between them
        return {}, text
    return {str(key): value for key, value in data.items()}, body


def split_keys(text: str) -> tuple[dict[str, Any], str]:
    """Split a page into keys with values above a blank line, as in MultiMarkdown, and the body."""
    match = _KEYS.match(text, 0, MAX_FRONT_MATTER)
    if match is None:
        return {}, text
    found: dict[str, Any] = {}
    for key, value in _KEY.findall(match[0]):
        found[key.lower()] = " ".join([found.get(key.lower(), ""), *value.split()]).strip()
    return found, text[match.end() :]
