"""Match paths against globs such as `**/*.{md,mdx}`, as minimatch and tinyglobby do.

`ignored` follows the rules of .gitignore instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

_BRACES = re.compile(r"\{([^{}]*)\}")
MAX_FORMS = 64
"""Alternatives of one glob; further ones are ignored."""


def matches(path: str, globs: Iterable[str]) -> bool:
    """Return whether a path matches one of the globs. `!` at the start of a glob excludes."""
    hit = False
    for glob in globs:
        bare = glob.removeprefix("!").removeprefix("./").lstrip("/")
        if any(_match(path.split("/"), form.split("/")) for form in forms(bare)):
            hit = not glob.startswith("!")
    return hit


def ignored(path: str, lines: Iterable[str]) -> bool:
    """Return whether the lines of a .gitignore exclude a file.

    As in MkDocs, the last line that matches the file itself counts; without any, the last one
    that matches a folder it is in. https://git-scm.com/docs/gitignore
    """
    parts = path.split("/")
    in_folder, by_name = False, None
    for line in lines:
        pattern = line.rstrip()
        excludes = not pattern.startswith("!")
        pattern = pattern if excludes else pattern[1:]
        if not pattern.strip("/") or pattern.startswith("#"):
            continue
        glob = re.sub(r"\\(.)", r"[\1]", pattern.strip("/")).split("/")
        if len(glob) == 1 and not pattern.startswith("/"):
            glob = ["**", *glob]
        if not pattern.endswith("/") and _match(parts, glob):
            by_name = excludes
        elif any(_match(parts[:count], glob) for count in range(1, len(parts))):
            in_folder = excludes
    return in_folder if by_name is None else by_name


def forms(glob: str) -> list[str]:
    """Write out the alternatives in braces."""
    done, left = list[str](), [glob]
    while left and len(done) + len(left) <= MAX_FORMS:
        form = left.pop()
        if braces := _BRACES.search(form):
            begin, end = form[: braces.start()], form[braces.end() :]
            left += [begin + part + end for part in braces[1].split(",")]
        else:
            done.append(form)
    return done


def _match(parts: list[str], glob: list[str]) -> bool:
    """Match folder by folder: `**` stands for any number of them."""
    reached = {0}
    for at, piece in enumerate(glob):
        last = at == len(glob) - 1
        if piece == "**":
            first = min(reached, default=len(parts) + 1)
            reached = set(range(first, len(parts) + (1 if not last else 0)))
            if last and reached:
                return True
        else:
            reached = {n + 1 for n in reached if n < len(parts) and fnmatchcase(parts[n], piece)}
    return len(parts) in reached
