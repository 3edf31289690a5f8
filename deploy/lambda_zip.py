"""Build the zip for AWS Lambda, without Docker, on any machine.

    python deploy/lambda_zip.py [--arch arm64] [--python 3.13] [--out build/lambda.zip]

The zip contains the pinned wheels for Lambda's Linux, not for this machine. Builds are
reproducible, so deploying unchanged sources does nothing. Bytecode is compiled with Lambda's
Python version if it is installed here; without it every cold start compiles all modules.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from deploy.prune import prune  # noqa: E402

PLATFORMS = {"x86_64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}
"""Lambda's architecture names and the matching wheel platforms for Amazon Linux 2023."""
PYTHONS = ("3.12", "3.13", "3.14")
"""Lambda's runtimes on Amazon Linux 2023; 3.11 uses an older one, too old for these wheels."""
WIDGET = (
    "widget/admin.html",
    "widget/page.html",
    "widget/widget.js",
    "widget/widget-languages.js",
    "widget/widget-assistant.js",
)
"""The files of `widget/` that are served; the rest are sources and build files."""
SOURCES = ("handlers", "rag", "sites", "web", *WIDGET, "router.py")
TASK = "/var/task"
"""Where Lambda unpacks the zip; the path shown in tracebacks."""
LIMIT = 250_000_000
"""Bytes unzipped, layers included: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""


def build(arch: str, python: str, out: Path) -> int:
    """Write the zip and return its unzipped size in bytes."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _install(root, arch, python)
        prune(root)
        for name in SOURCES:
            source = ROOT / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", ".*")
                shutil.copytree(source, root / name, ignore=ignored)
            else:
                (root / name).parent.mkdir(exist_ok=True)
                shutil.copy(source, root / name)
        _compile(root, python)
        size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
        if size > LIMIT:
            sys.exit(f"The zip would be {size / 1e6:.0f} MB unzipped; Lambda's limit is 250 MB.")
        out.parent.mkdir(parents=True, exist_ok=True)
        _zip(root, out)
    return size


def _install(root: Path, arch: str, python: str) -> None:
    """Install the pinned wheels with uv, which evaluates markers for the target; pip cannot."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        sys.exit("uv is required to fetch packages for another platform: pip install uv")
    command: list[str | Path] = [uv, "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--target", root, "--only-binary", ":all:", "--link-mode", "copy", "--no-config"]
    command += ["--python-platform", PLATFORMS[arch], "--python-version", python]
    if subprocess.run([*command, "-r", ROOT / "requirements.txt"], check=False).returncode:
        sys.exit("The packages could not be fetched; see uv's output above.")
    for leftover in (root / "bin", root / ".lock"):
        shutil.rmtree(leftover, ignore_errors=True) if leftover.is_dir() else leftover.unlink(True)
    for pattern in ("*.dist-info/uv_*", "*.dist-info/REQUESTED", "*.dist-info/INSTALLER"):
        for record in root.glob(pattern):
            record.unlink()


def _compile(root: Path, python: str) -> None:
    interpreter = find_python(python)
    if interpreter is None:
        print(
            f"python{python} is not installed, so the zip has no bytecode and every cold "
            f"start compiles all modules: install Python {python}, or choose another with --python."
        )
        return
    command: list[str | Path] = [
        interpreter,
        "-m",
        "compileall",
        "-q",
        "-j",
        "1",
        "-s",
        root,
        "-p",
        TASK,
    ]
    command += ["--invalidation-mode", "unchecked-hash", root]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": "0"})


def find_python(version: str) -> str | None:
    """Find an interpreter of exactly this version: the running one, or one on the PATH."""
    for candidate in (sys.executable, shutil.which(f"python{version}")):
        if candidate is None:
            continue
        asked = [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        answer = subprocess.run(asked, capture_output=True, text=True, check=False)
        if answer.stdout.strip() == version:
            return candidate
    return None


def _zip(root: Path, out: Path) -> None:
    """Write a reproducible zip: sorted, without timestamps, with fixed permissions."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(root.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(path.relative_to(root).as_posix())
                entry.external_attr = 0o100755 << 16 if path.suffix == ".so" else 0o100644 << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, path.read_bytes())


def default_python() -> str:
    """Return the newest Lambda Python that is installed here, or 3.13."""
    return next((version for version in reversed(PYTHONS) if find_python(version)), "3.13")


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the zip for AWS Lambda.")
    parser.add_argument("--arch", choices=PLATFORMS, default="arm64")
    parser.add_argument("--python", choices=PYTHONS, help="Python version of the Lambda runtime")
    parser.add_argument("--out", type=Path, help="default: build/lambda-ARCH.zip")
    options = parser.parse_args()
    python = options.python or default_python()
    out = options.out or ROOT / "build" / f"lambda-{options.arch}.zip"
    size = build(options.arch, python, out)
    print(
        f"{out}: {out.stat().st_size / 1e6:.1f} MB, {size / 1e6:.1f} MB unzipped, "
        f"python{python}, {options.arch}"
    )


if __name__ == "__main__":
    main()
