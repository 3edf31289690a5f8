"""The packages on a host: those of `requirements.txt`, without development tools."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from tests.support.service import ROOT


def shipped() -> Iterator[Distribution]:
    """Yield the installed distributions of `requirements.txt` for this platform."""
    for name in re.findall(r"^([\w.-]+)==", (ROOT / "requirements.txt").read_text(), re.M):
        with suppress(PackageNotFoundError):
            yield distribution(name)


def linked(folder: Path) -> Path:
    """Create a folder with links to them, for a Python that uses no other packages (`-S`).

    Otherwise optional imports would count: httpx imports rich, 4 MB, which hosts do not have.
    """
    folder.mkdir()
    for package in shipped():
        for name in {file.parts[0] for file in package.files or ()} - {"..", "__pycache__"}:
            link = folder / name
            if not link.is_symlink():  # a namespace shared by several packages
                link.symlink_to(Path(str(package.locate_file(name))))
    return folder
