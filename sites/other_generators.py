"""Recognise what a folder holds that is not read, and say what to index instead."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from rag.errors import SourceError
from sites.files import MARKDOWN
from sites.mkdocs_config import CONFIGS
from sites.source import Request, folders_above

_OWN = (*CONFIGS, "book.toml", ".vitepress")
_OWN_SCRIPT = re.compile(r"docusaurus\.config\.[cm]?[jt]s")


class _Generator(NamedTuple):
    name: str
    files: tuple[str, ...]
    """Configurations, any of which gives the generator away."""
    says: str
    """A pattern that the configuration must contain, or ""."""
    build: str
    """Command that builds the site, or advice; "" if only its publisher can."""
    output: str
    """Folder of the built site; "" if there is none."""


def _in_hugo(stem: str) -> tuple[str, ...]:
    names = [f"{stem}.{suffix}" for suffix in ("toml", "yaml", "yml", "json")]
    return (*names, *(f"config/_default/{name}" for name in names))


def _scripts(stem: str) -> tuple[str, ...]:
    return tuple(f"{stem}.{suffix}" for suffix in ("mjs", "ts", "js", "mts", "cjs", "cts"))


_SITES = ("docs", "doc", "documentation", "site", "website")
"""Folders of a repository in which its site may be."""
_MINTLIFY = r"mintlify|\"navigation\""
_SPHINX = r"^(?:extensions|html_theme|master_doc|root_doc|project)[ \t]*="
_HEXO = r"^(?:new_post_name|default_layout|post_asset_folder|skip_render):"
_DOCSIFY = r"\$docsify|/docsify@|docsify(?:\.min)?\.js"
_DOCSIFY_ADVICE = (
    "It puts its pages together in the browser, so no link can lead to a section. "
    "To read them all the same: `--generator plain`."
)
_GENERATORS = (
    _Generator("Docusaurus 1", ("siteConfig.js",), "", "npm run build", "build/PROJECT"),
    _Generator("Docusaurus 1", ("website/siteConfig.js",), "",
               "npm --prefix website run build", "website/build/PROJECT"),
    _Generator("Astro Starlight", _scripts("astro.config"), "starlight", "npm run build", "dist"),
    _Generator("Astro", _scripts("astro.config"), "", "npm run build", "dist"),
    _Generator("Nextra", _scripts("next.config"), "nextra", "npm run build", "out"),
    _Generator("Nextra", (*_scripts("theme.config"), "theme.config.jsx", "theme.config.tsx"),
               "", "npm run build", "out"),
    _Generator("Fumadocs", _scripts("source.config"), "fumadocs", "npm run build", "out"),
    _Generator("VuePress", _scripts(".vuepress/config"), "",
               "npx vuepress build", ".vuepress/dist"),
    _Generator("Rspress", _scripts("rspress.config"), "", "npx rspress build", "doc_build"),
    _Generator("Vocs", (*_scripts("vocs.config"), "vocs.config.tsx"), "",
               "npx vocs build", "docs/dist"),
    _Generator("Nuxt", _scripts("nuxt.config"), "content|docus",
               "npx nuxt generate", ".output/public"),
    _Generator("Gatsby", _scripts("gatsby-config"), "mdx|remark", "npx gatsby build", "public"),
    _Generator("docsify", ("index.html",), _DOCSIFY, _DOCSIFY_ADVICE, ""),
    _Generator("Mintlify", ("mint.json",), "", "", ""),
    _Generator("Mintlify", ("docs.json",), _MINTLIFY, "", ""),
    _Generator("GitBook", (".gitbook.yaml", ".gitbook.yml"), "", "", ""),
    _Generator("GitBook", ("book.json", "book.js"), "", "npx honkit build", "_book"),
    _Generator("GitBook", ("SUMMARY.md",), "^# Table of contents", "", ""),
    _Generator("Hugo", _in_hugo("hugo"), "", "hugo", "public"),
    _Generator("Hugo", _in_hugo("config"), "baseurl", "hugo", "public"),
    _Generator("Zola", ("config.toml", "zola.toml"), "^base_url", "zola build", "public"),
    _Generator("Jupyter Book", ("_toc.yml", "myst.yml"), "jb-|^project:",
               "jupyter-book build .", "_build/html"),
    _Generator("Hexo", ("_config.yml",), _HEXO, "npx hexo generate", "public"),
    _Generator("Jekyll", ("_config.yml", "_config.yaml", "_config.toml"), "",
               "bundle exec jekyll build", "_site"),
    _Generator("Eleventy", (".eleventy.js", *_scripts("eleventy.config")), "",
               "npx @11ty/eleventy", "_site"),
    _Generator("Quarto", ("_quarto.yml",), "", "quarto render", "_site"),
    _Generator("bookdown", ("_bookdown.yml",), "",
               "Rscript -e 'bookdown::render_book()'", "_book"),
    _Generator("Documenter.jl", ("make.jl",), "makedocs", "julia make.jl", "build"),
    _Generator("Lume", ("_config.ts", "_config.js"), "lume", "deno task build", "_site"),
    _Generator("Pelican", ("pelicanconf.py",), "", "pelican content", "output"),
    _Generator("DocFX", ("docfx.json",), "", "docfx build", "_site"),
    _Generator("Retype", ("retype.yml", "retype.yaml", "retype.json"), "",
               "npx retype build", ".retype"),
    _Generator("Writerside", ("writerside.cfg",), "", "", ""),
    _Generator("Zensical", ("zensical.toml",), "", "zensical build", "site"),
    _Generator("Sphinx", ("conf.py",), _SPHINX, "sphinx-build . build", "build"),
    _Generator("Sphinx", ("source/conf.py",), _SPHINX, "sphinx-build source build", "build"),
    _Generator("Antora", ("antora-playbook.yml", "antora-playbook.yaml"), "",
               "npx antora antora-playbook.yml", "build/site"),
    _Generator("Antora", ("antora.yml",), "", "npx antora antora-playbook.yml", "build/site"),
)  # fmt: skip


def refuse_other_generators(request: Request) -> None:
    """Raise SourceError if another generator's configuration is nearer than a readable one.

    Looks in the folder, in those above it up to its repository's, and in the usual places for
    a repository's site.
    """
    folder = request.folder.resolve()
    for place in folders_above(folder):
        if _has_own(place):
            return
        _refuse(place)
    for name in _SITES:
        if not _has_own(folder / name):
            _refuse(folder / name, f"{name}/")


def _has_own(place: Path) -> bool:
    try:
        names = os.listdir(place)
    except OSError:
        return False
    return any(name in _OWN or _OWN_SCRIPT.fullmatch(name) for name in names)


def _refuse(place: Path, shown: str = "") -> None:
    """Raise SourceError for a configuration in a folder; `shown` is the folder's path."""
    for generator in _GENERATORS:
        for name in generator.files:
            if os.path.isfile(place / name) and re.search(
                generator.says, _text(place / name), re.IGNORECASE | re.MULTILINE
            ):
                raise SourceError(_sentence(generator, name, shown))


def _text(path: Path) -> str:
    """Return the start of a configuration."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(200_000)
    except OSError:
        return ""


def _sentence(generator: _Generator, name: str, folder: str) -> str:
    start = f"{folder}{name}: the sources of {generator.name} are not read. "
    if not generator.output:
        published = "Index the published site: `python ingest.py https://ADDRESS`."
        return start + (generator.build or published)
    where = f" in {folder}" if folder else ""
    return (
        f"{start}Index the built site: `{generator.build}`{where}, then "
        f"`python ingest.py {folder}{generator.output}`; or index its address."
    )


def sites_inside(request: Request) -> list[str]:
    """Find the folders above some of the pages that have a readable generator's settings."""
    paths = request.files.find(request.folder, MARKDOWN, quiet=True)
    above = {str(parent) for path in paths for parent in PurePosixPath(path).parents}
    return sorted(name for name in above - {"."} if _has_own(request.folder / name))


def unread_settings(request: Request) -> list[str]:
    """Find configurations of MkDocs by names that only `mkdocs build -f NAME` reads."""
    return sorted(path.name for path in request.folder.glob("mkdocs[-._]*.y*ml"))


def unread_files(request: Request) -> list[str]:
    """Find the files of prose in formats that are not read."""
    suffixes = (".rst", ".adoc", ".asciidoc", ".mdoc", ".ipynb", ".org", ".textile")
    return request.files.find(request.folder, suffixes, quiet=True)
