"""Asking questions when everything works."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import PHONE, Reader, Site
from tests.browser.fake import ANSWER, Fake, Reply, source

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytest.importorskip("playwright.sync_api")
from playwright.sync_api import expect

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def test_one_line_gives_a_launcher_and_a_panel(reader: Reader, fake: Fake) -> None:
    reader.page.goto(reader.site.url)
    expect(reader.page.locator(".launcher")).to_have_text("Ask the book")
    assert fake.seen == ["GET /widget.js"], "no request before a click"
    reader.open()
    expect(reader.page.get_by_role("dialog", name="The Book of Books")).to_be_visible()
    expect(reader.field).to_be_focused()


def test_an_answer_is_rendered_as_markdown(reader: Reader, fake: Fake) -> None:
    answer = reader.open().ask()
    expect(answer.locator("strong").first).to_have_text("installer")
    expect(answer.locator("ol > li").nth(1)).to_contain_text("Unpack it")
    expect(answer.locator("pre code")).to_contain_text("# [1] stays as it is in code")
    expect(answer.locator("td").first).to_have_text("Linux")
    assert fake.asked[0]["message"] == "How do I install it?"
    assert UUID.fullmatch(fake.asked[0]["key"])
    assert "session_id" not in fake.asked[0]


def test_it_is_shown_while_it_arrives_and_can_be_stopped(reader: Reader, fake: Fake) -> None:
    fake.replies = [Reply(delay=0.05, held=True)]
    reader.open().type("How do I install it?")
    expect(reader.answer).to_contain_text("Run the")
    expect(reader.answer.locator(".actions")).to_have_count(0)
    reader.page.get_by_role("button", name="Stop").click()
    expect(reader.answer).to_contain_text("Stopped.")
    shown = reader.answer.inner_text()
    reader.page.wait_for_timeout(400)
    assert reader.answer.inner_text() == shown

    reader.page.get_by_role("button", name="Try again").click()
    expect(reader.answer.locator(".actions")).to_be_visible()
    expect(reader.turns).to_have_count(1)
    assert fake.asked[0]["key"] != fake.asked[1]["key"], "a stopped question gets a new key"


def test_citations_lead_to_the_sentence(reader: Reader, fake: Fake) -> None:
    answer = reader.open().ask()
    first = answer.locator(".cite").first
    assert first.get_attribute("href") == source(1)["url"]
    assert first.get_attribute("rel") == "noopener"
    assert first.get_attribute("target") == "_blank"
    assert first.get_attribute("aria-label") == "Source 1: Installation (opens in a new tab)"
    expect(answer.locator(".sources a")).to_have_count(2)
    expect(answer.locator("pre .cite")).to_have_count(0)


def test_a_citation_into_this_site_opens_in_place(reader: Reader, fake: Fake, site: Site) -> None:
    here = [source(1, url=f"{site.url}/#later:~:text=The%20last%20words")]
    fake.replies = [Reply("It ends [1].", here)]
    link = reader.open().ask().locator(".cite")
    assert link.get_attribute("target") is None
    link.click()
    reader.page.wait_for_url("**/#later")
    expect(reader.page.get_by_role("dialog")).to_be_visible()


def test_the_finished_answer_decides_the_numbers(reader: Reader, fake: Fake) -> None:
    """The stream numbers all passages in the prompt; the finished answer only cited ones."""
    offered = [source(1), source(2), source(3)]
    fake.replies = [
        Reply("Look there [1].", [source(3)], offered=offered, streamed="Look there [3].")
    ]
    link = reader.open().ask().locator(".cite")
    expect(link).to_have_text("1")
    assert link.get_attribute("href") == source(3)["url"]


def test_numbers_without_a_source_stay_words(reader: Reader, fake: Fake) -> None:
    fake.replies = [Reply("See [9] and [1].\n\n[1]: https://evil.example", [source(1)])]
    answer = reader.open().ask()
    expect(answer.locator(".prose")).to_contain_text("See [9] and")
    assert answer.locator(".cite").first.get_attribute("href") == source(1)["url"]


def test_pointing_at_a_citation_shows_its_passage(reader: Reader) -> None:
    cite = reader.open().ask().locator(".cite").first
    preview = reader.page.get_by_role("tooltip")
    cite.hover()
    expect(preview).to_contain_text("Install › Linux")
    expect(preview).to_contain_text("asks where the books are to be kept")
    expect(cite).to_have_attribute("aria-describedby", "preview")
    preview.hover()
    reader.page.wait_for_timeout(350)
    expect(preview).to_be_visible()  # the preview itself can be hovered
    reader.page.keyboard.press("Escape")
    expect(preview).to_be_hidden()
    expect(reader.page.get_by_role("dialog")).to_be_visible()


def test_a_preview_stays_while_the_page_moves_under_the_pointer(reader: Reader, fake: Fake) -> None:
    """Automatic scrolling of a growing answer does not hide a preview under the pointer."""
    fake.replies = [Reply("Unpack it [1]." + "\n\nThere is more to say." * 60, [source(1)])]
    cite = reader.open().ask().locator(".cite").first
    log = reader.page.get_by_role("region", name="Conversation")
    preview = reader.page.get_by_role("tooltip")
    cite.hover()
    expect(preview).to_be_visible()
    before = log.evaluate("log => log.scrollTop")
    assert log.evaluate("log => (log.scrollTop += log.scrollTop ? -2 : 2)") != before
    reader.page.wait_for_timeout(350)
    expect(preview).to_be_visible()
    reader.page.mouse.move(5, 5)
    expect(preview).to_be_hidden()


def test_a_preview_hides_with_its_link(reader: Reader, fake: Fake) -> None:
    """The link still has focus but is scrolled out of view."""
    fake.replies = [Reply("Unpack it [1]." + "\n\nThere is more to say." * 60, [source(1)])]
    cite = reader.open().ask().locator(".cite").first
    preview = reader.page.get_by_role("tooltip")
    cite.focus()
    expect(preview).to_be_visible()
    log = reader.page.get_by_role("region", name="Conversation")
    log.evaluate("log => (log.scrollTop = log.scrollHeight)")
    expect(preview).to_be_hidden()
    expect(cite).to_be_focused()


def test_a_preview_stays_with_the_focus_when_the_pointer_leaves(reader: Reader) -> None:
    """WCAG 2.2, 1.4.13: it stays until the link loses focus."""
    cite = reader.open().ask().locator(".cite").first
    preview = reader.page.get_by_role("tooltip")
    cite.focus()
    cite.hover()
    expect(preview).to_be_visible()
    reader.page.mouse.move(5, 5)
    reader.page.wait_for_timeout(350)
    expect(preview).to_be_visible()
    reader.field.focus()
    expect(preview).to_be_hidden()


def test_focusing_a_citation_shows_its_passage(reader: Reader) -> None:
    answer = reader.open().ask()
    answer.locator(".cite").first.focus()
    reader.page.keyboard.press("Shift+Tab")
    reader.page.keyboard.press("Tab")
    expect(reader.page.get_by_role("tooltip")).to_contain_text("Installation")
    reader.page.keyboard.press("Escape")
    expect(reader.page.get_by_role("tooltip")).to_be_hidden()
    expect(answer.locator(".cite").first).to_be_focused()


def test_a_follow_up_stays_in_the_conversation(reader: Reader, fake: Fake) -> None:
    reader.open().ask()
    reader.ask("And on a Mac?")
    assert fake.asked[1]["session_id"] in fake.sessions
    assert fake.asked[1]["key"] != fake.asked[0]["key"]
    assert len(fake.sessions) == 1


def test_starters_are_asked_by_a_click(reader: Reader) -> None:
    reader.open()
    reader.page.get_by_role("button", name="Where is it configured?").click()
    expect(reader.turns.last.locator(".question")).to_contain_text("Where is it configured?")


def test_copying_gives_markdown_and_sources(readers: Callable[..., Reader], fake: Fake) -> None:
    reader = readers(permissions=["clipboard-read", "clipboard-write"])
    reader.open().ask()
    reader.page.get_by_role("button", name="Copy answer").click()
    expect(reader.page.locator("[aria-live]")).to_contain_text("Copied.")
    copied = reader.page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(ANSWER.strip())
    assert f"[1] Installation › Install › Linux: {source(1)['url']}" in copied
    reader.page.get_by_role("button", name="Copy code").click()
    reader.page.wait_for_function(
        "async () => (await navigator.clipboard.readText()).startsWith('./install --prefix')"
    )


def test_a_rating_is_saved_with_an_optional_comment(reader: Reader, fake: Fake) -> None:
    reader.open().ask()
    down = reader.page.get_by_role("button", name="Bad answer")
    down.click()
    expect(down).to_have_attribute("aria-pressed", "true")
    word = reader.page.get_by_role("textbox", name="Why? (optional)")
    expect(word).to_be_in_viewport(ratio=1)
    word.fill("Windows is missing")
    word.press("Enter")
    expect(reader.answer).to_contain_text("Thank you for your feedback.")
    expect(down).to_be_focused()
    (session,) = fake.sessions
    here = {"session_id": session, "n": 1}
    assert fake.ratings == [
        {**here, "rating": -1},
        {**here, "rating": -1, "comment": "Windows is missing"},
    ]

    reader.page.reload()
    reader.page.get_by_role("button", name="Bad answer").wait_for()
    expect(down).to_have_attribute("aria-pressed", "true")
    with reader.page.expect_response("**/feedback"):
        down.click()
    expect(down).to_have_attribute("aria-pressed", "false")
    assert fake.ratings[-1] == {**here, "rating": 0}


def test_a_reload_finds_the_conversation_again(reader: Reader, fake: Fake) -> None:
    reader.open().ask("How do I install it?")
    reader.ask("And on a Mac?")
    reader.page.reload()
    expect(reader.turns).to_have_count(2)  # the panel is open again
    expect(reader.turns.last.locator(".question")).to_contain_text("And on a Mac?")
    expect(reader.turns.last.locator(".cite").first).to_have_text("1")
    expect(reader.page.locator(".greeting")).to_be_hidden()
    reader.ask("Third?")
    assert len(fake.sessions) == 1


def test_a_long_history_is_shown_from_its_end(reader: Reader, fake: Fake) -> None:
    reader.open().ask()
    ((session, turns),) = fake.sessions.items()
    fake.sessions[session] = [{**turns[0], "n": n, "question": f"No. {n}?"} for n in range(1, 231)]
    reader.page.reload()
    expect(reader.turns).to_have_count(20)
    expect(reader.turns.first).to_contain_text("No. 211?")
    reader.page.get_by_role("button", name="Show earlier messages").click()
    expect(reader.turns).to_have_count(40)
    expect(reader.turns.first).to_contain_text("No. 191?")
    expect(reader.turns.first).to_be_focused()


def test_a_deleted_conversation_is_replaced_by_a_new_one(reader: Reader, fake: Fake) -> None:
    reader.open().ask()
    fake.sessions.clear()
    reader.page.reload()
    expect(reader.page.get_by_role("heading", name="What would you like to know?")).to_be_visible()
    reader.ask()
    assert len(fake.sessions) == 1


def test_a_conversation_can_be_downloaded(reader: Reader, fake: Fake) -> None:
    save = reader.page.get_by_role("button", name="Download this conversation")
    reader.open()
    expect(save).to_be_hidden()
    reader.ask("How do I install it?")
    with reader.page.expect_download() as download:
        save.click()
    assert download.value.suggested_filename == "conversation.md"
    assert download.value.path().read_text() == "How do I install it?"

    fake.sessions.clear()
    save.click()
    notice = reader.page.get_by_role("dialog", name="There is no such conversation.")
    notice.get_by_role("button", name="Close").click()
    expect(notice).to_be_hidden()


def test_start_a_new_conversation_then_delete_everything(reader: Reader, fake: Fake) -> None:
    reader.open().ask()
    reader.page.get_by_role("button", name="New conversation").click()
    expect(reader.turns).to_have_count(0)
    expect(reader.field).to_be_focused()
    reader.ask()
    assert len(fake.sessions) == 2

    reader.page.get_by_role("button", name="Delete my conversations").click()
    question = reader.page.get_by_role("dialog", name="Delete all your conversations")
    expect(question.get_by_role("button", name="Cancel")).to_be_focused()
    reader.page.keyboard.press("Escape")
    expect(question).to_be_hidden()
    assert len(fake.sessions) == 2

    reader.page.get_by_role("button", name="Delete my conversations").click()
    question.get_by_role("button", name="Delete").click()
    expect(reader.page.locator(".greeting")).to_contain_text("Your conversations were deleted.")
    assert fake.sessions == {}
    assert reader.page.evaluate("localStorage.length") == 0
    reader.page.reload()
    expect(reader.page.locator(".greeting")).to_be_visible()
    expect(reader.turns).to_have_count(0)


def test_a_failed_deletion_is_reported_and_keeps_the_ids(reader: Reader, fake: Fake) -> None:
    reader.open().ask()
    fake.delete_status = 503
    reader.page.get_by_role("button", name="Delete my conversations").click()
    question = reader.page.locator("dialog.confirm")
    question.get_by_role("button", name="Delete").click()
    expect(question).to_contain_text("Deleting does not work right now.")
    fake.delete_status = 0
    question.get_by_role("button", name="Delete").click()
    expect(question).to_be_hidden()
    assert fake.sessions == {}


def test_notes_about_how_it_was_answered(reader: Reader, fake: Fake) -> None:
    fake.replies = [Reply(metadata={"fallback": "quota", "saved": False})]
    answer = reader.open().ask()
    expect(answer).to_contain_text("without the language model")
    expect(answer).to_contain_text("could not be saved")
    expect(answer.get_by_role("button", name="Good answer")).to_have_count(0)


def test_a_response_without_streaming(reader: Reader, fake: Fake) -> None:
    fake.replies = [Reply(plain=True)]
    expect(reader.open().ask().locator(".cite").first).to_have_text("1")


def select(page: Page, element: str) -> None:
    page.evaluate("id => getSelection().selectAllChildren(document.getElementById(id))", element)


def test_asking_about_highlighted_text(reader: Reader, fake: Fake, site: Site) -> None:
    reader.page.goto(site.url)
    select(reader.page, "passage")
    reader.page.get_by_role("button", name="Ask about this").click()
    quote = reader.page.locator(".composer .quote")
    expect(quote).to_contain_text("Fetch the archive for your platform")
    expect(reader.field).to_be_focused()
    answer = reader.ask("Which platforms?")
    expect(quote).to_be_hidden()
    expect(answer.locator("xpath=..").locator(".question blockquote")).to_contain_text("Fetch")
    assert fake.asked[0]["context"].startswith("Fetch the archive")
    assert fake.asked[0]["page"] == {
        "url": f"{site.url}/#install",
        "title": "A book",
        "heading": "Installing it",
    }
    reader.ask("And then?")
    assert "context" not in fake.asked[1]


def test_the_button_by_the_selection_is_reached_with_the_keyboard(
    reader: Reader, fake: Fake, site: Site
) -> None:
    page = reader.page
    page.goto(site.url)
    select(page, "passage")
    button = page.get_by_role("button", name="Ask about this")
    expect(button).to_be_visible()
    for _ in range(3):  # the permalink of the next heading, the launcher, the button
        page.keyboard.press("Tab")
        if button.evaluate("e => e.getRootNode().activeElement === e"):
            break
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".composer .quote")).to_contain_text("Fetch the archive")
    expect(reader.field).to_be_focused()


def test_the_button_by_the_selection_works_by_touch(
    readers: Callable[..., Reader], fake: Fake, site: Site
) -> None:
    reader = readers(**PHONE)
    reader.page.goto(site.url)
    select(reader.page, "passage")
    reader.page.get_by_role("button", name="Ask about this").tap()
    expect(reader.page.locator(".composer .quote")).to_contain_text("Fetch the archive")
    reader.ask("Which platforms?")
    assert fake.asked[0]["context"].startswith("Fetch the archive")


def test_highlighted_text_can_be_dropped_again(reader: Reader, fake: Fake, site: Site) -> None:
    reader.page.goto(site.url)
    select(reader.page, "last")
    reader.page.locator(".launcher").click()  # the launcher uses the selection
    expect(reader.page.locator(".composer .quote")).to_contain_text("The last words.")
    reader.page.get_by_role("button", name="Remove the highlighted text").click()
    reader.ask()
    assert "context" not in fake.asked[0]


def test_the_button_disappears_with_the_selection(reader: Reader, site: Site) -> None:
    reader.page.goto(site.url)
    button = reader.page.get_by_role("button", name="Ask about this")
    select(reader.page, "passage")
    expect(button).to_be_visible()
    reader.page.evaluate("getSelection().removeAllRanges()")
    expect(button).to_be_hidden()
