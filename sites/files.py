"""Read untrusted source folders safely: links, sizes, encodings, front matter."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

MAX_FILE_BYTES = 4_000_000
"""Larger files are not hand-written prose."""
MAX_FILES = 50_000
MAX_FRONT_MATTER = 64_000
"""Characters; anything longer is not front matter."""
SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__"})
MARKDOWN = (".md", ".mdx", ".markdown")


def real_path(path: Path) -> Path:
    """Resolve a path. Unlike `Path.resolve`, circular links do not raise."""
    return Path(os.path.realpath(path))


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that could not be used, or only in part; the message names it and says why."""

    source_path: str
    message: str


@dataclass(slots=True)
class Report:
    """Collects the problems of one run."""

    problems: list[Problem] = field(default_factory=list)

    def add(self, source_path: str, message: str) -> None:
        """Add a problem. The message reads on from the path: `is empty, so it was skipped.`"""
        self.problems.append(Problem(source_path, f"{source_path} {message}"))

    def add_all(self, source_path: str, messages: Sequence[str]) -> None:
        for message in messages:
            self.add(source_path, message)


def list_files(root: Path, suffixes: Sequence[str], report: Report) -> list[str]:
    """List paths below `root` with one of the suffixes, sorted, with forward slashes.

    Symbolic links are followed, but no folder is entered twice: a link to a parent is a
    problem, not a loop. Hidden folders and `node_modules` are left out.
    """
    found: list[str] = []
    seen: set[str] = set()
    for folder, names, files in os.walk(root, followlinks=True):
        relative = Path(folder).relative_to(root).as_posix()
        real = os.path.realpath(folder)
        if real in seen:
            report.add(relative, "is a link to a folder that was already read, so it was skipped.")
            names.clear()
            continue
        seen.add(real)
        names[:] = sorted(n for n in names if not n.startswith(".") and n not in SKIPPED_FOLDERS)
        prefix = "" if relative == "." else f"{relative}/"
        found += [prefix + name for name in files if name.lower().endswith(tuple(suffixes))]
        if len(found) > MAX_FILES:
            report.add(relative, f"is where reading stopped: the limit is {MAX_FILES:,} files.")
            del found[MAX_FILES:]
            break
    return sorted(found)


def read_text(root: Path, path: str, report: Report) -> str | None:
    """Read a file as text with `\\n` line ends, or report a problem and return None."""
    try:
        with open(root / path, "rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        report.add(path, f"could not be read ({reason}), so it was skipped.")
        return None
    if len(data) > MAX_FILE_BYTES:
        limit = f"{MAX_FILE_BYTES // 1_000_000} MB"
        report.add(path, f"is larger than {limit}, so it was skipped.")
        return None
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16", errors="replace")
    elif b"\0" in data:
        report.add(path, "is a binary file, not text, so it was skipped.")
        return None
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            text = data.decode("utf-8-sig", errors="replace")
            line = data.count(b"\n", 0, error.start) + 1
            report.add(path, f"is not valid UTF-8 (line {line}); unreadable bytes became �.")
    if not text.strip():
        report.add(path, "is empty, so it was skipped.")
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def split_front_matter(text: str, path: str, report: Report) -> tuple[dict[str, Any], str]:
    """Split a page into its YAML front matter, as a dictionary, and the body.

    Invalid front matter is reported as a problem and dropped.
    """
    if not text.startswith("---"):
        return {}, text
    first, _, rest = text.partition("\n")
    if first.strip("- \t"):
        return {}, text
    end = 0
    for line in rest[:MAX_FRONT_MATTER].splitlines(keepends=True):
        if line.rstrip() in ("---", "..."):
            break
        end += len(line)
    else:
        return {}, text
    head, body = rest[:end], rest[end:].partition("\n")[2]
    try:
        data = yaml.safe_load(head)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 2}" if mark else ""
        reason = getattr(error, "problem", None) or "it cannot be parsed"
        report.add(path, f"has broken front matter{where} ({reason}); the page is read without it.")
        return {}, body
    if data is None:
        return {}, body
    if not isinstance(data, dict):  # two horizontal rules with prose between them
        return {}, text
    return {str(key): value for key, value in data.items()}, body


def load_yaml(root: Path, path: str, report: Report) -> dict[str, Any]:
    """Read a YAML mapping; tags such as `!!python/name:…` and `!ENV` become plain values.

    Nothing is constructed or executed. A broken file is a problem and gives {}.
    """
    text = read_text(root, path, report)
    if text is None:
        return {}
    try:
        # The loader below extends SafeLoader and creates plain values only.
        data = yaml.load(text, Loader=_PlainLoader)  # noqa: S506
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        report.add(path, f"is not valid YAML ({type(error).__name__}); it was ignored.")
        return {}
    return data if isinstance(data, dict) else {}


class _PlainLoader(yaml.SafeLoader):
    """A safe YAML loader that ignores unknown tags."""


def _plain(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return node.value


_PlainLoader.add_multi_constructor("!", _plain)
_PlainLoader.add_multi_constructor("tag:yaml.org,2002:python/", _plain)
