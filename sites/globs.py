"""Match paths against globs such as `**/*.{md,mdx}`, as minimatch and tinyglobby do."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

MAX_FORMS = 64
"""Alternatives of one glob; further ones are ignored."""


def matches(path: str, globs: Iterable[str]) -> bool:
    """Return whether a path matches one of the globs. `!` at the start of a glob excludes."""
    hit = False
    for glob in globs:
        bare = glob.removeprefix("!").removeprefix("./").lstrip("/")
        if any(_match(path.split("/"), form.split("/")) for form in _forms(bare)):
            hit = not glob.startswith("!")
    return hit


def _forms(glob: str) -> list[str]:
    """Write out the alternatives in braces."""
    done: list[str] = []
    left = [glob]
    while left and len(done) + len(left) <= MAX_FORMS:
        form = left.pop()
        begin = form.find("{")
        end = form.find("}", begin)
        if begin < 0 or end < 0:
            done.append(form)
            continue
        begin = form.rfind("{", 0, end)
        left += [form[:begin] + part + form[end + 1 :] for part in form[begin + 1 : end].split(",")]
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
