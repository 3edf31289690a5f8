"""Nothing the service sends can run code, load resources or leave the page, under any policy."""

from __future__ import annotations

import html
from collections.abc import Callable

import pytest

from tests.browser.conftest import STRICT, Reader, Site
from tests.browser.fake import Fake, Reply, near, source

pytest.importorskip("playwright.sync_api")
from playwright.sync_api import expect

HOSTILE = (
    "<script>window.hacked=1</script>",
    '<img src="x" onerror="window.hacked=2">',
    '"><svg onload="window.hacked=3">',
    "<iframe srcdoc='<script>parent.hacked=4</script>'></iframe>",
    "[run](javascript:window.hacked=5)",
    "[run](  JaVaScRiPt:window.hacked=6)",
    "[run](java&#x0A;script:window.hacked=6)",
    "![run](javascript:window.hacked=7)",
    "![look](http://evil.example/pixel.png)",
    "[a](data:text/html,<script>window.hacked=8</script>)",
    "<a href='vbscript:x' onclick='window.hacked=9'>a</a>",
    "<style>@import url(http://evil.example/x.css);</style>",
    "[x]: javascript:window.hacked=10\n\n[x]",
    "**[run](javascript:window.hacked=22)**",
    "&lt;script&gt;window.hacked=11&lt;/script&gt;",
    "<https://ok.example/\"onmouseover='window.hacked=12'>",
    "```html\n<script>window.hacked=13</script>\n```",
    "| <img src=x onerror=window.hacked=14> |\n|---|\n| <b onclick=window.hacked=15>x</b> |",
)
ALLOWED = {"A", "ARTICLE", "BLOCKQUOTE", "BR", "BUTTON", "CODE", "DEL", "DIV", "EM", "FIGCAPTION"}
ALLOWED |= {"FIGURE", "FORM", "H3", "H4", "H5", "H6", "HR", "I", "INPUT", "LI", "MARK", "OL", "P"}
ALLOWED |= {
    "PATH",
    "PRE",
    "SECTION",
    "SPAN",
    "STRONG",
    "SVG",
    "TABLE",
    "TBODY",
    "TD",
    "TH",
    "THEAD",
    "TR",
}
ALLOWED |= {"UL"}


def assert_harmless(reader: Reader, requests: list[str], *allowed: str) -> None:
    root = reader.page.locator(".turns")
    for name in ("click", "mouseover", "error", "load"):
        root.evaluate(
            "(root, name) => root.querySelectorAll('.prose *').forEach("
            "e => e.tagName === 'A' || e.dispatchEvent(new Event(name)))",
            name,
        )
    found = root.evaluate(
        """root => {
          const all = [...root.querySelectorAll('*')];
          return {
            tags: all.map(e => e.tagName.toUpperCase()),
            attributes: all.flatMap(e => e.getAttributeNames())
              .filter(name => /^on|^src|^style/.test(name)),
            links: all.filter(e => e.tagName === 'A').map(e => new URL(e.href).protocol),
            rels: all.filter(e => e.tagName === 'A').map(e => e.rel),
          };
        }"""
    )
    assert set(found["tags"]) <= ALLOWED
    assert found["attributes"] == []
    assert set(found["links"]) <= {"http:", "https:"}
    assert set(found["rels"]) <= {"noopener"}
    assert reader.page.evaluate("window.hacked") is None
    assert [url for url in requests if not url.startswith(allowed)] == []


@pytest.mark.parametrize("csp", [STRICT, ""], ids=["strict", "none"])
def test_hostile_answers_are_harmless(
    readers: Callable[..., Reader], fake: Fake, site: Site, csp: str
) -> None:
    site.csp = csp or "img-src * data:"
    everything = "See [1] [2].\n\n" + "\n\n".join(HOSTILE)
    claim = {"section": everything, "snippet": everything}
    evil = source(1, title=everything, **claim, claims=[claim], highlight=HOSTILE[0])
    script = source(2, claims=[{"url": "javascript:window.hacked=20"}])
    related = [
        near(1, title=everything, section=everything),
        near(2, url=script["claims"][0]["url"]),
    ]
    fake.config.update(starters=list(HOSTILE[:4]), title=HOSTILE[1])
    fake.config["privacy"] = HOSTILE[1]
    fake.config["site_url"] = "javascript:window.hacked=21"
    fake.replies = [
        Reply(everything, [evil, script], related=related),
        Reply(problem={"status": 503, "detail": HOSTILE[1]}),
    ]
    reader = readers()
    requests: list[str] = []
    reader.page.on("request", lambda request: requests.append(request.url))
    answer = reader.open().ask(HOSTILE[1])
    ours = (fake.url, site.url, "data:,")
    assert_harmless(reader, requests, *ours)
    expect(answer.locator(".prose")).to_contain_text("<script>window.hacked=1</script>")
    expect(answer.locator(".prose .cite")).to_have_count(1)  # the other one is not a valid address
    expect(answer.locator(".related a")).to_have_count(1)
    expect(answer.locator("mark")).to_have_text(HOSTILE[0])
    answer.locator(".cite").hover()
    expect(reader.page.get_by_role("tooltip")).to_contain_text("<img src=")

    reader.type(HOSTILE[2])
    expect(reader.turns.last).to_contain_text("onerror=")
    assert_harmless(reader, requests, *ours)

    reader.page.reload()
    expect(reader.turns.first.locator(".actions")).to_be_visible()
    assert_harmless(reader, requests, *ours)


def test_hostile_highlighted_text_is_harmless(
    readers: Callable[..., Reader], fake: Fake, site: Site
) -> None:
    """Text of the page, its title and its headings is quoted as text."""
    shown = "".join(f"<p>{html.escape(text)}</p>" for text in HOSTILE)
    site.body = f"<h1 id='top'>{html.escape(HOSTILE[1])}</h1><div id='evil'>{shown}</div>"
    reader = readers()
    requests: list[str] = []
    reader.page.on("request", lambda request: requests.append(request.url))
    reader.page.goto(site.url)
    reader.page.evaluate("document.title = '<img src=x onerror=window.hacked=30>'")
    reader.page.evaluate("getSelection().selectAllChildren(document.getElementById('evil'))")
    reader.page.get_by_role("button", name="Ask about this").click()
    expect(reader.page.locator(".composer .quote")).to_contain_text("<script>")
    answer = reader.ask("What is this?")
    quote = answer.locator("xpath=..").locator(".question blockquote")
    expect(quote).to_contain_text("<script>window.hacked=1</script>")
    assert fake.asked[0]["page"]["heading"] == HOSTILE[1]
    assert_harmless(reader, requests, fake.url, site.url, "data:,")


def test_hostile_tokens_are_harmless_while_streaming(
    readers: Callable[..., Reader], fake: Fake, site: Site
) -> None:
    """Markup that arrives in pieces of seven characters is rendered after each one."""
    text = " ".join(HOSTILE)
    fake.replies = [Reply("That was all [1].", streamed=text, delay=0.01, held=True)]
    reader = readers()
    requests: list[str] = []
    reader.page.on("request", lambda request: requests.append(request.url))
    reader.open().type("What is this?")
    expect(reader.answer).to_contain_text("window.hacked=3")
    assert_harmless(reader, requests, fake.url, site.url, "data:,")
    fake.released = True
    expect(reader.answer).to_contain_text("That was all")
    assert_harmless(reader, requests, fake.url, site.url, "data:,")


def test_an_identifier_of_a_session_cannot_leave_its_path(
    reader: Reader, fake: Fake, site: Site
) -> None:
    key = f"ask-the-book:{fake.url}"
    reader.page.goto(site.url)
    reader.page.evaluate(
        "key => localStorage.setItem(key, JSON.stringify({current: '../../health?x=', "
        "sessions: ['../../health?x=']}))",
        key,
    )
    reader.open()
    expect(reader.page.locator(".greeting")).to_be_visible()
    assert "GET /health" not in fake.seen


@pytest.mark.slow
@pytest.mark.parametrize("text", ["> " * 3000 + "deep", "[" * 5000, "*a " * 4000, "a" * 70_000])
def test_huge_answers_are_shown(reader: Reader, fake: Fake, text: str) -> None:
    fake.replies = [Reply(text, [], streamed="")]
    answer = reader.open().ask()
    assert answer.locator(".prose").text_content()


def test_no_cookie_and_nothing_from_elsewhere(
    readers: Callable[..., Reader], fake: Fake, site: Site
) -> None:
    reader = readers()
    requests: list[str] = []
    reader.page.on("request", lambda request: requests.append(request.url))
    reader.open().ask()
    assert reader.page.context.cookies() == []
    assert all(url.startswith((fake.url, site.url, "data:,")) for url in requests)
    assert len([url for url in requests if url.endswith(".js")]) == 1
