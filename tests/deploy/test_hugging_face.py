"""Run `deploy/hugging_face.py` with the Hub's real client against an imitated Hub."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.deploy.hub import TOKEN, Hub, imitation
from tests.support.service import ROOT, environment

SECRETS = {
    "COHERE_API_KEY": "co-7f3a51",
    "OPENAI_API_KEY": "sk-7f3a52",
    "QDRANT_URL": "https://7f3a53.cloud.qdrant.io",
    "QDRANT_API_KEY": "qd-7f3a54",
    "DATABASE_URL": "postgresql://reader:7f3a55@db.neon.tech/book",
}


NEON = {**SECRETS, "DATABASE_URL": "postgresql://reader:7f3a55@db.neon.tech:443/book"}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the sources, so that each test has its own `.env`."""
    folder = tmp_path_factory.mktemp("clone") / "ask-the-book"
    ignored = shutil.ignore_patterns(".*", "__pycache__", "tests", "bench", "build")
    shutil.copytree(ROOT, folder, ignore=ignored)
    shutil.copy(ROOT / ".dockerignore", folder)
    (folder / "widget" / "node_modules").mkdir(exist_ok=True)  # exists after a change to the widget
    (folder / "widget" / "node_modules" / "bundler.js").write_text("")
    return folder


@pytest.fixture
def hub() -> Iterator[Hub]:
    with imitation() as hub:
        yield hub


def write_env(clone: Path, **values: str) -> None:
    (clone / ".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))


def deploy(
    clone: Path, hub: Hub, *options: str, name: str = "reader/book", token: str = TOKEN
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "deploy/hugging_face.py", name, "--poll", "0.01", *options]
    finished = subprocess.run(
        command,
        cwd=clone,
        env=environment(HF_ENDPOINT=hub.url, HF_TOKEN=token, HF_HOME=str(clone.parent / "hf")),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    shown = finished.stdout + finished.stderr
    assert "Traceback" not in shown, shown
    assert "7f3a5" not in shown, "a secret was printed"
    assert TOKEN not in shown
    return finished


def test_a_space_is_created_filled_and_asked(clone: Path, hub: Hub) -> None:
    secrets = {**SECRETS, "ADMIN_TOKEN": "token-of-the-author-7f3a56"}
    write_env(clone, **secrets, SITE_URL="https://book.example", PORT="8000")
    finished = deploy(clone, hub)
    assert finished.returncode == 0, finished.stderr
    assert hub.secrets == secrets
    assert hub.variables == {"SITE_URL": "https://book.example"}
    assert {"Dockerfile", "README.md", ".dockerignore", "router.py", "rag/models.py"} <= set(
        hub.files
    )
    assert not any(name.startswith((".env", "tests/", ".git/")) for name in hub.files)
    served = {
        "widget/admin.html",
        "widget/page.html",
        "widget/widget.js",
        "widget/widget-languages.js",
        "widget/widget-assistant.js",
    }
    assert {name for name in hub.files if name.startswith("widget/")} == served
    assert hub.files["router.py"] == (ROOT / "router.py").read_bytes()
    assert hub.commits == 1
    assert hub.asked == [("What is this book about?", "")]  # a public Space never sees the token
    assert "It is about tests. [1]" in finished.stdout
    assert "[1] Privacy: https://book.example/privacy" in finished.stdout


def test_a_second_run_pushes_only_what_has_changed(clone: Path, hub: Hub) -> None:
    write_env(clone, **SECRETS)
    deploy(clone, hub)
    hub.files["rag/gone.py"] = b"left over from an older version"
    assert deploy(clone, hub).returncode == 0
    assert "rag/gone.py" not in hub.files
    assert hub.commits == 2
    finished = deploy(clone, hub)
    assert "All files are up to date" in finished.stdout
    assert hub.commits == 2
    assert len(hub.asked) == 3


def test_a_demo_needs_no_secrets(clone: Path, hub: Hub) -> None:
    write_env(clone, EMBEDDED="1")
    assert deploy(clone, hub).returncode == 0
    assert (hub.secrets, hub.variables) == ({}, {"EMBEDDED": "1"})


def test_a_private_space_is_asked_with_the_token(clone: Path, hub: Hub) -> None:
    write_env(clone, **SECRETS)
    assert deploy(clone, hub, "--private").returncode == 0
    assert hub.private
    assert hub.asked[0][1] == f"Bearer {TOKEN}"


def test_a_dry_run_touches_nothing(clone: Path, hub: Hub) -> None:
    write_env(clone, **SECRETS)
    finished = deploy(clone, hub, "--dry-run")
    assert finished.returncode == 0
    assert "COHERE_API_KEY" in finished.stdout
    assert (hub.exists, hub.files, hub.secrets) == (False, {}, {})


def test_a_sleeping_space_is_woken(clone: Path, hub: Hub) -> None:
    write_env(clone, **SECRETS)
    deploy(clone, hub)
    hub.stages = ["SLEEPING"]
    assert deploy(clone, hub).returncode == 0
    assert hub.restarts == 1


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (402, "A Docker Space needs a PRO account, which reader does not have"),
        (403, "The token cannot write to reader"),
        (500, "The Hub returned an error"),
    ],
)
def test_errors_of_the_hub_are_explained(clone: Path, hub: Hub, status: int, sentence: str) -> None:
    write_env(clone, **SECRETS)
    hub.refusal = status
    finished = deploy(clone, hub)
    assert finished.returncode == 1
    assert sentence in finished.stderr
    assert hub.secrets == {}


def test_a_wrong_token_and_none_at_all(clone: Path, hub: Hub) -> None:
    write_env(clone, **SECRETS)
    assert "rejected the token" in deploy(clone, hub, token="hf_wrong").stderr
    assert "No token" in deploy(clone, hub, token="").stderr


def test_taken_and_invalid_names(clone: Path, hub: Hub) -> None:
    write_env(clone, **SECRETS)
    hub.exists, hub.files = True, {"app.py": b"something else"}
    assert "already exists with other content" in deploy(clone, hub).stderr
    assert hub.files == {"app.py": b"something else"}
    hub.sdk, hub.files = "gradio", {}
    assert "already exists with other content" in deploy(clone, hub).stderr
    hub.files = {"router.py": b"", "app.py": b""}
    assert "was made with --free" in deploy(clone, hub).stderr
    hub.sdk = "docker"
    write_env(clone, **NEON)
    assert "was made without --free" in deploy(clone, hub, "--free").stderr
    for name in ("book", "reader/bo ok", "a/b/c"):
        assert "USER/NAME" in deploy(clone, hub, name=name).stderr


def test_a_failed_build_shows_the_end_of_its_log(clone: Path, hub: Hub) -> None:
    write_env(clone, **SECRETS)
    hub.build = ["BUILDING", "BUILD_ERROR"]
    hub.log = [f"line {n} {SECRETS['OPENAI_API_KEY']}" for n in range(30)]
    finished = deploy(clone, hub)
    assert finished.returncode == 1
    assert "BUILD_ERROR: build failed" in finished.stderr
    assert "line 29 •••" in finished.stderr
    assert "line 9 " not in finished.stderr


def test_the_wait_times_out(clone: Path, hub: Hub) -> None:
    write_env(clone, **SECRETS)
    hub.build = ["BUILDING"]
    finished = deploy(clone, hub, "--timeout", "0.2")
    assert finished.returncode == 1
    assert "still in stage BUILDING" in finished.stderr


def test_missing_and_malformed_secrets_are_reported_first(clone: Path, hub: Hub) -> None:
    write_env(clone, COHERE_API_KEY="co-7f3a51", QDRANT_URL="https://7f3a53.cloud.qdrant.io")
    finished = deploy(clone, hub)
    assert "Missing OPENAI_API_KEY, QDRANT_API_KEY, DATABASE_URL" in finished.stderr
    write_env(clone, **{**SECRETS, "QDRANT_URL": "7f3a53.cloud.qdrant.io"})
    assert "QDRANT_URL must start with https://" in deploy(clone, hub).stderr
    assert not hub.exists


def test_a_free_space_is_a_gradio_app_on_zero_gpu(clone: Path, hub: Hub) -> None:
    write_env(clone, **NEON)
    finished = deploy(clone, hub, "--free")
    assert finished.returncode == 0, finished.stderr
    assert (hub.sdk, hub.hardware, hub.secrets) == ("gradio", "zero-a10g", NEON)
    assert {"app.py", "router.py", "requirements.txt", "rag/models.py", "widget/page.html"} <= set(
        hub.files
    )
    assert not {"Dockerfile", ".dockerignore", "deploy/prune.py", "docs/intro.md"} & set(hub.files)
    front = yaml.safe_load(hub.files["README.md"].decode().split("---\n")[1])
    assert (front["sdk"], front["app_file"], front["python_version"]) == (
        "gradio",
        "app.py",
        "3.12",
    )
    assert "app_port" not in front
    packages = hub.files["requirements.txt"].decode().splitlines()
    assert "spaces" in packages
    assert not [name for name in packages if "gradio" in name or "--hash" in name]
    assert "gradio" not in (ROOT / "requirements.txt").read_text()
    assert len(hub.asked) == 1
    assert "All files are up to date" in deploy(clone, hub, "--free").stdout


def test_a_free_space_needs_the_services_on_open_ports(clone: Path, hub: Hub) -> None:
    write_env(clone, **SECRETS)
    assert "DATABASE_URL uses port 5432" in deploy(clone, hub, "--free").stderr
    write_env(clone, EMBEDDED="1")
    assert "cannot run the embedded engines" in deploy(clone, hub, "--free").stderr
    write_env(clone, **NEON)
    assert "free ZeroGPU Space" in deploy(clone, hub, "--free", "--dry-run").stdout
    hub.refusal = 402
    assert "older than 30 days" in deploy(clone, hub, "--free").stderr
    assert not hub.exists
