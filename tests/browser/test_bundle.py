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


def test_the_bundle_is_current() -> None:
    sources = [*(HERE / "src").iterdir(), HERE / "vendor/marked/marked.esm.js"]
    digest = hashlib.sha256()
    for path in sorted(sources, key=lambda path: path.relative_to(HERE).as_posix()):
        digest.update(path.read_bytes())
    first = BUNDLE.read_text("utf-8").splitlines()[0]
    assert first == f"/* ask-the-book {digest.hexdigest()[:16]} */", "run `npm run build`"


@pytest.mark.skipif(
    not (HERE / "node_modules").exists() or not shutil.which("node"),
    reason="needs `npm install` in widget/ to rebuild the bundle",
)
def test_the_build_is_reproducible(tmp_path: Path) -> None:
    built = tmp_path / "widget.js"
    subprocess.run(["node", "build.js", str(built)], cwd=HERE, check=True, capture_output=True)
    assert built.read_bytes() == BUNDLE.read_bytes()


def test_the_bundle_is_small() -> None:
    assert len(gzip.compress(BUNDLE.read_bytes(), 9)) < 35 * KILOBYTE


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
    assert sink not in BUNDLE.read_text("utf-8")


def test_the_bundle_carries_the_licence_of_what_it_contains() -> None:
    head = BUNDLE.read_text("utf-8")[:400]
    assert "marked 18.2.1" in head
    assert "MIT" in head
    assert "marked v18.2.1" in (HERE / "vendor/marked/marked.esm.js").read_text("utf-8")[:200]
    assert (HERE / "vendor/marked/LICENSE").exists()


def test_every_language_has_all_texts() -> None:
    text = (HERE / "src/languages.js").read_text("utf-8")
    blocks = dict(re.findall(r"^const (\w\w) = \{\n(.*?)^\};", text, re.DOTALL | re.MULTILINE))
    keys = {name: re.findall(r"^  (\w+): '", block, re.MULTILINE) for name, block in blocks.items()}
    assert set(keys) == {"en", "de", "es", "fr", "ar", "ur", "he"}
    assert all(names == keys["en"] for names in keys.values())
    for block in blocks.values():
        assert "{n}" in re.search(r"tryAgainIn: '(.*)'", block)[1]  # type: ignore[index]
        assert "{title}" in re.search(r"source: '(.*)'", block)[1]  # type: ignore[index]
    used = set()
    for path in (HERE / "src").glob("*.js"):
        used |= set(re.findall(r"\bt\.(\w+)", path.read_text("utf-8")))
    assert used == set(keys["en"])
