"""The image: its contents, and that it builds and runs if the tools are installed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from deploy.prune import PACKAGES
from tests.support.service import ROOT, environment, free_port

EVERYTHING = """
import tests.deploy.pruned
import openai, qdrant_client, numpy, pg8000.native, mangum, uvicorn, router
from rag.adapters.chat_model import openai as chat
from rag.adapters.database import neon_https, postgres
from rag.adapters.embedding import cohere
from rag.adapters.vector_store import qdrant, qdrant_writer

cohere.CohereEmbedder("key").prepare()
openai.AsyncOpenAI(api_key="key")
qdrant_client.AsyncQdrantClient(url="http://127.0.0.1:1", check_compatibility=False)
print("made")
"""


def test_every_client_works_after_pruning() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", EVERYTHING],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip().endswith("made"), done.stderr


@pytest.mark.slow
def test_the_adapters_work_after_pruning() -> None:
    names = ("cohere", "openai", "qdrant", "edge")
    suites = [f"tests/adapters/test_{name}.py" for name in names]
    suites.append("tests/language/test_tokens.py")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.deploy.pruned", *suites],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_front_matter_is_valid_for_a_space() -> None:
    """https://huggingface.co/docs/hub/spaces-config-reference"""
    front = yaml.safe_load((ROOT / "README.md").read_text().split("---\n")[1])
    assert (front["sdk"], front["app_port"]) == ("docker", 7860)
    assert {"title", "emoji", "license", "startup_duration_timeout"} <= set(front)
    colours = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
    assert {front["colorFrom"], front["colorTo"]} <= colours
    assert len(front["short_description"]) <= 60
    assert re.fullmatch(r"\d+[mh]", front["startup_duration_timeout"])


def test_vercel_gets_the_pinned_packages() -> None:
    """Vercel reads pyproject.toml if there is one, and requirements.txt only if not."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [
        line
        for line in (ROOT / "requirements.in").read_text().splitlines()
        if line and not line.startswith(("#", "-"))
    ]
    pinned = re.findall(r"^(\S+==\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    listed = project["project"]["dependencies"]
    assert [name.split("==")[0] for name in listed] == wanted
    assert {name.lower() for name in listed} <= {name.lower() for name in pinned}
    assert project["tool"]["vercel"]["entrypoint"] == "router:app"


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.12", "3.13", "3.14"])
def test_every_pinned_package_has_a_wheel(version: str, tmp_path: Path) -> None:
    uv = shutil.which("uv", path=str(Path(sys.executable).parent))
    assert uv
    for platform in ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28"):
        command = [uv, "pip", "install", "--dry-run", "--no-deps", "--only-binary", ":all:"]
        command += ["--python-version", version, "--python-platform", platform]
        command += ["--target", str(tmp_path), "-r", "requirements.txt"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_compose_opens_one_port_and_has_no_default_password() -> None:
    services = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["ask"]
    text = (ROOT / "deploy" / "compose.yaml").read_text()
    for secret in ("QDRANT_API_KEY", "POSTGRES_PASSWORD"):
        assert all(rest.startswith(":?") for rest in re.findall(rf"\$\{{{secret}([^}}]*)", text))


def test_no_secret_and_no_tool_gets_into_the_image() -> None:
    first, *lines = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert first == "*"
    admitted = [line[1:] for line in lines if line.startswith("!")]
    assert not [name for name in admitted if name.startswith((".", "tests", "bench"))]
    assert all((ROOT / name).exists() for name in admitted)
    assert "**/.*" in lines  # a stray .env in an admitted folder


@pytest.mark.slow
@pytest.mark.parametrize("user", ["1000:1000", "1000620000:0"], ids=["usual", "without a name"])
def test_the_image_builds_and_answers(user: str) -> None:
    docker = shutil.which("docker") or shutil.which("podman")
    if docker is None:
        pytest.skip("neither docker nor podman is installed, so the image is not built")
    if subprocess.run([docker, "info"], capture_output=True, check=False).returncode:
        pytest.skip(f"{docker} does not run here, so the image is not built")
    name, port = f"ask-the-book-test-{free_port()}", free_port()
    built = subprocess.run(
        [docker, "build", "-q", "--build-arg", "EMBEDDED=1", "-t", name, "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode and "python:3.11-slim" in built.stderr:
        pytest.skip("the base image cannot be fetched, so the image is not built")
    assert built.returncode == 0, built.stderr
    options = [
        *("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"),
        *("--user", user, "-p", f"127.0.0.1:{port}:7860"),
    ]
    subprocess.run([docker, "run", "-d", "--name", name, *options, name], check=True)
    try:
        ask = "from deploy.common import ask; ask('http://127.0.0.1:%d', 'How do I delete it?')"
        done = subprocess.run(
            [sys.executable, "-c", ask % port],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert "[1]" in done.stdout, done.stderr
        log = subprocess.run([docker, "logs", name], capture_output=True, text=True, check=True)
        assert "kept: " not in log.stdout + log.stderr  # conversations are not, or may not be
        listed = subprocess.run(
            [docker, "exec", name, "python", "-m", "pip", "list"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert not [package for package in PACKAGES if f"\n{package} " in listed.stdout]
    finally:
        subprocess.run([docker, "rm", "-f", "-t", "5", name], capture_output=True, check=False)
        subprocess.run([docker, "rmi", "-f", name], capture_output=True, check=False)
