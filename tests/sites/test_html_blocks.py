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
