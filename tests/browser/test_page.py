"""The widget on a host page, and the service's own page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import router
from rag import providers
from tests.browser.conftest import PHONE, Reader, Site
from tests.browser.fake import Fake, serve

pytest.importorskip("playwright.sync_api")
from playwright.sync_api import expect


def test_attributes_of_the_script_tag(reader: Reader, fake: Fake, site: Site) -> None:
    site.attributes = (
        'data-heading="Our handbook" data-label="Ask us" data-accent="#7a1fa2" '
        'data-position="left" data-starters="First?| Second? |" data-theme="dark"'
    )
    reader.page.goto(site.url)
    launcher = reader.page.locator(".launcher")
    expect(launcher).to_have_text("Ask us")
    box = launcher.bounding_box()
    assert box
    assert box["x"] == 20
    launcher.click()
    expect(reader.page.get_by_role("dialog", name="Our handbook")).to_be_visible()
    expect(reader.page.locator(".suggestions button")).to_have_text(["First?", "Second?"])
    assert reader.page.locator(".book").get_attribute("data-theme") == "dark"


def test_an_element_in_the_page_is_enough(reader: Reader, fake: Fake, site: Site) -> None:
    """A page with its own element does not get a second one, and can set another API."""
    site.script = (
        f'<script type="module" src="{site.host}/widget.js"></script>'
        f'<ask-the-book mode="inline" heading="Here" api="{fake.url}"></ask-the-book>'
    )
    reader.page.goto(site.url)
    expect(reader.page.locator("ask-the-book")).to_have_count(1)
    expect(reader.page.locator(".launcher")).to_have_count(0)
    expect(reader.page.get_by_role("heading", name="Here")).to_be_visible()
    reader.ask()


@pytest.mark.parametrize(
    ("root", "style", "theme"),
    [
        ('lang="en" data-theme="dark"', "", "dark"),
        ('lang="en" data-theme="light"', "body { background: #111 }", "light"),
        ('lang="en" class="dark"', ".dark body { background: #1b1b1f }", "dark"),
        ('lang="en"', "body { background: #fff }", "light"),
        ('lang="en"', "html { background: rgb(30 30 40) }", "dark"),
        ('lang="en"', "", "dark"),
    ],
    ids=["docusaurus", "word-wins", "vitepress", "light-page", "dark-page", "system"],
)
def test_the_theme_follows_the_page(
    readers: Callable[..., Reader], site: Site, root: str, style: str, theme: str
) -> None:
    site.root, site.style = root, style
    reader = readers(color_scheme="dark")
    reader.page.goto(site.url)
    expect(reader.page.locator(".book")).to_have_attribute("data-theme", theme)


def test_it_follows_the_switch_of_the_page(reader: Reader, site: Site) -> None:
    site.root = 'lang="en" data-theme="light"'
    reader.page.goto(site.url)
    reader.page.evaluate("document.documentElement.dataset.theme = 'dark'")
    expect(reader.page.locator(".book")).to_have_attribute("data-theme", "dark")
    site.root = 'lang="en"'


def test_the_page_does_not_move(reader: Reader, site: Site) -> None:
    reader.page.add_init_script(
        "window.shifts = []; new PerformanceObserver(list => list.getEntries().forEach("
        "e => shifts.push(e.value))).observe({type: 'layout-shift', buffered: true})"
    )
    site.body *= 5
    reader.page.goto(site.url)
    place = "document.getElementById('install').getBoundingClientRect().toJSON()"
    reader.page.wait_for_timeout(300)
    before = reader.page.evaluate(place)
    reader.open().ask()
    reader.page.wait_for_timeout(200)
    assert reader.page.evaluate(place) == before
    assert sum(reader.page.evaluate("shifts")) == 0


def test_the_page_styles_do_not_affect_the_widget(reader: Reader, site: Site) -> None:
    site.style = (
        "* { color: red !important; font-size: 40px !important; display: block !important }"
    )
    reader.open()
    heading = reader.page.locator(".greeting h2")
    assert heading.evaluate("e => getComputedStyle(e).fontSize") == "21px"


def test_a_citation_on_a_phone_uncovers_the_page(
    readers: Callable[..., Reader], fake: Fake, site: Site
) -> None:
    fake.default.sources = [{**fake.default.sources[0], "url": f"{site.url}/#later"}]
    reader = readers(**PHONE)
    reader.open().ask().locator(".cite").first.tap()
    reader.page.wait_for_url("**/#later")
    expect(reader.page.get_by_role("dialog")).to_be_hidden()


def test_the_keyboard_of_a_phone_leaves_the_input_in_view(readers: Callable[..., Reader]) -> None:
    reader = readers(**PHONE)
    reader.open()
    reader.page.evaluate(
        """() => {
          Object.defineProperty(visualViewport, 'height', {value: 430});
          visualViewport.dispatchEvent(new Event('resize'));
        }"""
    )
    box = reader.field.bounding_box()
    assert box
    assert box["y"] + box["height"] <= 430


def test_the_page_says_what_it_is(reader: Reader, fake: Fake) -> None:
    fake.config["title"] = 'Pots & "Pans" <b>'
    reader.page.goto(fake.url)
    page = reader.page
    expect(page.get_by_role("heading", level=1)).to_have_text('Pots & "Pans" <b>')
    assert page.title() == 'Pots & "Pans" <b>'
    expect(page.locator("aside")).to_contain_text("extractive, embedded")
    expect(page.locator("aside")).to_contain_text("It is kept for 90 days.")
    expect(page.get_by_role("link", name="book.example")).to_be_visible()
    reader.ask()
    expect(page.locator("ask-the-book .note")).to_have_count(0)  # the privacy note is shown once


def test_the_page_works_in_a_frame_of_another_site(reader: Reader, fake: Fake, site: Site) -> None:
    site.pages["/space"] = f'<iframe src="{fake.url}" title="Space" width="900" height="700">'
    reader.page.goto(f"{site.url}/space")
    frame = reader.page.frame_locator("iframe")
    field = frame.get_by_role("textbox", name="Ask a question")
    field.fill("How do I install it?")
    field.press("Enter")
    link = frame.locator(".cite").first
    expect(frame.locator(".actions")).to_be_visible()
    assert link.get_attribute("target") == "_blank"
    assert reader.page.context.cookies() == []


def test_a_page_that_asks_for_health_and_reads_no_body_finishes_loading(
    reader: Reader, site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Uses the real endpoint, because its headers decide how the browser treats an unread body."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ALLOWED_ORIGINS", site.url)
    providers.reset()
    with serve(router.create_app([r for r in router.ROUTES if r[1] == "/health"])) as url:
        site.pages["/early"] = (
            f"<script>fetch('{url}/health').then(r => (window.ok = r.ok))</script>"
        )
        reader.page.goto(f"{site.url}/early", wait_until="networkidle")
        assert reader.page.evaluate("window.ok")
    providers.reset()
    assert not list(tmp_path.iterdir()), "nothing was opened for it"


def test_without_javascript_the_page_still_explains_itself(
    readers: Callable[..., Reader], fake: Fake
) -> None:
    reader = readers(java_script_enabled=False)
    reader.page.goto(fake.url)
    expect(reader.page.locator("aside")).to_contain_text("You can delete them here at any time")
