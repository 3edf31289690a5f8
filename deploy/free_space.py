"""What a free ZeroGPU Space needs in place of the image: other files and reachable addresses."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

SDK_VERSION = "6.31.0"
"""Version of Gradio that the Hub installs."""
PYTHON_VERSION = "3.12"
HARDWARE = "zero-a10g"
"""The Hub's name for ZeroGPU."""
APP = "deploy/free_space_app.py"
OPEN_PORTS = (80, 443, 8080)
"""Ports to which a Space can connect."""
DEFAULT_PORTS = {"http": 80, "https": 443, "postgres": 5432, "postgresql": 5432}
FRONT_MATTER = f"""\
sdk: gradio
sdk_version: {SDK_VERSION}
python_version: "{PYTHON_VERSION}"
app_file: app.py
suggested_hardware: {HARDWARE}
"""
IMAGE_ONLY = re.compile(r"Dockerfile|\.dockerignore|requirements.*|deploy/.*|docs/.*")


def space_files(root: Path, image: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files of the Space, given those of the image.

    The packages are listed without hashes and without their own dependencies, because the Hub
    installs them in one command with Gradio's.
    """
    files = {name: data for name, data in image.items() if not IMAGE_ONLY.fullmatch(name)}
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    files["requirements.txt"] = "\n".join([*project["dependencies"], "spaces", ""]).encode()
    files["app.py"] = (root / APP).read_bytes()
    docker = "sdk: docker\napp_port: 7860\n"
    files["README.md"] = files["README.md"].replace(docker.encode(), FRONT_MATTER.encode(), 1)
    return files


def unreachable(values: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each address that a Space cannot connect to."""
    for name, value in values.items():
        address = urlsplit(value)
        if address.scheme not in DEFAULT_PORTS:
            continue
        try:
            port = address.port or DEFAULT_PORTS[address.scheme]
        except ValueError:
            yield f"The port in {name} is not a number between 0 and 65535."
            continue
        if port not in OPEN_PORTS:
            hint = (
                " Neon accepts SQL over HTTPS: write :443 after the host name."
                if name == "DATABASE_URL"
                else ""
            )
            yield f"{name} uses port {port}, but a Space only reaches 80, 443 and 8080.{hint}"
