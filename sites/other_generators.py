"""Recognise what a folder holds that is not read, and say what to index instead."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from rag.errors import SourceError
from sites.files import MARKDOWN
from sites.globs import forms
from sites.mkdocs_config import CONFIGS
from sites.source import Request, folders_above

_OWN = (*CONFIGS, "book.toml", ".vitepress")
_OWN_SCRIPT = re.compile(r"docusaurus\.config\.[cm]?[jt]s")


class _Generator(NamedTuple):
    name: str
    files: list[str]
    """Configurations, any of which gives the generator away."""
    says: str
    """A pattern that the configuration must contain, or ""."""
    build: str
    """Command that builds the site; "" if only its publisher can."""
    output: str
    """Folder of the built site; "" if there is none."""


_SITES = ("docs", "doc", "documentation", "site", "website")
"""Folders of a repository in which its site may be."""
_TABLE = r"""
Docusaurus 1     siteConfig.js  -  npm run build  build/PROJECT
Docusaurus 1     website/siteConfig.js  -  npm --prefix website run build  website/build/PROJECT
Astro Starlight  astro.config.*  starlight  npm run build  dist
Astro            astro.config.*  -  npm run build  dist
Nextra           next.config.*  nextra  npm run build  out
Nextra           theme.config.* theme.config.{jsx,tsx}  -  npm run build  out
Fumadocs         source.config.*  fumadocs  npm run build  out
VuePress         .vuepress/config.*  -  npx vuepress build  .vuepress/dist
Rspress          rspress.config.*  -  npx rspress build  doc_build
Vocs             vocs.config.* vocs.config.tsx  -  npx vocs build  docs/dist
Nuxt             nuxt.config.*  content|docus  npx nuxt generate  .output/public
Gatsby           gatsby-config.*  mdx|remark  npx gatsby build  public
docsify          index.html  \$docsify|/docsify@|docsify(?:\.min)?\.js  -  -
Mintlify         mint.json  -  -  -
Mintlify         docs.json  mintlify|\"navigation\"  -  -
GitBook          .gitbook.{yaml,yml}  -  -  -
GitBook          book.{json,js}  -  npx honkit build  _book
GitBook          SUMMARY.md  ^# Table of contents  -  -
Hugo             hugo.@ config/_default/hugo.@  -  hugo  public
Hugo             config.@ config/_default/config.@  baseurl  hugo  public
Zola             {config,zola}.toml  ^base_url  zola build  public
Jupyter Book     _toc.yml myst.yml  jb-|^project:  jupyter-book build .  _build/html
Hexo             _config.yml  ^(?:new_post_name|default_layout|post_asset_folder|skip_render):  \
npx hexo generate  public
Jekyll           _config.{yml,yaml,toml}  -  bundle exec jekyll build  _site
Eleventy         .eleventy.js eleventy.config.*  -  npx @11ty/eleventy  _site
Quarto           _quarto.yml  -  quarto render  _site
bookdown         _bookdown.yml  -  Rscript -e 'bookdown::render_book()'  _book
Documenter.jl    make.jl  makedocs  julia make.jl  build
Lume             _config.{ts,js}  lume  deno task build  _site
Pelican          pelicanconf.py  -  pelican content  output
DocFX            docfx.json  -  docfx build  _site
Retype           retype.{yml,yaml,json}  -  npx retype build  .retype
Writerside       writerside.cfg  -  -  -
Fern             fern.config.json fern/fern.config.json  -  -  -
Quartz           quartz.config.*  -  npx quartz build  public
Dumi             .dumirc.{ts,js}  -  npx dumi build  dist
Zudoku           zudoku.config.* zudoku.config.tsx  -  npx zudoku build  dist
pkgdown          {,pkgdown/}_pkgdown.{yml,yaml}  -  Rscript -e 'pkgdown::build_site()'  docs
Zensical         zensical.toml  -  zensical build  site
Sphinx           conf.py  SPHINX  sphinx-build . build  build
Sphinx           source/conf.py  SPHINX  sphinx-build source build  build
Antora           {antora-playbook,antora}.{yml,yaml}  -  npx antora antora-playbook.yml  build/site
"""
"""The columns of `_Generator`; `*` and `@` stand for the suffixes below, `-` for nothing."""
_SUFFIXES = {"*": "{mjs,ts,js,mts,cjs,cts}", "@": "{toml,yaml,yml,json}"}
_SPHINX = r"^(?:extensions|html_theme|master_doc|root_doc|project)[ \t]*="
_DOCSIFY = (
    "It puts its pages together in the browser, so no link can lead to a section. "
    "To read them all the same: `--generator plain`."
)


def _generators() -> Iterator[_Generator]:
    for row in _TABLE.replace("\\\n", "").replace("SPHINX", _SPHINX).strip().split("\n"):
        name, files, *rest = ("" if each == "-" else each for each in re.split("  +", row))
        for sign, suffixes in _SUFFIXES.items():
            files = files.replace(f".{sign}", f".{suffixes}")
        yield _Generator(name, [form for each in files.split() for form in forms(each)], *rest)


_GENERATORS = tuple(_generators())


def refuse_other_generators(request: Request) -> None:
    """Raise SourceError if another generator's configuration is nearer than a readable one.

    Looks in the folder, in those above it up to its repository's, in the usual places for a
    repository's site, and in the folders that hold most of the pages.
    """
    folder = request.folder.resolve()
    for place in folders_above(folder):
        if _has_own(place):
            return
        _refuse(place)
    above = _folders_inside(request)
    main = (name for name, count in above.items() if 2 * count > above["."])
    for name in (*_SITES, *sorted(main)):
        if not _has_own(folder / name):
            _refuse(folder / name, f"{name}/")


def _folders_inside(request: Request) -> Counter[str]:
    """Return the folders above each page, with the number of their pages; "." is the site's."""
    paths = request.files.find(request.folder, MARKDOWN, quiet=True)
    return Counter(str(parent) for path in paths for parent in PurePosixPath(path).parents)


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
        return start + (_DOCSIFY if generator.name == "docsify" else published)
    where = f" in {folder}" if folder else ""
    return (
        f"{start}Index the built site: `{generator.build}`{where}, then "
        f"`python ingest.py {folder}{generator.output}`; or index its address."
    )


def sites_inside(request: Request) -> list[str]:
    """Find the folders above some of the pages that have a readable generator's settings."""
    above = _folders_inside(request)
    return sorted(name for name in above if name != "." and _has_own(request.folder / name))


def unread_settings(request: Request) -> list[str]:
    """Find configurations of MkDocs by names that only `mkdocs build -f NAME` reads."""
    return sorted(path.name for path in request.folder.glob("mkdocs[-._]*.y*ml"))


def unread_files(request: Request) -> list[str]:
    """Find the files of prose in formats that are not read."""
    suffixes = (".rst", ".adoc", ".asciidoc", ".mdoc", ".ipynb", ".org", ".textile")
    return request.files.find(request.folder, suffixes, quiet=True)
