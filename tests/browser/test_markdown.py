"""Markdown as models write it: every block of an answer becomes what was meant."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.conftest import Reader
from tests.browser.fake import Fake, Reply, cited, source

pytest.importorskip("playwright.sync_api")
from playwright.sync_api import expect

SHOWN = """prose => {
  const show = node => {
    if (node.nodeType === Node.TEXT_NODE) return node.data;
    const inner = [...node.childNodes].map(show).join('');
    const tag = node.className === 'formula' ? 'formula' : node.tagName.toLowerCase();
    if (node.className === 'cite') return `(${inner})`;
    if (tag === 'br') return '<br>';
    if (tag === 'a') return `<a ${node.href}>${inner}</a>`;
    if (node.matches('figure, pre, table, thead, tbody, tr, .table')) return inner;
    return `<${tag}>${inner}</${tag}>`;
  };
  return [...prose.children].map(block => [...block.childNodes].map(show).join(''));
}"""


def shown(reader: Reader, fake: Fake, *blocks: str, **metadata: Any) -> list[str]:
    """Ask, and return each block of the answer as simplified HTML."""
    sources = [source(1), source(2), source(3)]
    fake.replies = [Reply("\n\n".join(blocks), sources, metadata=metadata)]
    found: list[str] = reader.open().ask().locator(".prose").evaluate(SHOWN)
    return found


def check(reader: Reader, fake: Fake, cases: dict[str, str]) -> None:
    found = shown(reader, fake, *cases)
    assert dict(zip(cases, found, strict=True)) == cases


def test_only_two_tildes_strike_out(reader: Reader, fake: Fake) -> None:
    check(
        reader,
        fake,
        {
            "A call (~$1.50), a day (~$10).": "A call (~$1.50), a day (~$10).",
            "~5 min here and ~10 min there": "~5 min here and ~10 min there",
            "from ~/books to ~/other": "from ~/books to ~/other",
            "~a~ and ~~b~~": "~a~ and <del>b</del>",
            "~~old ~5~~ new": "<del>old ~5</del> new",
            "这是~~（旧）~~的": "这是<del>（旧）</del>的",
        },
    )


def test_bare_addresses_end_at_full_width_signs(reader: Reader, fake: Fake) -> None:
    link = "<a http://a.example/x>http://a.example/x</a>"
    check(
        reader,
        fake,
        {
            "见 http://a.example/x。然后": f"见 {link}。然后",
            "（http://a.example/x）后": f"（{link}）后",
            "http://a.example/x，http://a.example/x！": f"{link}，{link}！",
            "「http://a.example/x」です": f"「{link}」です",
            "انظر http://a.example/x، ثم": f"انظر {link}، ثم",
            "“http://a.example/x” it is": f"“{link}” it is",
            "See http://a.example/x. Then (http://a.example/x).": f"See {link}. Then ({link}).",
            "See http://a.example/x[1].": f"See {link}(1).",
            "[words](http://a.example/x。y)": "<a http://a.example/x%E3%80%82y>words</a>",
            "http://a.example/A–B ok": (
                "<a http://a.example/A%E2%80%93B>http://a.example/A–B</a> ok"
            ),
        },
    )


def test_emphasis_in_scripts_without_spaces(reader: Reader, fake: Fake) -> None:
    bold = {
        "**「重要」**です": "「重要」|です",
        "**注意：**请看": "注意：|请看",
        "**“引用”**的": "“引用”|的",
        "**중요(important)**은": "중요(important)|은",
        '**"引用"**的': '"引用"|的',
        "**100%**的": "100%|的",
        "**粗体**中文": "粗体|中文",
        "**Note:**中文": "Note:|中文",
        "**（一）**、": "（一）|、",
        "**รวม(ทั้งหมด)**ครับ": "รวม(ทั้งหมด)|ครับ",
    }
    cases = {}
    for text, parts in bold.items():
        strong, rest = parts.split("|")
        cases[text] = f"<strong>{strong}</strong>{rest}"
        cases[f"中{text}"] = f"中<strong>{strong}</strong>{rest}"
    check(
        reader,
        fake,
        {
            **cases,
            "请*「斜体」*是": "请<em>「斜体」</em>是",
            "**「一」**和**「二」**[1]。": "<strong>「一」</strong>和<strong>「二」</strong>(1)。",
            "***「三」***（乙）": "<em><strong>「三」</strong></em>（乙）",
            "2 * 3 * 4 and a_b_c": "2 * 3 * 4 and a_b_c",
            "2*(3)*4": "2*(3)*4",
            "a **bold** word": "a <strong>bold</strong> word",
        },
    )


def test_line_breaks(reader: Reader, fake: Fake) -> None:
    check(
        reader,
        fake,
        {
            "| a<br>b | c |\n|---|---|\n| x<br/>y<BR />z | 1 |": (
                "<th>a<br>b</th><th>c</th><td>x<br>y<br>z</td><td>1</td>"
            ),
            "one<br>two **three**": "one<br>two <strong>three</strong>",
            "<br>\nAfter **it**": "<br>\nAfter <strong>it</strong>",
            "- a<br>b": "<li><span>a<br>b</span></li>",
            "`<br>` is code": "<code><br></code> is code",
            "<q>no</q> &lt;br&gt;": "<q>no</q> <br>",
        },
    )


def test_character_references(reader: Reader, fake: Fake) -> None:
    check(
        reader,
        fake,
        {
            "a&mdash;b&hellip; &ldquo;c&rdquo;": "a—b… “c”",
            "&eacute;&Ccedil;&ntilde;&scaron;&uuml;&szlig;": "éÇñšüß",
            "&alpha;&Omega;&sigmaf; &rarr; &ne; &le;": "αΩς → ≠ ≤",
            "&copy; 5&nbsp;&euro; &frac12; 20&deg;": "© 5\xa0€ ½ 20°",
            "&lbrack;1&rbrack; &vert; &ast;x&ast;": "[1] | *x*",
            "&amp;mdash; `&mdash;` &nosuch; &toString;": (
                "&mdash; <code>&mdash;</code> &nosuch; &toString;"
            ),
            "[a](http://a.example/?x=1&amp;y=2)": "<a http://a.example/?x=1&y=2>a</a>",
            "[a](javascript&colon;alert(1)) &#106;&#x61;": "a ja",
        },
    )


def test_formulas_stay_as_they_were_written(reader: Reader, fake: Fake) -> None:
    literal = [
        r"\(x\)",
        r"\(a_1 * b_2 * c_3\)",
        r"\(sin x\)",
        r"\[n\]",
        r"\[E = mc^2\]",
        "\\[\nx\n= \\frac{a}{b}\n- c\n\\]",
        "$$\na*b*c\n+ d\n$$",
        r"$a_i*b*c$",
        r"\begin{align}a &= b \\ c &= d\end{align}",
        r"\(\begin{pmatrix}1\\[2pt]2\end{pmatrix}\)",
        r"\(p[1] \text{中文}\)",
    ]
    check(
        reader,
        fake,
        {
            **{text: f"<formula>{text}</formula>" for text in literal},
            r"So \(x\) is *it* [1].": "So <formula>\\(x\\)</formula> is <em>it</em>(1).",
            "| a | b |\n|---|---|\n| \\(|x|\\) | 2 |": (
                "<th>a</th><th>b</th><td><formula>\\(|x|\\)</formula></td><td>2</td>"
            ),
            r"`\(x\)` and ``\[y\]``": r"<code>\(x\)</code> and <code>\[y\]</code>",
            "$5 and **$10** or $20": "$5 and <strong>$10</strong> or $20",
            r"run \[options\] \(see below\)": "run [options] (see below)",
        },
    )


def test_formulas_in_code_and_lists(reader: Reader, fake: Fake) -> None:
    check(
        reader,
        fake,
        {
            "```tex\n\\[x\\]\n```": "<figcaption><span>tex</span><button><svg><path></path></svg>"
            "</button></figcaption><code>\\[x\\]</code>",
            "- \\(x_1\\) and *y*\n- \\[z\\]": "<li><span><formula>\\(x_1\\)</formula> and "
            "<em>y</em></span></li><li><span><formula>\\[z\\]</formula></span></li>",
        },
    )


def test_markup_that_only_changes_the_look_is_dropped(reader: Reader, fake: Fake) -> None:
    check(
        reader,
        fake,
        {
            'A <font color="red">red</font> word': "A red word",
            "<center>in</center> the <big>middle</big>": "in the middle",
            "`<font>` is code": "<code><font></code> is code",
        },
    )


def test_pairs_of_tags(reader: Reader, fake: Fake) -> None:
    """Nothing but the kind of a tag is taken; others, and those without a partner, are text."""
    check(
        reader,
        fake,
        {
            "H<sub>2</sub>O, 10<sup>th [1]</sup>": "H<sub>2</sub>O, 10<sup>th(1)</sup>",
            'Press <kbd>Ctrl</kbd>+<KBD class="x">C</kbd>': "Press <kbd>Ctrl</kbd>+<kbd>C</kbd>",
            "<b>a <i>b</i></b> <u>*c*</u> <mark>d</mark>": (
                "<b>a <i>b</i></b> <u><em>c</em></u> <mark>d</mark>"
            ),
            '<span style="color:red">red</span> <code>x</code>': "<span>red</span> <code>x</code>",
            "the <sub> tag, </sup> and `<sub>x</sub>`": (
                "the <sub> tag, </sup> and <code><sub>x</sub></code>"
            ),
            "<b>crossed <i>x</b> y</i>": "<b>crossed <i>x</b> y</i>",
            "| a<sub>1</sub> |\n|---|\n| **<u>y</u>** |": (
                "<th>a<sub>1</sub></th><td><strong><u>y</u></strong></td>"
            ),
            '<sub onclick="x">a</sub> <img src=x> List<int>': "<sub>a</sub> <img src=x> List<int>",
        },
    )
    attributes = "prose => [...prose.querySelectorAll('sub, sup, span, u')].map(e => e.outerHTML)"
    found = reader.answer.locator(".prose").evaluate(attributes)
    assert "<sub>a</sub>" in found
    assert "<span>red</span>" in found


def test_details_and_comments(reader: Reader, fake: Fake) -> None:
    prose = shown(
        reader,
        fake,
        "<!-- note to self -->",
        "Before <!-- a\nb --> after.",
        "<details>\n<summary>More **info**</summary>",
        "Inside [1].",
        "</details>",
        "<details><summary>One</summary>Line</details>",
        "the <details> element <!-- [1] -->",
    )
    assert [text.strip() for text in prose] == [
        "Before  after.",
        "<strong>More <strong>info</strong></strong><br>",
        "Inside(1).",
        "<strong>One</strong><br>Line",
        "the <details> element <!--(1) -->",
    ]


def test_pipes_in_code_do_not_end_a_cell(reader: Reader, fake: Fake) -> None:
    head = "| a | b |\n|---|---|\n"
    th = "<th>a</th><th>b</th>"
    check(
        reader,
        fake,
        {
            f"{head}| `x || y` | or [1] |": f"{th}<td><code>x || y</code></td><td>or(1)</td>",
            f"{head}| `x \\| y` | `|` |": (
                f"{th}<td><code>x | y</code></td><td><code>|</code></td>"
            ),
            f"{head}| ``a|`b` `` | ` c |": f"{th}<td><code>a|`b` </code></td><td>` c</td>",
            "`a | b` and `c || d`": "<code>a | b</code> and <code>c || d</code>",
            "- x\n\n  | a | b |\n  |---|---|\n  | `x|y` | 2 |": (
                f"<li><p>x</p>{th}<td><code>x|y</code></td><td>2</td></li>"
            ),
        },
    )


def test_items_that_are_not_written_as_markdown(reader: Reader, fake: Fake) -> None:
    check(
        reader,
        fake,
        {
            "Two:\n• **one** [1]\n• two": "Two:<br>• <strong>one</strong>(1)<br>• two",
            "步骤：\n1、打开\n2、关闭": "步骤：<br>1、打开<br>2、关闭",
            "（1）甲\n（2）乙\n① 丙": "（1）甲<br>（2）乙<br>① 丙",
            "一、甲\n十一、乙": "一、甲<br>十一、乙",
            "✅ yes\n❌ no `a\n• b`": "✅ yes<br>❌ no <code>a • b</code>",
            "a wrapped\nline (1) of\n2 words": "a wrapped\nline (1) of\n2 words",
        },
    )


def test_lines_that_were_meant_as_lines(reader: Reader, fake: Fake) -> None:
    check(
        reader,
        fake,
        {
            "Step 1: open\nStep 2: close": "Step 1: open<br>Step 2: close",
            "步骤1：打开\n步骤2：关闭": "步骤1：打开<br>步骤2：关闭",
            "a) one\nb) two\n(3) three": "a) one<br>b) two<br>(3) three",
            "– one\n– two": "– one<br>– two",
            "1️⃣ one\n2️⃣ two\n👉 three": "1️⃣ one<br>2️⃣ two<br>👉 three",
            "**Name:** `x`\n**Use**: y": (
                "<strong>Name:</strong> <code>x</code>\n<br><strong>Use</strong>: y"
            ),
            "a wrapped\n**bold** line": "a wrapped\n<strong>bold</strong> line",
        },
    )


def test_a_line_of_dashes_is_a_rule(reader: Reader, fake: Fake) -> None:
    blocks = shown(reader, fake, "It goes [1].\n---\nMore.", "Title\n=====")
    assert blocks == ["It goes(1).", "", "More.", "Title"]


def test_labels_without_a_space(reader: Reader, fake: Fake) -> None:
    check(
        reader,
        fake,
        {
            "**Note:**Use it. **Stop!**Do not.": (
                "<strong>Note:</strong>Use it. <strong>Stop!</strong>Do not."
            ),
            "(**a:**b) x:**y** and end.**So**": (
                "(<strong>a:</strong>b) x:<strong>y</strong> and end.<strong>So</strong>"
            ),
            "*.js, *.ts and 2 ** 3": "*.js, *.ts and 2 ** 3",
        },
    )


def test_links_and_lists_as_html(reader: Reader, fake: Fake) -> None:
    check(
        reader,
        fake,
        {
            'See <a class="x" href="http://a.example/?x=1&amp;y">it *all*</a>.': (
                "See <a http://a.example/?x=1&y>it <em>all</em></a>."
            ),
            '<a href="javascript:alert(1)">no</a> <a>words</a> </a>': "no words </a>",
            "| a |\n|---|\n| <ul><li>x</li><li>y</li></ul> |": "<th>a</th><td>• x<br>• y</td>",
            "`<a href=x>` <ol><li>z": "<code><a href=x></code> <br>• z",
        },
    )


def test_names_and_products_are_no_emphasis(reader: Reader, fake: Fake) -> None:
    check(
        reader,
        fake,
        {
            "a*b*c, 2*x*y and f(x)*y*z": "a*b*c, 2*x*y and f(x)*y*z",
            "__init__.py, __all__ and __my_name2__": "__init__.py, __all__ and __my_name2__",
            "__Bold words__ and __Note:__ *a*b": (
                "<strong>Bold words</strong> and <strong>Note:</strong> <em>a</em>b"
            ),
            "**a*b*c** and x**y**z": "<strong>a*b*c</strong> and x<strong>y</strong>z",
            "*args and **kwargs": "*args and **kwargs",
            "(*a*) 中*斜*文": "(<em>a</em>) 中<em>斜</em>文",
        },
    )


def test_notes_as_github_writes_them(reader: Reader, fake: Fake) -> None:
    check(
        reader,
        fake,
        {
            "> [!NOTE]\n> Mind *it* [1].": ("<p><strong>Note:</strong>\nMind <em>it</em>(1).</p>"),
            "> [!warning] Hot": "<p><strong>Warning:</strong> Hot</p>",
            "> [!x] [!NOTE]": "<p>[!x] [!NOTE]</p>",
        },
    )


CUT = {
    "It is **very": "It is <strong>very</strong>",
    "Run `make": "Run <code>make</code>",
    "It is *so": "It is <em>so</em>",
    "It was ~~bad": "It was <del>bad</del>",
    "It ends [1] here [2": "It ends(1) here",
    "See [the guide](http://a.exa": "See the guide",
    "It is **bold and *both": "It is <strong>bold and <em>both</em></strong>",
    "- **a** b\n- c **d": "<li><span><strong>a</strong> b</span></li>"
    "<li><span>c <strong>d</strong></span></li>",
    "It is **bold `code": "It is <strong>bold <code>code</code></strong>",
    "2 * 3 is **": "2 * 3 is",
    "It is 2*3": "It is 2*3",
    "Whole.": "Whole.",
}


@pytest.mark.parametrize("text", CUT)
def test_a_truncated_answer_says_so_and_is_closed(reader: Reader, fake: Fake, text: str) -> None:
    assert shown(reader, fake, "First *part*.", text, truncated=True)[1:] == [CUT[text]]
    note = "This answer was cut off before its end."
    expect(reader.answer).to_contain_text(note)
    expect(reader.page.locator("[aria-live]")).to_contain_text(note)


def test_a_truncated_answer_in_code(reader: Reader, fake: Fake) -> None:
    fake.replies = [Reply("Do:\n\n```sh\nmake **run `x", metadata={"truncated": True})]
    answer = reader.open().ask()
    expect(answer.locator("pre code")).to_have_text("make **run `x")
    expect(answer).to_contain_text("This answer was cut off")
    reader.page.reload()
    expect(reader.answer).to_contain_text("This answer was cut off")


# ------------------------------------------------------------ floods

LONGEST = 60_000
"""Characters of the longest answer that is read as Markdown."""
FLOODS = (
    *("*a _", "[[[[", "![", "<a ", "`", "` ", "**", "~~", "$a_", "[1]", "a_", "*a\n", "\\["),
    *("|", "| a ", "|a|\n|-|\n", "> ", ">", "- ", "1. ", "> - ", "- > ", "- a\n  ", "- a\n\n  "),
    *("* a\n", "a\n\n", "=\n", "a\n=\n", "# a\n", "```\n", "http://a ", "a@b.c ", "\\"),
)
NESTED = "\n".join(f"{'  ' * depth}- a" for depth in range(240))
TOTAL = """() => {
  window.busy = 0;
  new PerformanceObserver(list => list.getEntries().forEach(task => (window.busy += task.duration)))
    .observe({ type: 'longtask' });
}"""


def test_no_answer_keeps_the_browser_busy(reader: Reader, fake: Fake) -> None:
    """Each takes less than a second on an idle machine. Truncated ones also have to be closed."""
    reader.open().ask("Hello?")
    reader.page.evaluate(TOTAL)
    slow = {}
    for unit in (*FLOODS, NESTED):
        text = (unit * LONGEST)[:LONGEST]
        fake.replies = [Reply(text, streamed="A", metadata={"truncated": True})]
        reader.page.evaluate("window.busy = 0")
        reader.ask()
        reader.page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
        busy = reader.page.evaluate("window.busy")
        if busy > 5000:
            slow[unit[:20]] = busy
        reader.page.get_by_role("button", name="New conversation").click()
    assert slow == {}


def test_what_would_take_too_long_is_shown_as_text(reader: Reader, fake: Fake) -> None:
    flood = "*a* " * 2000
    deep = "> " * 30 + "end"
    fake.replies = [Reply(f"Some *words* [1].\n\n{flood}\n\n{deep}", [source(1)])]
    prose = reader.open().ask().locator(".prose")
    expect(prose.locator("em").first).to_have_text("words")
    expect(prose.locator(".cite")).to_have_count(1)
    expect(prose.locator("> p").nth(1)).to_have_text(flood)
    expect(prose.locator("blockquote")).to_have_count(20)
    expect(prose.locator("blockquote p")).to_have_text("> " * 10 + "end")


def test_blocks_of_html_are_text(reader: Reader, fake: Fake) -> None:
    """As in the service, which counts the markers behind them."""
    fake.replies = [
        Reply(
            "<div>\nOne [1]\n</div>\n\n<!-- open [1]\n\nTwo `a\n<div>[1]` [1]\n\n"
            "<script>\n\n| a |\n|---|\n<p>b [1]",
            [cited(1, 4)],
        )
    ]
    prose = reader.open().ask().locator(".prose")
    addresses = prose.locator(".cite").evaluate_all("chips => chips.map(chip => chip.href)")
    assert addresses == [each["url"] for each in cited(1, 4)["claims"]]
    expect(prose.locator("code")).to_have_text("a <div>[1]")
    expect(prose.locator("td")).to_have_text("<p>b1")


# ------------------------------------------------------------ right to left

LAID_OUT = """prose => [...prose.querySelectorAll('p, ul, ol, h5, blockquote, td, th')].map(e => [
  e.tagName.toLowerCase(), getComputedStyle(e).direction])"""


@pytest.mark.parametrize(
    "text",
    [
        "`pip install` هو الأمر المطلوب.",
        "- `pip` لتثبيت الحزم\n- `make` للبناء",
        "1. `pip` ראשון\n2. `make` שני",
        "### `config.toml` ملف الإعدادات",
        "> `x = 1` مثال على ذلك",
        "| `flag` | `value` |\n|---|---|\n| `-v` | يعرض المزيد |",
        "http://a.example/install صفحة التثبيت",
        r"\(x = 1\) هي القيمة",
        "**`book.toml`** فائل میں لکھیں",
        "[1] كما هو مذكور",
        "&lrm;`a` ثم `b`",
        "Docker هو أداة لتشغيل الحاويات",
        "**Kubernetes**: نظام لإدارة الحاويات",
        "- GitHub موقع للشيفرة\n- `x` أمر",
        "[Docker](http://a.example/x) הוא כלי להרצה",
        "1. `x` API הוא ממשק של המערכת",
    ],
)
def test_code_does_not_set_the_direction_of_a_block(reader: Reader, fake: Fake, text: str) -> None:
    fake.replies = [Reply(text, [source(1)])]
    prose = reader.open().ask().locator(".prose")
    assert {direction for _, direction in prose.evaluate(LAID_OUT)} == {"rtl"}
    for code in prose.locator("code, .formula").all():
        assert code.evaluate("e => getComputedStyle(e).direction") == "ltr"


def test_each_block_has_the_direction_of_its_words(reader: Reader, fake: Fake) -> None:
    blocks = (
        "هذا هو الجواب.",
        "`ls` `cd`",
        "An English paragraph with `code` and one كلمة.",
        "| Name | الاسم |\n|---|---|\n| `x` | `y` بالعربية |\n| 1 | word |",
    )
    fake.replies = [Reply("\n\n".join(blocks), [])]
    prose = reader.open().ask().locator(".prose")
    assert prose.evaluate(LAID_OUT) == [
        ["p", "rtl"],
        ["p", "rtl"],  # nothing but code: as the answer
        ["p", "ltr"],
        ["th", "ltr"],
        ["th", "rtl"],
        ["td", "ltr"],
        ["td", "rtl"],
        ["td", "ltr"],
        ["td", "ltr"],
    ]


def test_code_keeps_its_order_between_words_from_right_to_left(reader: Reader, fake: Fake) -> None:
    """The sign at the end of a command must not move to its beginning."""
    fake.replies = [Reply("نفّذ `git add .` ثم اقرأ", [])]
    code = reader.open().ask().locator(".prose code").first
    first, last = code.evaluate(
        """code => [0, code.textContent.length - 1].map(at => {
          const range = document.createRange();
          range.setStart(code.firstChild, at);
          range.setEnd(code.firstChild, at + 1);
          return range.getBoundingClientRect().x;
        })"""
    )
    assert first < last
