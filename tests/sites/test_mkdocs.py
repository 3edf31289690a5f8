"""MkDocs as MkDocs 1.6 with Material 9.8 and PyMdown Extensions publishes it."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import pytest

from rag.models import Page
from sites import Book, read_book
from tests.sites.test_sites import write


def read(root: Path, config: str, files: dict[str, str]) -> Book:
    pages = {f"docs/{name}": text for name, text in files.items()}
    return read_book(write(root, {"mkdocs.yml": f"site_name: B\n{config}", **pages}))


def page(root: Path, config: str, text: str) -> Page:
    return read(root, config, {"index.md": text}).pages[0]


def texts(page: Page) -> list[str]:
    return [block.text for section in page.sections for block in section.blocks]


@pytest.mark.parametrize(
    ("slugify", "anchor"),
    [
        ("!!python/name:markdown.extensions.toc.slugify_unicode", "улей-и-рамка"),
        ("!!python/name:pymdownx.slugs.uslugify", "улей-и-рамка"),
        ("!!python/name:pymdownx.slugs.uslugify_cased", "Улей-и-рамка"),
        ("!!python/object/apply:pymdownx.slugs.slugify {kwds: {case: lower}}", "улей-и-рамка"),
        (
            "!!python/object/apply:pymdownx.slugs.slugify {kwds: {percent_encode: true}}",
            "%D0%A3%D0%BB%D0%B5%D0%B9-%D0%B8-%D1%80%D0%B0%D0%BC%D0%BA%D0%B0",
        ),
    ],
)
def test_slugify_by_name(tmp_path: Path, slugify: str, anchor: str) -> None:
    config = f"markdown_extensions:\n- toc:\n    slugify: {slugify}"
    assert page(tmp_path, config, "# x\n\n## Улей и рамка\n").sections[1].anchor == anchor


def test_a_pipe_in_code_divides_no_cells(tmp_path: Path) -> None:
    text = "| A | B |\n|---|---|\n| `a|b` | c |\n| ``x`|`` | `y` | z |\n"
    assert texts(page(tmp_path, "", text)) == [
        "| A | B |\n| --- | --- |\n| `a\\|b` | c |\n| ``x`\\|`` | `y` |"
    ]


def test_generic_blocks(tmp_path: Path) -> None:
    config = "markdown_extensions: [pymdownx.blocks.admonition, pymdownx.blocks.html]"
    text = (
        "/// note | Mind\n    attrs: {class: x}\n\nA.\n///\n\n"
        "////warning\nB.\n/// html | div.c\nC.\n///\n////\n"
        "\n```\n/// note\n```\n"
    )
    expected = ["Mind", "A.", "Warning", "B.", "C.", "```\n/// note\n```"]
    assert texts(page(tmp_path, config, text)) == expected


def test_icons_are_not_words(tmp_path: Path) -> None:
    config = "markdown_extensions: [attr_list, pymdownx.emoji]"
    text = "## Q :material-bee:{ .l }\n\n:smile: Go, at 10:30:45, `:fa-x:`.\n"
    made = page(tmp_path, config, text)
    assert texts(made) == ["Go, at 10:30:45, `:fa-x:`."]
    assert [(s.heading, s.anchor) for s in made.sections][-1] == ("Q", "q")


def test_raw_html_reaches_to_its_closing_tag(tmp_path: Path) -> None:
    text = (
        "# B\n\n<div>\n<div>\n\n## No\n\n</div>\n```py\n</div>\n```\nwords\n</div>\n\n## Yes\n\nx\n"
    )
    made = page(tmp_path, "", text)
    assert [s.heading for s in made.sections] == ["B", "Yes"]
    assert texts(made) == ["## No", "```py\n</div>\n```", "words", "x"]


def test_html_that_asks_for_markdown(tmp_path: Path) -> None:
    text = '# B\n\n<div class="grid" markdown>\n\n## Cards\n\nx\n\n</div>\n'
    made = page(tmp_path, "markdown_extensions: [md_in_html]", text)
    assert [s.heading for s in made.sections] == ["B", "Cards"]


def test_blog_posts(tmp_path: Path) -> None:
    config = "plugins:\n- search\n- blog: {post_url_format: '{date}/{file}-{slug}', draft: false}"
    files = {
        "blog/posts/a.md": "---\ndate: {created: 2024-05-06}\n---\n# In May\n\nx\n",
        "blog/posts/b.md": "---\ndate: 2024-05-06\ndraft: true\n---\n# Later\n\nx\n",
        "blog/posts/c.md": "---\ndate: 2023-01-02\nslug: own\n---\n# New\n\nx\n",
    }
    slugs = [made.slug for made in read(tmp_path, config, files).pages]
    assert slugs == ["blog/2024/05/06/a-in-may/", "blog/2023/01/02/c-own/"]


def test_what_plugins_would_write_is_named(tmp_path: Path) -> None:
    config = "plugins: [search, macros, mkdocstrings, gen-files]"
    text = "# A\n\nThere are {{ hives }}.\n\n::: bees.Hive\n    options:\n      x: 1\n\nEnd.\n"
    book = read(tmp_path, config, {"index.md": text})
    assert texts(book.pages[0]) == ["There are {{ hives }}.", "End."]
    assert {(loss.place, loss.detail) for loss in book.losses} == {
        ("mkdocs.yml:2", "gen-files"),
        ("index.md:3", "{{ hives }}"),
        ("index.md:5", "bees.Hive"),
    }
    assert all("python ingest.py site" in problem.message for problem in book.problems)


@pytest.mark.parametrize(
    "fence", ['``` python title="app.py"', '```python hl_lines="1" title="app.py"',
              '``` { .python .x title="app.py" }'],
)  # fmt: skip
def test_the_title_of_code(tmp_path: Path, fence: str) -> None:
    assert texts(page(tmp_path, "", f"{fence}\nx\n```\n")) == ["app.py", "```python\nx\n```"]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('--8<-- "s.md"', "one two three"),
        ("--8<-- 's.md:2:2'", "two"),
        ('--8<-- "s.md:mid"', "two"),
        ("--8<--\ns.md:5\n--8<--", "three"),
        (';--8<-- "s.md"', '--8<-- "s.md"'),
    ],
)
def test_snippets(tmp_path: Path, line: str, shown: str) -> None:
    write(tmp_path, {"s.md": "one\n--8<-- [start:mid]\ntwo\n--8<-- [end:mid]\nthree\n"})
    if ":2:2" in line:
        write(tmp_path, {"s.md": "one\ntwo\nthree\n"})
    assert texts(page(tmp_path, "markdown_extensions: [pymdownx.snippets]", line + "\n")) == [shown]


def test_a_missing_snippet_is_named(tmp_path: Path) -> None:
    config = "markdown_extensions: [pymdownx.snippets]"
    block = "--8<--\nno.md\n--8<--\n"
    pages = {
        "index.md": 'a\n\n--8<-- "no.md"\n\n--8<-- "https://x.dev/a"\n',
        "meta.md": '---\ntags: [a]\n---\n\n--8<-- "b.txt"\n\n--8<-- "no.md"\n',
        "n.md": f'{block}\n--8<-- "no.md"\n',
        "../b.txt": "one\ntwo\n",
    }
    assert {(loss.place, loss.detail) for loss in read(tmp_path, config, pages).losses} == {
        ("index.md:3", "no.md"),
        ("index.md:5", "https://x.dev/a"),
        ("meta.md:7", "no.md"),
        ("n.md:2", "no.md"),
        ("n.md:5", "no.md"),
    }


@pytest.mark.parametrize(
    ("structure", "files"),
    [
        ("suffix", {"a.md": "# A\n\nx", "a.fr.md": "# F\n\nx", "b.v2.md": "# B\n\nx"}),
        ("folder", {"en/a.md": "# A\n\nx", "fr/a.md": "# F\n\nx", "en/b.v2.md": "# B\n\nx"}),
    ],
)
def test_languages(tmp_path: Path, structure: str, files: dict[str, str]) -> None:
    options = "languages: [{locale: en, default: true}, {locale: fr}]"
    config = f"plugins:\n- i18n: {{docs_structure: {structure}, {options}}}"
    made = [(p.slug, p.language) for p in read(tmp_path, config, files).pages]
    assert made == [("a/", "en"), ("b.v2/", "en"), ("fr/a/", "fr")]


def test_navigation_in_folders(tmp_path: Path) -> None:
    pages = dict.fromkeys(("a.md", "b/c.md", "b/d.md", "e.md"), "x")
    awesome = {".pages": "nav: [e.md, {Part: b}, ...]", "b/.pages": "nav: [Last: d.md, c.md]"}
    book = read(tmp_path / "1", "plugins: [awesome-pages]", {**pages, **awesome})
    assert [(p.source_path, p.title) for p in book.pages] == [
        ("e.md", "E"), ("b/d.md", "Last"), ("b/c.md", "C"), ("a.md", "A")
    ]  # fmt: skip
    literate = {"SUMMARY.md": "- [E!](e.md)\n- [B](b/)\n", "b/SUMMARY.md": "* [D](d.md)\n"}
    book = read(tmp_path / "2", "plugins: [literate-nav]", {**pages, **literate})
    assert [p.source_path for p in book.pages][:2] == ["e.md", "b/d.md"]


@pytest.mark.parametrize(
    ("config", "built"),
    [
        ("exclude_docs: |\n  *.tmp.md\n  /private/\n  !keep.tmp.md\n  # x.md",
         {"index.md", "n/keep.tmp.md", "n/private/p.md", "x.md"}),
        ("draft_docs: n/\nexclude_docs: '**/p.md'\nnot_in_nav: x.md", {"index.md", "x.md"}),
        ("plugins: [exclude: {glob: ['n/*', private/p.md]}]", {"index.md", "x.md"}),
        ("plugins: [exclude: {regex: ['n/k', '[xp]']}]",
         {"index.md", "n/a.tmp.md", "n/private/p.md"}),
    ],
)  # fmt: skip
def test_pages_that_are_not_built(tmp_path: Path, config: str, built: set[str]) -> None:
    files = "index n/a.tmp n/keep.tmp private/p n/private/p x .hidden templates/t"
    book = read(tmp_path, config, {f"{name}.md": "x" for name in files.split()})
    assert {page.source_path for page in book.pages} == built
    assert not book.problems


def test_patterns_that_cannot_be_followed_are_named(tmp_path: Path) -> None:
    config = "exclude_docs: '!.well'\nplugins:\n- exclude: {regex: '('}"
    book = read(tmp_path, config, {"index.md": "x"})
    assert [loss.detail for loss in book.losses] == ["!.well", "("]


def test_plugins_by_every_name(tmp_path: Path) -> None:
    config = (
        "plugins:\n- material/group: {plugins: [material/blog: {post_url_format: '{slug}'}]}\n"
        "- blog: {blog_dir: news, post_url_format: '{file}'}\n"
        "- macros: {enabled: false}\n- group: {enabled: !ENV [CI, false], plugins: [macros]}\n"
    )
    files = {
        "blog/posts/a.md": "---\ndate: 2024-05-06\n---\n# In May\n\n{{ x }}\n",
        "news/posts/b.md": "---\ndate: 2024-05-06\n---\n# B!\n\nx\n",
    }
    book = read(tmp_path, config, files)
    assert {page.slug for page in book.pages} == {"blog/in-may/", "news/b/"}
    assert not book.losses


def test_a_post_of_the_future_is_a_draft(tmp_path: Path) -> None:
    config = "plugins:\n- blog: {draft_if_future_date: true}"
    files = {
        f"blog/posts/{day}.md": f"---\ndate: {day}\n{more}---\n# A\n\nx\n"
        for day, more in (("2999-01-01", ""), ("2999-01-02", "draft: false\n"), ("2020-01-03", ""))
    }
    made = {page.slug for page in read(tmp_path, config, files).pages}
    assert made == {"blog/2999/01/02/a/", "blog/2020/01/03/a/"}


@pytest.mark.parametrize(
    ("config", "more", "order"),
    [
        ("", {}, "B/x.md a/index.md a/10.md a/2.md"),
        ("nav: [a/10.md, {Two: a/2.md}, https://x.dev]", {}, "a/10.md a/2.md B/x.md a/index.md"),
        ("plugins: [literate-nav]\nnav: [B/x.md, {A: a/}]", {"a/SUMMARY.md": "- [T](2.md)\n- *\n"},
         "B/x.md a/2.md a/index.md a/10.md"),
        ("plugins: [awesome-pages]",
         {".pages": "nav: [a, ...]", "a/.pages": "nav: [... | 2*, ...]"},
         "a/2.md a/index.md a/10.md B/x.md"),
    ],
)  # fmt: skip
def test_reading_order(tmp_path: Path, config: str, more: dict[str, str], order: str) -> None:
    pages = dict.fromkeys(("B/x.md", "a/2.md", "a/10.md", "a/index.md"), "x")
    made = [page.source_path for page in read(tmp_path, config, {**pages, **more}).pages]
    assert [path for path in made if "SUMMARY" not in path] == order.split()


def test_hooks_and_extensions_that_make_text_are_named(tmp_path: Path) -> None:
    config = "hooks: [h.py]\nmarkdown_extensions: [markdown.extensions.toc, mkdocs-click]"
    book = read(tmp_path, config, {"index.md": "x"})
    assert [loss.detail for loss in book.losses] == ["mkdocs-click", "h.py"]


@pytest.mark.parametrize(
    ("heading", "shown", "anchor"),
    [
        ("A {: #v1.2 .x }", "A", "v1.2"),
        ("A {#b.c}", "A", "b.c"),
        ("A {: id='q' }", "A", "q"),
        ("Users {id}", "Users", "t"),  # an id without a value: the anchor above
        ("`x` { .new }", "`x`", "x"),
        ("{#only}", "{#only}", "only"),
        ("GET /users/{id}", "GET /users/{id}", "get-usersid"),
        ("A {b}} c", "A {b}} c", "a-b-c"),
    ],
)
def test_attributes_of_headings(tmp_path: Path, heading: str, shown: str, anchor: str) -> None:
    made = page(tmp_path, "markdown_extensions: [attr_list]", f"# T\n\n## {heading}\n\nx\n")
    section = made.sections[1]
    assert (section.heading, section.anchor) == (shown.replace("`", ""), anchor)


def test_attributes_below_a_paragraph(tmp_path: Path) -> None:
    made = page(tmp_path, "markdown_extensions: [attr_list]", "Words.\n{ .lead }\n\n{ x }\n")
    assert texts(made) == ["Words.", "{ x }"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('<figure markdown="span">\n  ![I](i.png){ width="3" }\n  <figcaption>C</figcaption>\n'
         "</figure>", ["I", "C"]),
        ("<div markdown>\n\n- *a*\n\n    ---\n\n    b\n</div>\n\nc", ["- a\n\n  b", "c"]),
        ("<div markdown>**y**</div> tail", ["y", "tail"]),
        ("<div>\n<div markdown>\n*x*\n</div>\n</div>", ["*x*"]),
        ("<div>never closed\n\n*x*", ["never closed *x*"]),
    ],
)  # fmt: skip
def test_markdown_in_html(tmp_path: Path, text: str, shown: list[str]) -> None:
    config = "markdown_extensions: [md_in_html, attr_list]"
    assert texts(page(tmp_path, config, text)) == shown


def test_html_stays_raw_without_the_extension(tmp_path: Path) -> None:
    assert texts(page(tmp_path, "", "<div markdown>\n*x*\n\n## y\n</div>\n")) == ["*x* ## y"]


def test_generic_blocks_are_those_of_the_extensions(tmp_path: Path) -> None:
    config = (
        "markdown_extensions:\n"
        "- pymdownx.blocks.admonition: {types: [{name: warn, title: Oh}, a-b]}\n"
        "- pymdownx.blocks.details\n"
    )
    text = "/// warn\nx\n///\n\n/// a-b\n///\n\n/// details | More\n    type: warn\n///\n\n"
    text += "/// admonition\n    type: warn\n///\n\n/// tab | T\ny\n"
    assert texts(page(tmp_path, config, text)) == [
        "Oh",
        "x",
        "A B",
        "More",
        "Warn",
        "/// tab | T y",
    ]


@pytest.mark.parametrize(("more", "headings"), [("", 2), (", pymdownx.saneheaders", 1)])
def test_headings_without_a_space(tmp_path: Path, more: str, headings: int) -> None:
    made = page(tmp_path, f"markdown_extensions: [toc{more}]", "# T\n\n#. item\n")
    assert len(made.sections) == headings


def test_the_label_of_a_tab_of_code(tmp_path: Path) -> None:
    text = '```yaml tab="File (YAML)"\nx\n```\n'
    assert texts(page(tmp_path, "", text)) == ["File (YAML)", "```yaml\nx\n```"]


@pytest.mark.parametrize(
    "names", ["plugins: [macros]", "markdown_extensions: [zensical.extensions.macros]"]
)
def test_macros_are_named_where_they_are_used(tmp_path: Path, names: str) -> None:
    book = read(tmp_path, names, {"index.md": "# A\n\n{{ b }}\n", "c.md": "# C\n\nd\n"})
    assert [(loss.place, loss.detail) for loss in book.losses] == [("index.md:3", "{{ b }}")]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('{% include-markdown "inc/a.md" %}', ["one two three"]),
        ("{%include '../docs/inc/a.md' start='one' end='three'%}", ["two"]),
        ('{%- include-markdown "./inc/no.md" -%}', []),
    ],
)
def test_the_include_markdown_plugin(tmp_path: Path, line: str, shown: list[str]) -> None:
    write(tmp_path, {"docs/inc/a.md": "---\ntitle: x\n---\none\ntwo\nthree\n"})
    book = read(tmp_path, "plugins: [include-markdown]", {"index.md": line})
    made = next(page for page in book.pages if page.source_path == "index.md")
    assert texts(made) == shown
    assert [loss.detail for loss in book.losses] == ([] if shown else ["./inc/no.md"])


def test_snippets_below_the_folder_of_the_build(tmp_path: Path) -> None:
    write(tmp_path, {"LICENSE.md": "---\ntitle: x\n---\na\nb\nc\n", "deep/docs/q.md": "# Q\n"})
    config = (
        "docs_dir: deep/docs\nmarkdown_extensions:\n- meta\n"
        "- pymdownx.snippets: {base_path: [LICENSE.md, other]}\n"
    )
    write(tmp_path, {"deep/docs/index.md": '--8<-- "LICENSE.md"\n\n--8<-- "LICENSE.md:-2:"\n'})
    made = read(tmp_path, config, {}).pages[0]
    assert texts(made) == ["a b c", "b c"]


def test_titles_in_the_navigation_may_have_markup(tmp_path: Path) -> None:
    config = 'nav: [{\'<span class="x">Q &amp; A <img src="a"></span>\': index.md}]'
    assert page(tmp_path, config, "x").title == "Q & A"


def test_no_code_that_a_configuration_names_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        tmp_path / "path", {"evil.py": "raise SystemExit", "markdown_evil.py": "raise SystemExit"}
    )
    monkeypatch.syspath_prepend(str(tmp_path / "path"))
    config = (
        "markdown_extensions:\n- evil\n- markdown_evil:Extension\n- pymdownx._bypassnorm\n"
        "- toc: {slugify: !!python/name:evil.slug , separator: _}\n"
        "- pymdownx.superfences: {custom_fences: [{name: x, class: x, "
        "format: !!python/name:evil.format , validator: !!python/name:evil.check }]}\n"
        "- pymdownx.emoji: {emoji_index: !!python/name:evil.index }\n"
    )
    book = read(tmp_path, config, {"index.md": "# A b\n\n```x\ncode\n```\n"})
    assert texts(book.pages[0]) == ["```x\ncode\n```"]
    assert book.pages[0].sections[0].anchor == "a_b"
    assert [loss.detail for loss in book.losses] == [
        "evil", "markdown_evil:Extension", "pymdownx._bypassnorm"
    ]  # fmt: skip


def test_an_extension_that_its_options_break_is_named(tmp_path: Path) -> None:
    config = "markdown_extensions:\n- pymdownx.blocks.admonition: {types: [5]}\n"
    config += "- toc: {separator: 5, slugify: {kwds: {case: 5, 6: 7}}}"
    book = read(tmp_path, config, {"index.md": "# A b\n\nx\n"})
    assert book.pages[0].sections[0].anchor == "A-b"
    assert [(loss.place, loss.detail) for loss in book.losses] == [
        ("mkdocs.yml:3", "pymdownx.blocks.admonition")
    ]


def test_code_and_marks_keep_their_words(tmp_path: Path) -> None:
    config = (
        "markdown_extensions: [pymdownx.caret, pymdownx.keys, pymdownx.inlinehilite, footnotes]"
    )
    text = "2^n^ `#!py a  b`[^1] ++ctrl+c++ ``x`y``\n\n    indented *x*\n\n[^1]: Note.\n"
    assert texts(page(tmp_path, config, text)) == [
        "2^n `a b` Ctrl+C ``x`y``", "```\nindented *x*\n```", "1. Note."
    ]  # fmt: skip


def test_links_alone_are_told_apart(tmp_path: Path) -> None:
    text = "- [A](#a)\n- [B](#b)\n\n[C](c.md) [D](d.md)\n\n1. [E](e.md)\n\nwords [F](f.md)\n"
    (section,) = page(tmp_path, "", text).sections
    assert [(block.kind, block.text) for block in section.blocks] == [
        ("links", "- A\n- B"), ("links", "C D"), ("links", "1. E"), ("paragraph", "words F")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("contents", "shown"),
    [
        ("- [Bees](#bees)\n    - [The hive](#the-hive)\n", []),
        ("1. [T](#t)\n2. [*The* Hive](#the-hive)\n", []),
        ("1. [hive](#the-hive)\n2. [bees](#bees)\n", ["1. hive\n2. bees"]),
        ("- [Bees](#bees)\n- [Bees that swarm](#bees)\n", ["- Bees\n- Bees that swarm"]),
    ],
)  # fmt: skip
def test_only_a_list_of_headings_is_a_table_of_contents(
    tmp_path: Path, contents: str, shown: list[str]
) -> None:
    below = "## Bees\n\nx\n\n## The hive\n\ny\n"
    for number, text in enumerate((f"# T\n\n{contents}\n{below}", f"{contents}\n# T\n\n{below}")):
        made = page(tmp_path / str(number), "", text)
        assert (made.title, texts(made)) == ("T", [*shown, "x", "y"])


@pytest.mark.parametrize(("listed", "kept"), [(2, True), (3, True), (4, False), (8, False)])
def test_a_list_of_a_few_headings_is_no_table_of_contents(
    tmp_path: Path, listed: int, kept: bool
) -> None:
    links = "".join(f"- [Hive {n}](#hive-{n})\n" for n in range(listed))
    below = "".join(f"## Hive {n}\n\n### Bees {n}\n\nx\n\n" for n in range(8))
    made = page(tmp_path, "", f"# T\n\nSet one of these:\n\n{links}\n{below}")
    shown = "\n".join(f"- Hive {n}" for n in range(listed))
    assert texts(made)[1:-8] == [shown] * kept


@pytest.mark.parametrize(
    ("written", "tag"), [("no", "no"), ("pt_BR", "pt-BR"), ("de", "de"), ("''", "en")]
)
def test_the_language_of_the_theme(tmp_path: Path, written: str, tag: str) -> None:
    config = f"theme:\n  name: material\n  language: {written}\n"
    assert [p.language for p in read(tmp_path, config, {"index.md": "# A\n\nB."}).pages] == [tag]


@pytest.mark.parametrize(
    ("config", "text", "shown"),
    [
        ("pymdownx.smartsymbols", "Bees (tm), 1st, a --> b.", "Bees ™, 1st, a → b."),
        ("smarty", "The hive's \"own\"--or not...", "The hive’s “own”–or not…"),
        ("pymdownx.magiclink", "at www.bees.dev now", "at www.bees.dev now"),
        ("pymdownx.magiclink: {repo_url_shorthand: true, user: a, repo: b}", "x #3", "x #3"),
        ("pymdownx.magiclink: {repo_url_shortener: true}", "See https://github.com/a/b/pull/5.",
         "See a/b!5."),
    ],
)  # fmt: skip
def test_extensions_that_rewrite_text(tmp_path: Path, config: str, text: str, shown: str) -> None:
    config = f"markdown_extensions:\n- {config}\n"
    assert texts(page(tmp_path, config, f"# T\n\n{text}\n")) == [shown]


@pytest.mark.parametrize(
    ("extension", "heading", "anchor"),
    [("pymdownx.smartsymbols", "The (c) of Bees", "the-of-bees"), ("smarty", "A--b", "ab")],
)
def test_rewritten_headings(tmp_path: Path, extension: str, heading: str, anchor: str) -> None:
    made = page(tmp_path, f"markdown_extensions: [{extension}]", f"# T\n\n## {heading}\n\nx\n")
    assert made.sections[-1].anchor == anchor


@pytest.mark.parametrize("plugin", ["autorefs", "mkdocstrings"])
def test_references_to_other_pages_are_their_text(tmp_path: Path, plugin: str) -> None:
    text = "# The [Hive][bees.Hive] and [`Bee`][]\n\nSee [*all*][x] [1][] [own][].\n\n[own]: a.md\n"
    made = page(tmp_path, f"plugins: [{plugin}]", text)
    assert [(s.heading, s.anchor) for s in made.sections] == [
        ("The Hive and Bee", "the-hive-and-bee")
    ]
    assert texts(made) == ["See all 1 own."]
    assert texts(page(tmp_path / "2", "", "See [a][b].\n")) == ["See [a][b]."]


@pytest.mark.parametrize(
    ("extension", "directive"),
    [("mkdocs-click", "mkdocs-click"), ("mkautodoc", "bees.swarm"), ("mkautodoc", "bees:Queen")],
)
def test_what_code_would_describe_is_named_by_its_line(
    tmp_path: Path, extension: str, directive: str
) -> None:
    config = f"plugins: [mkdocstrings]\nmarkdown_extensions: [{extension}]\n"
    text = f"# A\n\n> Seen.\n>\n> ### ::: bees.Hive\n\n::: {directive}\n    :module: b\n\nEnd.\n"
    book = read(tmp_path, config, {"index.md": text})
    assert texts(book.pages[0]) == ["Seen.", "End."]
    assert {(loss.place, loss.detail) for loss in book.losses} == {
        ("mkdocs.yml:3", extension),
        ("index.md:5", "bees.Hive"),
        ("index.md:7", directive),
    }
    config = f"markdown_extensions: [{extension}]\n"
    assert texts(read(tmp_path / "2", config, {"index.md": f"::: {directive}\n\nx"}).pages[0]) == [
        "x"
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("- :fa-bee:{ style='color: red' } `a`\n- b :x:{.c}, d\n", ["- `a`\n- b , d"]),
        ('Go :smile:{ title="Hi" } on.', ["Go on."]),
    ],
)
def test_attributes_of_icons_are_not_words(tmp_path: Path, text: str, shown: list[str]) -> None:
    config = "markdown_extensions: [attr_list, pymdownx.emoji]"
    assert texts(page(tmp_path, config, text)) == shown


def test_a_page_with_a_template_of_the_site_is_named(tmp_path: Path) -> None:
    files = {
        "index.md": "---\ntitle: Home\ntemplate: home.html\n---\n\nx\n",
        "a.md": "# A\n\ntemplate: home.html\n",
        "b.md": "---\ntemplate: b/own.html\n---\ny\n",
        "c.md": "---\ntemplate: of_the_theme.html\n---\nz\n",
    }
    write(tmp_path, {"over/home.html": "Welcome", "over/b/own.html": "Words"})
    book = read(tmp_path, "theme: {name: material, custom_dir: over}", files)
    assert [(loss.place, loss.detail) for loss in book.losses] == [
        ("index.md:3", "home.html"),
        ("b.md:2", "b/own.html"),
    ]
    assert not read(tmp_path, "theme: material", files).losses


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("```html\n<!-- a -->\n<!--\n```\n\nx `<!-- b`\n", False),
        ("- x\n\n    ```html\n    <!-- a -->\n    ```\n\n    `` `<!--` ``\n", False),
        ("x <!-- a -->\n\n<!-- never closed\n\ny\n", True),
    ],
)
def test_only_an_open_comment_is_a_problem(tmp_path: Path, text: str, named: bool) -> None:
    problems = read(tmp_path, "", {"index.md": text}).problems
    assert [problem.source_path for problem in problems] == ["index.md"] * named


def test_a_heading_without_words_begins_no_section(tmp_path: Path) -> None:
    config = "markdown_extensions: [pymdownx.emoji]"
    text = "# T\n\n## A\n\nx\n\n### <!-- setting x -->\n\ny\n\n## :bee:\n\nz\n"
    made = page(tmp_path, config, text)
    assert [(s.heading, s.anchor) for s in made.sections] == [("T", "t"), ("A", "a")]
    assert texts(made) == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("base", "place"),
    [
        ("!relative $config_dir", "p.md"),
        ("!relative $config_dir/parts", "parts/p.md"),
        ("!relative $docs_dir", "docs/p.md"),
        ("!relative", "docs/a/p.md"),
        (".parts", ".parts/p.md"),
        ("docs/.in", "docs/.in/p.md"),
    ],
)
def test_the_folder_of_snippets(tmp_path: Path, base: str, place: str) -> None:
    write(tmp_path, {place: "Words."})
    config = f"markdown_extensions:\n- pymdownx.snippets:\n    base_path:\n    - {base}\n"
    book = read(tmp_path, config, {"a/q.md": '--8<-- "p.md"\n'})
    made = next(page for page in book.pages if page.source_path == "a/q.md")
    assert texts(made) == ["Words."]
    assert not book.problems


@pytest.mark.parametrize("own", ["Français", "{name: Français}"])
def test_languages_by_name(tmp_path: Path, own: str) -> None:
    options = f"default_language: en, languages: {{en: English, fr: {own}}}"
    files = {"a.md": "# A\n\nx", "a.fr.md": "# F\n\nx", "index.en.md": "# E\n\nx"}
    made = read(tmp_path, f"plugins:\n- i18n: {{{options}}}", files).pages
    assert [(p.slug, p.language) for p in made] == [("", "en"), ("a/", "en"), ("fr/a/", "fr")]


@pytest.mark.parametrize(
    ("structure", "files"),
    [
        ("suffix", ("a.md", "a.fr.md", "b.md", "b.fr.md")),
        ("folder", ("en/a.md", "fr/a.md", "en/b.md", "fr/b.md")),
    ],
)
def test_titles_in_the_navigation_are_translated(
    tmp_path: Path, structure: str, files: tuple[str, ...]
) -> None:
    config = (
        "nav: [{Bees: a.md}, {Hives: b.md}]\n"
        f"plugins:\n- i18n:\n    docs_structure: {structure}\n    languages:\n"
        "    - {locale: en, default: true}\n"
        "    - {locale: fr, nav_translations: {Bees: Abeilles}}\n"
    )
    bodies = dict.fromkeys(files[:3], "x\n") | {files[3]: "# Ruches\n\nx\n"}
    titles = [made.title for made in read(tmp_path, config, bodies).pages]
    assert titles == ["Bees", "Hives", "Abeilles", "Ruches"]


@pytest.mark.parametrize(
    ("extension", "line", "shown"),
    [
        ("mdx_include", "{! part.md !}", ["one two three"]),
        ("mdx_include: {base_path: sub}", "> {!in.md[ln:1-2]!}", ["a b"]),
        ("mdx_include", "\\{!part.md!}", ["{!part.md!}"]),
        ("markdown_include.include", "{!part.md!}", ["one two three"]),
        ("markdown_include_variants", "{* ./x.py *}", ["```python\na\n\nb\nc\n```"]),
        ("markdown_include_variants", "{* x.py ln[1,3:4] hl[3] *}", ["```python\na\nb\nc\n```"]),
        ("markdown_include_variants", "{* no.py ln[1:2] *}", []),
        ("toc", "{! part.md !}", ["{! part.md !}"]),
    ],
)
def test_files_that_extensions_include(
    tmp_path: Path, extension: str, line: str, shown: list[str]
) -> None:
    write(tmp_path, {"part.md": "one\ntwo\nthree\n", "x.py": "a\n\nb\nc\n", "sub/in.md": "a\nb\nc"})
    book = read(
        tmp_path, f"markdown_extensions:\n- {extension}\n", {"index.md": f"# T\n\n{line}\n"}
    )
    assert texts(book.pages[0]) == shown
    assert [(loss.place, loss.detail) for loss in book.losses] == (
        [] if shown else [("index.md:3", "no.py")]
    )


@pytest.mark.parametrize(
    ("options", "line", "shown"),
    [
        ("opening_tag: '[%', closing_tag: '%]'", '[% include "a.txt" start="b" %]', ["c"]),
        ("opening_tag: '<<', closing_tag: '>>'", "<<include-markdown 'a.txt'>> d", ["b c d"]),
        (
            "opening_tag: '[%', closing_tag: '%]'",
            '{% include "a.txt" %}',
            ['{% include "a.txt" %}'],
        ),
    ],
)
def test_include_markdown_with_other_tags(
    tmp_path: Path, options: str, line: str, shown: list[str]
) -> None:
    write(tmp_path, {"docs/a.txt": "b\nc"})
    config = f"plugins:\n- include-markdown: {{{options}}}\n"
    assert texts(page(tmp_path, config, f"# T\n\n{line}\n")) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('!!! note\n\n    ```py\n    {% include "c.py" %}\n    ```\n\n    End.\n',
         ["Note", "```py\na = 1\n\nb = 2\n```", "End."]),
        ('- item\n\n    {% include-markdown "inc.md" %}\n\nEnd.\n',
         ["- item\n\n  One.\n\n  Two.", "End."]),
        ('1.  {% include-markdown "inc.md" %}\n\nEnd.\n', ["1. One.\n\n  Two.", "End."]),
        ('- item\n\n    {% include "inc.md" preserve-includer-indent=false %}\n',
         ["- item\n\n  One.", "Two."]),
        ('{% include-markdown "deep.md" dedent=true %}\n', ["Deep."]),
        ('- item\n\n    {% include "outer.md" %}\n',
         ["- item\n  - inner\n\n    One.\n\n    Two."]),
    ],
)  # fmt: skip
def test_included_text_is_indented_like_its_directive(
    tmp_path: Path, text: str, shown: list[str]
) -> None:
    files = {
        "c.py": "a = 1\n\nb = 2\n",
        "inc.md": "One.\n\nTwo.\n",
        "deep.md": "    Deep.\n",
        "outer.md": '- inner\n\n    {% include "inc.md" %}\n',
    }
    write(tmp_path, {f"docs/{name}": part for name, part in files.items()})
    config = "plugins:\n- include-markdown: {5: x}\nmarkdown_extensions: [admonition]"
    book = read(tmp_path, config, {"index.md": f"# T\n\n{text}"})
    assert texts(next(page for page in book.pages if page.source_path == "index.md")) == shown


@pytest.mark.parametrize(
    ("directive", "shown"),
    [
        (r"""{% include "a.txt" start="# \"A\"\n" end='it\'s' %}""", ["one"]),
        ('{% include "a.txt" start="missing" end="two" %}', ["one it's"]),
        ('{% include "a.txt" start="missing" %}', []),
        ('{% include "https://bees.dev/a.txt" %}', []),
    ],
)
def test_marks_of_included_text(tmp_path: Path, directive: str, shown: list[str]) -> None:
    write(tmp_path, {"docs/a.txt": '# "A"\none\nit\'s two'})
    book = read(tmp_path, "plugins: [include-markdown]", {"index.md": f"# T\n\n{directive}\n"})
    assert texts(book.pages[0]) == shown
    assert [(loss.kind, loss.detail) for loss in book.losses] == [
        ("includes from addresses are not read", "https://bees.dev/a.txt")
    ] * ("https" in directive)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ("{}", ["a.md:3: {{ b }}", "c.md:5: {{ b }}"]),
        ("{j2_variable_start_string: «, j2_variable_end_string: »}", ["c.md:3: « run('x') »"]),
        ("{j2_block_start_string: '[%', j2_block_end_string: '%]'}",
         ["a.md:3: {{ b }}", "c.md:1: [% set x %]"]),
        ("{render_by_default: false}", ["a.md:3: {{ b }}"]),
        ("{render_by_default: false, force_render_paths: c.md}",
         ["a.md:3: {{ b }}", "c.md:5: {{ b }}"]),
    ],
)  # fmt: skip
def test_macros_with_options(tmp_path: Path, options: str, named: list[str]) -> None:
    files = {
        "a.md": "---\nrender_macros: true\n---\n{{ b }}\n",
        "c.md": "[% set x %]\n\n« run('x') »\n\n{{ b }}\n",
        "d.md": "---\nrender_macros: false\n---\n\n{{ b }} « c » [% d %]\n",
    }
    book = read(tmp_path, f"plugins:\n- macros: {options}", files)
    assert [f"{loss.place}: {loss.detail}" for loss in book.losses] == [
        line.replace("a.md:3", "a.md:4") for line in named
    ]


@pytest.mark.parametrize(
    ("code", "text", "named"),
    [
        ('re.sub(r"<!-- bee:(\\w+) -->", f, x)', "Go.\n\n<!-- bee:queen of all -->\n",
         "index.md:3: <!-- bee:queen of all -->"),
        ('re.sub("<!--\\\\s*HIVE ?-->", f, x)', "<!-- HIVE -->\n", "index.md:1: <!-- HIVE -->"),
        ('x.replace("<BEE_VERSION>", v)', "```\n<BEE_VERSION>\n```\n", "index.md:2: <BEE_VERSION>"),
        ('x.replace("<latest_bee>", v)', "At <latest_bee>.\n", "index.md:1: <latest_bee>"),
        ('re.sub(r"\\{\\{ *version *\\}\\}", v, x)', "{{version}}\n", "index.md:1: {{version}}"),
        ('re.compile(r"```toml\\b.* swarm-file\\n")', "```toml swarm-file\nx\n```\n",
         "index.md:1: ```toml swarm-file"),
        ("if page.file.src_uri == 'index.md':", "Words.\n", "index.md: "),
        ('x = page.file.src_path=="index.md"', "Words.\n", "index.md: "),
        ("return {'index.md': 1}", "Words.\n", ""),
        ('x.replace("<BEE>", v)', "<!-- prettier-ignore -->\n<HIVE>\n{{ v }}\n``` sh\n```\n", ""),
        ("", "<!-- bee:queen -->\n<BEE_VERSION>\n", ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("module", ["h", "beside"])
def test_pages_that_a_hook_completes_are_named(
    tmp_path: Path, code: str, text: str, named: str, module: str
) -> None:
    write(tmp_path, {"docs/.hooks/h.py": "import beside\n", f"docs/.hooks/{module}.py": code})
    files = {"index.md": text, "other.md": "Nothing.\n"}
    write(tmp_path, {"docs/.hooks/huge.py": "#" * 600_000})
    book = read(tmp_path, "hooks: [docs/.hooks/h.py]", files)
    assert [f"{loss.place}: {loss.detail}" for loss in book.losses] == [
        "mkdocs.yml:2: docs/.hooks/h.py",
        *[named] * bool(named),
    ]
    assert not read(tmp_path, "", files).losses


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ("plugins:\n- markdown-exec\n", ["mkdocs.yml:3: markdown-exec"]),
        ("markdown_extensions:\n- pymdownx.superfences:\n    custom_fences:\n    - name: python\n"
         "      class: python\n      format: !!python/name:markdown_exec.formatter\n", []),
        ("plugins: []\n", None),
    ],
)  # fmt: skip
def test_code_that_a_build_runs_is_named(
    tmp_path: Path, config: str, named: list[str] | None
) -> None:
    text = (
        '```python exec="on"\nprint(1)\n```\n\n- item\n\n'
        "    ~~~bash source='above' exec='1'\n    ls\n    ~~~\n\n"
        '```python exec="off"\n```\n\n```sh\nx exec="on"\n```\n'
    )
    book = read(tmp_path, config, {"index.md": text})
    fences = ['index.md:1: python exec="on"', "index.md:7: bash source='above' exec='1'"]
    assert [f"{loss.place}: {loss.detail}" for loss in book.losses] == (
        [] if named is None else [*named, *fences]
    )


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ("nav:\n- a.md\n- Reference:\n  - CLI: ref/cli.md\n  - ./b.md\n",
         ["mkdocs.yml:5: ref/cli.md", "mkdocs.yml:6: ./b.md"]),
        ("nav: [api/bees.html, {Notes: n.ipynb}]\n",
         ["mkdocs.yml:2: api/bees.html", "mkdocs.yml:2: n.ipynb"]),
        ("nav: [a.md, sub/, 'https://bees.dev/x.md', made.html, draft.md]\ndraft_docs: draft.md\n",
         []),
        ("nav: [a.md, c.md, d.md]\n"
         "plugins:\n- i18n: {languages: [{locale: en, default: true}, {locale: fr}]}\n",
         ["mkdocs.yml:2: d.md"]),
        ("nav:\n- sub/\n- e.md\n- api/*.md\nplugins: [literate-nav]\n",
         ["mkdocs.yml:4: e.md", "sub/SUMMARY.md: gone.md"]),
    ],
)  # fmt: skip
def test_pages_of_the_navigation_that_are_not_read_are_named(
    tmp_path: Path, config: str, named: list[str]
) -> None:
    files = dict.fromkeys(("a.md", "sub/f.md", "draft.md", "c.fr.md", "c.en.md"), "x")
    files |= dict.fromkeys(("api/bees.html", "n.ipynb"), "{}")
    files["sub/SUMMARY.md"] = (
        "- [F](f.md)\n- [Gone](gone.md)\n- *.md\n- [Out](https://bees.dev/a.md)\n"
    )
    book = read(tmp_path, config, files)
    assert [f"{loss.place}: {loss.detail}" for loss in book.losses] == named


def test_many_missing_pages_are_named_in_time(tmp_path: Path) -> None:
    nav = "nav:\n" + "".join(f"- gone{number}.md\n" for number in range(2_000))
    start = process_time()
    losses = list(read(tmp_path, nav, {"a.md": "x"}).losses)
    assert process_time() - start < 10
    assert [loss.place for loss in losses] == [f"mkdocs.yml:{line}" for line in range(3, 2_003)]


@pytest.mark.parametrize("plugin", ["markdownextradata", "table-reader"])
def test_other_plugins_that_run_jinja(tmp_path: Path, plugin: str) -> None:
    files = {"a.md": "# A\n\n{{ read_csv('b.csv') }}\n", "c.md": "# C\n\nd\n"}
    losses = read(tmp_path, f"plugins: [{plugin}]", files).losses
    assert [(loss.place, loss.detail) for loss in losses] == [
        ("mkdocs.yml:2", plugin),
        ("a.md:3", "{{ read_csv('b.csv') }}"),
    ]


@pytest.mark.parametrize("folder", ["docs-site/conf", "shared"])
def test_settings_are_inherited_through_several_files(tmp_path: Path, folder: str) -> None:
    root = "site_name: Root\nuse_directory_urls: false\nplugins:\n- strange\n"
    files = {
        "docs-site/mkdocs.yml": f"INHERIT: ../{folder}/base.yml\n",
        "docs-site/docs/b.md": "# B C\n\nx\n",
        f"{folder}/base.yml": "INHERIT: ../up.yml\nmarkdown_extensions: {attr_list: {}}\n",
        f"{folder}/../up.yml": f"{root}markdown_extensions: {{toc: {{separator: _}}}}\n",
    }
    book = read_book(write(tmp_path, files) / "docs-site", root=tmp_path)
    (made,) = book.pages
    assert (book.title, made.slug, made.sections[0].anchor) == ("Root", "b.html", "b_c")
    assert "up.yml:4: strange" in book.problems[0].message


def test_settings_that_inherit_from_each_other(tmp_path: Path) -> None:
    files = {"a.yml": "INHERIT: mkdocs.yml\nsite_name: A\n", "docs/b.md": "# B\n"}
    assert read_book(write(tmp_path, {"mkdocs.yml": "INHERIT: a.yml\n", **files})).title == "A"


@pytest.mark.parametrize(
    ("text", "title", "shown"),
    [
        ("Title: My page\nAuthor: A\n    B\n\nText.\n", "My page", ["Text."]),
        ("title: Twice\ntitle: told\nText: x\n# Head\n", "Twice told", []),
        ("Note: this is meta.\n\nText.\n", "Index", ["Text."]),
        ("\nTitle: none\n\nText.\n", "Index", ["Title: none", "Text."]),
        ("A sentence: text.\n\nText.\n", "Index", ["A sentence: text.", "Text."]),
        ("Title: Only\n", "Only", []),
    ],
)
def test_keys_above_the_text(tmp_path: Path, text: str, title: str, shown: list[str]) -> None:
    made = page(tmp_path, "", text)
    assert (made.title, texts(made)) == (title, shown)


@pytest.mark.parametrize("marker", ["[TOC]", "[[contents]]"])
def test_the_place_of_the_table_of_contents_is_not_text(tmp_path: Path, marker: str) -> None:
    config = f"markdown_extensions:\n- toc:\n    marker: '{marker}'\n"
    text = f"# A\n\n{marker}\n\n## B\n\n```\n{marker}\n```\n"
    assert texts(page(tmp_path, config, text)) == [f"```\n{marker}\n```"]


def test_posts_below_several_categories(tmp_path: Path) -> None:
    config = (
        "plugins:\n- blog:\n    post_url_format: '{categories}/{slug}'\n"
        "    post_url_max_categories: 2\n    post_slugify_separator: _\n"
    )
    text = "---\ndate: 2024-01-02\ncategories: [Big News, My Bees, Third]\n---\n# Hello you\n"
    book = read(tmp_path, config, {"blog/posts/a.md": text})
    assert [each.slug for each in book.pages] == ["blog/big-news/my-bees/hello_you/"]


@pytest.mark.parametrize("part", ["hive", "2:4"])
def test_parts_of_files_may_lose_their_indent(tmp_path: Path, part: str) -> None:
    config = (
        "markdown_extensions:\n- pymdownx.snippets: {base_path: docs, dedent_subsections: true}"
    )
    code = (
        "class A:\n    # --8<-- [start:hive]\n    def f():\n        pass\n    # --8<-- [end:hive]\n"
    )
    text = f'# A\n\n```\n--8<-- "a.py:{part}"\n```\n'
    book = read(tmp_path, config, {"a.md": text, "a.py": code})
    assert texts(book.pages[0]) == ["```\ndef f():\n    pass\n```"]


def test_parts_and_patterns_of_awesome_nav(tmp_path: Path) -> None:
    own = "nav:\n- Part:\n  - c.md\n  - Named: b.md\n- glob: '*.md'\n"
    pages = {f"{name}.md": f"# {name}\n" for name in "abcd"}
    book = read(tmp_path, "plugins: [awesome-nav]", {**pages, ".nav.yml": own})
    titles = {each.source_path: each.title for each in book.pages}
    assert titles == {"c.md": "c", "b.md": "Named", "a.md": "a", "d.md": "d"}
    assert list(titles) == ["c.md", "b.md", "a.md", "d.md"]


@pytest.mark.parametrize("picture", ["<!-- {} -->", '<path d="{}" />'])
def test_a_huge_picture_in_a_tab_is_not_text(tmp_path: Path, picture: str) -> None:
    config = "markdown_extensions: [pymdownx.snippets: {base_path: docs}, pymdownx.tabbed]"
    svg = f"<svg>\n{picture.format('eyJ2' * 9_000)}\n<g>Bee < 5</g>\n</svg>"
    text = '# A\n\n=== "Sketch"\n\n    <div>\n    --8<-- "a.svg"\n    </div>\n'
    book = read(tmp_path, config, {"a.md": text, "a.svg": svg})
    assert texts(book.pages[0]) == ["Sketch", "Bee < 5"]
    assert not book.problems


@pytest.mark.parametrize(
    ("options", "indent"), [("", 2), (": {nested_indent: 3}", 3), (": {nested_indent: 4}", 4)]
)
def test_lists_nest_by_fewer_columns_than_other_blocks(
    tmp_path: Path, options: str, indent: int
) -> None:
    config = f"markdown_extensions:\n- admonition\n- mdx_truly_sane_lists{options}\n"
    space = " " * indent
    text = f"- a\n{space}- b\n{space * 2}- c\n\n{space}  d\n\n1. e\n{space}1. f\n\n    code\n"
    book = read(tmp_path, config, {"index.md": f"{text}\n!!! tip\n    Smoke *them*.\n"})
    assert texts(book.pages[0])[0].startswith("- a\n  - b\n    - c")
    assert texts(book.pages[0])[-2:] == ["Tip", "Smoke them."]
    assert book.losses == ()


def test_a_table_in_a_list_stays_in_its_item(tmp_path: Path) -> None:
    config = "markdown_extensions: [admonition]\n"
    rows = "| a | b |\n    |---|---|\n    | 1 | 2 |"
    shown = "  | a | b |\n  | --- | --- |\n  | 1 | 2 |"
    deeper = rows.replace("    ", " " * 8)
    text = f"1. One\n\n    {rows}\n\n2. Two\n\n    !!! tip\n\n        {deeper}\n"
    assert texts(page(tmp_path, config, text)) == [f"1. One\n{shown}\n2. Two\n\n  Tip\n{shown}"]


@pytest.mark.parametrize("mode", ["only-%s", "gh-%s-mode-only"])
def test_a_picture_for_each_mode_is_read_once(tmp_path: Path, mode: str) -> None:
    light, dark = (f"![A hive](a.png#{mode % name})" for name in ("light", "dark"))
    text = f"{light}{dark}*Fig. 1*\n\n![One](a.png)![two](b.png)\n"
    assert texts(page(tmp_path, "", text)) == ["A hive Fig. 1", "One two"]
    text = f"# A\n\n{light}{dark}\n"
    assert texts(read_book(write(tmp_path / "plain", {"a.md": text})).pages[0]) == ["A hive"]


@pytest.mark.parametrize("again", ["[start:a]\nno\n# --8<-- [end:a]", "[end:a]\nno"])
def test_a_section_given_twice_is_the_first(tmp_path: Path, again: str) -> None:
    first = "# --8<-- [start:a]\nyes\n# --8<-- [end:a]\nno\n"
    write(tmp_path, {"a.py": f"{first}# --8<-- {again}\n"})
    config = "markdown_extensions: [pymdownx.snippets]\n"
    assert texts(page(tmp_path, config, '--8<-- "a.py:a"\n')) == ["yes"]


@pytest.mark.parametrize("code", ["npm install", "sh install bees", "--hives=2,bees=false", "{x}y"])
@pytest.mark.parametrize("extension", ["", "pymdownx.superfences"])
def test_code_between_three_ticks_on_one_line(tmp_path: Path, code: str, extension: str) -> None:
    text = f"# A\n\n```{code}```\n\n## B\n\n```sh\nls\n```\n"
    made = page(tmp_path, f"markdown_extensions: [{extension}]\n", text)
    assert texts(made) == [f"`{code}`", "```sh\nls\n```"]
    assert [section.heading for section in made.sections] == ["A", "B"]


@pytest.mark.parametrize("words", ["bees hives", "bees"])
def test_words_after_the_language_need_relaxed_headers(tmp_path: Path, words: str) -> None:
    config = "markdown_extensions:\n- pymdownx.superfences: {relaxed_headers: %s}\n"
    text = f"```sh {words}\nls\n```\n"
    assert texts(page(tmp_path / "a", config % "false", text)) == [f"`sh {words} ls`"]
    assert texts(page(tmp_path / "b", config % "true", text)) == ["```sh\nls\n```"]


@pytest.mark.parametrize(
    ("folder", "docs", "slugs"),
    [("", "manual/src", ["", "guide/", "guide/a/"]), ("manual", "manual/src", ["", "guide/"]),
     ("manual/src", "manual/src", ["", "guide/"]), ("docs/guide", "docs", ["guide/", "guide/a/"])],
)  # fmt: skip
def test_a_folder_above_or_below_that_of_the_pages(
    tmp_path: Path, folder: str, docs: str, slugs: list[str]
) -> None:
    pages = {"index.md": "# I", "guide/index.md": "# G", "guide/a.md": "# A\n\nx\n"}
    files = {f"{docs}/{name}": text for name, text in pages.items()}
    config = f"docs_dir: {docs}\nnav: [index.md, guide/index.md, guide/a.md]\n"
    write(tmp_path, {**files, "mkdocs.yml": config, "manual/README.md": "# Not built"})
    book = read_book(tmp_path / folder)
    assert [page.slug for page in book.pages][: len(slugs)] == slugs
    assert (book.generator, book.losses) == ("mkdocs", ())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("All of:\n- a\n- b\n  c\n\nd\n", ["All of:", "- a\n- b c", "d"]),
        ("1 or 2:\n1. a\n2. b:\n    * c\n", ["1 or 2:", "1. a\n2. b:\n  - c"]),
    ],
)
def test_lists_without_a_blank_line_above_them(tmp_path: Path, text: str, shown: list[str]) -> None:
    book = read(tmp_path, "markdown_extensions: [mdx_breakless_lists]\n", {"index.md": text})
    assert texts(book.pages[0]) == shown
    assert book.losses == ()
