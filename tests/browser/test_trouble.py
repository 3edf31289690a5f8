"""Failures: a clear message, a way to continue, and never a lost question."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import Reader, Site
from tests.browser.fake import Fake, Reply

if TYPE_CHECKING:
    from playwright.sync_api import Request

pytest.importorskip("playwright.sync_api")
from playwright.sync_api import expect

QUESTION = "How do I install it?"


def again(reader: Reader) -> None:
    """Retry, and check that there is one question with a complete answer."""
    reader.page.get_by_role("button", name="Try again").click()
    expect(reader.answer.locator(".actions")).to_be_visible()
    expect(reader.turns).to_have_count(1)
    expect(reader.answer.locator(".problem")).to_have_count(0)
    expect(reader.answer.locator(".prose > p")).to_have_count(1)


def until(reader: Reader, true: Callable[[], bool]) -> None:
    """Let the browser run until a condition on the backend is true."""
    for _ in range(600):
        if true():
            return
        reader.page.wait_for_timeout(50)
    raise AssertionError("the condition was never true")


def same_key(fake: Fake) -> bool:
    return len({asked["key"] for asked in fake.asked}) == 1


def test_too_many_questions_counts_down(reader: Reader, fake: Fake) -> None:
    detail = "That was a lot of questions in a short time."
    fake.replies = [Reply(problem={"status": 429, "detail": detail, "retry_after": 60})]
    reader.page.clock.install()
    reader.open().type(QUESTION)
    expect(reader.answer).to_contain_text(detail)
    button = reader.answer.get_by_role("button", name="Try again")
    expect(button).to_be_disabled()
    expect(button).to_have_text(re.compile(r"Try again in ([345]\d|60) s"))
    reader.page.clock.fast_forward(30_000)
    expect(button).to_have_text(re.compile(r"Try again in ([12]?\d|30) s"))
    reader.page.clock.fast_forward(30_000)
    expect(button).to_be_enabled()
    expect(button).to_have_text("Try again")
    reader.page.clock.resume()
    again(reader)
    assert same_key(fake)


def test_a_service_that_is_down_shows_its_message(reader: Reader, fake: Fake) -> None:
    detail = "A service this book depends on is not answering."
    fake.replies = [Reply(problem={"status": 503, "detail": detail})]
    reader.open().type(QUESTION)
    expect(reader.answer).to_contain_text(detail)
    expect(reader.page.locator("[aria-live]")).to_contain_text(detail)
    again(reader)
    assert same_key(fake)


def test_an_error_after_the_first_word(reader: Reader, fake: Fake) -> None:
    failure = {"status": 503, "detail": "The model stopped answering.", "code": "upstream"}
    fake.replies = [Reply(error_event=failure)]
    reader.open().type(QUESTION)
    expect(reader.answer).to_contain_text("The model stopped answering.")
    expect(reader.answer).to_contain_text("Run the installer")
    again(reader)


def test_a_broken_connection_keeps_the_partial_answer(reader: Reader, fake: Fake) -> None:
    fake.replies = [Reply(pause_after=7, cut_after=8)]
    reader.open().type(QUESTION)
    expect(reader.answer).to_contain_text("Run the installer")
    fake.released = True
    expect(reader.answer).to_contain_text("was lost before the answer was complete")
    expect(reader.answer).to_contain_text("Run the installer")
    expect(reader.page.get_by_role("button", name="Send")).to_be_visible()
    again(reader)
    assert same_key(fake)
    assert fake.asked[0] == fake.asked[1], "the same request, to the letter"


def test_a_question_that_is_refused_can_be_edited(reader: Reader, fake: Fake) -> None:
    fake.replies = [Reply(problem={"status": 422, "detail": "This question is too long."})]
    reader.open().type(QUESTION)
    expect(reader.answer).to_contain_text("This question is too long.")
    reader.page.get_by_role("button", name="Edit question").click()
    expect(reader.turns).to_have_count(0)
    expect(reader.field).to_have_value(QUESTION)
    expect(reader.field).to_be_focused()


def test_an_error_without_a_message_gets_one(reader: Reader, fake: Fake) -> None:
    fake.replies = [Reply(html=500)]
    reader.open().type(QUESTION)
    expect(reader.answer).to_contain_text("Something went wrong. Please try again.")
    expect(reader.answer).not_to_contain_text("Bad gateway")
    again(reader)


def test_offline_keeps_the_question_and_asks_it_later(reader: Reader, fake: Fake) -> None:
    reader.open()
    reader.page.context.set_offline(True)
    reader.type(QUESTION)
    expect(reader.answer).to_contain_text("You are offline. Your question will be sent")
    assert fake.asked == []
    reader.page.context.set_offline(False)
    expect(reader.answer.locator(".actions")).to_be_visible()
    expect(reader.turns).to_have_count(1)
    assert len(fake.asked) == 1


def test_a_sleeping_service_is_woken_and_asked(reader: Reader, fake: Fake) -> None:
    """Sleeping hosts return 503 with a page and without CORS headers."""
    reader.open()
    fake.seen.clear()
    fake.asleep_until = time.monotonic() + 3600
    reader.type(QUESTION)
    expect(reader.answer).to_contain_text("The service is not responding yet")
    expect(reader.page.locator("[aria-live]")).to_contain_text("may take a minute to start")
    expect(reader.page.get_by_role("button", name="Stop")).to_be_visible()
    until(reader, lambda: fake.seen.count("GET /health") >= 2)
    fake.asleep_until = 0
    expect(reader.answer.locator(".actions")).to_be_visible()
    assert len(fake.asked) == 1
    assert fake.seen.count("POST /chat") == 1, "it is /health that is asked again and again"


def test_the_waiting_message_is_in_view_below_a_long_conversation(
    reader: Reader, fake: Fake
) -> None:
    reader.page.set_viewport_size({"width": 390, "height": 520})
    reader.open()
    fake.default = Reply(problem={"status": 503, "detail": "It is not answering."})
    for n in range(4):
        reader.type(f"No. {n}?")
        expect(reader.answer).to_contain_text("It is not answering.")
    fake.asleep_until = time.monotonic() + 3600
    reader.type(QUESTION)
    message = reader.answer.locator(".status").get_by_text("is not responding yet")
    expect(message).to_be_visible()
    log = reader.page.get_by_role("region", name="Conversation")
    rest = "log => log.scrollHeight - log.clientHeight - log.scrollTop"
    reader.page.wait_for_function(f"log => ({rest})(log) < 2", arg=log.element_handle())


@pytest.mark.slow
def test_a_silent_service_gets_an_honest_message(reader: Reader, fake: Fake) -> None:
    fake.replies = [Reply(hang=12)]
    reader.open().type(QUESTION)
    expect(reader.answer).to_contain_text("Looking through the book")
    expect(reader.answer).to_contain_text("is not responding yet")
    expect(reader.answer.locator(".actions")).to_be_visible()
    assert len(fake.asked) == 1


@pytest.mark.slow
def test_a_service_that_never_wakes_times_out(reader: Reader, fake: Fake) -> None:
    reader.page.clock.install()
    reader.open()
    fake.asleep_until = time.monotonic() + 3600
    reader.type(QUESTION)
    expect(reader.answer).to_contain_text("is not responding yet")
    for _ in range(40):
        reader.page.clock.fast_forward(8_000)
        reader.page.wait_for_timeout(40)
        if reader.answer.locator(".problem").count():
            break
    expect(reader.answer).to_contain_text("cannot be reached right now")
    reader.page.clock.resume()
    fake.asleep_until = 0
    again(reader)
    assert same_key(fake)


def test_waking_can_be_stopped(reader: Reader, fake: Fake) -> None:
    reader.open()
    fake.asleep_until = time.monotonic() + 3600
    reader.type(QUESTION)
    expect(reader.answer).to_contain_text("is not responding yet")
    reader.page.get_by_role("button", name="Stop").click()
    expect(reader.answer).to_contain_text("Stopped.")
    fake.asleep_until = 0
    again(reader)


def test_the_panel_opens_before_a_sleeping_service_wakes(reader: Reader, fake: Fake) -> None:
    fake.asleep_until = time.monotonic() + 3600
    reader.open()
    expect(reader.page.locator(".greeting")).to_contain_text("is not responding yet")
    fake.asleep_until = 0
    expect(reader.page.get_by_role("button", name=QUESTION)).to_be_visible()
    expect(reader.page.locator(".greeting")).not_to_contain_text("asleep")


def test_an_unanswered_question_survives_a_reload(reader: Reader, fake: Fake) -> None:
    fake.asleep_until = time.monotonic() + 3600
    reader.open().type(QUESTION)
    expect(reader.turns).to_have_count(1)
    reader.page.reload()
    expect(reader.field).to_have_value(QUESTION)


def test_an_unreadable_history_does_not_stop_new_questions(reader: Reader, fake: Fake) -> None:
    reader.open().ask()
    fake.history_status = 503
    reader.page.reload()
    note = reader.page.locator(".loading")
    expect(note).to_contain_text("Earlier messages could not be loaded.")
    reader.ask("And on a Mac?")
    assert fake.asked[1]["session_id"] in fake.sessions
    fake.history_status = 0
    reader.page.reload()
    expect(reader.turns).to_have_count(2)


def test_a_rating_that_fails_is_undone(reader: Reader, fake: Fake) -> None:
    reader.open().ask()
    fake.asleep_until = time.monotonic() + 3600
    up = reader.page.get_by_role("button", name="Good answer")
    up.click()
    expect(reader.page.locator("[aria-live]")).to_contain_text("Something went wrong")
    expect(up).to_have_attribute("aria-pressed", "false")


def test_nothing_is_left_loading(reader: Reader, fake: Fake) -> None:
    """An unread `no-store` body would keep the page loading."""
    loading: list[Request] = []
    reader.page.on("request", lambda request: loading.append(request))
    reader.page.on("requestfinished", lambda request: loading.remove(request))
    reader.page.on("requestfailed", lambda request: loading.remove(request))
    reader.open()
    fake.replies = [Reply(html=503), Reply()]
    reader.ask()
    reader.page.get_by_role("button", name="Good answer").click()
    reader.page.get_by_role("button", name="Delete my conversations").click()
    reader.page.get_by_role("button", name="Delete", exact=True).click()
    expect(reader.turns).to_have_count(0)
    assert "GET /health" in fake.seen
    until(reader, lambda: not loading)


FRAMED = '<iframe sandbox="allow-scripts" title="book" src="{}" width="600" height="700"></iframe>'


def test_without_storage_it_lasts_as_long_as_the_page(
    readers: Callable[..., Reader], fake: Fake, site: Site
) -> None:
    """In a sandboxed frame with an opaque origin, localStorage throws."""
    site.pages["/outer"] = FRAMED.format(fake.url)
    reader = readers()
    reader.page.goto(f"{site.url}/outer")
    frame = reader.page.frame_locator("iframe")
    for n, question in enumerate((QUESTION, "And then?")):
        field = frame.get_by_role("textbox", name="Ask a question")
        field.fill(question)
        field.press("Enter")
        expect(frame.locator(".turn .actions")).to_have_count(n + 1)
    assert fake.asked[1]["session_id"] in fake.sessions


@pytest.mark.parametrize("config", [{}, {"title": None, "starters": None}], ids=["empty", "null"])
def test_an_empty_configuration(reader: Reader, fake: Fake, config: dict[str, Any]) -> None:
    fake.config = config
    reader.open()
    expect(reader.page.get_by_role("dialog", name="Ask the book")).to_be_visible()
    reader.ask()
