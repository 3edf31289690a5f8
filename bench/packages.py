"""The packages that a host has: those of `requirements.txt`, without the developers' own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from tests.support.service import ROOT


def shipped() -> Iterator[Distribution]:
    """As they are installed beside this benchmark; what other platforms need is left out."""
    for name in re.findall(r"^([\w.-]+)==", (ROOT / "requirements.txt").read_text(), re.M):
        with suppress(PackageNotFoundError):
            yield distribution(name)


def linked(folder: Path) -> Path:
    """Make `folder`, with links to them: for a Python that looks nowhere else (`-S`).

    Some packages take what they find: httpx imports rich, 4 MB, which no host has.
    """
    folder.mkdir()
    for package in shipped():
        for name in {file.parts[0] for file in package.files or ()} - {"..", "__pycache__"}:
            link = folder / name
            if not link.is_symlink():  # a namespace of several
                link.symlink_to(Path(str(package.locate_file(name))))
    return folder
