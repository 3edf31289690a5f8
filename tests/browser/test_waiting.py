"""What a reader sees while nothing arrives, and keys that belong to an input method."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.browser.conftest import Reader, Site
from tests.browser.fake import Fake, Reply

pytest.importorskip("playwright.sync_api")
from playwright.sync_api import expect

WORKING = "Still working on your question…"
QUESTION = "How do I install it?"


def test_after_two_seconds_without_headers(reader: Reader, fake: Fake) -> None:
    fake.replies = [Reply(hang=4)]
    reader.open().type(QUESTION)
    status = reader.answer.locator(".status")
    expect(status).to_contain_text("Looking through the book…")
    expect(status).to_contain_text(WORKING)
    expect(reader.page.locator("[aria-live]")).to_contain_text(WORKING)
    expect(reader.answer.locator(".actions")).to_be_visible()
    expect(status).to_be_empty()


def test_after_two_seconds_without_a_token(reader: Reader, fake: Fake) -> None:
    """The session and the sources have arrived; they are nothing to read."""
    fake.replies = [Reply(pause_after=0)]
    reader.open().type(QUESTION)
    expect(reader.answer.locator(".status")).to_contain_text(WORKING)
    fake.released = True
    expect(reader.answer.locator(".actions")).to_be_visible()
    expect(reader.answer.locator(".status")).to_be_empty()


def test_a_pause_in_the_middle_of_an_answer(reader: Reader, fake: Fake) -> None:
    fake.replies = [Reply(pause_after=8)]
    reader.open().type(QUESTION)
    expect(reader.answer).to_contain_text("Run the installer")
    expect(reader.answer.locator(".status")).to_contain_text(WORKING)
    expect(reader.answer.locator(".prose")).to_contain_text("Run the installer")
    fake.released = True
    expect(reader.answer.locator(".actions")).to_be_visible()
    expect(reader.answer.locator(".status")).to_be_empty()
    said = reader.page.locator("[aria-live] p").all_inner_texts()
    assert said.count(WORKING) == 1


def test_a_quick_answer_says_nothing_of_it(reader: Reader, fake: Fake) -> None:
    reader.open().ask(QUESTION)
    reader.page.wait_for_timeout(2300)
    expect(reader.answer.locator(".status")).to_be_empty()


def test_stopping_ends_the_waiting_message(reader: Reader, fake: Fake) -> None:
    fake.replies = [Reply(pause_after=8)]
    reader.open().type(QUESTION)
    expect(reader.answer).to_contain_text("Run the installer")
    reader.page.get_by_role("button", name="Stop").click()
    reader.page.wait_for_timeout(2300)
    expect(reader.answer.locator(".status")).to_have_text("Stopped.Try again")
    fake.released = True


@pytest.mark.parametrize(
    ("statuses", "text"),
    [
        (["loading"], "The language model is being loaded…"),
        (["looking_further"], "Looking further in the book…"),
        (["loading", "looking_further"], "Looking further in the book…"),
        (["looking_further", "dreaming"], "Looking further in the book…"),
        (["toString"], WORKING),
    ],
)
def test_what_the_service_is_doing(
    reader: Reader, fake: Fake, statuses: list[str], text: str
) -> None:
    fake.replies = [Reply(statuses=statuses, pause_after=0)]
    reader.open().type(QUESTION)
    status = reader.answer.locator(".status")
    expect(status).to_have_text(text)
    reader.page.wait_for_timeout(2300)
    expect(status).to_have_text(text)
    fake.released = True
    expect(reader.answer.locator(".actions")).to_be_visible()
    expect(status).to_be_empty()


@pytest.mark.parametrize(
    ("language", "text"), [("de", "wird noch bearbeitet"), ("he", "עדיין בטיפול")]
)
def test_in_the_language_of_the_reader(
    readers: Callable[..., Reader], fake: Fake, site: Site, language: str, text: str
) -> None:
    site.attributes = f'data-lang="{language}"'
    fake.replies = [Reply(pause_after=0)]
    reader = readers()
    reader.open()
    field = reader.page.locator("textarea")
    field.fill(QUESTION)
    field.press("Enter")
    expect(reader.answer.locator(".status")).to_contain_text(text)
    fake.released = True


def test_texts_that_cannot_be_loaded_are_english(
    readers: Callable[..., Reader], fake: Fake, site: Site
) -> None:
    site.attributes = 'data-lang="de"'
    reader = readers()
    reader.page.route("**/widget-languages.js", lambda route: route.abort())
    reader.page.goto(site.url)
    expect(reader.page.locator(".launcher")).to_have_text("Ask the book")


def test_an_answer_that_is_not_saved_says_so(reader: Reader, fake: Fake) -> None:
    fake.replies = [Reply(metadata={"saved": False})]
    answer = reader.open().ask()
    expect(answer).to_contain_text("This answer could not be saved.")
    expect(answer.get_by_role("button", name="Good answer")).to_have_count(0)


# ------------------------------------------------------------ input methods


def press(reader: Reader, key: str, **given: object) -> None:
    """Send a key as an input method does; the browser itself cannot be made to."""
    event = json.dumps({"key": key, "bubbles": True, "composed": True, "cancelable": True, **given})
    reader.field.evaluate(f"field => field.dispatchEvent(new KeyboardEvent('keydown', {event}))")


def compose(reader: Reader, kind: str, data: str) -> None:
    event = json.dumps({"data": data, "bubbles": True, "composed": True})
    reader.field.evaluate(f"field => field.dispatchEvent(new CompositionEvent('{kind}', {event}))")


@pytest.mark.parametrize(
    "given",
    [
        {"keyCode": 229},  # Safari: after compositionend
        {"keyCode": 229, "isComposing": True},  # Chrome and Firefox: before it
        {"keyCode": 13, "isComposing": True},
        {"keyCode": 229, "which": 229, "code": "Enter"},
        {"keyCode": 229, "code": "NumpadEnter"},
        {"keyCode": 13, "repeat": True},  # the key is still held down
        {"keyCode": 229, "ctrlKey": True},
        {"keyCode": 229, "metaKey": True, "isComposing": True},
        {"keyCode": 13, "altKey": True, "isComposing": True},
    ],
)
def test_enter_of_an_input_method_does_not_send(
    reader: Reader, fake: Fake, given: dict[str, object]
) -> None:
    reader.open()
    reader.field.fill("にほん")
    compose(reader, "compositionstart", "")
    if not given.get("isComposing"):
        compose(reader, "compositionend", "日本")
    press(reader, "Enter", **given)
    expect(reader.field).to_have_value("にほん")
    expect(reader.turns).to_have_count(0)
    compose(reader, "compositionend", "日本")
    reader.field.press("Enter")
    expect(reader.answer.locator(".actions")).to_be_visible()
    assert [asked["message"] for asked in fake.asked] == ["にほん"]


@pytest.mark.parametrize("given", [{"keyCode": 229}, {"keyCode": 27, "isComposing": True}])
def test_escape_of_an_input_method_does_not_close_the_panel(
    reader: Reader, given: dict[str, object]
) -> None:
    reader.open()
    reader.field.fill("にほん")
    press(reader, "Escape", **given)
    expect(reader.page.get_by_role("dialog")).to_be_visible()
    reader.field.press("Escape")
    expect(reader.page.get_by_role("dialog")).to_be_hidden()


def test_a_real_composition_is_sent_once_it_is_confirmed(reader: Reader, fake: Fake) -> None:
    reader.open()
    reader.field.focus()
    browser = reader.page.context.new_cdp_session(reader.page)
    browser.send(
        "Input.imeSetComposition", {"text": "にほん", "selectionStart": 3, "selectionEnd": 3}
    )
    press(reader, "Enter", keyCode=229, isComposing=True)
    assert fake.asked == []
    browser.send("Input.insertText", {"text": "日本"})
    reader.field.press("Enter")
    expect(reader.answer.locator(".actions")).to_be_visible()
    assert fake.asked[0]["message"] == "日本"
