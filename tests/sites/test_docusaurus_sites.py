"""Docusaurus: the configuration says which folders are read, how, and at which addresses."""

from __future__ import annotations

from pathlib import Path

import pytest

from sites import Book, read_book
from sites.globs import matches
from tests.sites.test_docusaurus import text_of, write

CONFIG = "docusaurus.config.js"


def preset(docs: str, more: str = "", top: str = "") -> str:
    return (
        "import x from 'y';\nexport default {title: 'T', url: 'https://a.dev', baseUrl: '/', "
        f"{top} presets: [['classic', {{docs: {docs}, {more}}}]]}};"
    )


def slugs(book: Book) -> dict[str, str]:
    return {page.source_path: page.slug for page in book.pages}


def said(book: Book) -> str:
    return "\n".join(problem.message for problem in book.problems)


def test_every_plugin_has_its_own_folder_and_address(tmp_path: Path) -> None:
    plugins = (
        "plugins: [['@docusaurus/plugin-content-docs', {id: 'club', path: 'club', "
        "routeBasePath: 'club', sidebarPath: require.resolve('./club.js')}], "
        "[require.resolve('@docusaurus/plugin-content-blog'), {id: 'b', path: 'log', "
        "routeBasePath: '/log'}], './own-plugin', ['x', {path: 'no'}]],"
    )
    files = {
        CONFIG: preset("{}", "blog: {path: 'news'}, theme: {path: 'no'}", plugins),
        "docs/a.md": "# A",
        "club/b.md": "# B",
        "club/a.md": "# A",
        "club.js": "module.exports = {s: ['b', 'a']}",
        "club_versions.json": '["1.0"]',
        "club_versioned_docs/version-1.0/a.md": "# A",
        "club_versioned_docs/version-1.0/b.md": "# B",
        "club_versioned_sidebars/version-1.0-sidebars.json": '{"s": ["b", "a"]}',
        "news/2021-08-26-hello/index.md": "# Hello",
        "news/more/2022-01-02-second.mdx": "# Second",
        "news/third.md": "---\nslug: /three\n---\n# Third",
        "log/2020/1/2/x.md": "# X",
        "src/pages/about.md": "# About",
        "src/pages/in/index.mdx": "# In",
        "src/pages/index.tsx": "x",
    }
    book = read_book(write(tmp_path, files))
    assert slugs(book) == {
        "docs/a.md": "docs/a",
        "club_versioned_docs/version-1.0/b.md": "club/b",
        "club_versioned_docs/version-1.0/a.md": "club/a",
        "news/2021-08-26-hello/index.md": "blog/2021/08/26/hello",
        "news/more/2022-01-02-second.mdx": "blog/2022/01/02/more/second",
        "news/third.md": "blog/three",
        "log/2020/1/2/x.md": "log/2020/1/2/x",
        "src/pages/about.md": "about",
        "src/pages/in/index.mdx": "in/",
    }
    assert "1 page is not Markdown and was left out: src/pages/index.tsx:1." in said(book)
    assert list(slugs(book)).index("club_versioned_docs/version-1.0/b.md") == 1
    assert slugs(read_book(tmp_path / "club")) == {"b.md": "club/next/b", "a.md": "club/next/a"}


VERSIONED = {
    CONFIG: preset(
        "{versions: {current: {path: 'edge'}, '1.0': {label: 'x'}}}",
        "blog: false, pages: false",
        "i18n: {defaultLocale: 'en', locales: ['en', 'de', 'pt-BR'], localeConfigs: "
        "{'pt-BR': {htmlLang: 'pt', path: 'pt'}}},",
    ),
    "versions.json": '["2.0", "1.0"]',
    "docs/x/a.md": "# A",
    "versioned_docs/version-2.0/x/a.md": "# A",
    "versioned_docs/version-1.0/x/a.md": "# A",
    "i18n/de/docusaurus-plugin-content-docs/current/x/a.md": "# A",
    "i18n/de/docusaurus-plugin-content-docs/version-2.0/x/a.md": "# A",
    "i18n/pt/docusaurus-plugin-content-docs/version-1.0/x/a.md": "# A",
}


@pytest.mark.parametrize(
    ("folder", "source", "slug", "language"),
    [
        ("docs", "x/a.md", "docs/edge/x/a", "en"),
        ("docs/x", "a.md", "docs/edge/x/a", "en"),
        ("versioned_docs/version-2.0", "x/a.md", "docs/x/a", "en"),
        ("versioned_docs/version-1.0/x", "a.md", "docs/1.0/x/a", "en"),
        ("i18n/de/docusaurus-plugin-content-docs/current", "x/a.md", "de/docs/edge/x/a", "de"),
        ("i18n/de/docusaurus-plugin-content-docs/version-2.0", "x/a.md", "de/docs/x/a", "de"),
        ("i18n/pt", "a.md", "pt-BR/docs/1.0/x/a", "pt"),
    ],
)
def test_a_folder_inside_a_site(
    tmp_path: Path, folder: str, source: str, slug: str, language: str
) -> None:
    (page,) = read_book(write(tmp_path, VERSIONED) / folder).pages
    assert (page.source_path[-len(source) :], page.slug) == (source, slug)
    assert page.language == language


def test_a_site_in_its_languages(tmp_path: Path) -> None:
    book = read_book(write(tmp_path, VERSIONED))
    assert {(page.slug, page.language) for page in book.pages} == {
        ("docs/x/a", "en"),
        ("de/docs/x/a", "de"),
    }


@pytest.mark.parametrize(
    ("locale", "folder", "expected"),
    [
        ("{htmlLang: 'de-CH'}", "de", ("de/docs/x/a", "de-CH")),
        ("{htmlLang: 'de-CH'}", "de-CH", ("de/docs/x/a", "de-CH")),
        ("{htmlLang: 'de-CH', path: 'ch'}", "ch", ("de/docs/x/a", "de-CH")),
    ],
)
def test_the_folder_of_a_language(
    tmp_path: Path, locale: str, folder: str, expected: tuple[str, str]
) -> None:
    i18n = f"i18n: {{defaultLocale: 'en', locales: ['en', 'de'], localeConfigs: {{de: {locale}}}}},"
    place = f"i18n/{folder}/docusaurus-plugin-content-docs/current/x/a.md"
    files = {CONFIG: preset("{}", top=i18n), "docs/x/a.md": "# A", place: "# A"}
    book = read_book(write(tmp_path, files))
    assert expected in [(page.slug, page.language) for page in book.pages]


def test_docs_beside_the_site(tmp_path: Path) -> None:
    files = {
        ".git/HEAD": "x",
        "website/docusaurus.config.ts": preset("{path: '../docs', routeBasePath: '/'}"),
        "website/sidebars.json": '{"s": ["b", "a"]}',
        "docs/a.md": "# A",
        "docs/b.md": "# B\n\nimport P from '@site/parts/_p.md';\n\n<P />",
        "website/parts/_p.md": "Part.",
    }
    write(tmp_path, files)
    for folder in ("", "website", "docs"):
        book = read_book(tmp_path / folder)
        assert [page.slug for page in book.pages] == ["b", "a"]
        assert text_of(book.pages[0]) == "Part."
        assert book.problems == ()


@pytest.mark.parametrize(
    ("docs", "expected"),
    [
        ("{numberPrefixParser: false}", ["01-a", "skip/b", "c"]),
        ("{exclude: ['**/skip/**', 'c.{md,mdx}']}", ["a", "_d"]),
        ("{include: ['skip/*.md']}", ["skip/b"]),
        ("{exclude: []}", ["a", "skip/b", "_d", "c"]),
        ("{}", ["a", "skip/b", "c"]),
    ],
)
def test_which_pages_are_read(tmp_path: Path, docs: str, expected: list[str]) -> None:
    names = ["01-a", "skip/b", "c", "_d"]
    files = {CONFIG: preset(docs), **{f"docs/{name}.md": f"# {name}" for name in names}}
    book = read_book(write(tmp_path, files))
    assert {page.slug for page in book.pages} == {f"docs/{name}" for name in expected}


@pytest.mark.parametrize(
    ("path", "glob", "expected"),
    [
        ("a/b/c.md", "**/*.{md,mdx}", True),
        ("c.mdx", "**/*.{md,mdx}", True),
        ("a/b.md", "*.md", False),
        ("a/skip/x/b.md", "**/skip/**", True),
        ("a/b.md", "a/**/b.md", True),
        ("a", "a/**", False),
        ("a/b", "./a/?", True),
        ("x" * 3_000, "*a" * 100, False),
        ("a/" * 1_000 + "b", "**/a/" * 200 + "c", False),
        ("a", "{a,b}" * 40, False),
    ],
)
def test_globs(path: str, glob: str, expected: bool) -> None:
    assert matches(path, [glob]) is expected


def test_computed_settings_are_named(tmp_path: Path) -> None:
    config = """import all from './shared';
export default {
  ...all,
  title: process.env.T,
  presets: [['classic', {docs: {routeBasePath: base, numberPrefixParser: (n) => n,
    remarkPlugins: [ownPlugin, [require('remark-math'), {}]]}, blog: false}]],
  plugins: [['docusaurus-plugin-openapi-docs', {}]],
}"""
    book = read_book(write(tmp_path, {CONFIG: config, "docs/a.md": "# A\n\n$x_{1}$"}))
    assert slugs(book) == {"a.md": "docs/a"}
    assert text_of(book.pages[0]) == "$x_{1}$"
    named = {loss.detail for loss in book.losses}
    assert {"title", "routeBasePath", "numberPrefixParser", "ownPlugin"} <= named
    assert "docusaurus-plugin-openapi-docs" in named
    assert f"{CONFIG}:4: title" in said(book)


# ---------------------------------------------------------------- pages


def read(tmp_path: Path, text: str, files: dict[str, str], config: str = "") -> Book:
    site = {CONFIG: config or preset("{}"), "docs/page.md": text}
    return read_book(write(tmp_path, {**site, **files}))


PARTIALS = {
    "docs/_mac.md": "---\nx: y\n---\nMac words.\n\n### Own heading",
    "docs/_win.mdx": "Win words.",
    "src/Box.js": "x",
}


@pytest.mark.parametrize(
    "text",
    [
        "# A\n\nWords.\n\nimport M from './_mac.md';\n\n<M />",
        "import M from './\\_mac.md'\n\n# A\n\n<M></M>",
        "import M from '@site/docs/_mac.md'\n\n- item\n\n  <M/>\n",
        "import M from '/docs/_mac.md'\n\n<M/>\n",
        "import {x} from 'y';\nimport M from \"./_mac.md\";\n\n> <M/>",
        "import M from './_mac.md';\n\nInline <M /> here.",
        "import T from '@theme/Tabs'\nimport M from './_mac.md'\n\n<T><T.Item><M/></T.Item></T>",
        "import M from './_mac.md'\nimport W from './_win.mdx'\n\n<W/><M />",
        "import M from './_mac.md'\n\n| a |\n|---|\n| <M/> |",
        "````mdx-code-block\nimport M from './_mac.md'\n\n<M />\n````",
        "- x\n\n  ```mdx-code-block\n  <M />\n  ```\n\nimport M from './_mac.md'",
    ],
)
def test_partials_anywhere_in_a_page(tmp_path: Path, text: str) -> None:
    book = read(tmp_path, text, PARTIALS)
    words = text_of(book.pages[0])
    assert "Mac words." in words
    assert "import" not in words
    assert "```" not in words
    assert "own-heading" in {section.anchor for section in book.pages[0].sections}
    assert book.problems == ()


def test_what_a_page_loses_is_named_with_its_line(tmp_path: Path) -> None:
    text = """---
title: T
---
import Gone from './_gone.md';
import Box from '@site/src/Box';
import Cards from '@theme/DocCardList';

<Gone />

<Box size={1} /> <Box>kept</Box> <Cards />

Sum {items.length} and {'{'} and {year}.

{items.map((item) => <li>{item}</li>)}

export const year = 2024;
"""
    book = read(tmp_path, text, PARTIALS)
    assert text_of(book.pages[0]).split("\n\n") == ["kept", "Sum and { and 2024."]
    assert "1 import could not be found: page.md:8: ./_gone.md." in said(book)
    assert "1 component was left out: page.md:10: <Box />." in said(book)
    assert "page.md:12: {items.length}; page.md:14: {items.map(" in said(book)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            '<Card header="Action sheets" href="./text" className="no text" aria-label="no">\n'
            "  <p>Inner.</p>\n</Card>",
            "Action sheets\n\nInner.",
        ),
        (
            '<Pair\n  doText=\'On one side.\' dontCaption={"Mixed."}\n  icon="/text.png">'
            "\n\nWhy\n\n</Pair>",
            "On one side.\nMixed.\n\nWhy",
        ),
        ('See <Chip heading="New" kind="no">here</Chip> too', "See New here too"),
        (
            '<ThemedImage alt="A plan of the house" sources={{a: 1}}></ThemedImage>',
            "A plan of the house",
        ),
    ],
)
def test_text_in_the_attributes_of_components(tmp_path: Path, text: str, words: str) -> None:
    assert text_of(read(tmp_path, text, {}).pages[0]) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("    <T>\n\n    - one\n    - two\n\n    </T>", "- one\n- two"),
        ("<T>\n\t1. one\n\t2. two\n\t   - in it\n</T>", "1. one\n2. two\n   - in it"),
        ("    Above:\n    - one\n        - two", "Above:\n\n- one\n  - two"),
        ("Above:\n    * one", "Above:\n\n- one"),
        (
            "    Above\n    ```js\n    code\n    ```\n    below",
            "Above\n\n```js\ncode\n```\n\nbelow",
        ),
        ("      Above\n      :::tip Title\n      In\n      :::", "Above\n\nTitle\n\nIn"),
        ("    <T>\n      above\n      <b>\n      in\n      </b>\n    </T>", "above\n\nin"),
        ("Above\n        goes on,\n    and on", "Above goes on, and on"),
    ],
)
def test_blocks_at_any_column(tmp_path: Path, text: str, words: str) -> None:
    book = read(tmp_path, f"# A\n\n{text}\n    ## Below\n", {})
    assert text_of(book.pages[0]) == words
    assert [section.heading for section in book.pages[0].sections] == ["A", "Below"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{'{'}a{\"}\"}", "{a}"),
        ("If a < b and c > d, take {'e'}", "If a < b and c > d, take e"),
        ("x <= y, 1 < 2 > 0 <b>bold</b>", "x <= y, 1 < 2 > 0 bold"),
        ("{`a}b`} don't {'c'}", "a}b don't c"),
        ("{/* don't { */}after", "after"),
        ("<b a={{b: '}'}}>bold</b>", "bold"),
        ("{'a' + 'b'}", "ab"),
        ("export const n = 1.5\n\nIn {`v${n}`} {'a\\tb'} {`$5`}", "In v1.5 a b $5"),
    ],
)
def test_braces(tmp_path: Path, text: str, words: str) -> None:
    book = read(tmp_path, text, {})
    assert text_of(book.pages[0]) == words
    assert book.problems == ()


def test_what_is_known_of_a_template_is_kept(tmp_path: Path) -> None:
    text = """<CodeBlock language="sh">
{`npx init --version ${current()}
cd app`}
</CodeBlock>

Run {`go ${a.b}!`} now.
"""
    book = read(tmp_path, text, {})
    assert text_of(book.pages[0]) == "```sh\nnpx init --version …\ncd app\n```\n\nRun go …! now."
    assert [loss.place for loss in book.losses] == ["page.md:2", "page.md:6"]


def test_code_blocks(tmp_path: Path) -> None:
    text = """import CodeBlock from '@theme/CodeBlock';
import Source from '!!raw-loader!./run.py';

<CodeBlock language="js" title="a.js">
  {`const a = {b: 1};

  more(\\`x\\`);`}
</CodeBlock>

<CodeBlock language="py">{Source}</CodeBlock>

``` jsx {1} title="src/b.jsx" showLineNumbers
<B title="no">{}</B>
```

- in a list

  ```sh title='c'
  d
  ```
"""
    book = read(tmp_path, text, {"docs/run.py": "print(1)\n"})
    assert text_of(book.pages[0]) == (
        "a.js\n\n```js\nconst a = {b: 1};\n\n  more(`x`);\n```\n\n```py\nprint(1)\n```\n\n"
        'src/b.jsx\n\n```jsx\n<B title="no">{}</B>\n```\n\n- in a list\n\n  c\n  ```sh\n  d\n  ```'
    )
    assert book.problems == ()


@pytest.mark.parametrize(
    "imported",
    [
        "import Run from '!!raw-loader!./run.py';\n\n{Run}",
        "import Run from 'raw-loader!@site/docs/run.py';\n\n<CodeBlock>{Run}</CodeBlock>",
        "import Run from './run.py?raw';\n\n<CodeBlock>\n  {Run}\n</CodeBlock>",
        "import Run from '!!@site/docs/run.py?raw';\n\n<CodeBlock>{Run}</CodeBlock>",
        "<CodeBlock>{require('!!raw-loader!./run.py').default}</CodeBlock>",
    ],
)
def test_files_that_are_imported_as_text(tmp_path: Path, imported: str) -> None:
    book = read(tmp_path, imported, {"docs/run.py": "print(1)\n"})
    assert "print(1)" in text_of(book.pages[0])
    assert book.losses == ()


MATH = preset("{remarkPlugins: [remarkMath], rehypePlugins: [[rehypeKatex, {strict: false}]]}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("In $\\frac{a}{b}$ and $$x_{1}$$.", "In $\\frac{a}{b}$ and $$x_{1}$$."),
        ("Before\n$$\na = 1\n\n# b {c}\n$$\nafter", "Before\n\n$$ a = 1 # b {c} $$\n\nafter"),
        ("- x\n\n  $$\n  {y}\n  $$", "- x\n\n  $$ {y} $$"),
        ("`$a` and \\$5 {'b'}", "`$a` and $5 b"),
        ("One $ sign {'b'}", "One $ sign b"),
        ("$$ {never closed}", "$$ {never closed} $$"),
    ],
)
def test_math(tmp_path: Path, text: str, words: str) -> None:
    if text.startswith("$$ {"):
        text = "$$\n{never closed}"
    assert text_of(read(tmp_path, text, {}, MATH).pages[0]) == words


@pytest.mark.parametrize(("info", "shown"), [("js", False), ("js {1,3-4} title='a'", True)])
def test_comments_that_mark_lines(tmp_path: Path, info: str, shown: bool) -> None:
    text = f"``` {info}\n// highlight-next-line\nconst a = 1;\n```\n"
    assert ("highlight-next-line" in text_of(read(tmp_path, text, {}).pages[0])) is shown


def test_comments_that_the_theme_names_as_marks(tmp_path: Path) -> None:
    config = preset("{}", top="themeConfig: {prism: {magicComments: marks}},").replace(
        "export", "const marks = [{className: 'a', line: 'Add this (line)'}, "
        "{className: 'b', block: {start: 'Removed from', end: 'Removed to'}}];\nexport"
    )  # fmt: skip
    code = (
        "```jsx\n// Add this (line)\na()\n  {/* Removed from */}\n<b/>\n"
        "<!-- Removed to -->\n// highlight-next-line\n// Add this (line) twice\n```\n"
    )
    (page,) = read(tmp_path, code, {}, config).pages
    assert text_of(page) == (
        "```jsx\na()\n<b/>\n// highlight-next-line\n// Add this (line) twice\n```"
    )
    code = "```py\n# Removed to\na\n```\n\n```py {1}\n# Removed to\n```"
    (page,) = read(tmp_path, code, {}, config).pages
    assert text_of(page).count("Removed to") == 1


def test_without_math_braces_are_expressions(tmp_path: Path) -> None:
    assert text_of(read(tmp_path, "a $x{'y'}$", {}).pages[0]) == "a $xy$"


@pytest.mark.parametrize(
    ("top", "head", "name", "is_mdx"),
    [
        ("", "", "f.md", True),
        ("markdown: {format: 'detect'},", "", "f.md", False),
        ("markdown: {format: 'detect'},", "", "f.mdx", True),
        ("markdown: {format: 'md'},", "", "f.mdx", False),
        ("markdown: {format: 'md'},", "mdx: {format: mdx}", "f.md", True),
        ("", "mdx:\n  format: md", "f.mdx", False),
    ],
)
def test_formats(tmp_path: Path, top: str, head: str, name: str, is_mdx: bool) -> None:
    text = f"---\nx: 1\n{head}\n---\n# F\n\nUse {{'braces'}} {{more}} <https://loom.dev/x>."
    files = {CONFIG: preset("{}", top=top), f"docs/{name}": text}
    words = text_of(read_book(write(tmp_path, files)).pages[0])
    plain = "Use {'braces'} {more} https://loom.dev/x."
    assert (words == plain) is not is_mdx
    assert ("{more}" in words) is not is_mdx


def test_values_of_properties_front_matter_and_other_files(tmp_path: Path) -> None:
    files = {
        "docusaurus.config.js": "export default {presets: [['classic', {}]]}",
        "docs/_part.mdx": "Hello {props.name}, {props.other} {props.children} there.",
        "docs/_twice.mdx": "import Part from './_part.mdx'\n\n<Part name='Ann' />",
        "docs/data.json": '{"version": "1.2", "all": {"a": "b"}}',
        "src/names.ts": "export const LIMIT = `30 s`\nexport default {key: 'K'}",
        "docs/a.mdx": """---
title: T
since: 2.1
---
import Part from './_part.mdx'
import Twice from './_twice.mdx'
import data from './data.json'
import names, { LIMIT } from '@site/src/names'

<Part name="Joe" />

<Part name={'Eve'} other={count} />

<Twice />

Since {frontMatter.since} or {data.version} or {data.all.a}: {LIMIT}, {names.key},
{frontMatter.no}.
""",
    }
    book = read_book(write(tmp_path, files))
    assert text_of(book.pages[0]).split("\n\n") == [
        "Hello Joe, there.",
        "Hello Eve, there.",
        "Hello Ann, there.",
        "Since 2.1 or 1.2 or b: 30 s, K, .",
    ]
    assert {(loss.place, loss.detail) for loss in book.losses} == {
        ("_part.mdx:1", "{props.other}"),
        ("a.mdx:17", "{frontMatter.no}"),
    }


@pytest.mark.parametrize(
    "values",
    [
        "[{label: 'First choice', value: 'one'}, {value: 'two', label: `Second choice`}]",
        "choices",
        "shared.all",
    ],
)
def test_labels_that_tabs_are_given_together(tmp_path: Path, values: str) -> None:
    text = f"""import T from '@theme/Tabs';
import shared from './shared';
export const choices = [{{value: 'one', label: 'First choice'}},
  {{value: 'two', label: 'Second choice'}}];

<Tabs groupId="g" values={{{values}}}>
<TabItem value="one">A.</TabItem>
<TabItem value="two" label="no">

B.

</TabItem>
</Tabs>
"""
    shared = "export default {all: [{value: 'one', label: 'First choice'}, {value: 'two', "
    files = {"docs/shared.js": shared + "label: 'Second choice'}]}"}
    words = text_of(read(tmp_path, text, files).pages[0])
    assert " ".join(words.split()) == "First choice A. Second choice B."


def test_attributes_that_are_expressions(tmp_path: Path) -> None:
    text = """import P from './_p.mdx';
export const kind = 'own';

<P count={3} name={kind} flag={true} other={{a: 1}} text={`very ${kind}`} />

<Card title={kind + ' title'} header={unknown} style={{a: 1}} onClick={() => '}'}>Inner</Card>

<h2 id={'an-' + kind}>Heading</h2>
"""
    part = "Of {props.count}, {props.name} {props.text}."
    book = read(tmp_path, text, {"docs/_p.mdx": part})
    assert text_of(book.pages[0]) == "Of 3, own very own.\n\nown title Inner"
    assert [section.anchor for section in book.pages[0].sections] == ["", "an-own"]
    assert [loss.detail for loss in book.losses] == ["header={unknown}"]


@pytest.mark.parametrize(
    ("attribute", "words", "lost"),
    [
        ("title={<>First <b>of</b> two</>}", "First of two", ""),
        ("description={\n  <p>First\n  of two</p>\n}", "First of two", ""),
        ("label={t('first')}", "", "label={t('first')}"),
        ("header={<b>{first}</b>}", "", "header={<b>{first}</b>}"),
        ("icon={<Star />} data={rows} title={''}", "", ""),
    ],
)
def test_elements_in_attributes(tmp_path: Path, attribute: str, words: str, lost: str) -> None:
    book = read(tmp_path, f"# A\n\n<Card {attribute}>\n\nIn\n\n</Card>\n", {})
    assert text_of(book.pages[0]) == f"{words}\n\nIn".lstrip()
    assert [loss.detail for loss in book.losses] == list(filter(None, [lost]))


API = """import Heading from "@theme/Heading";
import ParamsDetails from "@theme/ParamsDetails";

<Heading
  as={"h1"}
  children={"Add a boat"}
>
</Heading>

<MethodEndpoint method={"post"} path={"/boats/{id}"} context={"endpoint"}>

</MethodEndpoint>

Adds it.

<Heading id={"request"} as={"h2"} className={"x"} children={"Request"}></Heading>

"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            '<ParamsDetails\n  parameters={[{"name":"id","description":"Its <b>id</b>.",'
            '"schema":{"type":"string"}},{"name":"x"}]}\n>\n\n</ParamsDetails>',
            "id: Its id.",
        ),
        (
            '<StatusCodes id={undefined} responses={{"200":{"description":"Done.","content":{'
            '"application/json":{"schema":{"description":"A boat.","properties":{"sail":{'
            '"type":"array","items":{"description":"One\\nsail."}}}}}}},"404":{"description":""}}}>'
            "\n</StatusCodes>",
            "200: Done.\nA boat.\nOne sail.",
        ),
        (
            '<SchemaItem name={"sail"} required={true} schema={{"description":"Its sail."}}>'
            "</SchemaItem>\n\n<Rows of={[{name: 'a', description: 'b'}]} style={{name: 'no'}} />",
            "sail: Its sail.\n\na: b",
        ),
    ],
)
def test_references_of_an_api(tmp_path: Path, text: str, words: str) -> None:
    page = read(tmp_path, f"---\ntitle: Add a boat\n---\n{API}{text}\n", {}).pages[0]
    assert [(each.heading, each.anchor) for each in page.sections] == [
        ("Add a boat", ""),
        ("Request", "request"),
    ]
    assert text_of(page) == f"POST /boats/{{id}}\n\nAdds it.\n\n{words}"


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("<Show\n  a='no'\n  src={`\na {\n  b\n}\n`}\n/>", "```\na {\n  b\n}\n```"),
        ("<Play lang='js' code={'a\\nb'}></Play>", "```js\na\nb\n```"),
        ("import A from '!!raw-loader!./a.js';\n\n<Show source={A} />", "```\none\ntwo\n```"),
        ("- x\n\n  <Show src={`a\n  b`} />", "- x\n  ```\n  a\n    b\n  ```"),
        ("<Play code='one' src='./a.js' /> <img src='a\nb' />", ""),
    ],
)
def test_code_in_attributes(tmp_path: Path, tag: str, code: str) -> None:
    book = read(tmp_path, f"# A\n\n{tag}\n", {"docs/a.js": "one\ntwo\n"})
    assert text_of(book.pages[0]) == code


@pytest.mark.parametrize("value", ['"{x}"', "{[{a: '{x}'}]}", "{{a: {b: '{x}', c: `{x}`}}}"])
def test_long_tags(tmp_path: Path, value: str) -> None:
    tag = f"<Codes\n  responses={value.replace('{x}', 'x y ' * 20_000)}\n>\n\n</Codes>"
    book = read(tmp_path, f"# A\n\nAbove\n\n{tag}\n\nIn <Chip a={value}>b</Chip>", {})
    assert text_of(book.pages[0]) == "Above\n\nIn b"


def test_partials_are_in_the_format_of_their_own_file(tmp_path: Path) -> None:
    files = {
        "docusaurus.config.js": "export default {markdown: {format: 'detect'}}",
        "docs/_plain.md": "Keep {braces}.",
        "docs/_mdx.md": "---\nmdx: {format: mdx}\n---\nNot {'these'}.",
        "docs/_part.mdx": "Nor {'those'}.",
        "docs/a.mdx": "import A from './_plain.md'\nimport B from './_part.mdx'\n"
        "import C from './_mdx.md'\n\n# T\n\n<A />\n\n<B />\n\n<C />\n",
    }
    book = read_book(write(tmp_path, files))
    assert text_of(book.pages[0]) == "Keep {braces}.\n\nNor those.\n\nNot these."


@pytest.mark.parametrize(
    ("folder", "original"),
    [
        ("docusaurus-plugin-content-docs/current", "docs"),
        ("docusaurus-plugin-content-pages", "src/pages"),
        ("docusaurus-plugin-content-blog", "blog"),
    ],
)
def test_only_translations_of_pages_are_published(
    tmp_path: Path, folder: str, original: str
) -> None:
    files = {
        "docusaurus.config.js": "export default {presets: ['classic'],"
        "i18n: {defaultLocale: 'en', locales: ['en', 'de']}}",
        f"{original}/sub/2024-01-02-a.md": "# A\n\none",
        f"i18n/de/{folder}/sub/2024-01-02-a.md": "# A\n\neins",
        f"i18n/de/{folder}/old.md": "# Old\n\nalt",
    }
    book = read_book(write(tmp_path, files))
    assert sorted((page.language, text_of(page)) for page in book.pages) == [
        ("de", "eins"),
        ("en", "one"),
    ]
    only = read_book(tmp_path / "i18n/de" / folder)
    assert [text_of(page) for page in only.pages] == ["eins"]


@pytest.mark.parametrize(
    "hidden",
    [
        '<head>\n  <title>Hidden</title>\n  <meta name="a" content="b" />\n</head>',
        "import Head from '@docusaurus/Head';\n\n<Head>\n\n<title>Hidden</title>\n\n</Head>",
        "<style>{`.hidden { color: red }`}</style>",
        "<head><script>{`hidden()`}</script></head>",
        '<script src="/hidden.js" async />',
        "<head>\n  <style />\n  <title>Hidden</title>\n</head>",
        "<Head/>\n\n<style\n  data-x={1}\n/>",
    ],
)
def test_what_belongs_to_the_head_is_no_text(tmp_path: Path, hidden: str) -> None:
    book = read(tmp_path, f"# T\n\nfirst\n\n{hidden}\n\nlast\n", {})
    assert text_of(book.pages[0]) == "first\n\nlast"


def test_folders_of_pages_that_are_missing_are_named(tmp_path: Path) -> None:
    files = {
        "docusaurus.config.js": """export default {
  presets: [['classic', { docs: { path: 'gone' }, blog: {
    path: 'news',
  } }]],
  plugins: [['@docusaurus/plugin-content-docs', { id: 'x', path: 'other' }]],
}""",
        "x_versions.json": '["1.0"]',
        "other/b.md": "# B\n\nx",
        "src/pages/a.md": "# A\n\ny",
    }
    book = read_book(write(tmp_path, files))
    assert [text_of(page) for page in book.pages] == ["y"]
    assert {(loss.place, loss.detail) for loss in book.losses} == {
        ("docusaurus.config.js:2", "gone"),
        ("docusaurus.config.js:3", "news"),
        ("x_versions.json:1", "x_versioned_docs/version-1.0"),
    }


@pytest.mark.parametrize(
    ("which", "detail"),
    [
        ("includeCurrentVersion: false", []),
        ("onlyIncludeVersions: ['1.0']", []),
        ("onlyIncludeVersions: ['1.0', 'current']", ["next"]),
        ("includeCurrentVersion: true", ["next"]),
    ],
)
def test_the_folder_of_a_version_that_is_not_published(
    tmp_path: Path, which: str, detail: list[str]
) -> None:
    files = {
        CONFIG: preset(f"{{path: 'next', {which}}}"),
        "versions.json": '["1.0"]',
        "versioned_docs/version-1.0/a.md": "# A",
    }
    book = read_book(write(tmp_path, files))
    assert list(slugs(book).values()) == ["docs/a"]
    assert [loss.detail for loss in book.losses] == detail


@pytest.mark.parametrize(
    ("which", "slug"),
    [
        ("onlyIncludeVersions: ['current']", "docs/new"),
        ("onlyIncludeVersions: ['current', '1.0']", "docs/one"),
        ("onlyIncludeVersions: ['1.0']", "docs/one"),
        ("includeCurrentVersion: false", "docs/two"),
    ],
)
def test_the_last_of_the_versions_that_are_published(tmp_path: Path, which: str, slug: str) -> None:
    files = {
        CONFIG: preset(f"{{{which}}}"),
        "versions.json": '["2.0", "1.0"]',
        "docs/new.md": "# A",
        "versioned_docs/version-2.0/two.md": "# A",
        "versioned_docs/version-1.0/one.md": "# A",
    }
    book = read_book(write(tmp_path, files))
    assert list(slugs(book).values()) == [slug]


@pytest.mark.parametrize(
    ("presets", "lost"),
    [
        ("CLASSIC, ['redocusaurus', {specs: [{spec: 'a.yaml'}]}]", ["redocusaurus"]),
        ("[require.resolve('@acme/looks/preset'), {}], CLASSIC", []),
        ("CLASSIC, '@acme/preset'", []),
    ],
)
def test_presets_beside_the_classic_one(tmp_path: Path, presets: str, lost: list[str]) -> None:
    classic = "['classic', {docs: {routeBasePath: 'd', lastVersion: 'current'}, blog: false}]"
    files = {
        CONFIG: f"export default {{presets: [{presets.replace('CLASSIC', classic)}]}}",
        "versions.json": '["1.0"]',
        "docs/a.md": "# A",
        "versioned_docs/version-1.0/a.md": "# A",
        "blog/b.md": "# B",
    }
    book = read_book(write(tmp_path, files))
    assert slugs(book) == {"docs/a.md": "d/a"} or slugs(book) == {"a.md": "d/a"}
    assert [loss.detail for loss in book.losses] == lost


def test_plugins_behind_a_condition(tmp_path: Path) -> None:
    club = "['@docusaurus/plugin-content-docs', {id: 'club', path: 'club', routeBasePath: 'c'}]"
    plugins = f"plugins: [\n{club}, false,\nprocess.env.X && ['y', {{}}]].filter(Boolean),"
    files = {CONFIG: preset("{}", "", plugins), "docs/a.md": "# A", "club/b.md": "# B"}
    book = read_book(write(tmp_path, files))
    assert slugs(book) == {"docs/a.md": "docs/a", "club/b.md": "c/b"}
    assert said(book) == (
        "1 setting could not be read without running a program: docusaurus.config.js:4: plugins."
    )


@pytest.mark.parametrize(
    "head", ["\n \n---\ntitle: Hi\n---\n", '---json\n{\n\t"title":\t"Hi"\n}\n---\n',
             "---yaml\ntitle: Hi\n---\n"],
)  # fmt: skip
def test_every_form_of_front_matter(tmp_path: Path, head: str) -> None:
    files = {CONFIG: preset("{}"), "docs/a.md": f"{head}\nText.\n"}
    (page,) = read_book(write(tmp_path, files)).pages
    assert (page.title, text_of(page)) == ("Hi", "Text.")


def test_categories_in_json_with_tabs(tmp_path: Path) -> None:
    files = {CONFIG: preset("{}"), "docs/a/x.md": "# X", "docs/b/y.md": "# Y"}
    files |= {f"docs/{name}/_category_.json": f'{{\n\t"position": {at}\n}}'
              for name, at in (("a", 2), ("b", 1))}  # fmt: skip
    book = read_book(write(tmp_path, files))
    assert list(slugs(book)) == ["b/y.md", "a/x.md"]
    assert not said(book)


def test_an_imported_picture_is_not_read(tmp_path: Path) -> None:
    text = (
        "import logo from './logo.png';\nimport {V} from './v';\n\n# A\n\n<img src={logo} /> {V}\n"
    )
    files = {CONFIG: preset("{}"), "docs/a.mdx": text, "docs/v.tsx": "export const V = '4';"}
    write(tmp_path, files)
    (tmp_path / "docs/logo.png").write_bytes(b"\x89PNG\0")
    book = read_book(tmp_path)
    assert text_of(book.pages[0]) == "4"
    assert not said(book)


@pytest.mark.parametrize(
    ("key", "function"),
    [
        ("preprocessor", "({fileContent}) => fileContent.replaceAll('{{V}}', '4')"),
        ("parseFrontMatter", "async (params) => { return params.defaultParseFrontMatter(params) }"),
    ],
)
def test_functions_that_change_pages_are_named(tmp_path: Path, key: str, function: str) -> None:
    files = {CONFIG: preset("{}", "", f"markdown: {{\n{key}: {function}}},"), "docs/a.md": "# A"}
    assert said(read_book(write(tmp_path, files))) == (
        f"1 function for Markdown was not run: docusaurus.config.js:3: markdown.{key}."
    )
