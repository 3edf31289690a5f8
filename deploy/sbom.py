"""Write a bill of materials and a list of licences, and check for known vulnerabilities.

    python deploy/sbom.py sbom             build/sbom.json (CycloneDX 1.5), build/licences.md
    python deploy/sbom.py audit            asks osv.dev about every pinned package
    python deploy/sbom.py audit --strict   also fails if osv.dev cannot be reached

uv does the work. It needs a project, so the pins become the dependencies of a project in a
temporary folder. Three things are added to uv's bill: licences from the installed packages,
hashes from the pins, and the Markdown parser in the widget.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ("requirements.txt", "requirements-embedded.txt")
TOOLS = ("requirements-dev.txt",)
ELSEWHERE = "not installed here"
"""Stands for the licence of a package for other platforms or Python versions."""

_PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)(?: ; ([^\\\n]+?))? *\\?$")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Pin:
    """A requirement with its hashes."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]

    @property
    def requirement(self) -> str:
        line = f"{self.name}=={self.version}"
        return f"{line} ; {self.marker}" if self.marker else line


def pins(*files: str) -> list[Pin]:
    """Return the unique pins in these files. Raises ValueError for an unpinned line."""
    found: dict[str, Pin] = {}
    for file in files:
        head, hashes = None, list[str]()
        for line in [*(ROOT / file).read_text().splitlines(), ""]:
            if digest := _HASH.search(line):
                hashes.append(digest[1])
            elif not line.lstrip().startswith("#"):
                if head:
                    pin = Pin(head[1], head[2], head[3] or "", tuple(hashes))
                    found[pin.requirement] = pin
                head, hashes = _PIN.match(line), []
                if line.strip() and not head:
                    raise ValueError(f"{file}: {line!r} is not pinned")
    return list(found.values())


_BSD = "Redistribution and use in source and binary forms"


def licence_of(name: str, version: str) -> str:
    """Return the licence of an installed package, as an SPDX expression if possible."""
    try:
        about = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return ELSEWHERE
    if about["Version"] != version:
        return ELSEWHERE
    if "License-Expression" in about:
        return about["License-Expression"]
    classified = [
        kind.rpartition(" :: ")[2]
        for kind in about.get_all("Classifier") or ()
        if kind.startswith("License :: ") and kind.count(" :: ") > 1
    ]
    stated = about["License"].strip().splitlines() if "License" in about else []
    if not classified and any(_BSD in line for line in stated):  # the whole text of the licence
        return (
            "BSD-3-Clause" if any("Neither the name" in line for line in stated) else "BSD-2-Clause"
        )
    return ", ".join(classified) or (stated[0] if stated else "") or "not stated"


def marked() -> str:
    """Return the version of the Markdown lexer in `widget/widget.js`."""
    head = (ROOT / "widget/vendor/marked/marked.esm.js").read_text("utf-8")[:200]
    return head.partition("marked v")[2].split()[0]


def complete(bill: dict[str, Any], shipped: Iterable[Pin]) -> dict[str, Any]:
    """Add licences, hashes and the widget's parser to uv's bill."""
    by_name = {(pin.name, pin.version): pin for pin in shipped}
    for component in bill["components"]:
        pin = by_name[component["name"], component["version"]]
        licence = licence_of(pin.name, pin.version)
        if licence != ELSEWHERE:
            component["licenses"] = [{"license": {"name": licence}}]
        component["externalReferences"] = [
            {
                "type": "distribution",
                "url": f"https://pypi.org/project/{pin.name}/{pin.version}/",
                "hashes": [{"alg": "SHA-256", "content": digest} for digest in pin.hashes],
            }
        ]
    bill["components"].append(
        {
            "type": "library",
            "bom-ref": f"marked@{marked()}",
            "name": "marked",
            "version": marked(),
            "purl": f"pkg:npm/marked@{marked()}",
            "licenses": [{"license": {"name": "MIT"}}],
        }
    )
    return bill


def licences(shipped: Iterable[Pin]) -> str:
    """Return the licences as a Markdown table."""
    rows = {(pin.name, pin.version, licence_of(pin.name, pin.version)) for pin in shipped}
    rows.add(("marked (in the widget)", marked(), "MIT"))
    head = "| package | version | licence |\n|---|---|---|\n"
    return head + "".join(f"| {' | '.join(row)} |\n" for row in sorted(rows))


def uv(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv"
    return subprocess.run(
        [command, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def project(folder: Path, pinned: Iterable[Pin]) -> subprocess.CompletedProcess[str]:
    """Create a locked project with these pins in the folder."""
    excluded = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]
    lines = [
        "[project]",
        'name = "ask-the-book"',
        'version = "0.1.0"',
        'requires-python = ">=3.11"',
        f"dependencies = {json.dumps([pin.requirement for pin in pinned])}",
        "[tool.uv]",
        "package = false",
        f"exclude-dependencies = {json.dumps(excluded['exclude-dependencies'])}",
    ]
    (folder / "pyproject.toml").write_text("\n".join(lines))
    return uv(folder, "lock", "--quiet")


def sbom(out: Path) -> None:
    """Write `sbom.json` and `licences.md` to a folder."""
    shipped = pins(*SHIPPED)
    with tempfile.TemporaryDirectory() as folder:
        locked = project(Path(folder), shipped)
        made = uv(Path(folder), "export", "--frozen", "--quiet", "--format", "cyclonedx1.5")
    if made.returncode:
        sys.exit(f"The bill could not be made: {(locked.stderr + made.stderr).strip()}")
    out.mkdir(parents=True, exist_ok=True)
    bill = complete(json.loads(made.stdout), shipped)
    (out / "sbom.json").write_text(json.dumps(bill, indent=2) + "\n")
    (out / "licences.md").write_text(licences(shipped))
    print(f"{out}/sbom.json and {out}/licences.md: {len(bill['components'])} components")


def audit(strict: bool, service: Sequence[str] = ()) -> int:
    """Return 1 for a known vulnerability or, if `strict`, a failed check; else 0."""
    with tempfile.TemporaryDirectory() as folder:
        asked = project(Path(folder), pins(*SHIPPED, *TOOLS))
        if not asked.returncode:
            preview = ("--preview-features", "audit-command")
            asked = uv(Path(folder), "audit", "--frozen", *preview, *service)
    if asked.returncode <= 1:
        print((asked.stdout + asked.stderr).strip())
        return asked.returncode
    why = asked.stderr.strip().splitlines()[-1:] or ["uv gave no reason"]
    print(f"Known vulnerabilities were not checked: {why[0].strip()}")
    return 2 if strict else 0


def main() -> None:
    parser = argparse.ArgumentParser(description="List what the service is made of.")
    commands = parser.add_subparsers(dest="command", required=True)
    writing = commands.add_parser("sbom", help="bill of materials and licences")
    writing.add_argument("--out", type=Path, default=ROOT / "build")
    asking = commands.add_parser("audit", help="known vulnerabilities")
    asking.add_argument("--strict", action="store_true", help="fail if the check is not possible")
    asking.add_argument("--service-url", help="another server with the OSV API")
    options = parser.parse_args()
    if options.command == "sbom":
        sbom(options.out)
    else:
        url = options.service_url
        sys.exit(audit(options.strict, ["--service-url", url] if url else []))


if __name__ == "__main__":
    main()
