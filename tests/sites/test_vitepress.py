"""VitePress: addresses, languages, snippets and text match VitePress 1.6."""

from __future__ import annotations

from pathlib import Path

import pytest

from sites import Book, read_book
from sites.rewrites import Rewrites, Unreadable
from sites.vitepress_includes import find_region
from tests.sites.test_docusaurus import text_of, write


def site(tmp_path: Path, config: str, files: dict[str, str]) -> Book:
    return read_book(write(tmp_path, {".vitepress/config.mts": config, **files}))


def slugs(book: Book) -> dict[str, str]:
    return {page.source_path: page.slug for page in book.pages}


def said(book: Book) -> str:
    return "\n".join(problem.message for problem in book.problems)


@pytest.mark.parametrize(
    ("rules", "path", "expected"),
    [
        ({"en/:rest*": ":rest*"}, "en/a/b.md", "a/b.md"),
        ({"en/:rest*": ":rest*"}, "de/a.md", "de/a.md"),
        ({"packages/:pkg/src/(.*)": ":pkg/index.md"}, "packages/core/src/x.md", "core/index.md"),
        ({":a-:b.md": ":b/:a.md"}, "x-y-z.md", "z/x-y.md"),
        ({"a.md": "b.md", ":x.md": "c.md"}, "a.md", "b.md"),
        ({":lang(.*)/x.md": ":lang/y.md"}, "a/b/x.md", "a/b/y.md"),
        ({"docs/:lang(en|fr)/:rest+": ":lang/:rest+"}, "docs/fr/a/b.md", "fr/a/b.md"),
        ({"docs/:lang(en|fr)/:rest+": ":lang/:rest+"}, "docs/de/a.md", "docs/de/a.md"),
        ({":n(\\d+)-:name": ":name"}, "12-a.md", "a.md"),
        ({":n(\\d+)-:name": ":name"}, "x-a.md", "x-a.md"),
    ],
)
def test_rewrites(rules: dict[str, str], path: str, expected: str) -> None:
    assert Rewrites(rules).apply(path) == expected


def test_rewrites_take_bounded_time() -> None:
    rules = Rewrites({"".join(f":a{n}*-" for n in range(15)) + "!": "x"})
    path = "-" * 3_000
    assert rules.apply(path) == path
    for rule in (":a(.*.*.*)", ":a([)", ":a(x(y)z)", f":a({'a?' * 30}{'a' * 30})"):
        with pytest.raises(Unreadable):
            Rewrites({rule: "x"})
    assert Rewrites({"".join(f":a{n}(.*-)" for n in range(15)) + "!": "x"}).apply(path) == path


def test_only_the_rewrites_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    config = "export default {\n rewrites: {'a(b|c)': 'd', 'en/:page': ':page' } }"
    book = site(tmp_path, config, {"en/a.md": "A.", "b.md": "B."})
    assert slugs(book) == {"en/a.md": "a.html", "b.md": "b.html"}
    assert ".vitepress/config.mts:2: rewrites: a(b|c)" in said(book)


@pytest.mark.parametrize("rule", ["[`${channel}/:path*`]: ':path*'", "...others()"])
def test_rewrites_of_unknown_names_are_named(tmp_path: Path, rule: str) -> None:
    config = (
        "const channel = process.env.CHANNEL === 'latest' ? 'latest' : 'next'\n"
        f"export default {{\n rewrites: {{'en/:page': ':page', {rule}}} }}"
    )
    book = site(tmp_path, config, {"en/a.md": "A."})
    assert slugs(book) == {"en/a.md": "a.html"}
    assert "program: .vitepress/config.mts:3: rewrites." in said(book)


def test_rewrites_that_are_a_function_are_named(tmp_path: Path) -> None:
    book = site(tmp_path, "export default {\n rewrites: (id) => id.slice(3) }", {"en/a.md": "A."})
    assert slugs(book) == {"en/a.md": "en/a.html"}
    assert "1 setting could not be read" in said(book)
    assert ".vitepress/config.mts:2: rewrites" in said(book)
    assert len(book.losses) == 1


def test_settings_of_several_files(tmp_path: Path) -> None:
    config = """
import { defineConfig } from 'vitepress'
import shared from './shared'
import { de } from './locales/de.js'
export default defineConfig({
  ...shared,
  locales: { root: { label: 'English', lang: 'en-GB' }, de: { label: 'Deutsch', ...de } },
})"""
    files = {
        ".vitepress/shared.ts": "export default {title: 'Kite', srcDir: './pages', "
        "srcExclude: ['**/skip/*.{md,mdx}', 'README.md'], cleanUrls: true}",
        ".vitepress/locales/de.ts": "export const de = {lang: 'de-AT', themeConfig: {sidebar: "
        "[{base: '/de/', items: [{link: 'z'}, {link: 'a'}]}]}}",
        "pages/index.md": "# Home",
        "pages/de/a.md": "# A",
        "pages/de/z.md": "# Z",
        "pages/fr/a.md": "---\nlang: fr\n---\n# A",
        "pages/skip/b.md": "# B",
        "pages/README.md": "# R",
        "pages/x/README.md": "# X",
    }
    book = site(tmp_path, config, files)
    assert (book.title, book.language) == ("Kite", "en-GB")
    assert [(page.slug, page.language) for page in book.pages] == [
        ("", "en-GB"),
        ("de/z", "de-AT"),
        ("de/a", "de-AT"),
        ("fr/a", "fr"),
        ("x/README", "en-GB"),
    ]
    assert book.problems == ()


def test_a_function_around_the_settings_is_named(tmp_path: Path) -> None:
    config = "const c = defineConfig({cleanUrls: true})\nexport default extend(c)"
    book = site(tmp_path, config, {"a.md": "# A"})
    assert slugs(book) == {"a.md": "a"}
    assert ".vitepress/config.mts:2: extend()" in said(book)


def test_a_page_beside_a_folder_of_its_name(tmp_path: Path) -> None:
    files = {"guide.md": "# Page", "guide/index.md": "# Folder"}
    book = site(tmp_path, "export default {cleanUrls: true}", files)
    assert slugs(book) == {"guide.md": "guide", "guide/index.md": "guide/"}


@pytest.mark.parametrize("folder", ["dist", "a/dist/b", "node_modules/x"])
def test_folders_without_pages(tmp_path: Path, folder: str) -> None:
    files = {"a.md": "# A", f"{folder}/b.md": "# B", "dist.md": "# C", "public/d.md": "# D"}
    book = site(tmp_path, "export default {srcExclude: ['public']}", files)
    assert sorted(slugs(book)) == ["a.md", "dist.md", "public/d.md"]


def test_keys_of_other_objects_are_not_settings(tmp_path: Path) -> None:
    config = """export default { themeConfig: { title: 'no', lang: 'xx', base: '/no/',
      logo: { cleanUrls: true } }, vite: { srcDir: 'no' } }"""
    book = site(tmp_path, config, {"a.md": "# A"})
    assert (book.title, book.language, slugs(book)) == ("", "en", {"a.md": "a.html"})


def test_code_is_shown_as_it_is_written(tmp_path: Path) -> None:
    text = """# A

<script setup>
const hidden = 1
</script>

```vue
<script setup>
const shown = 1
</script>
[[toc]]
<!-- a comment -->
```

<style>
.hidden { color: red }
</style>

- item

  ```html
  <style>.shown {}</style>
  ```

[[toc]]

Before
[[TOC]]

Words <Badge type="tip" text="beta" />
"""
    words = text_of(site(tmp_path, "export default {}", {"a.md": text}).pages[0])
    assert "hidden" not in words
    assert "const shown = 1\n</script>\n[[toc]]\n<!-- a comment -->" in words
    assert "<style>.shown {}</style>" in words
    assert words.endswith("Words beta")
    assert words.lower().count("[[toc]]") == 1


def test_snippets_and_code_groups(tmp_path: Path) -> None:
    text = """# A

::: code-group

<<< @/code/run.ts#fly{1,2 js:line-numbers} [run.ts]

```sh {1} [npm]
npm i
```

:::

::: code-group
<<< ./code/all.py
> <<< ./code/run.ts#fly
:::

<<< ./code/all.py

- in a list

  <<< ./code/all.py

<<< ./code/gone.js
<<< ./code/run.ts#nowhere
"""
    files = {
        "a.md": text,
        "code/run.ts": "no\n  // #region fly\n  yes\n  // #endregion fly\nno\n",
        "code/all.py": "print(1)\n",
    }
    book = site(tmp_path, "export default {}", files)
    assert text_of(book.pages[0]).split("\n\n") == [
        "run.ts",
        "```js\nyes\n```",
        "npm",
        "```sh\nnpm i\n```",
        "all.py",
        "```py\nprint(1)\n```",
        "run.ts",
        "```ts\nyes\n```",
        "```py\nprint(1)\n```",
        "- in a list\n  ```py\n  print(1)\n  ```",
    ]
    assert "1 include could not be found: a.md:24: ./code/gone.js." in said(book)
    assert "a.md includes ./code/run.ts#nowhere, which has no region of that name" in said(book)


@pytest.mark.parametrize(
    ("snippet", "shown"),
    [
        ("<<< ./a.md#own{js} [b.js]", "```js\nx = 1\n```"),
        ("<<< @/a.md{md}", "````md\n# A\n\n```js\n// #region own\nx = 1\n// #endregion own\n```\n"),
    ],
)
def test_a_page_shows_a_part_of_itself(tmp_path: Path, snippet: str, shown: str) -> None:
    code = "```js\n// #region own\nx = 1\n// #endregion own\n```\n"
    book = site(tmp_path, "export default {}", {"a.md": f"# A\n\n{code}\n{snippet}\n"})
    assert shown in text_of(book.pages[0])
    assert book.problems == ()


def test_names_of_files_with_spaces_and_brackets(tmp_path: Path) -> None:
    files = {
        "a.md": "# A\n\n<!-- @include: ./my parts/one two.md -->\n\n"
        "<<< ./my code/[id].ts#fly {ts} [the label]\n\n<!--@include: ./my parts/one two.md{1,1}-->",
        "my parts/one two.md": "First.\n\nSecond.",
        "my code/[id].ts": "no\n// #region fly\nyes\n// #endregion fly\n",
    }
    book = site(tmp_path, "export default {srcExclude: ['my parts/**']}", files)
    words = ["First.", "Second.", "the label", "```ts\nyes\n```", "First."]
    assert text_of(book.pages[0]).split("\n\n") == words
    assert book.problems == ()


@pytest.mark.parametrize(
    "text",
    [
        "a\n// #region x\nin\n// #endregion x\nb",
        "a\n<!-- #region x -->\nin\n<!-- #endregion x -->\nb",
        "/* #region x */\nin\n/* #endregion */",
        "# region x\nin\n# endregion x\n# region y\nno\n# endregion",
        "// region x\n// #region y\nin\n// #endregion\n// endregion x\nb",
    ],
)
def test_regions(text: str) -> None:
    assert find_region(text, "x") == "in"
    assert find_region(text, "z") is None


def test_parts_of_included_pages(tmp_path: Path) -> None:
    part = (
        "---\nx: 1\n---\n# P\n\none\n\n## Deep\n\ntwo\n\n### Deeper\n\nthree\n\n## Next\n\nfour\n"
    )
    text = "# A\n\n<!--@include: ./part.md#deep-->\n\n<!-- @include: @/part.md{6,6} -->\n"
    book = site(tmp_path, "export default {}", {"a.md": text, "part.md": part})
    page = next(page for page in book.pages if page.source_path == "a.md")
    assert text_of(page).split("\n\n") == ["two", "three", "one"]
    assert book.problems == ()


def test_missing_includes_and_made_pages_are_named(tmp_path: Path) -> None:
    files = {"a.md": "# A\n\n<!--@include: ./no.md-->\n\nend", "[name].md": "x"}
    book = site(tmp_path, "export default {}", files)
    assert "1 include could not be found: a.md:3: ./no.md." in said(book)
    assert "[name].md" in said(book)
    assert {loss.place for loss in book.losses} == {"a.md:3", "[name].md"}


def test_lines_are_those_of_the_file_that_is_edited(tmp_path: Path) -> None:
    files = {
        "a.md": "---\nx: 1\n---\n# A\n\n<!--@include: ./b.md-->\n\n<<< ./gone.js\n"
        "text <!--@include: ./c.md{3,4}--> <!--@include: ./no.md-->\n<<< ./gone.ts\n",
        "b.md": "---\ny: 1\n---\n\nfrom b\n\n<!--@include: ./gone.md-->\n\n<<< ./b.js\n",
        "c.md": "1\n2\nfour\n<!--@include: ./gone.md-->\n",
    }
    book = site(tmp_path, "export default {}", files)
    places = {(loss.place, loss.detail) for loss in book.losses}
    assert places == {
        ("a.md:8", "./gone.js"),
        ("a.md:9", "./no.md"),
        ("a.md:10", "./gone.ts"),
        ("b.md:7", "./gone.md"),
        ("b.md:9", "./b.js"),
        ("c.md:4", "./gone.md"),
    }


def test_settings_are_named_in_the_file_that_holds_them(tmp_path: Path) -> None:
    config = "import { shared } from './shared'\nexport default {\n  ...shared,\n  lang: f(),\n"
    config += "  rewrites: {\n  'a(b|c)': 'd' },\n}"
    files = {
        ".vitepress/shared.ts": "export const shared = {\n\n  title: make() }",
        "a.md": "# A\n\nx",
    }
    book = site(tmp_path, config, files)
    assert {(loss.place, loss.detail) for loss in book.losses} == {
        (".vitepress/shared.ts:3", "title"),
        (".vitepress/config.mts:4", "lang"),
        (".vitepress/config.mts:5", "rewrites: a(b|c)"),
    }


@pytest.mark.parametrize("title", ["`Kite${more}`", "process.env.T", "'a' + more", "name()"])
def test_a_computed_title_is_named(tmp_path: Path, title: str) -> None:
    book = site(tmp_path, f"export default {{ title: {title} }}", {"index.md": "# Kite"})
    assert book.title == ""
    assert ".vitepress/config.mts:1: title" in said(book)


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [("A {#b.c-d}", "b.c-d"), ("A {id=b}", "b"), ('A {.x id="b.c" y}', "b.c"), ("A {#b .c}", "b")],
)
def test_ids_of_headings(tmp_path: Path, heading: str, anchor: str) -> None:
    book = site(tmp_path, "export default {}", {"a.md": f"# {heading}\n\nx\n"})
    assert (book.pages[0].title, book.pages[0].sections[0].anchor) == ("A", anchor)


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [("A &amp; b", "a-amp-b"), ("&copy; `b`", "copy-b"), ("`a`&copy;`b`", "a©b"), ("&#233;", "e")],
)
def test_entities_in_headings(tmp_path: Path, heading: str, anchor: str) -> None:
    book = site(tmp_path, "export default {}", {"a.md": f"# {heading}\n\nx\n"})
    assert book.pages[0].sections[0].anchor == anchor


ATTRIBUTES = """# Head {#hid .c}

Ends with {word}

In the {middle} of it, and `code`{.x} with **bold**{#y}.

- item {.li}

| a | b {.t} |
|---|---|
| c {x} | d |

{.table}

Line one {.a}
line two
"""


def test_attributes_as_markdown_it_attrs_reads_them(tmp_path: Path) -> None:
    book = site(tmp_path, "export default {}", {"a.md": ATTRIBUTES})
    assert book.pages[0].sections[0].anchor == "hid"
    assert text_of(book.pages[0]).split("\n\n") == [
        "Ends with",
        "In the {middle} of it, and `code` with bold.",
        "- item",
        "| a | b |\n| --- | --- |\n| c | d |",
        "Line one {.a} line two",
    ]


def test_attributes_with_delimiters_of_the_site(tmp_path: Path) -> None:
    config = "export default {markdown: {attrs: {leftDelimiter: '%{', rightDelimiter: '}%'}}}"
    text = "# A %{#own}%\n\nx {y}\n\n- li %{.c}%\n\n`z`%{.d}% {#no}\n"
    book = site(tmp_path, config, {"a.md": text})
    assert [section.anchor for section in book.pages[0].sections] == ["own"]
    assert text_of(book.pages[0]).split("\n\n") == ["x {y}", "- li", "`z` {#no}"]


def test_a_rule_for_anchors_that_is_a_program(tmp_path: Path) -> None:
    config = (
        "import { slugify } from './x'\nexport default {\n  markdown: { anchor: { slugify } } }"
    )
    book = site(tmp_path, config, {"a.md": "# A\n\nx\n\n## Two words\n\ny\n\n## B {#b}\n\nz"})
    assert [section.anchor for section in book.pages[0].sections] == ["", "", "b"]
    assert "citations link to whole pages: .vitepress/config.mts:3: markdown.anchor" in said(book)


@pytest.mark.parametrize(
    ("quote", "expected"),
    [
        ("> [!NOTE]\n> Text", ["Text"]),
        ("> [!warning] Own *title*\n> Text", ["Own title", "Text"]),
        ("> [!TIP]\n>\n> Text\n>\n> - a", ["Text", "- a"]),
        ("> [!other] Text", ["[!other] Text"]),
        ("[!NOTE] Text", ["[!NOTE] Text"]),
        ("- > [!CAUTION] T\n  > x", ["- T\n\n  x"]),
    ],
)
def test_alerts(tmp_path: Path, quote: str, expected: list[str]) -> None:
    book = site(tmp_path, "export default {}", {"a.md": f"# A\n\n{quote}\n"})
    assert text_of(book.pages[0]) == "\n\n".join(expected)


VALUES = """---
title: Home
price: 3
---
# {{ $frontmatter.title }} and {{ more }}

<script setup lang="ts">
import { data } from './x.data'
const more = 'more'
const set = { key: `K` }
</script>

{{ more }}, {{set.key}}, {{ $frontmatter.price }}, `{{ code }}`, {{ data.length }} end

```vue
{{ code }}
```
"""


def test_values_are_filled_in(tmp_path: Path) -> None:
    book = site(tmp_path, "export default {}", {"a.md": VALUES})
    (section,) = book.pages[0].sections
    assert (section.heading, section.anchor) == ("Home and more", "frontmatter-title-and-more")
    assert text_of(book.pages[0]).startswith("more, K, 3, `{{ code }}`, end")
    assert "```vue\n{{ code }}\n```" in text_of(book.pages[0])
    assert "1 expression could not be read without running a program: a.md:13: " in said(book)


HTML_VALUES = """# A

<script setup>
const one = 'a < b'
</script>

<div>
{{ one }}, {{ 'x' + 'y' }}

<!-- {{ hidden }} -->

<p v-for="row in rows">
  {{ row.name }}</p>
</div>

<style>.a { color: {{ no }} }</style>

`{{ one }}` and `{{ kept }}`
"""


@pytest.mark.parametrize(
    ("imported", "value"),
    [
        ("import pkg from '../package.json'", "pkg.version"),
        ("import { version } from '../package.json'", "version"),
        ("import * as all from './values'", "all.version"),
        ("import { current as now } from './values.js'", "now.version"),
    ],
)
def test_values_of_other_files(tmp_path: Path, imported: str, value: str) -> None:
    text = f"<script setup lang='ts'>\n{imported}\n</script>\n\n# A\n\nVersion {{{{ {value} }}}}.\n"
    values = "export const version = '4.2'\nexport const current = { version }\n"
    files = {"in/a.md": text, "package.json": '{"version": "4.2"}', "in/values.ts": values}
    book = site(tmp_path, "export default {}", files)
    assert text_of(book.pages[0]) == "Version 4.2."
    assert book.problems == ()


@pytest.mark.parametrize(
    ("info", "shown"),
    [
        ("js-vue", "```js\nx = '4.2' + `{1}`\n```"),
        ("sh-vue{1} [a.sh]", "a.sh\n\n```sh\nx = '4.2' + `{1}`\n```"),
        ("[b.sh]{1}", "b.sh\n\n```\nx = '{{ v }}' + `{1}`\n```"),
        ("ts [a/[...b].ts]", "a/[...b].ts\n\n```ts\nx = '{{ v }}' + `{1}`\n```"),
        ("vue", "```vue\nx = '{{ v }}' + `{1}`\n```"),
    ],
)
def test_values_in_fences(tmp_path: Path, info: str, shown: str) -> None:
    script = "<script setup>\nconst v = '4.2'\n</script>\n\n"
    text = f"{script}# A\n\n```{info}\nx = '{{{{ v }}}}' + `{{1}}`\n```\n"
    book = site(tmp_path, "export default {}", {"a.md": text})
    assert text_of(book.pages[0]) == shown
    assert not book.losses


def test_values_in_html_and_in_code(tmp_path: Path) -> None:
    book = site(tmp_path, "export default {}", {"a.md": HTML_VALUES})
    assert text_of(book.pages[0]).split("\n\n") == ["a < b, xy", "`a < b` and `{{ kept }}`"]
    assert {(loss.place, loss.detail) for loss in book.losses} == {("a.md:13", "{{ row.name }}")}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<Own>\n<template #lead>\nSlot\n</template>\n</Own>", "Slot"),
        ("<Own>\n<template v-slot:x.y='{ a }'>One</template> Two\n</Own>", "One Two"),
        ("<div><template v-if='x'>If</template><template v-else>Else</template></div>", "IfElse"),
        ("<div>Out <template>Not shown</template></div>", "Out"),
    ],
)
def test_slots(tmp_path: Path, text: str, shown: str) -> None:
    book = site(tmp_path, "export default {}", {"a.md": f"# A\n\n{text}\n"})
    assert text_of(book.pages[0]) == shown


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("import a from 'a'\n// ---cut---\na()\n", "a()"),
        ("// @errors: 2345\n1\n// ---cut-before---\n2\n// ^?\n// ---cut-after---\n3\n", "2"),
        ("1\n// ---cut-start---\n2\n// ---cut-end---\n3\n  //   ^|\n", "1\n3"),
        ("// @ts-ignore\n// an @example\n2\n", "// @ts-ignore\n// an @example\n2"),
        ("// @filename: a.ts\n// @noErrors\n1\n// @log: x\n", "// @filename: a.ts\n1\n// @log: x"),
    ],
)
def test_what_twoslash_hides(tmp_path: Path, code: str, shown: str) -> None:
    text = f"# A\n\n```ts {{1}} twoslash\n{code}```\n\n```ts\n{code}```\n"
    book = site(tmp_path, "export default {}", {"a.md": text})
    assert text_of(book.pages[0]) == f"```ts\n{shown}\n```\n\n```ts\n{code.rstrip()}\n```"


def test_what_twoslash_hides_in_a_snippet(tmp_path: Path) -> None:
    files = {"a.md": "# A\n\n<<< ./a.code{1 ts twoslash}\n\n<<< ./Makefile\n"}
    code = {"a.code": "x\n// ---cut---\ny\n", "Makefile": "// ---cut---\n"}
    book = site(tmp_path, "export default {}", {**files, **code})
    assert text_of(book.pages[0]) == "```ts\ny\n```\n\n```\n// ---cut---\n```"


def test_the_title_of_a_home_page(tmp_path: Path) -> None:
    hero = "---\nlayout: home\nhero:\n  name: Kite\n  text: Flies\n---\n"
    files = {"index.md": hero, "x/index.md": hero.replace("  name: Kite\n", ""), "y.md": "y"}
    book = site(tmp_path, "export default {}", files)
    assert [page.title for page in book.pages] == ["Kite", "Flies", "y"]


@pytest.mark.parametrize(
    ("hero", "words"),
    [
        ('{text: "Sail <em>far</em><br>away"}', "Sail far away"),
        ("{tagline: 'R&amp;D <a href=\"x\">crew</a>'}", "R&D crew"),
        ("{name: A, text: '1 < 2'}", "A\n\n1 < 2"),
    ],
)
def test_tags_in_the_texts_of_a_home_page(tmp_path: Path, hero: str, words: str) -> None:
    page = f"---\nlayout: home\nhero: {hero}\nfeatures: [{{details: 'In <code>x</code>'}}]\n---\n"
    book = site(tmp_path, "export default {}", {"index.md": page})
    assert text_of(book.pages[0]) == f"{words}\n\nIn `x`"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<Own a='>' />\n## Below\n\nText", "Text"),
        ("<Own>in *raw*</Own> after **it**\n## Below\n- b", "in *raw*\n\nafter it\n\n- b"),
        ("- a\n\n  <Own/>\n  **b**\n\n## Below", "- a\n\n  b"),
        ("Above\n<Own>\nraw *b*\n</Own>\n\n## Below", "Above\n\nraw *b*"),
        ('<own-part\n  @click="go(1 > 0)"\n>\nraw *b*\n</own-part>\n\n## Below', "raw *b*"),
        ("<span>*a*</span>\nb\n\n## Below", "a b"),
        ('A <a @click.stop="go()" :href="x">link</a> <b>c</b>\n\n## Below', "A link c"),
    ],
)
def test_where_tags_end(tmp_path: Path, text: str, expected: str) -> None:
    book = site(tmp_path, "export default {}", {"a.md": f"# A\n\n{text}\n"})
    assert text_of(book.pages[0]) == expected
    assert [section.anchor for section in book.pages[0].sections] == ["a", "below"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('<LinkCard title="First" href="/text" description="Why">\n\nIn\n\n</LinkCard>', "First"),
        ("See <Chip heading='First' :label=\"x\">In</Chip>", "First"),
        ('<Step class="label" subTitle="First" aria-label="no"><p>In</p></Step>', "First"),
    ],
)
def test_text_in_the_attributes_of_components(tmp_path: Path, text: str, words: str) -> None:
    book = site(tmp_path, "export default {}", {"a.md": f"# A\n\n{text}\n"})
    read = text_of(book.pages[0]).split()
    assert [word for word in read if word not in ("See", "Why")] == [words, "In"]
    assert ("Why" in read) == ("Why" in text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "<PropsTable :data=\"[\n  {\n    'name': 'as',\n    'description': '<p>An <b>&quot;"
            "a&quot;</b>.</p>\\n',\n  },\n  { 'name': 'to', 'description': 'Where.' },\n]\" />",
            'as: An "a".\nto: Where.',
        ),
        (
            "<Rows title='Of' :rows=\"{ one: { description: 'First.' } }\" :style=\"{ a: 'b' }\">\n"
            "In</Rows>",
            "Of\none: First.\n\nIn",
        ),
        ('<Rows :rows="rows" :at="[1, 2]"></Rows>', ""),
    ],
)
def test_records_in_the_attributes_of_components(tmp_path: Path, text: str, words: str) -> None:
    book = site(tmp_path, "export default {}", {"a.md": f"# A\n\n{text}\n"})
    assert text_of(book.pages[0]) == words


def test_a_title_of_an_element_is_not_shown(tmp_path: Path) -> None:
    text = '<div title="no">In</div>\n\nA <A TITLE="no">link</A> <abbr title="no">RFC</abbr>\n'
    book = site(tmp_path, "export default {}", {"a.md": f"# A\n\n{text}\n"})
    assert text_of(book.pages[0]) == "In\n\nA link RFC"


def test_braces_that_vue_leaves_alone(tmp_path: Path) -> None:
    text = "# A\n\n::: v-pre\n{{ raw }}\n:::\n\n<b v-pre>{{ also.raw }}</b>\n"
    book = site(tmp_path, "export default {}", {"a.md": text})
    assert text_of(book.pages[0]) == "{{ raw }}\n\n{{ also.raw }}"
    assert not book.losses


def test_components_that_stand_alone_are_named(tmp_path: Path) -> None:
    text = """# A <Badge text="new" />

<Own title="a > b" />

In a line
<own-part></own-part> and <Frame>kept</Frame>.

<div>
<Own.Part
  :x="1"
/>
</div>

`<Code />` <br/> <img src="x" />
"""
    book = site(tmp_path, "export default {}", {"a.md": text})
    assert {(loss.place, loss.detail) for loss in book.losses} == {
        ("a.md:3", "<Own />"),
        ("a.md:6", "<own-part />"),
        ("a.md:9", "<Own.Part />"),
    }
    assert "kept" in text_of(book.pages[0])


@pytest.mark.parametrize("math", ["true", "{tex: {tags: 'ams'}}"])
def test_math_stays_as_it_is_written(tmp_path: Path, math: str) -> None:
    config = f"export default {{markdown: {{math: {math}}}}}"
    text = "# A\n\nSay $a_1 + b_1 \\{x\\}$ and\n\n$$\nE \\\\ *m* c*2*\n$$\n"
    book = site(tmp_path, config, {"a.md": text})
    assert text_of(book.pages[0]) == "Say $a_1 + b_1 \\{x\\}$ and\n\n$$ E \\\\ *m* c*2* $$"


def test_a_region_of_visual_basic_ends() -> None:
    assert find_region("#Region one\nDim x\n#End Region one\nDim y", "one") == "Dim x"


@pytest.mark.parametrize(
    ("heading", "shown", "anchor"),
    [
        (":rocket: Fast", "🚀 Fast", "fast"),
        ("a:tada:b and :unknown_name: c", "a🎉b and :unknown_name: c", "ab-and-unknown-name-c"),
        (":100: :+1: `:tada:` x", "💯 👍 :tada: x", "tada-x"),
        ("Time 10:20:30 now", "Time 10:20:30 now", "time-10-20-30-now"),
        (r"\:tada: off", ":tada: off", "tada-off"),
        ("What's new :D", "What's new :D", "what-s-new"),
        ("I <3 it, in http://a.b/c:Dd", "I <3 it, in http://a.b/c:Dd", "i-it-in-http-a-b-c-dd"),
    ],
)
def test_emoji_are_no_part_of_anchors(
    tmp_path: Path, heading: str, shown: str, anchor: str
) -> None:
    section = site(tmp_path, "", {"a.md": f"# A\n\n## {heading}\n\nText.\n"}).pages[0].sections[1]
    assert (section.heading, section.anchor) == (shown, anchor)


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("config: (md) => { md.use(groupIconMdPlugin); md.use(cards, {a: 1}) }", ["2: cards"]),
        ("config(md) { md.use(first).use(second) }", ["2: first", "2: second"]),
        ("config: md => md.use(cards)", ["2: cards"]),
        ("config: setUp", ["2: cards"]),
        ("config: (md) => { md.use(mermaid); md.core.ruler.push('x', y) }", ["2: markdown.config"]),
        ("preConfig: unknown", ["2: markdown.preConfig"]),
        ("config: (md) => { md.use(tabsMarkdownPlugin) }", []),
        ("config: (md) => { md.use(multimdTable) }", ["2: multimdTable"]),
        ("anchor: { level: [2, 3] }", ["2: markdown.anchor.level"]),
        ("typographer: true", ["2: markdown.typographer"]),
        ("typographer: false, anchor: { permalink: x }", []),
    ],
)
def test_plugins_for_markdown_are_named(tmp_path: Path, markdown: str, expected: list[str]) -> None:
    config = (
        "import { setUp } from './setup'\n"
        f"export default {{ markdown: {{ {markdown} }}, vite: {{ plugins: [icons()] }} }}"
    )
    files = {"a.md": "A.", ".vitepress/setup.ts": "export function setUp(md) { md.use(cards) }"}
    losses = site(tmp_path, config, files).losses
    assert [f"{loss.place}: {loss.detail}" for loss in losses] == [
        f".vitepress/config.mts:{each}" for each in expected
    ]


def test_builders_that_change_markdown_are_named(tmp_path: Path) -> None:
    config = (
        "function own() { return { name: 'site-md', transform(code) { return code } } }\n"
        "export default { vite: { plugins: [\n own(),\n MarkdownTransform(),\n icons()\n] } }"
    )
    text = said(site(tmp_path, config, {"a.md": "A."}))
    assert "2 plugins for Markdown were not run" in text
    assert "config.mts:3: site-md; .vitepress/config.mts:4: MarkdownTransform." in text
