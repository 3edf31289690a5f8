"""Generators that are not read, formats that are not read, and mistyped sources."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rag.errors import SourceError
from sites import in_language, read_book
from sites.published_site import BuiltFolder
from tests.sites.test_sites import write


@pytest.mark.parametrize(
    ("config", "text", "name", "command"),
    [
        ("astro.config.mjs", "import s from '@astrojs/starlight'", "Astro Starlight", "dist"),
        ("next.config.ts", "import nextra from 'nextra'", "Nextra", "out"),
        ("docs.json", '{"$schema": "https://mintlify.com/docs.json"}', "Mintlify", "https://"),
        (".gitbook.yaml", "root: ./", "GitBook", "https://"),
        ("SUMMARY.md", "# Table of contents\n\n* [A](a.md)", "GitBook", "https://"),
        ("hugo.toml", "baseURL = 'x'", "Hugo", "public"),
        ("config.toml", "baseURL = 'x'", "Hugo", "public"),
        ("_config.yml", "theme: just-the-docs", "Jekyll", "_site"),
        ("conf.py", "extensions = ['myst_parser']", "Sphinx", "build"),
        ("antora.yml", "name: x", "Antora", "build/site"),
        ("config/_default/hugo.yaml", "baseURL: /", "Hugo", "public"),
        ("source/conf.py", "project = 'x'\nroot_doc = 'a'", "Sphinx", "build"),
        ("source.config.ts", "import x from 'fumadocs-mdx/config'", "Fumadocs", "out"),
        (".vuepress/config.js", "", "VuePress", ".vuepress/dist"),
        ("_toc.yml", "format: jb-book", "Jupyter Book", "_build/html"),
        ("zensical.toml", "", "Zensical", "site"),
        ("siteConfig.js", "module.exports = {}", "Docusaurus 1", "build/PROJECT"),
        ("website/siteConfig.js", "", "Docusaurus 1", "website/build/PROJECT"),
        ("rspress.config.ts", "export default {}", "Rspress", "doc_build"),
        ("vocs.config.tsx", "export default {}", "Vocs", "docs/dist"),
        ("nuxt.config.ts", "export default {modules: ['@nuxt/content']}", "Nuxt", ".output/public"),
        ("gatsby-config.js", "plugins: ['gatsby-plugin-mdx']", "Gatsby", "public"),
        ("_config.yml", "title: Bees\nskip_render:", "Hexo", "public"),
        ("_bookdown.yml", "new_session: yes", "bookdown", "_book"),
        ("make.jl", 'using Documenter\nmakedocs(sitename="Bees")', "Documenter.jl", "build"),
        ("_config.ts", 'import lume from "lume/mod.ts"', "Lume", "_site"),
        ("pelicanconf.py", "SITENAME = 'Bees'", "Pelican", "output"),
        ("docfx.json", '{"build": {}}', "DocFX", "_site"),
        ("retype.yml", "input: .", "Retype", ".retype"),
        ("writerside.cfg", "<ihp/>", "Writerside", "https://"),
        ("fern.config.json", "{}", "Fern", "https://"),
        ("fern/fern.config.json", "{}", "Fern", "https://"),
        ("quartz.config.ts", "", "Quartz", "public"),
        (".dumirc.ts", "", "Dumi", "dist"),
        ("zudoku.config.tsx", "", "Zudoku", "dist"),
        ("pkgdown/_pkgdown.yml", "url: x", "pkgdown", "docs"),
    ],
)
def test_the_built_site_is_named(
    tmp_path: Path, config: str, text: str, name: str, command: str
) -> None:
    write(tmp_path, {config: text, "content/a.mdx": "# A\n\nx", "content/b.md": "# B\n\nx"})
    for folder in (tmp_path, tmp_path / "content"):
        with pytest.raises(SourceError, match=f"{name} are not read.*ingest.py {command}"):
            read_book(folder)
    assert read_book(tmp_path / "content", generator="plain").pages
    write(tmp_path, {"content/mkdocs.yml": "docs_dir: ."})
    assert read_book(tmp_path / "content").generator == "mkdocs"


@pytest.mark.parametrize(
    "script",
    ["window.$docsify = {}", "", '<script src="//cdn.jsdelivr.net/npm/docsify@4"></script>'],
)
def test_docsify_has_no_addresses(tmp_path: Path, script: str) -> None:
    shell = f"<html><body><div id=app></div><script>{script}</script></body></html>"
    write(tmp_path, {"index.html": shell, "README.md": "# A\n\nx", "guide/b.md": "# B\n\nx"})
    if script:
        for folder in (tmp_path, tmp_path / "guide"):
            with pytest.raises(SourceError, match=r"docsify are not read.*`--generator plain`"):
                read_book(folder)
    assert len(read_book(tmp_path, generator="plain").pages) == 2


@pytest.mark.parametrize(
    ("config", "text"),
    [("nuxt.config.ts", "export default {}"), ("gatsby-config.js", "plugins: []")],
)
def test_programs_made_with_a_framework_are_no_sites(
    tmp_path: Path, config: str, text: str
) -> None:
    write(tmp_path, {config: text, "notes/a.md": "# A\n\nx"})
    assert read_book(tmp_path).generator == "plain"


@pytest.mark.parametrize(
    ("config", "text", "sentence"),
    [
        ("docs/_config.yml", "", "`bundle exec jekyll build` in docs/, .* docs/_site`"),
        ("website/astro.config.mjs", "starlight", "`npm run build` in website/, .* website/dist`"),
        (
            "doc/source/conf.py",
            "project = 'x'",
            "`sphinx-build source build` in doc/, .* doc/build",
        ),
    ],
)
def test_a_site_in_a_folder_of_its_repository(
    tmp_path: Path, config: str, text: str, sentence: str
) -> None:
    folder = config.partition("/")[0]
    write(tmp_path, {config: text, "README.md": "# R\n\nx", f"{folder}/a.mdx": "# A\n\nx"})
    with pytest.raises(SourceError, match=f"^{config}: .*{sentence}"):
        read_book(tmp_path)
    write(tmp_path, {f"{folder}/mkdocs.yml": "docs_dir: ."})
    assert read_book(tmp_path).generator != "mkdocs"


@pytest.mark.parametrize(
    ("config", "text", "name"),
    [
        ("apps/www/source.config.ts", "import x from 'fumadocs-mdx/config'", "Fumadocs"),
        ("packages/manual/astro.config.mjs", "starlight", "Astro Starlight"),
        ("web/_config.yml", "title: Bees", "Jekyll"),
    ],
)
def test_a_site_that_holds_most_pages(tmp_path: Path, config: str, text: str, name: str) -> None:
    folder = config.rpartition("/")[0]
    pages = {f"{folder}/content/{page}.mdx": "# A\n\nx" for page in "ab"}
    write(tmp_path, {config: text, "README.md": "# R\n\nx", **pages})
    with pytest.raises(SourceError, match=f"^{config}: the sources of {name} .* in {folder}/"):
        read_book(tmp_path)
    write(tmp_path, {"notes/c.md": "# C\n\nx"})  # now the site has half of the pages
    assert len(read_book(tmp_path).pages) == 4


def test_built_output_is_html(tmp_path: Path) -> None:
    page = "<html><main><h1>A</h1><p>x</p></main></html>"
    files = {"dist/index.html": page, "dist/index.md": "# A", "dist/b/index.html": page,
             "dist/b.md": "# B", "dist/c.html": page, "dist/c.html.md": "# C"}  # fmt: skip
    write(tmp_path, {"astro.config.mjs": "starlight", **files})
    assert read_book(tmp_path / "dist").generator == "html"
    write(tmp_path / "other", {"a/b.html": page, "a/b.html.md": "# B"})
    assert read_book(tmp_path / "other").generator == "html"
    write(tmp_path, {"dist/own.md": "# D\n\nx"})
    with pytest.raises(SourceError, match="Starlight"):
        read_book(tmp_path / "dist")


def test_other_formats_are_named(tmp_path: Path) -> None:
    write(tmp_path, {"a.rst": "A\n=\n", "b/c.adoc": "= C\n"})
    with pytest.raises(SourceError, match=r"2 files in formats that are not read, such as a.rst"):
        read_book(tmp_path)
    with pytest.raises(SourceError, match=r"There are no pages to read in \S+ It has 1 file in"):
        read_book(tmp_path / "b")
    write(tmp_path, {"d.md": "# D\n\nx"})
    assert [loss.place for loss in read_book(tmp_path).losses] == ["a.rst", "b/c.adoc"]


@pytest.mark.parametrize(
    ("source", "address"),
    [
        ("my-book.dev/docs", "https://my-book.dev/docs"),
        ("my-book.dev/a.html", "https://my-book.dev/a.html"),
        ("//WWW.Bücher.de", "https://WWW.Bücher.de"),
        ("htps://my-book.dev", "https://my-book.dev"),
        ("http:/my-book.dev", "http://my-book.dev"),
        ("localhost:3000", "http://localhost:3000"),
        ("192.168.1.2:80/a", "http://192.168.1.2:80/a"),
        ("[::1]:3000", "http://[::1]:3000"),
        ("docs-server:8080/a", "http://docs-server:8080/a"),
    ],
)
def test_an_address_without_scheme(source: str, address: str) -> None:
    with pytest.raises(SourceError, match=re.escape(f"For the site at that address: {address}")):
        read_book(Path(source))
    with pytest.raises(SourceError, match=re.escape(f"For the site at that address: {address}")):
        BuiltFolder(Path(source))


@pytest.mark.parametrize("source", ["nope", "readme.md", "docs/a.html", "C:/docs", "notes.txt"])
def test_a_path_that_is_no_address(source: str) -> None:
    with pytest.raises(SourceError, match=f"^There is no folder {source}.$"):
        read_book(Path(source))


@pytest.mark.parametrize(
    ("settings", "page"),
    [
        ("packages/docs/.vitepress/config.ts", "packages/docs/guide/a.md"),
        ("apps/manual/docusaurus.config.ts", "apps/manual/docs/a.md"),
        ("guide/mkdocs.yml", "guide/docs/a.md"),
        ("books/one/book.toml", "books/one/src/a.md"),
        ("apps/manual/docusaurus.config.ts", "apps/manual/docs/a.mdx"),
        ("www/docusaurus.config.js", "www/docs/a.mdx"),
    ],
)
def test_a_site_inside_a_folder_is_named(tmp_path: Path, settings: str, page: str) -> None:
    inside = (
        settings.partition("/.vitepress")[0] if "/." in settings else settings.rpartition("/")[0]
    )
    files = {"README.md": "# All\n\nx", "other/b.md": "# B\n\nx", settings: "", page: "# A\n\nx"}
    write(tmp_path, files)
    book = read_book(tmp_path)
    assert (book.generator, len(book.pages)) == ("docusaurus" if "mdx" in page else "plain", 3)
    kind = "folders with a site's settings are read without them; index each by itself"
    assert [(loss.kind, loss.place) for loss in book.losses] == [(kind, inside)]
    assert read_book(tmp_path, generator="plain").losses == ()
    assert read_book(tmp_path / inside).losses == ()


def test_one_language(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": "---\nlang: pt-BR\n---\n# A\n\nx", "b.md": "# B\n\nx"})
    book = read_book(tmp_path)
    assert [page.slug for page in in_language(book, "pt").pages] == ["a"]
    with pytest.raises(SourceError, match="no pages in the language fr; there are pages in en"):
        in_language(book, "fr")


@pytest.mark.parametrize("name", ["mkdocs-online.yml", "mkdocs.de.yaml"])
def test_settings_of_mkdocs_by_another_name_are_named(tmp_path: Path, name: str) -> None:
    book = read_book(write(tmp_path, {name: "site_name: B\n", "docs/a.md": "# A\n\nx\n"}))
    assert book.problems[0].message == (
        f"1 setting is read only as mkdocs.yml; copy the file that you build with to it: {name}."
    )
