"""The documents say what the code does."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

import router
from rag.environment import load_settings
from rag.settings import VARIABLES
from tests.support.service import ROOT

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("document", ["README.md", "docs/api.md"])
def test_every_route_is_documented(document: str) -> None:
    text = (ROOT / document).read_text()
    for method, path, _ in router.ROUTES:
        shown = path.replace(":path}", "}")
        assert f"`{method} {shown}`" in text


def test_every_direct_dependency_is_justified() -> None:
    readme = (ROOT / "README.md").read_text()
    table = readme[readme.index("## Dependencies") :]
    for requirements in ROOT.glob("requirements*.in"):
        for line in requirements.read_text().splitlines():
            if line and line[0] not in "#-":
                assert re.search(rf"\b{re.escape(line.strip())}\b", table), line


def test_every_direct_dependency_is_pinned_with_hashes() -> None:
    for requirements in ROOT.glob("requirements*.in"):
        pinned = requirements.with_suffix(".txt").read_text().lower()
        for line in requirements.read_text().splitlines():
            if line and line[0] not in "#-":
                name = line.strip().lower()
                assert re.search(rf"^{re.escape(name)}==[^\\]+\\\n\s+--hash=", pinned, re.M), name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", document.read_text()):
        assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_in_yaml_are_yaml(document: Path) -> None:
    for block in re.findall(r"```ya?ml\n(.*?)```", document.read_text(), re.DOTALL):
        assert isinstance(yaml.safe_load(block), dict)


def test_every_alarm_is_explained() -> None:
    """Each message that the log may hold as a warning or an error is in the operators' table."""
    page = (ROOT / "docs/deploy/operators.md").read_text()
    table = page[page.index("| line in the log") : page.index("Readers see a `request_id`")]
    explained = re.findall("`([^`]+)`", "".join(re.findall(r"^\|(.*?)\|", table, re.MULTILINE)))
    for path in [ROOT / "router.py", *(ROOT / "rag").rglob("*.py"), *(ROOT / "web").rglob("*.py")]:
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and ast.unparse(call.func) in (
                "log.warning",
                "log.error",
            ):
                message = str(getattr(call.args[0], "value", ""))
                if re.search("[a-z] [a-z]", message):
                    assert any(words in message for words in explained), (path.name, message)


def test_commands_in_the_readme_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"make ([a-z][a-z-]+)", readme))
    assert {"run", "test"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.M), target
    for script in re.findall(r"python ([a-z_/]+\.py)", readme):
        assert (ROOT / script).exists(), script


def test_the_example_of_the_environment_names_every_setting_and_its_default() -> None:
    example = (ROOT / ".env.example").read_text()
    found = dict(re.findall(r"^# ([A-Z_]+)=(.*)$", example, re.M))
    settings = {name: item.metadata for name, item in VARIABLES.items()}
    assert found.keys() == settings.keys()
    for name, value in found.items():
        default = settings[name]["default"]
        shown = str(int(default) if isinstance(default, bool) else default)
        assert default in ("", (), 0.0) or value == shown, name  # an example if there is no default
    load_settings({name: value.strip('"') for name, value in found.items()})


@pytest.mark.parametrize("name", ["chat.png", "chat-animated.png"])
def test_pictures_are_small(name: str) -> None:
    picture = (ROOT / "docs" / "images" / name).read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert (b"acTL" in picture) == ("animated" in name)
    assert len(picture) < 400_000


def test_files_in_the_map_exist() -> None:
    """In CONTRIBUTING.md, and in the picture of the README."""
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    named = set(re.findall(r"`((?:rag|web|sites|handlers|widget|tests)/[\w./]*)`", contributing))
    drawn = re.search(r"```text\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert drawn
    named |= set(re.findall(r"(?:\w+/)+(?:\w+\.py)?", drawn[1]))
    for path in named:
        assert (ROOT / path).exists(), path
    rooms = {path for path in (ROOT / "rag").iterdir() if (path / "__init__.py").exists()}
    assert all(f"`rag/{room.name}/`" in contributing for room in rooms)


def test_handlers_are_imported_without_an_sdk() -> None:
    """A cold start pays for nothing that a request does not need."""
    from tests.support.service import environment, run

    finished = run(
        "-c",
        "import router, sys; print([m for m in "
        "('openai', 'cohere', 'qdrant_client', 'qdrant_edge', 'pg8000', 'numpy', 'tokenizers', "
        "'ctranslate2', 'markdown_it', 'snowballstemmer', 'rag.language.tokens', "
        "'rag.chat.pipeline', 'handlers.mcp_tools', 'handlers.mcp_resources', "
        "'handlers.openai_answers', 'rag.indexing.llms_txt') "
        "if m in sys.modules])",
        env=environment(),
    )
    assert finished.stdout.strip() == "[]", finished.stderr
