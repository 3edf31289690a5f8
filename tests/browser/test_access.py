"""Accessibility: keyboard, screen reader, zoom, phones and right-to-left scripts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import DESKTOP, PHONE, Reader, Site
from tests.browser.fake import QUOTED, Fake, Reply, near, quoted, source

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytest.importorskip("playwright.sync_api")
from playwright.sync_api import expect

AXE = (Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js").read_text("utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page: Page) -> list[str]:
    """Return axe-core's findings with their elements."""
    page.evaluate(AXE)  # evaluated by the driver, so the page's policy can stay strict
    result = page.evaluate(
        "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})", RULES
    )
    return [
        f"{found['id']}: {node['html'][:160]} {node['failureSummary']}"
        for found in result["violations"]
        for node in found["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing(
    readers: Callable[..., Reader], fake: Fake, site: Site, device: dict[str, Any], scheme: str
) -> None:
    site.style = ":root { color-scheme: light dark }"
    reader = readers(**device, color_scheme=scheme, reduced_motion="reduce")
    page = reader.page
    page.goto(site.url)
    assert violations(page) == []
    reader.open()
    page.get_by_role("button", name="Where is it configured?").wait_for()
    assert page.locator(".book").get_attribute("data-theme") == scheme
    assert violations(page) == []

    fake.replies = [Reply(QUOTED, quoted(), related=[near(1)], metadata={"fallback": "quota"})]
    reader.ask().get_by_role("button", name="Bad answer").click()
    page.get_by_role("textbox", name="Why? (optional)").wait_for()
    expect(reader.answer.locator("mark")).to_have_count(1)
    assert violations(page) == []
    reader.answer.locator(".cite").first.hover()
    page.wait_for_timeout(200)
    assert violations(page) == []

    fake.replies = [Reply(problem={"status": 429, "detail": "Please wait.", "retry_after": 60})]
    reader.type("Another?")
    expect(reader.answer).to_contain_text("Please wait.")
    assert violations(page) == []

    page.get_by_role("button", name="Delete my conversations").click()
    assert violations(page) == []


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_on_the_page(
    readers: Callable[..., Reader], fake: Fake, device: dict[str, Any], scheme: str
) -> None:
    reader = readers(**device, color_scheme=scheme, reduced_motion="reduce")
    reader.page.goto(fake.url)
    reader.ask()
    assert violations(reader.page) == []


@pytest.mark.slow
@pytest.mark.parametrize("accent", ["#ffe14d", "#101010", "rebeccapurple", "oklch(0.7 0.2 150)"])
def test_any_accent_can_be_read(
    readers: Callable[..., Reader], fake: Fake, site: Site, accent: str
) -> None:
    fake.default = Reply(QUOTED, quoted(), related=[near(1)])
    for theme in ("light", "dark"):
        site.attributes = f'data-accent="{accent}" data-theme="{theme}"'
        reader = readers(reduced_motion="reduce")
        reader.open().ask()
        reader.page.get_by_role("button", name="Good answer").click()
        assert violations(reader.page) == []


def focused(page: Page) -> str:
    """Return the accessible name or the text of the focused element."""
    return str(
        page.evaluate(
            """() => {
              let e = document.activeElement;
              while (e?.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
              return e.getAttribute('aria-label') || e.textContent.trim();
            }"""
        )
    )


def test_the_keyboard_is_enough(reader: Reader, fake: Fake, site: Site) -> None:
    page = reader.page
    page.goto(site.url)
    page.locator(".launcher").wait_for()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert focused(page) == "Ask the book"
    page.keyboard.press("Enter")
    expect(reader.field).to_be_focused()
    page.keyboard.type("How do I install it?")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("On Linux?")
    assert fake.asked == []
    page.keyboard.press("Enter")
    expect(reader.answer.locator(".actions")).to_be_visible()
    assert fake.asked[0]["message"] == "How do I install it?\nOn Linux?"
    expect(reader.field).to_be_focused()

    order = []
    for _ in range(30):
        page.keyboard.press("Shift+Tab")
        order.append(focused(page))
        if order[-1] == "New conversation":
            break
    assert order[:4] == ["Bad answer", "Good answer", "Copy answer", order[3]]
    assert order[-4:] == [
        "Close",
        "Delete my conversations",
        "Download this conversation",
        "New conversation",
    ]
    assert "Source 1: Installation (opens in a new tab)" in order

    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert focused(page) == "Ask the book"


def test_on_a_phone_the_focus_stays_in_the_panel(
    readers: Callable[..., Reader], site: Site
) -> None:
    reader = readers(**PHONE)
    reader.open()
    seen = set()
    for _ in range(14):
        reader.page.keyboard.press("Tab")
        seen.add(reader.page.evaluate("document.activeElement.tagName"))
    assert seen <= {"ASK-THE-BOOK", "BODY"}, "BODY is the browser's toolbar"
    reader.page.keyboard.press("Escape")
    expect(reader.page.get_by_role("dialog")).to_be_hidden()


def test_a_wide_page_stays_usable_beside_the_panel(reader: Reader, site: Site) -> None:
    reader.open()
    reader.page.locator("#install a").click()
    assert reader.page.url.endswith("#install")
    expect(reader.page.get_by_role("dialog")).to_be_visible()


def test_sentences_are_announced_not_tokens(reader: Reader, fake: Fake) -> None:
    words = "One short sentence. " * 12
    fake.replies = [Reply(words + "Here is `code` [1].\n\n```\nnot said\n```\n", delay=0.15)]
    reader.open()
    live = reader.page.locator("[aria-live=polite]")
    live.evaluate(
        """node => {
          window.said = [];
          new MutationObserver(list => list.forEach(m => m.addedNodes.forEach(
            n => said.push(n.textContent)))).observe(node, {childList: true});
        }"""
    )
    reader.ask()
    said = reader.page.evaluate("window.said")
    assert len(said) >= 3, "it announces before the end"
    *sentences, sources = said
    assert [text for text in sentences if not text.endswith(".")] == []
    assert " ".join(sentences) == words + "Here is code."
    assert sources == "Sources: 2."


def test_reduced_motion(readers: Callable[..., Reader], fake: Fake) -> None:
    fake.replies = [Reply(delay=0.1)]
    reader = readers(reduced_motion="reduce")
    reader.open().type("How?")
    expect(reader.answer).to_contain_text("Run")
    running = reader.page.evaluate(
        "document.querySelector('ask-the-book').shadowRoot.getAnimations({subtree: true}).length"
    )
    assert running == 0


def overflow(page: Page) -> list[str]:
    """Return elements of the chat that overflow the window."""
    return list(
        page.evaluate(
            """() => [...document.querySelector('ask-the-book').shadowRoot.querySelectorAll('*')]
              .filter(e => e.offsetParent && !e.closest('pre, .table, .unseen'))
              .filter(e => e.getBoundingClientRect().right > innerWidth + 1
                || e.getBoundingClientRect().left < -1)
              .map(e => e.outerHTML.slice(0, 120))"""
        )
    )


LONG = "https://book.example/" + "averylongsegment" * 12


@pytest.mark.slow
@pytest.mark.parametrize(
    ("width", "height"),
    [(320, 568), (390, 844), (640, 400), (768, 1024), (320, 256), (1280, 800)],
    ids=["320", "phone", "200 %", "tablet", "400 %", "desktop"],
)
def test_it_fits(readers: Callable[..., Reader], fake: Fake, width: int, height: int) -> None:
    """640 × 400 equals 1280 × 800 at 200 % zoom; 320 × 256 is about 400 %."""
    fake.replies = [
        Reply(
            f"{LONG}\n\n`{'code' * 40}` [1]\n\n| {LONG} | b |\n|---|---|\n| {LONG} | d |",
            [source(1, title="Word" * 40, section="Path › " * 30)],
            related=[near(1, title="Why" * 60, section="Path › " * 30)],
        )
    ]
    reader = readers(viewport={"width": width, "height": height})
    reader.open().ask("W" * 300)
    assert overflow(reader.page) == []
    assert reader.page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    box = reader.field.bounding_box()
    assert box
    assert box["y"] + box["height"] <= height, "the input is in view"


def test_turning_a_phone_keeps_the_panel_open(reader: Reader, site: Site) -> None:
    reader.open().ask()
    reader.page.set_viewport_size({"width": 390, "height": 844})
    expect(reader.page.locator("dialog.panel:modal")).to_have_count(1)
    reader.page.set_viewport_size({"width": 1280, "height": 800})
    expect(reader.page.locator("dialog.panel:modal")).to_have_count(0)
    expect(reader.page.locator("dialog.panel")).to_be_visible()
    expect(reader.field).to_be_focused()


@pytest.mark.parametrize(
    ("language", "launcher", "placeholder"),
    [
        ("ar", "اسأل الكتاب", "اطرح سؤالًا"),
        ("ur-PK", "کتاب سے پوچھیں", "سوال پوچھیں"),
        ("he", "שאלו את הספר", "שאלו שאלה"),
    ],
)
def test_from_right_to_left(
    reader: Reader, fake: Fake, site: Site, language: str, launcher: str, placeholder: str
) -> None:
    site.root = f'lang="{language}" dir="rtl"'
    words = "شغّل المثبّت ثم اتبع أسئلته [1]. Use `install` then.\n\n1. أحضر الأرشيف [1].\n2. افتحه."
    fake.replies = [Reply(words, [source(1)])]
    reader.page.goto(site.url)
    expect(reader.page.locator(".launcher")).to_have_text(launcher)
    reader.page.locator(".launcher").click()
    field = reader.page.get_by_role("textbox", name=placeholder)
    field.fill("كيف أثبّته؟")
    field.press("Enter")
    expect(reader.answer.locator(".actions")).to_be_visible()
    for element in reader.answer.locator(".prose :is(p, ol, li)").all():
        assert element.evaluate("e => getComputedStyle(e).direction") == "rtl"
    header = reader.page.locator("header")
    close = header.locator("button").last.bounding_box()
    title = header.locator("h2").bounding_box()
    assert close
    assert title
    assert close["x"] < title["x"], "the close button is where a line ends"
    assert overflow(reader.page) == []
    assert violations(reader.page) == []


def test_the_language_of_the_element_wins(reader: Reader, site: Site) -> None:
    site.attributes = 'data-lang="de-AT"'
    reader.page.goto(site.url)
    expect(reader.page.locator(".launcher")).to_have_text("Frag das Buch")


def test_an_unknown_language_is_english(reader: Reader, site: Site) -> None:
    site.root = 'lang="tlh"'
    reader.page.goto(site.url)
    expect(reader.page.locator(".launcher")).to_have_text("Ask the book")
