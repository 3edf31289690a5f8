"""Contents of the image and the Lambda zip, and that the zip is reproducible."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from deploy.lambda_zip import PYTHONS, _zip, find_python
from deploy.prune import prune
from tests.support.service import ROOT


def distribution(site: Path, name: str, *files: str) -> None:
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    for file in files:
        (site / file).parent.mkdir(parents=True, exist_ok=True)
        (site / file).write_text("x = 1\n")
    record = [*files, f"../../bin/{name}", f"{info.name}/RECORD"]
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in record))


def test_only_the_listed_parts_are_pruned(tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    distribution(site, "huggingface_hub", "huggingface_hub/api.py", "huggingface_hub/a/b.py")
    distribution(site, "types_requests", "requests-stubs/__init__.pyi")
    distribution(site, "requests", "requests/__init__.py", "requests/api.pyi")
    distribution(site, "numpy", "numpy/__init__.py", "numpy/lib/tests/a.py", "numpy/f2py/a.py")
    (tmp_path / "bin").mkdir()
    assert prune(site) > 0
    assert prune(site) == 0
    left = {path.relative_to(site).as_posix() for path in site.rglob("*.py*")}
    assert left == {"requests/__init__.py", "numpy/__init__.py"}
    assert (tmp_path / "bin").exists()


def test_the_same_files_make_the_same_zip(tmp_path: Path) -> None:
    for name in ("one", "two"):
        root = tmp_path / name
        for file in ("b.py", "a.py", "lib/c.so") if name == "one" else ("lib/c.so", "a.py", "b.py"):
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).write_text(file)
            (root / file).chmod(0o600 if name == "one" else 0o644)
        _zip(root, tmp_path / f"{name}.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("arch", ["x86_64", "arm64"])
def test_the_zip_is_reproducible_and_small_enough(tmp_path: Path, arch: str) -> None:
    python = next((version for version in PYTHONS if find_python(version)), PYTHONS[0])
    made = []
    for name in ("one.zip", "two.zip"):
        command = [sys.executable, "deploy/lambda_zip.py", "--arch", arch, "--python", python]
        finished = subprocess.run(
            [*command, "--out", str(tmp_path / name)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        made.append((tmp_path / name).read_bytes())
    assert made[0] == made[1]
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        names = archive.namelist()
        assert sum(entry.file_size for entry in archive.infolist()) < 180_000_000
    assert "router.py" in names
    served = {name for name in names if name.startswith("widget/")}
    assert served == {
        "widget/admin.html",
        "widget/page.html",
        "widget/widget.js",
        "widget/widget-languages.js",
        "widget/widget-assistant.js",
    }
    assert not any(name.startswith(("huggingface_hub", "tests", ".env", "docs")) for name in names)
    machine = {"x86_64": "x86_64", "arm64": "aarch64"}[arch]
    binaries = [name for name in names if "linux-gnu" in name]
    assert binaries
    assert all(machine in name for name in binaries)
