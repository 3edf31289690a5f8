"""What is lost is counted and named, once, in a line for each kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from sites import in_language, read_book
from sites.losses import Losses, sentences
from tests.sites.test_sites import write


def test_a_line_for_each_kind() -> None:
    losses = Losses()
    for number in range(7):
        losses.add("imports could not be found", f"p{number}.md", f"./_{number}.md")
    for _ in range(2):
        losses.add("pages are empty", "a.md")
    assert len(list(losses)) == 8
    assert list(sentences(losses)) == [
        (
            "p0.md",
            "7 imports could not be found: p0.md: ./_0.md; p1.md: ./_1.md; p2.md: ./_2.md; "
            "p3.md: ./_3.md; p4.md: ./_4.md and 2 more.",
        ),
        ("a.md", "1 page is empty: a.md."),
    ]


def test_details_are_short() -> None:
    losses = Losses()
    losses.add("expressions are computed", "a.md:3", "{\n  list.map(" + "x" * 500)
    (line,) = [sentence for _, sentence in sentences(losses)]
    assert line.startswith("1 expression is computed: a.md:3: { list.map(xxx")
    assert len(line) < 150


DOCUSAURUS = """import shared from './shared'
export default {
  presets: [['classic', {...shared, docs: {
    remarkPlugins: [
      require('own'),
      [another, {}],
    ],
  }}]],
  plugins: [
    'docusaurus-plugin-typedoc',
    ['docusaurus-plugin-openapi-docs', {
      id: 'x' }],
  ],
}"""
MKDOCS = """INHERIT: ../base.yml
plugins:
  - search
  - material/own
  - gen-files: {scripts: [a.py]}
exclude_docs: |
  *.tmp
  !.well
markdown_extensions:
  toc: {}
  markdown.extensions.other: {}
"""
LINES: list[tuple[dict[str, str], set[tuple[str, str]]]] = [
    (
        {
            "docusaurus.config.js": DOCUSAURUS,
            "shared.js": "export default {\n\n  blog: { numberPrefixParser: f, path: g() } }",
            "docs/a.md": "# A\n\n| a |\n|---|\n| {f()} |\n",
            "versions.json": '[\n  "2.0"\n]',
        },
        {
            ("docusaurus.config.js:5", "own"),
            ("docusaurus.config.js:6", "another"),
            ("docusaurus.config.js:10", "docusaurus-plugin-typedoc"),
            ("docusaurus.config.js:11", "docusaurus-plugin-openapi-docs"),
            ("shared.js:3", "path"),
            ("versions.json:2", "versioned_docs/version-2.0"),
            ("docs/a.md:5", "{f()}"),
        },
    ),
    (
        {
            "base.yml": "theme: {name: x}\n\nhooks:\n- x.py\n",
            "site/mkdocs.yml": MKDOCS,
            "site/docs/index.md": "x",
        },
        {
            ("mkdocs.yml:4", "own"),
            ("mkdocs.yml:5", "gen-files"),
            ("mkdocs.yml:8", "!.well"),
            ("mkdocs.yml:11", "other"),
            ("../base.yml:4", "x.py"),
        },
    ),
    (
        {
            "book.toml": "[book]\ntitle = 'x'\n[preprocessor.own]\na = 1\n[preprocessor]\nb = {}",
            "src/SUMMARY.md": "- [A](a.md)",
            "src/a.md": "# A\n\nx",
        },
        {("book.toml:3", "own"), ("book.toml:6", "b")},
    ),
]


@pytest.mark.parametrize(("files", "lost"), LINES)
def test_what_a_configuration_loses_is_named_with_its_line(
    tmp_path: Path, files: dict[str, str], lost: set[tuple[str, str]]
) -> None:
    write(tmp_path, {".git/HEAD": "x", **files})
    folder = tmp_path / "site" if (tmp_path / "site").is_dir() else tmp_path
    assert {(loss.place, loss.detail) for loss in read_book(folder).losses} == lost


EXPANDED = """---
title: A
---

--8<--
one.txt
two.txt

sub/three.txt
--8<--

{% include "part.md" %}

::: a.b
    options: {}

```
::: not.one
```

- item

    ::: c.d

{{ macro }}

--8<-- "gone.txt"
"""


def test_lines_of_an_expanded_page(tmp_path: Path) -> None:
    config = "plugins: [include-markdown, macros, mkdocstrings]\n"
    files = {
        "mkdocs.yml": config + "markdown_extensions: [pymdownx.snippets, meta]",
        "docs/index.md": EXPANDED,
        "docs/part.md": "Part.\n\n::: in.part\n\nMore.\n\n{{ jinja }}\n",
        "one.txt": "One.\n\nMore.",
        "two.txt": '--8<--\nsub/deep.txt\n--8<--\n\n--8<-- "no.txt"\n',
        "sub/deep.txt": "Deep.",
        "sub/three.txt": "Three.",
    }
    book = read_book(write(tmp_path, files))
    assert {(loss.place, loss.detail) for loss in book.losses} == {
        ("index.md:14", "a.b"),
        ("index.md:23", "c.d"),
        ("part.md:3", "in.part"),
        ("part.md:7", "{{ jinja }}"),
        ("../two.txt:5", "no.txt"),
        ("index.md:27", "gone.txt"),
    }
    words = " ".join(block.text for section in book.pages[0].sections for block in section.blocks)
    assert words.startswith("One. More. Deep. Three. Part. More.")


def test_what_pages_in_other_languages_lose(tmp_path: Path) -> None:
    german = "i18n/de/docusaurus-plugin-content-docs/current"
    files = {
        "docusaurus.config.js": "export default {i18n: {defaultLocale: 'en', "
        "locales: ['en', 'de', 'fr']}, presets: [['classic', {}]]}",
        "docs/a.md": "# A\n\n{f()} x",
        "docs/_part.md": "{h()} x",
        "docs/b.md": "import Part from './_part.md'\n\n# B\n\nx\n\n<Part />",
        f"{german}/a.md": "---\nx: [\n---\n# A\n\n{g()} y",
        "i18n/fr/docusaurus-plugin-content-docs/current/a.md": "# A\n\nz",
    }
    files[f"{german}/b.md"] = files["docs/b.md"].replace("./", "@site/docs/")
    book = read_book(write(tmp_path, files))
    assert [loss.detail for loss in book.losses] == ["{f()}", "{h()}", "{g()}"]
    assert len(book.problems) == 2
    english, german_, french = (in_language(book, tag) for tag in ("en", "de", "fr"))
    assert [loss.detail for loss in english.losses] == ["{f()}", "{h()}"]
    assert [loss.detail for loss in german_.losses] == ["{h()}", "{g()}"]
    assert len(english.problems) == 1
    assert len(german_.problems) == 2
    assert french.problems == ()
