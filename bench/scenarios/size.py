"""Disk size of the service and its pinned packages, before and after pruning.

Counts the installed packages of `requirements.txt` without bytecode, and again after
`deploy/prune.py` with the service's own files: the contents of the Lambda zip before bytecode,
and what the image adds to its base. The image itself is not built, which would need Docker.
"""

from __future__ import annotations

import shutil
from importlib.metadata import Distribution
from pathlib import Path
from typing import TYPE_CHECKING

from bench.packages import shipped
from bench.report import Row
from deploy.lambda_zip import SOURCES
from deploy.prune import prune
from tests.support.service import ROOT

if TYPE_CHECKING:
    from bench.__main__ import Bench


def run(bench: Bench) -> list[Row]:
    site = bench.folder / "site-packages"
    for package in shipped():
        _copy(package, site)
    whole = _weight(site)
    prune(site)
    own = sum(_weight(ROOT / name) for name in SOURCES)
    return [
        Row("packages", whole, "MB"),
        Row("pruned, with the service", _weight(site) + own, "MB", goal=180),
        Row("the service alone", own, "MB"),
    ]


def _copy(installed: Distribution, site: Path) -> None:
    for file in installed.files or ():
        source = Path(str(installed.locate_file(file)))
        if ".." in file.parts or source.suffix == ".pyc" or not source.is_file():
            continue
        target = site / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _weight(path: Path) -> float:
    files = [path] if path.is_file() else path.rglob("*")
    return sum(f.stat().st_size for f in files if f.is_file() and f.suffix != ".pyc") / 1e6
