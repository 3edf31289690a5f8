"""Docusaurus: addresses, anchors and text match @docusaurus/core 3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rag.models import Page
from sites import Book, read_book
from sites.docusaurus_paths import doc_slug, post_slug, strip_number


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return root


def one_page(tmp_path: Path, text: str, **options: Any) -> Page:
    book: Book = read_book(write(tmp_path, {"a.md": text}), generator="docusaurus", **options)
    return book.pages[0]


def text_of(page: Page) -> str:
    return "\n\n".join(block.text for section in page.sections for block in section.blocks)


@pytest.mark.parametrize(
    ("name", "stripped"),
    [
        ("01-intro", "intro"),
        ("1. intro", "intro"),
        ("003 - my doc", "my doc"),
        ("7_x", "x"),
        ("2021-11-foo", "2021-11-foo"),
        ("7.0-foo", "7.0-foo"),
        ("10", "10"),
        ("1intro", "1intro"),
    ],
)
def test_number_prefixes(name: str, stripped: str) -> None:
    assert strip_number(name)[0] == stripped


@pytest.mark.parametrize(
    ("path", "meta", "slug"),
    [
        ("01-guide/02-intro.md", {}, "guide/intro"),
        ("guide/index.md", {}, "guide/"),
        ("guide/README.md", {}, "guide/"),
        ("guide/guide.mdx", {}, "guide/"),
        ("Guide/guide.md", {}, "Guide/"),
        ("guide/other.md", {"id": "named"}, "guide/named"),
        ("guide/other.md", {"slug": "short"}, "guide/short"),
        ("guide/other.md", {"slug": "./short"}, "guide/./short"),
        ("guide/other.md", {"slug": "../up"}, "guide/../up"),
        ("guide/other.md", {"slug": "/top/place"}, "/top/place"),
        ("01-a/01-b.md", {"parse_number_prefixes": False}, "01-a/01-b"),
        ("guide/index.md", {"slug": "x"}, "guide/x"),
    ],
)
def test_addresses(path: str, meta: dict[str, Any], slug: str) -> None:
    assert doc_slug(path, meta).lstrip("/") == slug.lstrip("/")


@pytest.mark.parametrize(
    ("path", "slug"),
    [
        ("2022-03-14-a-b.md", "2022/03/14/a-b"),
        ("2022-03-14-a/index.mdx", "2022/03/14/a"),
        ("2022/03/14/a.md", "2022/03/14/a"),
        ("2022-03-14/index.md", "2022/03/14/index"),
        ("x/2022/03/14/index.md", "2022/03/14/x/index"),
        ("x/index.md", "x"),
    ],
)
def test_addresses_of_posts(path: str, slug: str) -> None:
    assert post_slug(path, {})[0] == slug


def test_base_path(tmp_path: Path) -> None:
    assert one_page(tmp_path, "x").slug == "docs/a"
    assert one_page(tmp_path, "x", base_path="/").slug == "a"
    assert one_page(tmp_path, "---\nslug: /\n---\nx", base_path="/").slug == ""


def test_the_root_of_a_site_without_a_configuration(tmp_path: Path) -> None:
    files = {"docs/a.md": "A.", "docs/b/c.md": "C.", "README.md": "For developers."}
    book = read_book(write(tmp_path, files), generator="docusaurus")
    assert [page.slug for page in book.pages] == ["docs/a", "docs/b/c"]
    book = read_book(write(tmp_path, {"more/d.md": "D."}), generator="docusaurus")
    assert {page.slug for page in book.pages} >= {"docs/docs/a", "docs/more/d"}


def test_mdx_is_reduced_to_its_text(tmp_path: Path) -> None:
    page = one_page(
        tmp_path,
        """---
title: Install it
---
import Tabs from '@theme/Tabs';
import {
  A,

  B,
} from './x';

export const answer = () => {

  return 42;
};

<Tabs>
<TabItem value="npm" label="With npm">
```bash
npm install
import kept from 'code'
```
</TabItem>
  <TabItem value="pnpm">

    Use **pnpm** <b>now</b>{/* hidden */}{' '}please.

  </TabItem>
</Tabs>

:::tip[Know this]
Inside the *tip*.
:::

<!-- gone -->
{/* gone
too */}
""",
    )
    assert page.title == "Install it"
    assert text_of(page).split("\n\n") == [
        "With npm",
        "```bash\nnpm install\nimport kept from 'code'\n```",
        "pnpm",
        "Use pnpm now please.",
        "Know this",
        "Inside the tip.",
    ]


def test_a_table_of_tags_keeps_its_rows(tmp_path: Path) -> None:
    page = one_page(
        tmp_path,
        """# T

<table><tr><th>a</th><th>b</th></tr><tr><td>c</td><td>*d*<br/>e</td></tr></table>

<table className="wide">
  <thead>
    <tr>
      <th>Name</th><th colSpan={2}>Type</th>
    </tr>
  </thead>
  <tbody>
    <tr>
      <td>`x`</td>
      <td>

        One.

        **Two.**

      </td>
    </tr>
  </tbody>
</table>

after <table> and

before
""",
    )
    assert text_of(page).split("\n\n") == [
        "| a | b |\n| --- | --- |\n| c | d e |",
        "| Name | Type |\n| --- | --- |\n| `x` | One. Two. |",
        "after and",
        "before",
    ]


def test_anchors(tmp_path: Path) -> None:
    page = one_page(
        tmp_path,
        "# Title\n\n## Same\n\n## Same\n\n## With `code` & [link](x) \n\n## Own {#my-id}\n\n"
        "## Comment {/* #other */}\n\n## :tada: Party\n\n## npm:install\n",
    )
    assert [(section.heading, section.anchor) for section in page.sections] == [
        ("Title", ""),
        ("Same", "same"),
        ("Same", "same-1"),
        ("With code & link", "with-code--link"),
        ("Own", "my-id"),
        ("Comment", "other"),
        ("🎉 Party", "tada-party"),
        ("npm:install", "npm"),
    ]


def test_drafts_partials_and_tests_are_skipped(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "a.md": "---\ndraft: true\n---\nx",
            "b.md": "---\nunlisted: true\n---\nx",
            "_c.md": "x",
            "_d/e.md": "x",
            "f.test.md": "x",
            "g.md": "x",
        },
    )
    book = read_book(tmp_path, generator="docusaurus")
    assert [page.source_path for page in book.pages] == ["g.md"]


def test_configuration(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "docusaurus.config.ts": "// title: 'no'\nexport default {title: 'My site', "
            "baseUrl: '/',\n i18n: {defaultLocale: 'fr', locales: ['fr']}, presets: [['classic', "
            "{docs: {routeBasePath: '/'}}]]};",
            "docs/intro.md": "Bonjour",
            "versions.json": '["2.0", "1.0"]',
            "versioned_docs/version-2.0/intro.md": "Deux",
            "versioned_docs/version-1.0/intro.md": "Un",
        },
    )
    book = read_book(tmp_path)
    assert (book.title, book.language, book.generator) == ("My site", "fr", "docusaurus")
    assert [(page.slug, text_of(page)) for page in book.pages] == [("intro", "Deux")]


SIDEBARS = """
// @ts-check
/** @type {import('@docusaurus/plugin-content-docs').SidebarsConfig} */
const sidebars = {
  main: [
    'intro', // the first
    {type: 'category', label: 'Guides', link: {type: 'doc', id: 'guide/index'},
     items: ["guide/second", {type: "doc", id: `guide/first`, label: 'One, {two}'},
             ...more, process.env.X ? 'a' : 'b', somewhere('guide/third'),
             {type: 'link', label: 'x', href: 'https://o.org'}]},
    {'Short form': ['named'], },
    {type: 'autogenerated', dirName: '02-api'},
  ],
  other: {Last: ['last']},
};
export default sidebars;
"""


def test_sidebars_give_the_order(tmp_path: Path) -> None:
    names = ["a", "guide/first", "guide/index", "guide/second", "guide/third", "intro", "last"]
    names += ["02-api/2-b", "02-api/1-a", "x-named"]
    files = {f"docs/{name}.md": f"# {name}\n\nText of {name}." for name in names}
    files["docs/x-named.md"] = "---\nid: named\n---\nText."
    files["docusaurus.config.js"] = "module.exports = {title: 'T', url: 'https://book.dev', "
    files["docusaurus.config.js"] += "baseUrl: '/b/', trailingSlash: true}"
    files["sidebars.ts"] = SIDEBARS
    write(tmp_path, files)
    expected = ["intro", "guide", "guide/second", "guide/first", "named", "api/a", "api/b", "last"]
    for folder in (tmp_path, tmp_path / "docs"):
        book = read_book(folder)
        slugs = [page.slug for page in book.pages]
        assert slugs == [f"docs/{name}/" for name in [*expected, "a", "guide/third"]]
        assert book.site_url == "https://book.dev/b"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "module.exports = {",
        "const a = {b: a, c: [a]}; module.exports = a",
        "{" * 100_000,
        "export default " + "[" * 50_000,
        "x = {'a': ['" * 20_000,
        "= {`" * 20_000,
        "({a:" * 50_000,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_sidebars_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    config = {"docusaurus.config.js": "", "sidebars.js": text, "docs/a.md": "A.", "docs/b.md": "B."}
    write(tmp_path, config)
    assert [page.slug for page in read_book(tmp_path).pages] == ["docs/a", "docs/b"]


def test_a_placeholder_address_is_ignored(tmp_path: Path) -> None:
    url = "https://your-docusaurus-site.example.com"
    write(tmp_path, {"docusaurus.config.js": f"x = {{url: '{url}'}}", "docs/a.md": "A."})
    assert read_book(tmp_path).site_url == ""
