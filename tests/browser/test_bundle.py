"""The committed bundle and the page, without a browser."""

from __future__ import annotations

import gzip
import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.browser.fake import BUNDLE

HERE = BUNDLE.parent
KILOBYTE = 1000


FILES = ("widget.js", "widget-languages.js", "widget-assistant.js")


def all_files() -> str:
    return "".join((HERE / name).read_text("utf-8") for name in FILES)


@pytest.mark.parametrize("name", FILES)
def test_the_bundle_is_current(name: str) -> None:
    sources = [*(HERE / "src").iterdir(), HERE / "vendor/marked/marked.esm.js"]
    digest = hashlib.sha256()
    for path in sorted(sources, key=lambda path: path.relative_to(HERE).as_posix()):
        digest.update(path.read_bytes())
    first = (HERE / name).read_text("utf-8").splitlines()[0]
    assert first == f"/* ask-the-book {digest.hexdigest()[:16]} */", "run `npm run build`"


@pytest.mark.skipif(
    not (HERE / "node_modules").exists() or not shutil.which("node"),
    reason="needs `npm install` in widget/ to rebuild the bundle",
)
def test_the_build_is_reproducible(tmp_path: Path) -> None:
    subprocess.run(["node", "build.js", str(tmp_path)], cwd=HERE, check=True, capture_output=True)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (HERE / name).read_bytes()


@pytest.mark.parametrize(("name", "limit"), [*zip(FILES, (33, 6, 5), strict=True)])
def test_the_bundle_is_small(name: str, limit: int) -> None:
    assert len(gzip.compress((HERE / name).read_bytes(), 9)) < limit * KILOBYTE


@pytest.mark.parametrize(
    "sink",
    [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "srcdoc",
        "DOMParser",
        "createContextualFragment",
        "setHTMLUnsafe",
        "document.cookie",
    ],
)
def test_the_bundle_never_parses_markup_or_code(sink: str) -> None:
    assert sink not in all_files()


def test_the_bundle_carries_the_licence_of_what_it_contains() -> None:
    head = BUNDLE.read_text("utf-8")[:400]
    assert "marked 18.2.1" in head
    assert "MIT" in head
    assert "marked v18.2.1" in (HERE / "vendor/marked/marked.esm.js").read_text("utf-8")[:200]
    assert (HERE / "vendor/marked/LICENSE").exists()


LANGUAGES = {"en", "de", "es", "fr", "ar", "ur", "he"}


def texts_by_language(*names: str) -> dict[str, dict[str, str]]:
    """Return the texts in source files, by language and key."""
    text = "".join((HERE / "src" / name).read_text("utf-8") for name in names)
    blocks = re.findall(
        r"^(?:export )?const (\w\w) = \{\n(.*?)^\};", text, re.DOTALL | re.MULTILINE
    )
    line = re.compile(r"^  (\w+): '(.*)',$", re.MULTILINE)
    return {name: dict(line.findall(block)) for name, block in blocks}


def test_every_language_has_all_texts() -> None:
    texts = texts_by_language("english.js", "languages.js")
    assert set(texts) == LANGUAGES
    assert all(list(words) == list(texts["en"]) for words in texts.values())
    for words in texts.values():
        assert "{n}" in words["tryAgainIn"]
        assert "{title}" in words["source"]
        assert "|" not in "".join(words.values()), "it separates the texts in the bundle"
    used = set()
    for path in (HERE / "src").glob("*.js"):
        used |= set(re.findall(r"\bt\.(\w+)", path.read_text("utf-8")))
    assert used == set(texts["en"])
    others = re.search(r"OTHERS = \[(.*)\]", (HERE / "src/strings.js").read_text("utf-8"))
    assert others
    assert set(re.findall(r"\w\w", others[1])) == LANGUAGES - {"en"}


def test_every_language_has_all_texts_of_the_assistant_dialog() -> None:
    texts = texts_by_language("assistant_texts.js")
    assert set(texts) == LANGUAGES
    assert all(list(words) == list(texts["en"]) for words in texts.values())
    for words in texts.values():
        assert "{name}" in words["open"]
        assert "{url}" in words["prompt"]
    used = re.findall(r"\btexts\.(\w+)", (HERE / "src/assistant.js").read_text("utf-8"))
    assert set(used) == set(texts["en"])
