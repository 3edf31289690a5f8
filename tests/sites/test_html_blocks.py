"""HTML as blocks: formulas, and tables and code in lists."""

from __future__ import annotations

import pytest

from rag.models import Block
from sites.html_blocks import read_fragment

_POWER = "<math><msup><mn>7776</mn><mi>n</mi></msup><mo>=</mo><mi>x</mi>{}</math>"
_TEX = '<semantics><annotation encoding="application/x-tex">7776^n</annotation></semantics>'


def texts(html: str) -> list[str]:
    return [item.text for item in read_fragment(html) if isinstance(item, Block)]


@pytest.mark.parametrize(
    "html",
    [
        _POWER.format(""),
        f'<span class="katex">{_POWER.format(_TEX)}</span>',
        f'<span class="katex"><span class="katex-mathml">{_POWER.format(_TEX)}</span>'
        "7776 n = x</span>",
        f"<mjx-container>7776 n = x<mjx-assistive-mml>{_POWER.format('')}</mjx-assistive-mml>"
        "</mjx-container>",
    ],
)
def test_a_formula_is_read_once(html: str) -> None:
    assert texts(f"<p>All {html}</p><p>b</p>") == ["All 7776 n = x", "b"]


@pytest.mark.parametrize("tag", ["ol", "ul"])
def test_a_table_in_a_list_stays_in_its_item(tag: str) -> None:
    one, two = ("1.", "2.") if tag == "ol" else ("-", "-")
    table = "<table><tr><th>a</th></tr><tr><td>1</td></tr></table>"
    rows = "| a |\n  | --- |\n  | 1 |"
    item = f"<li>One<div>{table}</div></li>"
    assert texts(f"<{tag}>{item}<li>b</li></{tag}>") == [f"{one} One\n  {rows}\n{two} b"]
    assert texts(f"<{tag}><li>{table}<li>b</{tag}>") == [f"{one} {rows}\n{two} b"]
    assert texts(f"<{tag}><li>a<table><tr><td>b") == [f"{one} a\n  | b |\n  | --- |"]


def test_code_may_begin_an_item() -> None:
    assert texts("<ol><li><pre>x\ny</pre></li><li>b</li></ol>") == ["1. ```\n  x\n  y\n  ```\n2. b"]


_MARGIN = "white-space:pre;-webkit-user-select:none;user-select:none;margin-right:0.4em"


@pytest.mark.parametrize(
    "html",
    [
        "<table><tr><td class='lntd'><pre><code><span class='lnt'>1\n</span></code></pre></td>"
        "<td class='lntd'><pre><code>a\n</code></pre></td></tr></table>",
        f"<table><tr><td><pre><code><span style='{_MARGIN}'>1\n</span></code></pre></td>"
        "<td><pre><code>a\n</code></pre></td></tr></table>",
        "<table class='rouge-table'><tr><td class='gutter gl'><pre class='lineno'>1\n</pre></td>"
        "<td class='code'><pre>a\n</pre></td></tr></table>",
        "<figure><table><tr><td class='gutter'><pre><span class='line'>1</span></pre></td>"
        "<td class='code'><pre>a</pre></td></tr></table></figure>",
        f"<pre><code><span><span style='{_MARGIN}'>1</span><span>a\n</span></span></code></pre>",
        "<pre><code><span class='ln'>1</span>a\n</code></pre>",
    ],
)
def test_numbers_of_lines_are_no_code(html: str) -> None:
    assert texts(f"{html}<p class='gutter'>b</p>") == ["```\na\n```", "b"]


@pytest.mark.parametrize("title", ["app.py", "Run"])
def test_a_title_stands_above_numbered_code(title: str) -> None:
    html = (
        f"<table class='highlighttable'><tr><th colspan='2' class='filename'>{title}</th></tr><tr>"
        "<td class='linenos'>1</td><td class='code'><pre>a</pre></td></tr></table>"
    )
    assert texts(html) == [title, "```\na\n```"]


@pytest.mark.parametrize(
    "lines",
    [
        '<div class="ec-line"><div class="gutter"><div class="ln">1</div></div><div class="code">'
        'a</div></div><div class="ec-line"><div class="code">\n</div></div><div class="ec-line">'
        '<div class="code"><span>b</span></div></div>',
        '<div class="token-line"><span>a</span></div><div class="token-line">\n</div>'
        '<div class="token-line">b</div>',
        "<ol><li>a</li><li>\n</li><li>b</li></ol>",
        "<div>a\n</div><div>\n</div><div>b\n</div>",
    ],
)
def test_an_element_is_a_line_of_code(lines: str) -> None:
    html = f"<pre data-language='js'><code>{lines}</code></pre>"
    assert texts(f"{html}<p>c</p>") == ["```js\na\n\nb\n```", "c"]


@pytest.mark.parametrize(
    "sign", ["class='footnote-ref'", "data-footnote-ref", "data-footnote-ref=''"]
)
def test_references_to_footnotes_are_left_out(sign: str) -> None:
    assert texts(f"<p>A hive<sup><a href='#fn-1' {sign}>1</a></sup>.</p>") == ["A hive."]


@pytest.mark.parametrize("words", ['results matching "<span></span>"', "No results matching"])
def test_an_empty_list_of_search_results_is_no_text(words: str) -> None:
    html = f"<p>a</p><div class='search-results'><div><h1>{words}</h1><ul></ul></div></div><p>b</p>"
    assert [getattr(item, "text", item) for item in read_fragment(html)] == ["a", "b"]


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ("<dt>open(lid)<a href='m.html'><span class='viewcode-link'>[source]</span></a></dt>",
         "open(lid)"),
        ("<pre><a class='viewcode-back' href='a.html'>[docs]</a>def open(lid): ...</pre>",
         "```\ndef open(lid): ...\n```"),
    ],
)  # fmt: skip
def test_links_between_code_and_its_description_are_left_out(html: str, shown: str) -> None:
    assert texts(html) == [shown]


@pytest.mark.parametrize("kind", ["note", "caution"])
def test_a_note_of_asciidoc_is_no_table(kind: str) -> None:
    rows = "<table><tr><td>1</td></tr></table>"
    html = (
        f"<div class='admonitionblock {kind}'><table><tr><td class='icon'><i title='Note'></i></td>"
        f"<td class='content'>A hive.<ul><li>b</li></ul>{rows}</td></tr></table></div>{rows}"
    )
    table = "| 1 |\n| --- |"
    assert texts(html) == ["A hive.", "- b", table, table]


@pytest.mark.parametrize("name", ["footnote", "footnoteref"])
def test_footnotes_of_asciidoc(name: str) -> None:
    html = f"<p>A<sup class='{name}'>[<a href='#_f'>1</a>]</sup>.</p><div class='footnote'>B</div>"
    assert texts(html) == ["A.", "B"]
