"""The dialog that helps readers to use the book in an assistant."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from tests.browser.conftest import PHONE, Reader, Site
from tests.browser.fake import Fake
from tests.browser.test_access import violations

if TYPE_CHECKING:
    from playwright.sync_api import Locator

pytest.importorskip("playwright.sync_api")
from playwright.sync_api import expect

LABEL = "Use this book in your assistant"


def open_dialog(reader: Reader) -> Locator:
    reader.page.get_by_role("button", name=LABEL).click()
    dialog = reader.page.get_by_role("dialog", name=LABEL)
    expect(dialog).to_be_visible()
    return dialog


def test_it_is_not_offered_where_assistants_cannot_connect(reader: Reader, fake: Fake) -> None:
    fake.config["mcp"] = False
    reader.open().ask()
    expect(reader.page.get_by_role("button", name=LABEL)).to_be_hidden()


def test_it_is_loaded_when_a_reader_opens_it(reader: Reader, fake: Fake) -> None:
    reader.open().ask()
    scripts = [path for path in fake.seen if path.endswith(".js")]
    assert scripts == ["GET /widget.js"]
    open_dialog(reader)
    assert fake.seen[-1] == "GET /widget-assistant.js"


def test_the_links_add_the_book_to_assistants(reader: Reader, fake: Fake) -> None:
    dialog = open_dialog(reader.open())
    mcp = f"{fake.url}/mcp"
    name = "the-book-of-books"
    expect(dialog).to_contain_text(mcp)
    expect(dialog).to_contain_text(f"claude mcp add --transport http {name} {mcp}")

    cursor = dialog.get_by_role("link", name="Cursor").get_attribute("href") or ""
    assert cursor.startswith("cursor://anysphere.cursor-deeplink/mcp/install?")
    query = parse_qs(urlsplit(cursor).query)
    assert query["name"] == [name]
    assert json.loads(base64.b64decode(query["config"][0])) == {"url": mcp}

    code = dialog.get_by_role("link", name="VS Code").get_attribute("href") or ""
    scheme, _, config = code.partition("?")
    assert scheme == "vscode:mcp/install"
    assert json.loads(unquote(config)) == {"name": name, "type": "http", "url": mcp}


def test_the_page_is_the_context(reader: Reader, site: Site) -> None:
    reader.page.goto(f"{site.url}/#install")
    dialog = open_dialog(reader.open(f"{site.url}/#install"))
    for name, host in (("Claude", "claude.ai"), ("ChatGPT", "chatgpt.com")):
        link = dialog.get_by_role("link", name=f"Open in {name} (opens in a new tab)")
        address = urlsplit(link.get_attribute("href") or "")
        assert address.hostname == host
        assert parse_qs(address.query)["q"] == [
            f"Read {site.url}/ and help me with my questions about it."
        ]
        assert link.get_attribute("target") == "_blank"
        assert link.get_attribute("rel") == "noopener"


@pytest.mark.parametrize("clipboard", ["allowed", "missing"])
def test_copying(readers: Callable[..., Reader], fake: Fake, clipboard: str) -> None:
    reader = readers(permissions=["clipboard-read", "clipboard-write"])
    if clipboard == "missing":  # as on pages without https
        reader.page.add_init_script("navigator.clipboard.writeText = () => Promise.reject()")
    dialog = open_dialog(reader.open())
    for label, text in (
        ("Copy the address", f"{fake.url}/mcp"),
        ("Copy the command", f"claude mcp add --transport http the-book-of-books {fake.url}/mcp"),
    ):
        button = dialog.get_by_role("button", name=label)
        button.click()
        expect(dialog.get_by_role("status")).to_have_text("Copied.")
        assert reader.page.evaluate("navigator.clipboard.readText()") == text
        expect(button).to_be_focused()


PAGE = """<nav>Menu</nav><main><article>
<h1>Guide &amp; more<a class="headerlink" href="#x">¶</a></h1>
<p>Run <code>make</code>, <strong>then</strong> read <a href="/next">the <em>next</em> page</a>.</p>
<h2 id="a">Lists<a href="#a">#</a></h2>
<ul><li>one</li><li><p>two</p><ol><li>inner</li><li>last</li></ol></li></ul>
<div class="language-sh"><pre><code>a | b
  c `d`</code></pre><button>Copy</button></div>
<table><thead><tr><th>Name</th><th>Use</th></tr></thead><tbody><tr><td><code>a|b</code></td>
<td>words<br>more</td></tr></tbody></table>
<blockquote><p>Quoted</p><p>twice</p></blockquote>
<script type="text/plain">no</script><p hidden>no</p></article></main><footer>Foot</footer>"""

MARKDOWN = """# Guide & more

Run `make`, **then** read [the *next* page]({url}/next).

## Lists

- one
- two

  1. inner
  2. last

```sh
a | b
  c `d`
```

| Name | Use |
| --- | --- |
| `a\\|b` | words more |

> Quoted
>{space}
> twice

{url}/
"""


def test_the_page_as_markdown(readers: Callable[..., Reader], site: Site) -> None:
    site.body = PAGE
    reader = readers(permissions=["clipboard-read", "clipboard-write"])
    dialog = open_dialog(reader.open())
    dialog.get_by_role("button", name="Copy this page as Markdown").click()
    expect(dialog.get_by_role("status")).to_have_text("Copied.")
    copied = reader.page.evaluate("navigator.clipboard.readText()")
    assert copied == MARKDOWN.format(url=site.url, space=" ")


def test_a_page_without_an_article(readers: Callable[..., Reader], site: Site) -> None:
    site.body = "<p>Just &lt;words&gt;.</p>"
    reader = readers(permissions=["clipboard-read", "clipboard-write"])
    dialog = open_dialog(reader.open())
    dialog.get_by_role("button", name="Copy this page as Markdown").click()
    expect(dialog.get_by_role("status")).to_have_text("Copied.")
    copied = reader.page.evaluate("navigator.clipboard.readText()")
    assert copied == f"# A book\n\nJust <words>.\n\n{site.url}/\n"


def test_the_keyboard_is_enough(reader: Reader) -> None:
    reader.open()
    button = reader.page.get_by_role("button", name=LABEL)
    button.focus()
    reader.page.keyboard.press("Enter")
    dialog = reader.page.get_by_role("dialog", name=LABEL)
    expect(dialog).to_be_visible()
    seen = []
    for _ in range(8):
        seen.append(
            reader.page.evaluate(
                "(e => e.getAttribute('aria-label') ?? e.textContent)"
                "(document.activeElement.shadowRoot.activeElement)"
            )
        )
        reader.page.keyboard.press("Tab")
    assert seen == [
        "Copy the address",
        "Cursor",
        "VS Code",
        "Copy the command",
        "Open in Claude (opens in a new tab)",
        "Open in ChatGPT (opens in a new tab)",
        "Copy this page as Markdown",
        "Close",
    ]
    reader.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(button).to_be_focused()
    expect(reader.page.get_by_role("dialog")).to_be_visible()  # the panel stays


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", [{}, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing(
    readers: Callable[..., Reader], site: Site, device: dict[str, object], scheme: str
) -> None:
    site.style = ":root { color-scheme: light dark }"
    reader = readers(**device, color_scheme=scheme, reduced_motion="reduce")
    dialog = open_dialog(reader.open())
    assert violations(reader.page) == []
    box, size = dialog.bounding_box(), reader.page.viewport_size
    assert box
    assert size
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= size["width"]
    assert box["y"] + box["height"] <= size["height"]


@pytest.mark.parametrize(
    ("language", "name"),
    [
        ("de", "Dieses Buch im eigenen Assistenten nutzen"),
        ("es", "Usa este libro en tu asistente"),
        ("fr", "Utiliser ce livre dans votre assistant"),
        ("ar", "استخدم هذا الكتاب في مساعدك"),
        ("ur", "اس کتاب کو اپنے اسسٹنٹ میں استعمال کریں"),
        ("he", "שימוש בספר הזה בעוזר שלכם"),
    ],
)
def test_in_every_language(
    readers: Callable[..., Reader], site: Site, language: str, name: str
) -> None:
    site.attributes = f'data-lang="{language}"'
    reader = readers()
    reader.open()
    reader.page.get_by_role("button", name=name).click()
    dialog = reader.page.get_by_role("dialog", name=name)
    expect(dialog.get_by_role("link")).to_have_count(4)
    command = dialog.locator("code").last
    assert command.evaluate("e => getComputedStyle(e).direction") == "ltr"


def test_one_attribute_switches_it_off(reader: Reader, site: Site) -> None:
    site.attributes = 'data-assistant="off"'
    reader.open()
    expect(reader.page.get_by_role("button", name="New conversation")).to_be_visible()
    expect(reader.page.get_by_role("button", name=LABEL)).to_have_count(0)


def test_the_page_of_the_service_offers_the_site_of_the_book(reader: Reader, fake: Fake) -> None:
    reader.page.goto(fake.url)
    expect(reader.page.get_by_role("link", name="book.example")).to_be_visible()
    dialog = open_dialog(reader)
    link = dialog.get_by_role("link", name="Open in Claude")
    assert "http%3A%2F%2Fbook.example%2F" in (link.get_attribute("href") or "")
    expect(dialog.get_by_role("button", name="Copy this page as Markdown")).to_have_count(0)


def test_a_book_without_a_site(reader: Reader, fake: Fake) -> None:
    fake.config["site_url"] = ""
    reader.page.goto(fake.url)
    reader.page.get_by_role("button", name="Where is it configured?").wait_for()
    dialog = open_dialog(reader)
    expect(dialog.get_by_role("link")).to_have_count(2)


def test_a_file_that_cannot_be_loaded(reader: Reader) -> None:
    reader.page.route("**/widget-assistant.js", lambda route: route.abort())
    reader.open()
    reader.page.get_by_role("button", name=LABEL).click()
    expect(reader.page.get_by_role("dialog", name="Something went wrong.")).to_be_visible()


def test_a_hostile_title_stays_out_of_links_and_commands(reader: Reader, fake: Fake) -> None:
    fake.config["title"] = "'; rm -rf ~ & <img src=x onerror=window.hacked=1> 本"
    reader.page.goto(fake.url)
    expect(reader.page.get_by_role("link", name="book.example")).to_be_visible()
    dialog = open_dialog(reader)
    expect(dialog.locator("code").last).to_have_text(
        f"claude mcp add --transport http rm-rf-img-src-x-onerror-window-hacked-1 {fake.url}/mcp"
    )
    assert reader.page.evaluate("window.hacked") is None
