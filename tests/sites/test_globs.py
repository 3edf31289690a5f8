"""Lines of a .gitignore, with the answers of pathspec's GitIgnoreSpec, which MkDocs uses."""

from __future__ import annotations

import pytest

from sites.globs import ignored


@pytest.mark.parametrize(
    ("path", "lines", "expected"),
    [
        ("a/b.md", ["a/", "!b.md"], False),  # its own name counts before its folder's
        ("a/b.md", ["!b.md", "a/"], False),
        ("a/b.md", ["b.md", "!a/"], True),
        ("a/b.md", ["a/", "!a/"], False),
        ("a/b.md", ["/b.md"], False),
        ("a/b.md", ["a/*", "# a", "", "\\#x"], True),
        ("x/a/b.md", ["a/b.md"], False),
        ("x/a/b.md", ["**/a/**"], True),
        ("#x", ["\\#x"], True),
        ("a/b/c.md", ["a/**/c.md"], True),
        ("a", ["a/"], False),
        (".c/b.md", [".*"], True),
    ],
)
def test_ignored(path: str, lines: list[str], expected: bool) -> None:
    assert ignored(path, lines) is expected
