"""The commands of the README and the handbook work as they are printed.

A command is run in a copy of the project in which the example paths exist. LEFT_OUT names the
commands that are not run, and why. Of `make`, only the plan is checked (`make -n`): it would
install packages. Blocks of settings are read as a file `.env` would be.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from rag.environment import load_settings
from rag.settings import table
from tests.support.served_site import served
from tests.support.service import ROOT, Service, environment, free_port, serving

LEFT_OUT = {
    r"python3 -m venv|/pip install": "installs packages; `make test-slow` does so in a clone",
    r"^git pull": "needs the network",
    r"^docker |docker compose": "needs Docker",
    r"^npx |npx vercel": "needs an account at Vercel",
    r"^gcloud |gcloud secrets": "needs an account at Google Cloud",
    r"ingest\.py https:": "needs the network; tests/test_ingest_live.py reads sites on loopback",
    r"^aws |aws_lambda\.py": "needs an AWS account; tests/deploy/test_aws_lambda.py imitates one",
    r"hugging_face\.py": "needs an account; tests/deploy/test_hugging_face.py imitates the Hub",
    r"lambda_zip\.py": "downloads packages; tests/deploy/test_lambda_zip.py has some of its own",
    r"uvicorn .*--uds": "needs a system folder; tests/web/test_server.py uses a socket",
    r"python -m bench\.": "needs question sets or a model, which are not part of the repository",
}
SETTING = re.compile(r"""([A-Z_]+)=("[^"]*"|\S*)""")
SERVER = re.compile(r"python router\.py")
TOKEN = "a-token-of-the-author"
PAGE = "<title>Guide</title><main><h1 id='guide'>Guide</h1><p>It begins here.</p></main>"


@dataclass(frozen=True)
class Command:
    document: Path
    text: str

    @property
    def left_out(self) -> str:
        return next((why for pattern, why in LEFT_OUT.items() if re.search(pattern, self.text)), "")


def commands() -> Iterator[Command]:
    for document in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for block in re.findall(r"```bash\n(.*?)```", document.read_text(), re.DOTALL):
            if re.search(r"^for ", block, re.M):
                yield Command(document, block)
                continue
            for line in block.replace("\\\n", " ").strip().splitlines():
                yield Command(document, line)


COMMANDS = list(commands())


def named(command: Command) -> str:
    return f"{command.document.relative_to(ROOT)}: {command.text[:60]}"


def which(kind: str) -> list[Command]:
    return [command for command in COMMANDS if kind_of(command) == kind]


def kind_of(command: Command) -> str:
    if SETTING.fullmatch(command.text):
        return "setting"
    if command.left_out:
        return "left out"
    if command.text.startswith("make"):
        return "make"
    return "server" if SERVER.search(command.text) else "other"


class Folder:
    """A copy of the project: `.venv`, `path/to/book` and the like are there."""

    def __init__(self, path: Path, data: Path) -> None:
        self.path = path
        shutil.copytree(ROOT, path, ignore=shutil.ignore_patterns(".*", "tests", "node_modules"))
        scripts = path / ".venv" / "bin"
        scripts.mkdir(parents=True)
        for name in ("python", "python3"):
            script = scripts / name
            script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
            script.chmod(0o755)
        for place in ("path/to/book", "path/to/markdown"):
            (path / place).mkdir(parents=True)
            (path / place / "guide.md").write_text("# Guide\n\nIt begins here.\n")
        built = path / "path/to/site/build/guide"
        built.mkdir(parents=True)
        (built / "index.html").write_text(PAGE)
        self.variables = environment(DATA_DIR=str(data))
        self.variables["PATH"] = f"{scripts}{os.pathsep}{self.variables['PATH']}"

    def run(self, text: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=self.path,
            env={**self.variables, **variables},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    made = Folder(tmp_path_factory.mktemp("copy") / "project", tmp_path_factory.mktemp("data"))
    made.run("python ingest.py path/to/book").check_returncode()
    return made


@pytest.fixture(scope="module")
def service(handbook: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    place = tmp_path_factory.mktemp("service")
    shutil.copytree(handbook, place / "data")
    with serving(place / "log", DATA_DIR=str(place / "data"), ADMIN_TOKEN=TOKEN) as running:
        yield running


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The address of a site on this machine."""
    with served({"/docs/": PAGE}) as running:
        yield running.url


@pytest.mark.parametrize("command", which("other"), ids=named)
def test_a_command_works(command: Command, folder: Folder, service: Service, site: str) -> None:
    text = command.text.replace("http://localhost:3000", site)
    text = text.replace("https://HOST", service.url).replace("http://localhost:7860", service.url)
    if "SESSION_ID" in text:
        question = {"message": "How do I delete a conversation?"}
        answer = httpx.post(f"{service.url}/chat", json=question, timeout=60).json()
        text = text.replace("SESSION_ID", answer["session_id"])
    finished = folder.run(text, ADMIN_TOKEN=TOKEN)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "about:blank" not in finished.stdout, "an answer that is a failure"


@pytest.mark.parametrize("command", which("server"), ids=named)
def test_the_service_starts(command: Command, folder: Folder) -> None:
    port = free_port()
    process = subprocess.Popen(
        ["bash", "-c", command.text],
        cwd=folder.path,
        env={**folder.variables, "PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        ends = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < ends:
            with suppress(httpx.TransportError):
                assert httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200
                break
            time.sleep(0.1)
        else:
            raise AssertionError("the service did not start")
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.mark.parametrize("command", which("make"), ids=named)
def test_a_make_target_exists(command: Command, folder: Folder) -> None:
    finished = folder.run(command.text.replace("make", "make -n", 1))
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("command", which("setting"), ids=named)
def test_a_setting_is_accepted(command: Command) -> None:
    found = SETTING.fullmatch(command.text)
    assert found
    assert f"| `{found[1]}` |" in table()
    load_settings({found[1]: found[2].strip('"')})


def test_every_reason_to_leave_a_command_out_is_needed() -> None:
    for pattern in LEFT_OUT:
        assert any(re.search(pattern, command.text) for command in which("left out")), pattern


def test_commands_are_found() -> None:
    assert all(which(kind) for kind in ("other", "server", "make", "setting", "left out"))
