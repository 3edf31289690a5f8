"""Recognise the generators whose sources are not read, and say how to index the built site."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rag.errors import SourceError
from sites.source import Request

_OWN = ("mkdocs.yml", "mkdocs.yaml", "properdocs.yml", "zensical.yml", "book.toml", ".vitepress")
_OWN_SCRIPT = re.compile(r"docusaurus\.config\.[cm]?[jt]s")


class _Generator(NamedTuple):
    name: str
    files: tuple[str, ...]
    """Configurations, any of which gives the generator away."""
    says: str
    """A word that the configuration must contain, or ""."""
    build: str
    """Command that builds the site; "" if only its publisher can."""
    output: str


def _scripts(stem: str) -> tuple[str, ...]:
    return tuple(f"{stem}.{suffix}" for suffix in ("mjs", "ts", "js", "mts", "cjs", "cts"))


_HUGO = ("hugo.toml", "hugo.yaml", "hugo.yml", "hugo.json", "config/_default/hugo.toml")
_GENERATORS = (
    _Generator("Astro Starlight", _scripts("astro.config"), "starlight", "npm run build", "dist"),
    _Generator("Astro", _scripts("astro.config"), "", "npm run build", "dist"),
    _Generator("Nextra", _scripts("next.config"), "nextra", "npm run build", "out"),
    _Generator("Nextra", (*_scripts("theme.config"), "theme.config.jsx", "theme.config.tsx"),
               "", "npm run build", "out"),
    _Generator("Mintlify", ("mint.json",), "", "", ""),
    _Generator("Mintlify", ("docs.json",), "mintlify", "", ""),
    _Generator("Mintlify", ("docs.json",), '"navigation"', "", ""),
    _Generator("GitBook", (".gitbook.yaml", ".gitbook.yml"), "", "", ""),
    _Generator("GitBook", ("book.json", "book.js"), "", "npx honkit build", "_book"),
    _Generator("GitBook", ("SUMMARY.md",), "# Table of contents", "", ""),
    _Generator("Hugo", _HUGO, "", "hugo", "public"),
    _Generator("Hugo", ("config.toml", "config.yaml", "config/_default/config.toml"),
               "baseurl", "hugo", "public"),
    _Generator("Jekyll", ("_config.yml", "_config.yaml"), "",
               "bundle exec jekyll build", "_site"),
    _Generator("Sphinx", ("conf.py", "source/conf.py", "docs/conf.py", "doc/conf.py"),
               "extensions", "sphinx-build . build", "build"),
    _Generator("Sphinx", ("conf.py", "source/conf.py", "docs/conf.py", "doc/conf.py"),
               "html_theme", "sphinx-build . build", "build"),
    _Generator("Antora", ("antora-playbook.yml", "antora-playbook.yaml"), "",
               "npx antora antora-playbook.yml", "build/site"),
    _Generator("Antora", ("antora.yml",), "", "npx antora antora-playbook.yml", "build/site"),
)  # fmt: skip


def refuse_other_generators(request: Request) -> None:
    """Raise SourceError if another generator's configuration is nearer than a readable one."""
    folder = request.folder.resolve()
    for place in (folder, *list(folder.parents)[:3]):
        if _has_own(place):
            return
        for generator, name in _found(place):
            raise SourceError(_sentence(generator, name))
        if os.path.exists(place / ".git"):
            return


def _has_own(place: Path) -> bool:
    try:
        names = os.listdir(place)
    except OSError:
        return False
    return any(name in _OWN or _OWN_SCRIPT.fullmatch(name) for name in names)


def _found(place: Path) -> Iterator[tuple[_Generator, str]]:
    for generator in _GENERATORS:
        for name in generator.files:
            if os.path.isfile(place / name) and (
                not generator.says or generator.says.lower() in _text(place / name).lower()
            ):
                yield generator, name


def _text(path: Path) -> str:
    """Return the start of a configuration, of which only a word is looked for."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(200_000)
    except OSError:
        return ""


def _sentence(generator: _Generator, name: str) -> str:
    start = f"{name}: the sources of {generator.name} are not read. "
    if not generator.build:
        return start + "Index the published site: `python ingest.py https://ADDRESS`."
    return (
        f"{start}Index the built site: `{generator.build}`, then "
        f"`python ingest.py {generator.output}`; or index its address."
    )


def unread_files(request: Request) -> list[str]:
    """Find the files of prose in formats that are not read."""
    suffixes = (".rst", ".adoc", ".asciidoc", ".mdoc", ".ipynb", ".org", ".textile")
    return request.files.find(request.folder, suffixes, quiet=True)
